"""CIFAR-10N and CIFAR-100N: labels that people gave to the training images, as a source of a config's labels.

    NoisyLabelConfig(name="human_worst", source=CifarN("worst"))

Wei et al. 2022, "Learning with noisy labels revisited: a study using real-world human annotations" (ICLR), collected on
Mechanical Turk three labels for each training image of CIFAR-10 and one for each of CIFAR-100. They are under CC BY-NC
4.0, so they are no part of this package: the file of the authors' repository is fetched when it is first needed, at a
fixed revision, and checked against its SHA-256. It is in the order of the published files, torchvision's; here each
label belongs to an id.

Their side information (which annotators had a batch of ten images, and for how long) is left alone: in no published
order do annotators differ in their error rates by more than shuffled ones do.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from noisy_label_datasets import remote_files
from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.labels.sources import LabelContext, LabelSource, MissingLabelsError, NoisyLabels
from noisy_label_datasets.labels.torch_arrays import read_torch_arrays
from noisy_label_datasets.noise import metrics
from noisy_label_datasets.remote_files import RemoteFile, RemoteFileError

_REVISION = "49df7d8a69e355470c77c1c2f2424916325a394b"
_DATA = f"https://raw.githubusercontent.com/UCSC-REAL/cifar-10-100n/{_REVISION}/data"
_TRAIN = "train"  # the base split that people labelled
_NUM_EXAMPLES = 50_000
_MOST_BYTES = 2**23


class _Published(NamedTuple):
    """What the authors published for a base dataset.

    Attributes:
      file: with an array per kind of label.
      clean: the array of clean labels.
      columns: kind of labels -> the arrays that are its raters.
    """

    file: RemoteFile
    clean: str
    columns: Mapping[str, tuple[str, ...]]


PUBLISHED = {
    "cifar10": _Published(
        RemoteFile(f"{_DATA}/CIFAR-10_human.pt", "873e69c39cb9b5e97fb6bae2d60bb59b38a5cbc31d2b868f7903dcb2b9dd2310"),
        "clean_label",
        {
            "random": ("random_label1", "random_label2", "random_label3"),
            "worst": ("worse_label",),
            "aggregate": ("aggre_label",),
        },
    ),
    "cifar100": _Published(
        RemoteFile(f"{_DATA}/CIFAR-100_human.pt", "bd2d80409754d420292d622e15e25248ba21e37d27429efac49c8da723f44394"),
        "clean_label",
        {"random": ("noisy_label",)},
    ),
}
"""By the name of the base dataset."""

KINDS = ("random", "worst", "aggregate")
"""The three labels of an image; the wrong one of them, where one is wrong; their majority."""


@dataclasses.dataclass(frozen=True)
class CifarN(LabelSource):
    """Labels by people.

    Attributes:
      kind: of `KINDS`; of CIFAR-100 there is 'random' alone.
      path: of a copy of the authors' file; '': it is fetched once, into the user's cache folder.
    """

    kind: str
    path: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise PredictionsError(f"no human labels {self.kind!r}; there are {', '.join(KINDS)}")

    def describe(self) -> str:
        """See `LabelSource`."""
        what = {
            "random": "labels that people gave",
            "worst": "of the labels that people gave an image, a wrong one where there is one",
            "aggregate": "the majority of the labels that people gave an image",
        }[self.kind]
        return f"{what} (CIFAR-10N and CIFAR-100N, Wei et al. 2022; fetched from its authors, CC BY-NC 4.0)"

    def is_at_hand(self, context: LabelContext) -> bool:
        """See `LabelSource`."""
        published = PUBLISHED.get(context.base["name"])
        return published is not None and (
            pathlib.Path(self.path).exists() if self.path else remote_files.is_cached(published.file)
        )

    def is_by_humans(self) -> bool:
        """See `LabelSource`."""
        return True

    def absence(self, context: LabelContext) -> str:
        """See `LabelSource`."""
        return "published, not fetched"

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels of the five splits but `test`, which nobody labelled; see `LabelSource`."""
        published = PUBLISHED.get(context.base["name"])
        if published is None or self.kind not in published.columns:
            raise MissingLabelsError(
                f"there are no human labels {self.kind!r} of {context.base['name']}; there are, of "
                + "; of ".join(f"{base}: {', '.join(of_base.columns)}" for base, of_base in PUBLISHED.items())
            )
        columns = published.columns[self.kind]
        try:
            arrays = remote_files.read(
                published.file,
                lambda data: _checked(read_torch_arrays(data), (published.clean, *columns), len(context.class_names)),
                most_bytes=_MOST_BYTES,
                path=self.path or None,
            )
        except RemoteFileError as error:
            raise MissingLabelsError(str(error)) from error
        ids = np.array([f"{_TRAIN}_{i:05d}" for i in range(len(arrays[published.clean]))])
        clean = arrays[published.clean].astype(np.int32)
        noisy = np.stack([arrays[column] for column in columns], axis=1).astype(np.int32)
        split_of = context.split_plan.assign(_TRAIN, ids.tolist())
        rows = {split: np.flatnonzero(split_of == split) for split in context.split_plan.fractions[_TRAIN]}
        return NoisyLabels(
            raters=tuple(
                _features(column, noisy[:, r], clean, len(context.class_names), rows["clean_label_valid"])
                for r, column in enumerate(columns)
            ),
            division=context.split_plan,
            ids={split: ids[chosen] for split, chosen in rows.items()},
            clean_labels={split: clean[chosen] for split, chosen in rows.items()},
            noisy_labels={split: noisy[chosen] for split, chosen in rows.items()},
            provenance={
                "annotators": "people, on Amazon Mechanical Turk",
                "source": os.path.dirname(os.path.dirname(published.file.url)),
                "paper": "Wei et al. 2022, Learning with noisy labels revisited (ICLR)",
                "licence": "CC BY-NC 4.0",
            },
            origin="published",
            sha256=published.file.sha256 or "",
        )


def _features(column: str, noisy: np.ndarray, clean: np.ndarray, num_classes: int, valid: np.ndarray) -> dict:
    """Returns what is known of a column of labels, as of a rater: measured on `clean_label_valid`."""
    confusion = metrics.confusion_matrix(noisy[valid], clean[valid], num_classes)
    return {
        "id": column,
        "architecture": "human annotators",
        "accuracy": float(np.mean(noisy[valid] == clean[valid])),
        "confusion_matrix": confusion.tolist(),
    }


def _checked(arrays: Mapping[str, np.ndarray], wanted: tuple[str, ...], num_classes: int) -> Mapping[str, np.ndarray]:
    """Returns the arrays; raises ValueError unless those that are wanted are labels of all examples."""
    for name in wanted:
        if name not in arrays:
            raise ValueError(f"it has no array {name}; it has {', '.join(arrays)}")
        labels = arrays[name]
        if labels.shape != (_NUM_EXAMPLES,) or labels.min() < 0 or labels.max() >= num_classes:
            raise ValueError(f"{name} has shape {labels.shape}, not {_NUM_EXAMPLES} labels of {num_classes} classes")
    return arrays
