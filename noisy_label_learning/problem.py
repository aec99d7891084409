"""What is learned from, and, apart from it, what is measured by.

    problem = Problem.load("clean_arrays/digits_noisy/1.0.0", "label_arrays/digits_noisy/1.0.0/high")
    problem.data.train.noisy_label      # [n], what a learner trains on
    problem.data.paired.clean_labels    # [m], the only clean labels that a learner may see
    problem.answers.test_labels         # never handed to an algorithm or a corrector

Algorithms and correctors are given `problem.data`, a `TrainingData`, whose types have no place for any other clean
label: whoever reaches for one finds no such attribute. `Answers` stay with the runner, which computes accuracies.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.files import to_json
from noisy_label_datasets.labels.label_arrays import LabelArrays
from noisy_label_datasets.labels.sources import NOISY_SPLITS
from noisy_label_datasets.noise.noise_models import uniforms_of_ids
from noisy_label_learning.errors import LearningError, require

PAIRED_SHARE = 0.1  # Section 5.2: M = 0.1 N


@dataclasses.dataclass(frozen=True)
class NoisyExamples:
    """A split without clean labels.

    Attributes:
      ids: [n] <U.
      images: [n, h, w, c] uint8.
      noisy_labels: [n, R] int32, a column per rater; -1 where a rater gave none.
      noisy_label: [n] int32, the label of one rater, drawn for each example.
      rater: [n] int32, which rater that is.
    """

    ids: np.ndarray
    images: np.ndarray
    noisy_labels: np.ndarray
    noisy_label: np.ndarray
    rater: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.ids)
        if self.images.ndim != 4 or self.images.dtype != np.uint8 or len(self.images) != n:
            raise LearningError(f"images are [{n}, h, w, c] uint8, given {self.images.shape} {self.images.dtype}")
        if self.noisy_labels.ndim != 2 or len(self.noisy_labels) != n or not self.noisy_labels.shape[1]:
            raise LearningError(f"noisy_labels are [{n}, R] with R of 1 or more, given {self.noisy_labels.shape}")
        for name in ("noisy_label", "rater"):
            if getattr(self, name).shape != (n,):
                raise LearningError(f"{name} is [{n}], given {getattr(self, name).shape}")
        if missing := int(np.count_nonzero(self.noisy_label < 0)):
            raise LearningError(
                f"{missing} of {n} examples have the noisy label -1, that is, none; leave them out of the split"
            )
        drawn = np.take_along_axis(self.noisy_labels, self.rater[:, None].astype(np.intp), axis=1)[:, 0]
        if (drawn != self.noisy_label).any():
            raise LearningError(
                f"{np.count_nonzero(drawn != self.noisy_label)} noisy labels are not those of their rater"
            )

    def __len__(self) -> int:
        return len(self.ids)


@dataclasses.dataclass(frozen=True)
class PairedSubset:
    """The training examples whose clean label a learner may see (Section 5.1).

    Attributes:
      rows: [m] int64, rising: places in the training split.
      clean_labels: [m] int32.
    """

    rows: np.ndarray
    clean_labels: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """All that an algorithm or a corrector is handed.

    Attributes:
      name: 'digits_noisy/high'.
      class_names: of the K classes.
      train, valid: the splits `noisy_label_train` and `noisy_label_valid`.
      raters: R mappings of features, in the order of the columns of `noisy_labels`.
      paired: the paired subset of `train`.
    """

    name: str
    class_names: tuple[str, ...]
    train: NoisyExamples
    valid: NoisyExamples
    raters: tuple[Mapping[str, Any], ...]
    paired: PairedSubset

    def __post_init__(self) -> None:
        if self.num_classes < 2:
            raise LearningError(f"{self.name} has the classes {list(self.class_names)}; learning needs 2 or more")
        for split in (self.train, self.valid):
            if split.noisy_labels.max() >= self.num_classes or split.noisy_labels.min() < -1:
                raise LearningError(
                    f"{self.name}: noisy labels lie in {split.noisy_labels.min()} .. {split.noisy_labels.max()}; "
                    f"with {self.num_classes} classes -1 .. {self.num_classes - 1} are allowed"
                )
            if split.noisy_labels.shape[1] != len(self.raters):
                raise LearningError(
                    f"{self.name}: noisy_labels have {split.noisy_labels.shape[1]} columns, but there are "
                    f"{len(self.raters)} raters"
                )

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)

    def check_paired(self, user: str) -> None:
        """Raises LearningError where the paired subset cannot serve: it is empty, or a class is absent from it."""
        missing = sorted(set(range(self.num_classes)) - set(self.paired.clean_labels.tolist()))
        if not len(self.paired):
            raise LearningError(f"{user} needs a paired subset; that of {self.name} is empty: enlarge paired_share")
        if missing:
            names = ", ".join(self.class_names[k] for k in missing)
            raise LearningError(
                f"{user} needs a paired subset of all classes; that of {self.name}, {len(self.paired)} examples, lacks "
                f"{names}: enlarge paired_share"
            )

    def check_several_raters(self, user: str) -> None:
        """Raises LearningError where no example has the labels of two raters."""
        if ((self.train.noisy_labels >= 0).sum(axis=1) < 2).all():
            raise LearningError(
                f"{user} compares the labels of several raters; {self.name} has one label per example "
                f"({len(self.raters)} {'rater' if len(self.raters) == 1 else 'raters'})"
            )


@dataclasses.dataclass(frozen=True)
class Answers:
    """What runs are measured by, and no algorithm or corrector is handed.

    Attributes:
      train_labels, valid_labels: clean labels of the noisy splits, [n] int32.
      test_images: [t, h, w, c] uint8.
      test_labels: [t] int32.
      test_ids: [t] <U; None where they are not known.
    """

    train_labels: np.ndarray
    valid_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    test_ids: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Problem:
    """A dataset to learn from, with what results are measured by.

    Attributes:
      data: for the learner.
      answers: for whoever measures.
      labels_sha256: over the noisy labels, which rater's was drawn, and the paired subset's clean labels.
      images_sha256: over ids and images, and the labels of test.
    """

    data: TrainingData
    answers: Answers
    labels_sha256: str
    images_sha256: str

    @classmethod
    def of(
        cls,
        name: str,
        class_names: tuple[str, ...],
        raters: tuple[Mapping[str, Any], ...],
        train: NoisyExamples,
        valid: NoisyExamples,
        answers: Answers,
        *,
        paired_share: float = PAIRED_SHARE,
    ) -> Problem:
        """Returns the problem of two noisy splits; the paired subset is drawn by a hash of each example's id.

        Raises:
          LearningError: the arrays do not fit together, or `paired_share` is no share.
        """
        require(0 <= paired_share <= 1, "paired_share", paired_share, "in [0, 1]")
        for split, labels in ((train, answers.train_labels), (valid, answers.valid_labels)):
            if labels.shape != (len(split),) or labels.min() < 0 or labels.max() >= len(class_names):
                raise LearningError(f"{name}: clean labels of a noisy split are {labels.shape}, wanted [{len(split)}]")
        rows = np.flatnonzero(uniforms_of_ids(train.ids, 1, "paired_subset")[:, 0] < paired_share)
        paired = PairedSubset(rows, answers.train_labels[rows])
        data = TrainingData(name, class_names, train, valid, raters, paired)
        return cls.of_parts(data, answers)

    @classmethod
    def of_parts(cls, data: TrainingData, answers: Answers) -> Problem:
        """Returns the problem of data and answers that fit together."""
        return cls(data, answers, _labels_sha256(data), _images_sha256(data, answers))

    @classmethod
    def load(
        cls, arrays: str | os.PathLike, labels: str | os.PathLike, *, paired_share: float = PAIRED_SHARE
    ) -> Problem:
        """Returns the problem of a folder of clean arrays and one of label arrays, joined by id.

        Examples without an image here, and those whose drawn rater gave no label, are left out.

        Args:
          arrays: of `CleanDataset.save`; images are memory-mapped.
          labels: of `LabelArrays.save`.
          paired_share: share of the training split whose clean label may be seen.

        Raises:
          CleanDatasetError, LabelArraysError: a folder does not hold what it should.
          LearningError: the two are of different datasets.
        """
        clean, noisy = CleanDataset.load(arrays), LabelArrays.load(labels)
        if clean.class_names != noisy.class_names or clean.name != noisy.name.partition("/")[0]:
            raise LearningError(
                f"the arrays are of {clean.name}, the labels of {noisy.name}: they do not belong together"
            )
        splits, truths = {}, {}
        for split in NOISY_SPLITS:
            images = clean.splits[split]
            order = np.argsort(images.ids)
            place = np.minimum(np.searchsorted(images.ids, noisy.ids[split], sorter=order), len(order) - 1)
            rows = order[place]
            raters = noisy.noisy_label_rater[split]
            drawn = noisy.noisy_labels[split][np.arange(len(raters)), raters]
            kept = np.flatnonzero((images.ids[rows] == noisy.ids[split]) & (drawn >= 0))
            if not len(kept):
                raise LearningError(f"{noisy.name}: no example of {split} has an image and a label")
            kept = kept[np.argsort(noisy.ids[split][kept])]
            rows = rows[kept]
            whole = np.array_equal(rows, np.arange(len(images)))  # as a rule: then nothing is copied into memory
            splits[split] = NoisyExamples(
                ids=noisy.ids[split][kept],
                images=images.images if whole else np.asarray(images.images)[rows],
                noisy_labels=noisy.noisy_labels[split][kept],
                noisy_label=drawn[kept],
                rater=raters[kept],
            )
            truths[split] = images.labels[rows]
        train, valid = NOISY_SPLITS
        test = clean.splits["test"]
        answers = Answers(truths[train], truths[valid], test.images, test.labels, test.ids)
        return cls.of(
            noisy.name,
            noisy.class_names,
            noisy.raters,
            splits[train],
            splits[valid],
            answers,
            paired_share=paired_share,
        )


def _labels_sha256(data: TrainingData) -> str:
    digest = hashlib.sha256(to_json([list(data.class_names), [rater["id"] for rater in data.raters]]))
    for split in (data.train, data.valid):
        digest.update(to_json(split.ids.tolist()))
        for array in (split.noisy_labels, split.noisy_label, split.rater):
            digest.update(np.ascontiguousarray(array.astype("<i4")).data)
    digest.update(np.ascontiguousarray(data.paired.rows.astype("<i8")).data)
    digest.update(np.ascontiguousarray(data.paired.clean_labels.astype("<i4")).data)
    return digest.hexdigest()


def _images_sha256(data: TrainingData, answers: Answers) -> str:
    digest = hashlib.sha256()
    for images in (data.train.images, data.valid.images, answers.test_images):
        digest.update(to_json(list(images.shape)))
        digest.update(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(answers.test_labels.astype("<i4")).data)
    return digest.hexdigest()
