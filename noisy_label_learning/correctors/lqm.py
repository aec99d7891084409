"""LQM, the paper's label quality model (Section 5): P(clean label | image, rater, given label), of few examples.

    corrected = LQM(gamma=0.75).correct(data, seed=0, tools=tools)

1.  An auxiliary classifier is trained on all noisy labels, and another on the paired subset, which may be fine-tuned
    from the first; the one with which LQM is better on held-out examples of the paired subset gives the logits that
    stand for the image.
2.  Each label of the paired subset is a row: logits, the label, the rater's features and confusion matrix. A network
    with one hidden layer of 8, 16 or 32 units, whose output is added to the logits, learns the cleaner label from it by
    cross-entropy.
3.  It is asked about every training example. The target is gamma LQM + (1 - gamma) y. What it says of the validation
    examples selects the epoch.

The paper chooses on validation data. Noisy validation has the raters' own mistakes, which a network learns where they
depend on the image: what imitates them best is best there. So all is chosen on the paired subset: the auxiliary, the
number of units and the weight decay by cross-validation, gamma by networks that are trained on the other examples. Of
few paired examples the model may learn less than the given labels say: gamma is 0 where the class that it takes for the
most probable one is wrong more often than the given label, by more than one standard error, and where no other gamma is
better.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from noisy_label_learning.correctors.aggregate import majority_labels
from noisy_label_learning.correctors.base import Corrected, Corrector, Tools, one_hot
from noisy_label_learning.correctors.dawid_skene import dawid_skene
from noisy_label_learning.correctors.quality_network import (
    LabelInputs,
    QualityNetwork,
    fit_quality_network,
    log_softmax,
)
from noisy_label_learning.correctors.rater_features import describe, paired_confusions
from noisy_label_learning.errors import LearningError, require
from noisy_label_learning.problem import NoisyExamples, TrainingData

AUXILIARIES = ("better", "all", "paired", "fine_tuned")
CLEANER_LABELS = ("clean", "best_raters", "aggregate")
CONFUSIONS = ("auto", "matrix", "column", "none")
_MOST_CLASSES_OF_A_MATRIX = 20
_ROWS_AT_ONCE = 4096
_BY_PAIRED_SUBSET = "cross-validation on the paired subset"


@dataclasses.dataclass(frozen=True)
class LQM(Corrector):
    """The label quality model.

    Attributes:
      gamma: weight of the model's output in the target, in [0, 1]; None: 0 where cross-validation on the paired subset
        says so, else the one of `gammas` with which a network that is trained on the targets of all other examples is
        best on the paired subset, of equal ones the smallest.
      gammas: what to choose from.
      auxiliary: what the auxiliary classifier is trained on: "all" noisy labels, the "paired" subset, or the "better"
        of these, as in the paper; or "fine_tuned", all noisy labels and thereafter the paired subset.
      folds: 1: the logits are of one classifier, which was trained on the paired subset: of that they look better than
        of other images. More: of as many classifiers, each trained on the other folds: of an image of the paired subset
        those of the one that has not seen it, of any other the mean of all.
      cleaner: where the paired subset's cleaner labels come from: the "clean" ones; the majority of the "best_raters",
        a third of them by accuracy on `clean_label_valid`; or the "aggregate" of all of them by Dawid & Skene's model.
        The last two use no clean label of the training split (Section 5: it is enough that they are less noisy).
      all_labels: whether the model learns from the labels of all raters on the paired subset, or from the drawn one.
      keep_clean: whether the paired subset's targets are the cleaner labels, which are known and which the baseline of
        as many clean labels is given too, or the model's output, as the paper has it.
      confusion: how the rater's confusion matrix, of K^2 numbers, enters: whole ("matrix"), as P(class | given label)
        ("column"), or not ("none"); "auto": whole for up to 20 classes.
      hidden: numbers of hidden units to choose from.
    """

    name: ClassVar[str] = "lqm"
    revision: ClassVar[int] = 6
    gamma: float | None = None
    gammas: tuple[float, ...] = (0.0, 0.5, 0.75, 1.0)
    auxiliary: str = "better"
    folds: int = 3
    cleaner: str = "clean"
    all_labels: bool = False
    keep_clean: bool = True
    confusion: str = "auto"
    hidden: tuple[int, ...] = (8, 16, 32)

    def __post_init__(self) -> None:
        for value in self.gammas if self.gamma is None else (self.gamma,):
            require(0 <= value <= 1, "gamma", value, "in [0, 1]")
        require(self.gamma is not None or bool(self.gammas), "gammas", self.gammas, "at least one value")
        require(self.auxiliary in AUXILIARIES, "auxiliary", self.auxiliary, f"one of {', '.join(AUXILIARIES)}")
        require(self.folds >= 1, "folds", self.folds, "1 or more")
        require(self.cleaner in CLEANER_LABELS, "cleaner", self.cleaner, f"one of {', '.join(CLEANER_LABELS)}")
        require(self.confusion in CONFUSIONS, "confusion", self.confusion, f"one of {', '.join(CONFUSIONS)}")
        require(bool(self.hidden) and min(self.hidden) >= 1, "hidden", self.hidden, "numbers of units, 1 or more")

    def correct(self, data: TrainingData, seed: int, tools: Tools) -> Corrected:
        """Returns the targets; see `Corrector`.

        Raises:
          LearningError: the paired subset is empty or lacks a class, or raters' features are no numbers.
        """
        data.check_paired(self.name)
        cleaner = cleaner_labels(data, self.cleaner)
        rows, labels, raters = _paired_labels(data, all_labels=self.all_labels)
        targets = cleaner[np.searchsorted(data.paired.rows, rows)]
        confusions = paired_confusions(
            labels, raters, targets, num_raters=len(data.raters), num_classes=data.num_classes
        )
        kind = self.confusion
        if kind == "auto":
            kind = "matrix" if data.num_classes <= _MOST_CLASSES_OF_A_MATRIX else "column"
        fitted, losses = {}, {}
        right = np.arange(len(rows)), targets
        for name in ("all", "paired") if self.auxiliary == "better" else (self.auxiliary,):
            of_splits = self._auxiliary_logits(name, data, cleaner, seed, tools)
            described = describe(data.raters)
            inputs, of_valid = (LabelInputs(log_softmax(each), described, confusions, kind) for each in of_splits)
            network = fit_quality_network(
                inputs.of(rows, labels, raters),
                targets,
                rows,
                hidden=self.hidden,
                num_classes=data.num_classes,
                seed=seed,
            )
            fitted[name] = inputs, of_valid, network
            losses[name] = float(-np.log(network.held_out[right]).mean())
        auxiliary = min(losses, key=lambda name: losses[name])
        inputs, of_valid, network = fitted[auxiliary]
        corrected = _asked(network, inputs, data.train)
        # How often the given label is wrong, the model's most probable one, and one drawn from the model, of examples
        # that it has not seen.
        of_rows = network.held_out.argmax(axis=1) != targets
        worse = of_rows.astype(float) - (labels != targets)
        wrong = {
            "given": float(np.mean(labels != targets)),
            "model": float(of_rows.mean()),
            "drawn": float(1 - network.held_out[right].mean()),
            "standard_error": float(worse.std() / np.sqrt(len(worse))),
        }
        known = one_hot(cleaner, data.num_classes) if self.keep_clean else None
        gamma, of_gammas = self._gamma(data, corrected, cleaner, wrong, seed, tools)
        paired = len(data.paired) if self.keep_clean else 0
        trusted = gamma > 0 or of_gammas["gamma_by"] != _BY_PAIRED_SUBSET
        return Corrected(
            _mixed(data, corrected, gamma, known),
            beliefs=_mixed(data, corrected, 1.0, known) if trusted else None,
            clean_labels_used=len(data.paired) if self.cleaner == "clean" else 0,
            confusions=confusions,
            expected_error=(gamma * wrong["drawn"] + (1 - gamma) * wrong["given"]) * (1 - paired / len(data.train)),
            error_basis=_BY_PAIRED_SUBSET,
            chosen={"auxiliary": auxiliary, "gamma": gamma},
            valid=_asked(network, of_valid, data.valid) if trusted else None,
            details={
                "auxiliary": auxiliary,
                "auxiliary_held_out_loss": {name: round(value, 4) for name, value in losses.items()},
                **network.chosen,
                "held_out_error": {name: round(value, 4) for name, value in wrong.items()},
                **of_gammas,
                "gamma": gamma,
                "rows": len(rows),
            },
        )

    def _auxiliary_logits(
        self, name: str, data: TrainingData, cleaner: np.ndarray, seed: int, tools: Tools
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns an auxiliary classifier's logits, of the training images [n, K] and the validation images [v, K]."""
        everything, paired = np.arange(len(data.train)), data.paired.rows

        def trained(on: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """Returns the logits of a classifier that has seen these places [p] of the paired subset."""
            if name == "fine_tuned":
                tuned_on = (paired[on], cleaner[on])
                return tools.classifier_logits(everything, data.train.noisy_label, seed, tuned_on)
            return tools.classifier_logits(paired[on], cleaner[on], seed)

        if name == "all":
            return tools.classifier_logits(everything, data.train.noisy_label, seed)
        places = np.arange(len(paired))
        if self.folds == 1:
            return trained(places)
        fold = np.random.default_rng(seed).permutation(len(places)) % self.folds
        of_folds = [tuple(map(log_softmax, trained(places[fold != k]))) for k in range(self.folds)]
        logits, of_valid = (np.mean(each, axis=0) for each in zip(*of_folds, strict=True))
        for k, (of_train, _) in enumerate(of_folds):
            logits[paired[fold == k]] = of_train[paired[fold == k]]
        return logits, of_valid

    def _gamma(
        self,
        data: TrainingData,
        corrected: np.ndarray,
        cleaner: np.ndarray,
        wrong: Mapping[str, float],
        seed: int,
        tools: Tools,
    ) -> tuple[float, dict[str, Any]]:
        """Returns gamma, and what chose it."""
        if self.gamma is not None:
            return self.gamma, {"gamma_by": "told"}
        if 0 in self.gammas and wrong["model"] - wrong["given"] > wrong["standard_error"]:
            return 0.0, {"gamma_by": _BY_PAIRED_SUBSET}
        others = np.setdiff1d(np.arange(len(data.train)), data.paired.rows)
        accuracies = {}
        for gamma in self.gammas if len(self.gammas) > 1 else ():
            mixed = Corrected(_mixed(data, corrected, gamma, None), 0)
            drawn = mixed.sampled(data.train.ids, seed).argmax(axis=1)
            logits, _ = tools.classifier_logits(others, drawn[others], seed)
            accuracies[gamma] = float(np.mean(logits[data.paired.rows].argmax(axis=1) == cleaner))
        best = max(self.gammas, key=lambda gamma: (accuracies.get(gamma, 0.0), -gamma))
        return best, {
            "gamma_by": "networks that were trained on other examples than the paired subset",
            "gamma_accuracy_on_paired_subset": {f"{gamma:g}": value for gamma, value in accuracies.items()},
        }


def _asked(network: QualityNetwork, inputs: LabelInputs, examples: NoisyExamples) -> np.ndarray:
    """Returns P(clean label) [n, K] of a split's examples, by the drawn label of each."""
    parts = np.array_split(np.arange(len(examples)), -(-len(examples) // _ROWS_AT_ONCE))
    return np.concatenate(
        [network.predict(inputs.of(some, examples.noisy_label[some], examples.rater[some])) for some in parts]
    )


def _mixed(data: TrainingData, corrected: np.ndarray, gamma: float, known: np.ndarray | None) -> np.ndarray:
    """Returns the targets [n, K]; known: those of the paired subset [m, K], or None."""
    mixed = gamma * corrected + (1 - gamma) * one_hot(data.train.noisy_label, data.num_classes)
    if known is not None:
        mixed[data.paired.rows] = known
    return mixed


def cleaner_labels(data: TrainingData, source: str) -> np.ndarray:
    """Returns the cleaner labels [m] int32 of the paired subset: see `LQM.cleaner`.

    Raises:
      LearningError: they need several raters and there is one, or they lack a class.
    """
    rows = data.paired.rows
    if source == "clean":
        return data.paired.clean_labels
    data.check_several_raters(f"lqm with cleaner labels from {source}")
    labels = data.train.noisy_labels[rows]
    if source == "best_raters":
        accuracies = np.array([float(rater["accuracy"]) for rater in data.raters])
        best = np.sort(np.argsort(-accuracies, kind="stable")[: max(1, len(data.raters) // 3)])
        from noisy_label_datasets.noise.metrics import vote_shares

        found = majority_labels(np.nan_to_num(vote_shares(labels[:, best], data.num_classes)), data.train.ids[rows])
    else:
        found = dawid_skene(labels, data.num_classes, pseudo_count=0.1).posterior.argmax(axis=1).astype(np.int32)
    if missing := sorted(set(range(data.num_classes)) - set(found.tolist())):
        raise LearningError(f"the cleaner labels from {source} lack the classes {missing}: enlarge paired_share")
    return found


def _paired_labels(data: TrainingData, *, all_labels: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns rows, labels and raters [l] of the labels of the paired subset that the model learns from."""
    rows = data.paired.rows
    if not all_labels:
        return rows, data.train.noisy_label[rows], data.train.rater[rows]
    labels = data.train.noisy_labels[rows]
    place, raters = np.nonzero(labels >= 0)
    return rows[place], labels[place, raters], raters
