"""Random access to the examples of a built dataset: what `tfds.data_source` gives, decoded in one go.

TFDS decodes an example feature by feature in Python, so that one of ours, which has three more than one of its base,
would take a fifth longer to read. Here the protocol buffer is taken apart at once; values and types are those of TFDS
(benchmarks/read.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import decode
from tensorflow_datasets.core.data_sources.array_record import ArrayRecordDataSource
from tensorflow_datasets.proto import tf_example_pb2


def _reader(feature: Any) -> Callable[[Any], Any] | None:
    """Returns what makes a value of a stored feature, None where only TFDS knows."""
    if isinstance(feature, tfds.features.Image):
        return lambda stored: feature.decode_example_np(stored.bytes_list.value[0])
    if isinstance(feature, tfds.features.Text):
        return lambda stored: stored.bytes_list.value[0]
    if isinstance(feature, tfds.features.ClassLabel) or (feature.shape == () and feature.np_dtype == np.int32):
        return lambda stored: stored.int64_list.value[0]
    if isinstance(feature, tfds.features.Tensor) and len(feature.shape) == 1 and feature.np_dtype == np.int64:
        return lambda stored: np.array(stored.int64_list.value, np.int64)
    return None


@dataclasses.dataclass(repr=False)
class ExampleSource(ArrayRecordDataSource):
    """TFDS's random access to array_record files, decoding whole examples faster."""

    _readers: dict[str, Callable[[Any], Any]] | None = dataclasses.field(default=None, init=False, compare=False)

    @classmethod
    def of(cls, source: ArrayRecordDataSource) -> ExampleSource:
        """Returns the same source, over the files that it has opened.

        Opened anew they would be others where TFDS is mocked (`tfds.testing.mock_data`): there its source has a reader
        of its own, and a dataset without splits.
        """
        faster = cls.__new__(cls)
        faster.__dict__.update(source.__dict__)
        return faster

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_readers": None}  # closures, which a loader's workers make anew

    def _deserialize(self, record: bytes) -> Any:
        if self._readers is None:
            self._readers = self._choose()
        if not self._readers or not isinstance(record, bytes):  # a mocked reader gives whole examples
            return super()._deserialize(record)
        stored = tf_example_pb2.Example.FromString(record).features.feature
        return {name: read(stored[name]) for name, read in self._readers.items()}

    def _choose(self) -> dict[str, Callable[[Any], Any]]:
        """Returns a reader for each feature; none at all where TFDS has to decode."""
        whole = self.deserialize_method == decode.DeserializeMethod.DESERIALIZE_AND_DECODE
        readers = {name: _reader(feature) for name, feature in sorted(self.dataset_info.features.items())}
        if self.decoders or not whole or None in readers.values():
            return {}
        return readers  # type: ignore[return-value]


def example_sources(sources: Any) -> Any:
    """Returns `sources`, as `as_data_source` gives them (one, or a dict or list of them), with `ExampleSource`s."""
    if isinstance(sources, dict):
        return {name: example_sources(source) for name, source in sources.items()}
    if isinstance(sources, (list, tuple)):
        return type(sources)(map(example_sources, sources))
    if type(sources) is not ArrayRecordDataSource:
        return sources
    return ExampleSource.of(sources)
