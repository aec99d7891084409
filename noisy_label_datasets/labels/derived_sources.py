"""Labels that are made from what a pool of raters said: flips with the pool's error rates, and the dial.

    IndependentFlips(of="medium")          # each rater errs as often as the pool's, on any image, towards any class
    ClassConditionalFlips(of="medium")     # ... and confuses the classes as that rater does
    Dial(rate=0.30)                        # sampled from a pool's probabilities, 30 % wrong

All three are paired with the pool: the same examples, as many raters, and rater r of the one imitates rater r of the
other. Rates and matrices are measured on `noisy_label_train` and hold for every split. Draws depend on the example's id
alone, and the dial draws at the same numbers whatever its rate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from noisy_label_datasets.labels.calibration import calibrated
from noisy_label_datasets.labels.sources import LabelContext, NoisyLabels, Raters
from noisy_label_datasets.noise import dial, metrics, noise_models
from noisy_label_datasets.noise.dial import DialError
from noisy_label_datasets.noise.noise_models import uniforms_of_ids

REFERENCE = "noisy_label_train"  # the split whose error rates are imitated


@dataclasses.dataclass(frozen=True)
class IndependentFlips:
    """Labels flipped to any other class alike, by each rater as often as by its model in the pool (Section 2.1).

    Attributes:
        of: the pool: 'medium'.
    """

    of: str

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels; see `LabelSource`."""
        pool = Raters(self.of).load(context)
        rates = metrics.error_rate_by_rater(pool.noisy_labels[REFERENCE], pool.clean_labels[REFERENCE])
        transitions = [noise_models.independent_transition(rate, len(context.class_names)) for rate in rates]
        return _flipped(pool, context, np.stack(transitions), "independent flips", self.of)


@dataclasses.dataclass(frozen=True)
class ClassConditionalFlips:
    """Labels flipped with the confusion matrix of each rater of the pool, whatever the image (Section 2.1).

    Attributes:
        of: the pool: 'medium'.
    """

    of: str

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels; see `LabelSource`."""
        pool = Raters(self.of).load(context)
        clean, num_classes = pool.clean_labels[REFERENCE], len(context.class_names)
        transitions = [
            noise_models.estimate_transition(noisy, clean, num_classes) for noisy in pool.noisy_labels[REFERENCE].T
        ]
        return _flipped(pool, context, np.stack(transitions), "class-conditional flips", self.of)


@dataclasses.dataclass(frozen=True)
class Dial:
    """Labels sampled from the probabilities of a pool, turned to a wanted error rate (see `dial`).

    Attributes:
        rate: wanted rater error rate on `noisy_label_train`, met within 0.002.
        of: the pool. The better its raters, the nearer to people's are the labels, at every rate (docs/measuring.md).
        knob: 'error_odds'; 'temperature', which cannot go below the error rate of the pool's hard labels; or 'skill',
            whose raters differ as people do.
    """

    rate: float
    of: str = "low"
    knob: str = "error_odds"

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise DialError(f"a rater error rate lies between 0 and 1, not {self.rate}")
        if self.knob not in dial.KNOBS:
            raise DialError(f"no knob {self.knob!r}; there are {', '.join(dial.KNOBS)}")

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels; see `LabelSource`.

        Raises:
            DialError: the rate is out of the pool's reach.
        """
        pool = Raters(self.of).load(context)
        predictions, _ = Raters(self.of).predictions(context)
        uniforms = {split: uniforms_of_ids(ids, len(pool.raters), "dial") for split, ids in pool.ids.items()}
        probabilities = {split: calibrated(predictions, split) for split in pool.ids}
        setting = dial.solve(
            self.knob,
            probabilities[REFERENCE],
            pool.clean_labels[REFERENCE],
            self.rate,
            uniforms[REFERENCE],
        )
        noisy_labels = {
            split: dial.draw(self.knob, probabilities[split], pool.clean_labels[split], setting, uniforms[split])
            for split in uniforms
        }
        made = {
            "noise_model": "sampled from the raters' calibrated probabilities",
            "wanted_rate": self.rate,
            "knob": self.knob,
            "setting": dial.common(setting),
            "spread": dial.KNOBS[self.knob].spread,
        }
        # Loss and average precision are of the probabilities as they were, not of these labels.
        kept = [
            {key: value for key, value in rater.items() if key not in ("loss", "mean_average_precision")}
            for rater in pool.raters
        ]
        return _derived(pool, context, noisy_labels, kept, made, self.of)


def _flipped(
    pool: NoisyLabels, context: LabelContext, transitions: np.ndarray, noise_model: str, level: str
) -> NoisyLabels:
    """Labels [n, R] of each split, flipped by transition matrices [R, K, K]."""
    noisy_labels = {
        split: noise_models.class_conditional_flips(
            pool.clean_labels[split], transitions, uniforms_of_ids(ids, len(pool.raters), noise_model)
        )
        for split, ids in pool.ids.items()
    }
    raters = [{"id": rater["id"]} for rater in pool.raters]  # no network stands behind these labels
    return _derived(pool, context, noisy_labels, raters, {"noise_model": noise_model}, level)


def _derived(
    pool: NoisyLabels,
    context: LabelContext,
    noisy_labels: Mapping[str, np.ndarray],
    raters: list[dict[str, Any]],
    made: Mapping[str, Any],
    level: str,
) -> NoisyLabels:
    """The pool with other labels; what the raters' features say of their skill is measured anew, as for any rater."""
    valid = "clean_label_valid"
    for rater, given in zip(raters, noisy_labels[valid].T, strict=True):
        rater["accuracy"] = float(np.mean(given == pool.clean_labels[valid]))
        confusion = metrics.confusion_matrix(given, pool.clean_labels[valid], len(context.class_names))
        rater["confusion_matrix"] = confusion.tolist()
    realised = {
        split: metrics.rater_error_rate(given, pool.clean_labels[split]) for split, given in noisy_labels.items()
    }
    return dataclasses.replace(
        pool,
        raters=tuple(raters),
        noisy_labels=noisy_labels,
        provenance={**made, "realised_rates": realised, "of": {"level": level, **pool.provenance}},
    )
