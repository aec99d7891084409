"""Labels that are derived from the predictions of a pool of raters: flips at the pool's error rates, and the dial.

    IndependentFlips(of="medium")          # each rater errs as often as the pool's, on any image, towards any class
    ClassConditionalFlips(of="medium")     # ... and confuses the classes as that rater does
    Dial(rate=0.30)                        # sampled from the pool's rescaled probabilities, 30 % wrong

All three are paired with the pool: the same examples, as many raters, and rater r of the one imitates rater r of the
other. Rates and matrices are measured on `noisy_label_train` and hold for every split. Draws depend on the example's id
alone, and the dial draws at the same numbers whatever its rate. Flips of another kind are another subclass of `Flips`.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from noisy_label_datasets.labels.calibration import calibrated, temperatures
from noisy_label_datasets.labels.sources import LabelContext, LabelSource, NoisyLabels, Raters
from noisy_label_datasets.noise import dial, metrics, noise_models
from noisy_label_datasets.noise.dial import DialError
from noisy_label_datasets.noise.noise_models import uniforms_of_ids

REFERENCE = "noisy_label_train"  # the split whose error rates are imitated


@dataclasses.dataclass(frozen=True)
class Flips(LabelSource):
    """Labels flipped by transition matrices that imitate the raters of a pool, whatever the image.

    Attributes:
      of: the pool: 'medium'.
      SEED: of the draws (`uniforms_of_ids`). It is no text to be shown: another value would change every label.
      NOISE_MODEL: what the kind of flips is called in metadata and on cards.
    """

    of: str

    SEED: ClassVar[str]
    NOISE_MODEL: ClassVar[str]

    @abc.abstractmethod
    def transitions(self, noisy_labels: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
        """Returns a transition matrix per rater: [R, K, K], rows clean classes.

        Args:
          noisy_labels: [n, R] of the pool.
          labels: [n] clean labels.
          num_classes: K.
        """

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels; see `LabelSource`."""
        pool = Raters(self.of).load(context)
        transitions = self.transitions(
            pool.noisy_labels[REFERENCE], pool.clean_labels[REFERENCE], len(context.class_names)
        )
        noisy_labels = {
            split: noise_models.class_conditional_flips(
                pool.clean_labels[split], transitions, uniforms_of_ids(ids, len(pool.raters), self.SEED)
            )
            for split, ids in pool.ids.items()
        }
        raters = [{"id": rater["id"]} for rater in pool.raters]  # no network stands behind these labels
        return _derived(pool, context, noisy_labels, raters, {"noise_model": self.NOISE_MODEL}, self.of)

    def describe(self) -> str:
        """See `LabelSource`."""
        return f"{self.NOISE_MODEL} at the error rates of the raters of {self.of}"

    def depends_on(self) -> tuple[LabelSource, ...]:
        """See `LabelSource`."""
        return (Raters(self.of),)


@dataclasses.dataclass(frozen=True)
class IndependentFlips(Flips):
    """Labels flipped to any other class alike, by each rater as often as by its model in the pool (Section 2.1).

    Attributes:
      of: the pool: 'medium'.
    """

    SEED = "independent flips"
    NOISE_MODEL = "independent flips"
    README = "every rater errs as often, but on any image and towards any class alike"

    def transitions(self, noisy_labels: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
        """See `Flips`."""
        rates = metrics.error_rate_by_rater(noisy_labels, labels)
        return np.stack([noise_models.independent_transition(rate, num_classes) for rate in rates])


@dataclasses.dataclass(frozen=True)
class ClassConditionalFlips(Flips):
    """Labels flipped with the confusion matrix of each rater of the pool, whatever the image (Section 2.1).

    Attributes:
      of: the pool: 'medium'.
    """

    SEED = "class-conditional flips"
    NOISE_MODEL = "class-conditional flips"
    README = "it also confuses the classes as the rater does"

    def transitions(self, noisy_labels: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
        """See `Flips`."""
        return np.stack([noise_models.estimate_transition(noisy, labels, num_classes) for noisy in noisy_labels.T])


@dataclasses.dataclass(frozen=True)
class Dial(LabelSource):
    """Labels sampled from the rescaled probabilities of a pool, at a target error rate (see `noise.dial`).

    Attributes:
      rate: target rater error rate on `noisy_label_train`, met within 0.002.
      of: the pool. The better its raters, the nearer the labels are to those of human annotators, at every rate
        (docs/measuring.md).
      rescaling: 'error_odds'; 'temperature', which cannot go below the error rate of the pool's hard labels; or
        'skill', whose raters differ as human annotators do.
    """

    rate: float
    of: str = "low"
    rescaling: str = "error_odds"

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise DialError(f"a rater error rate lies between 0 and 1, not {self.rate}")
        if self.rescaling not in dial.RESCALINGS:
            raise DialError(f"no rescaling {self.rescaling!r}; there are {', '.join(dial.RESCALINGS)}")

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels; see `LabelSource`.

        Raises:
          DialError: the pool cannot reach the rate.
        """
        stored = Raters(self.of).stored(context)
        pool = stored.labels()
        uniforms = {split: uniforms_of_ids(ids, len(pool.raters), dial.SEED) for split, ids in pool.ids.items()}
        at = temperatures(stored.predictions)
        probabilities = {split: calibrated(stored.predictions, split, at) for split in pool.ids}
        setting = dial.solve(
            self.rescaling,
            probabilities[REFERENCE],
            pool.clean_labels[REFERENCE],
            self.rate,
            uniforms[REFERENCE],
        )
        noisy_labels = {
            split: dial.draw(self.rescaling, probabilities[split], pool.clean_labels[split], setting, uniforms[split])
            for split in uniforms
        }
        made = {
            "noise_model": "sampled from the raters' calibrated probabilities",
            "target_rate": self.rate,
            "rescaling": self.rescaling,
            "setting": dial.common(setting),
            "spread": dial.RESCALINGS[self.rescaling].spread,
        }
        # Loss and average precision are of the stored probabilities, not of these labels.
        features = [
            {key: value for key, value in rater.items() if key not in ("loss", "mean_average_precision")}
            for rater in pool.raters
        ]
        return _derived(pool, context, noisy_labels, features, made, self.of)

    def describe(self) -> str:
        """See `LabelSource`."""
        by = "" if self.rescaling == "error_odds" else f", rescaled by {self.rescaling}"
        return f"labels sampled from the probabilities of raters {self.of} so that {100 * self.rate:g} % are wrong{by}"

    def depends_on(self) -> tuple[LabelSource, ...]:
        """See `LabelSource`."""
        return (Raters(self.of),)


def _derived(
    pool: NoisyLabels,
    context: LabelContext,
    noisy_labels: Mapping[str, np.ndarray],
    raters: list[dict[str, Any]],
    made: Mapping[str, Any],
    of: str,
) -> NoisyLabels:
    """The pool with other labels; accuracy and confusion of the raters are measured on the new labels."""
    valid = "clean_label_valid"
    for rater, of_rater in zip(raters, noisy_labels[valid].T, strict=True):
        rater["accuracy"] = float(np.mean(of_rater == pool.clean_labels[valid]))
        confusion = metrics.confusion_matrix(of_rater, pool.clean_labels[valid], len(context.class_names))
        rater["confusion_matrix"] = confusion.tolist()
    realised = {
        split: metrics.rater_error_rate(of_split, pool.clean_labels[split]) for split, of_split in noisy_labels.items()
    }
    return dataclasses.replace(
        pool,
        raters=tuple(raters),
        noisy_labels=noisy_labels,
        provenance={**made, "realised_rates": realised, "of": {"level": of, **pool.provenance}},
    )
