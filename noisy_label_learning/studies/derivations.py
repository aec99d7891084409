"""Problems that are made of another: with clean labels, imbalanced, with flips alike. Each is a frozen dataclass.

    clean = CleanLabels().of(problem)
    derived(problem, (CleanLabels(), ImbalancedPart(0.9)))

A derivation is part of a study's plan: it is sent to workers, and names what it makes, so that records are told apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from noisy_label_datasets.labels.imbalance import imbalanced
from noisy_label_datasets.noise import metrics, noise_models
from noisy_label_datasets.noise.noise_models import uniforms_of_ids
from noisy_label_learning.errors import LearningError, require
from noisy_label_learning.problem import Answers, NoisyExamples, PairedSubset, Problem

FLIPS = ("independent", "class_conditional")


@dataclasses.dataclass(frozen=True)
class Derivation:
    """How a problem is made of another."""

    def of(self, problem: Problem) -> Problem:
        """Returns the derived problem; its name says how it was made.

        Raises:
          NoisyLabelsError: it cannot be made of this problem.
        """
        raise NotImplementedError


def derived(problem: Problem, derivations: Sequence[Derivation]) -> Problem:
    """Returns what derivations make of a problem, one after the other."""
    for derivation in derivations:
        problem = derivation.of(problem)
    return problem


@dataclasses.dataclass(frozen=True)
class CleanLabels(Derivation):
    """The clean labels in the place of the noisy ones, in training and validation: what noise is measured against."""

    def of(self, problem: Problem) -> Problem:
        """See `Derivation`."""
        answers = problem.answers
        return _relabelled(
            problem,
            f"{_dataset(problem)}/clean",
            ({"id": "clean", "accuracy": 1.0},),
            answers.train_labels[:, None],
            answers.valid_labels[:, None],
        )


@dataclasses.dataclass(frozen=True)
class OneRater(Derivation):
    """The labels of one rater alone.

    Attributes:
      rater: its id.
    """

    rater: str

    def of(self, problem: Problem) -> Problem:
        """See `Derivation`; examples that this rater did not label are an error."""
        ids = [rater["id"] for rater in problem.data.raters]
        if self.rater not in ids:
            raise LearningError(f"{problem.data.name} has no rater {self.rater!r}; it has {', '.join(ids)}")
        column = ids.index(self.rater)
        return _relabelled(
            problem,
            f"{problem.data.name}_{self.rater}",
            (problem.data.raters[column],),
            problem.data.train.noisy_labels[:, [column]],
            problem.data.valid.noisy_labels[:, [column]],
        )


@dataclasses.dataclass(frozen=True)
class FlipsAlike(Derivation):
    """Flips that err as often as the labels do, whatever the image, by one rater.

    Attributes:
      kind: "independent", at the rate of wrong labels; or "class_conditional", with their confusion matrix. Both are
        counted on the training split, over all raters.
    """

    kind: str

    def __post_init__(self) -> None:
        require(self.kind in FLIPS, "kind", self.kind, f"one of {', '.join(FLIPS)}")

    def of(self, problem: Problem) -> Problem:
        """See `Derivation`."""
        data, answers = problem.data, problem.answers
        if self.kind == "independent":
            rate = metrics.rater_error_rate(data.train.noisy_labels, answers.train_labels)
            transition = noise_models.independent_transition(rate, data.num_classes)
        else:
            counts = metrics.confusion_matrix(data.train.noisy_labels, answers.train_labels, data.num_classes)
            if missing := np.flatnonzero(counts.sum(axis=1) == 0).tolist():
                raise LearningError(f"{data.name}: no example is of class {missing}, so its confusions are not known")
            transition = counts / counts.sum(axis=1, keepdims=True)
        accuracy = float(np.mean(np.diag(transition)[answers.train_labels]))
        labels = [
            noise_models.class_conditional_flips(
                of_split, transition, uniforms_of_ids(split.ids, 1, f"{self.kind} flips")
            )
            for split, of_split in ((data.train, answers.train_labels), (data.valid, answers.valid_labels))
        ]
        raters = ({"id": f"{self.kind}_flips", "accuracy": accuracy, "confusion_matrix": transition.tolist()},)
        return _relabelled(problem, f"{data.name}_{self.kind}", raters, *labels)


@dataclasses.dataclass(frozen=True)
class ImbalancedPart(Derivation):
    """A part of the examples of a binary task in which one class has a wanted share (`labels.imbalance`).

    Attributes:
      fraction: share of the larger class in training, validation and test.
      seed: another seed keeps other examples.
      majority: which class is the larger one.
    """

    fraction: float
    seed: int = 0
    majority: int = 0

    def of(self, problem: Problem) -> Problem:
        """See `Derivation`."""
        data, answers = problem.data, problem.answers
        if data.num_classes != 2:
            raise LearningError(f"imbalance is between two classes; {data.name} has {data.num_classes}")
        rows = [
            imbalanced(ids, labels, self.fraction, seed=self.seed, majority=self.majority)
            for ids, labels in (
                (data.train.ids, answers.train_labels),
                (data.valid.ids, answers.valid_labels),
                (_test_ids(problem), answers.test_labels),
            )
        ]
        return _part(problem, f"{data.name}_majority_{self.fraction:.2f}", *rows)


@dataclasses.dataclass(frozen=True)
class TrainingPart(Derivation):
    """A part of the training examples: those with the smallest hash of their id. What is small enough stays whole.

    Attributes:
      examples: how many.
    """

    examples: int

    def of(self, problem: Problem) -> Problem:
        """See `Derivation`."""
        data, answers = problem.data, problem.answers
        if self.examples >= len(data.train):
            return problem
        numbers = uniforms_of_ids(data.train.ids, 1, "training part")[:, 0]
        rows = np.sort(np.lexsort((data.train.ids, numbers))[: self.examples])
        everything = [np.arange(len(labels)) for labels in (answers.valid_labels, answers.test_labels)]
        return _part(problem, f"{data.name}_of_{self.examples}", rows, *everything)


def _dataset(problem: Problem) -> str:
    return problem.data.name.partition("/")[0]


def _test_ids(problem: Problem) -> np.ndarray:
    if problem.answers.test_ids is None:
        raise LearningError(f"{problem.data.name}: which test images are kept follows from ids, which are not known")
    return problem.answers.test_ids


def _relabelled(problem: Problem, name: str, raters: tuple, of_train: np.ndarray, of_valid: np.ndarray) -> Problem:
    """Returns the problem with labels [n, 1] of one rater."""
    train, valid = (
        dataclasses.replace(
            examples,
            noisy_labels=labels.astype(np.int32),
            noisy_label=labels[:, 0].astype(np.int32),
            rater=np.zeros(len(labels), np.int32),
        )
        for examples, labels in ((problem.data.train, of_train), (problem.data.valid, of_valid))
    )
    data = dataclasses.replace(problem.data, name=name, raters=raters, train=train, valid=valid)
    return Problem.of_parts(data, problem.answers)


def _part(problem: Problem, name: str, train: np.ndarray, valid: np.ndarray, test: np.ndarray) -> Problem:
    """Returns the problem of some rows of each split."""
    data, answers = problem.data, problem.answers
    kept = np.isin(data.paired.rows, train)
    paired = PairedSubset(np.searchsorted(train, data.paired.rows[kept]), data.paired.clean_labels[kept])
    part = dataclasses.replace(
        data, name=name, train=_rows(data.train, train), valid=_rows(data.valid, valid), paired=paired
    )
    of_part = Answers(
        train_labels=answers.train_labels[train],
        valid_labels=answers.valid_labels[valid],
        test_images=np.asarray(answers.test_images)[test],
        test_labels=answers.test_labels[test],
        test_ids=None if answers.test_ids is None else answers.test_ids[test],
    )
    return Problem.of_parts(part, of_part)


def _rows(examples: NoisyExamples, rows: np.ndarray) -> NoisyExamples:
    return NoisyExamples(
        **{f.name: np.asarray(getattr(examples, f.name))[rows] for f in dataclasses.fields(NoisyExamples)}
    )
