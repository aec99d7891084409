"""A built dataset as it is stored: its images encoded, or its labels alone."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.info import full_name

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


class UnreadableError(NoisyLabelsError):
    """A built dataset whose files are damaged, or are not all there."""


KEYS = ("id", "label", "noisy_labels", "noisy_label", "noisy_label_rater")


@dataclasses.dataclass(frozen=True)
class BuiltLabels:
    """What the n examples of a split of a built dataset carry, in the order of the files.

    Attributes:
      ids: [n] ids.
      labels: [n] clean labels.
      noisy_labels: [n, R]; -1 where a rater has not labelled an example.
      noisy_label: [n].
      noisy_label_rater: [n].
    """

    ids: list[str]
    labels: np.ndarray
    noisy_labels: np.ndarray
    noisy_label: np.ndarray
    noisy_label_rater: np.ndarray


def read_labels(builder: tfds.core.DatasetBuilder, split: str) -> BuiltLabels:
    """Returns the labels of a split ('test', 'test[:1]') of a built dataset, whatever its file format.

    Raises:
      UnreadableError: its files are damaged, or some are not there.
    """
    with _reading(builder, split):
        examples = list(stored_examples(builder, split, KEYS))
        return _labels(examples)


def _labels(examples: list[Mapping[str, Any]]) -> BuiltLabels:
    return BuiltLabels(
        ids=[example["id"].decode() for example in examples],
        labels=np.array([example["label"] for example in examples], dtype=np.int32),
        noisy_labels=np.array([example["noisy_labels"] for example in examples], dtype=np.int32),
        noisy_label=np.array([example["noisy_label"] for example in examples], dtype=np.int32),
        noisy_label_rater=np.array([example["noisy_label_rater"] for example in examples], dtype=np.int32),
    )


def stored_examples(
    builder: tfds.core.DatasetBuilder, split: str, keys: Iterable[str] = ()
) -> Iterable[Mapping[str, Any]]:
    """Returns the examples of a split of a built dataset as they are stored, whatever its file format.

    Args:
      builder: of a prepared dataset.
      split: 'test', 'test[:1]'.
      keys: the features that are wanted; none: all. Images are encoded. array_record has no partial reading: there, all
        features are always read.

    Raises:
      UnreadableError: its files are damaged, or some are not there.
    """
    with _reading(builder, split):
        yield from _stored_examples(builder, split, keys)


@contextlib.contextmanager
def _reading(builder: tfds.core.DatasetBuilder, split: str) -> Iterator[None]:
    try:
        yield
    except NoisyLabelsError:
        raise
    except Exception as error:  # each format has half a dozen of its own
        said = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise UnreadableError(
            f"{split} of {full_name(builder)} in {builder.data_dir} cannot be read ({said}): remove that folder, and "
            f"`noisy-labels build {full_name(builder)}` builds it anew"
        ) from error


def _stored_examples(builder: tfds.core.DatasetBuilder, split: str, keys: Iterable[str]) -> Iterable[Mapping[str, Any]]:
    import tensorflow_datasets as tfds

    encoded = {"image": tfds.decode.SkipDecoding()}
    if builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD:
        return builder.as_data_source(split, decoders=encoded)
    wanted = dict.fromkeys(keys, True)
    decoders = tfds.decode.PartialDecoding(wanted, decoders=encoded if "image" in wanted else None) if keys else encoded
    return tfds.as_numpy(builder.as_dataset(split=split, decoders=decoders))
