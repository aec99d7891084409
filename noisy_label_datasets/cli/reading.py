"""The labels of a built dataset, read without decoding its images."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder

KEYS = ("id", "label", "noisy_labels", "noisy_label", "noisy_label_rater")


@dataclasses.dataclass(frozen=True)
class BuiltLabels:
    """What the n examples of a split of a built dataset carry, in the order of the files.

    Attributes:
      ids: [n] of text.
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


def read_labels(builder: "NoisyLabelBuilder", split: str) -> BuiltLabels:
    """Returns the labels of a split ('test', 'test[:1]') of a built dataset, whatever its file format."""
    examples = list(_examples(builder, split))
    return BuiltLabels(
        ids=[example["id"].decode() for example in examples],
        labels=np.array([example["label"] for example in examples], dtype=np.int32),
        noisy_labels=np.array([example["noisy_labels"] for example in examples], dtype=np.int32),
        noisy_label=np.array([example["noisy_label"] for example in examples], dtype=np.int32),
        noisy_label_rater=np.array([example["noisy_label_rater"] for example in examples], dtype=np.int32),
    )


def _examples(builder: "NoisyLabelBuilder", split: str) -> Iterable[Mapping[str, Any]]:
    import tensorflow_datasets as tfds

    if builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD:  # which knows no partial decoding
        return builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
    decoders = tfds.decode.PartialDecoding(dict.fromkeys(KEYS, True))
    return tfds.as_numpy(builder.as_dataset(split=split, decoders=decoders))
