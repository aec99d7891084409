"""What becomes of a pool's labels along the dial: error, agreement, instance-dependence, distance to people.

    figures = measure(noisy_labels, labels, human_counts)          # of any labels of the CIFAR-10 test set
    for turned in sweep(probabilities, ids, labels, human_counts, rates=(0.2, 0.3)):
        print(turned.knob, turned.rate, turned.figures)

`noisy-labels evaluate --rates` prints it, and the tables of docs/measuring.md are made of it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from noisy_label_datasets.human import ciln_bench, table1
from noisy_label_datasets.noise import dial, metrics
from noisy_label_datasets.noise.instance_dependence import instance_dependence
from noisy_label_datasets.noise.metrics import Estimate
from noisy_label_datasets.noise.noise_models import uniforms_of_ids


@dataclasses.dataclass(frozen=True)
class Figures:
    """Figures of the labels of R raters.

    Attributes:
        error_rate: share of wrong labels.
        alpha: Krippendorff's.
        vote_variance, flip_rate_variance, explained_by_class: see `instance_dependence`.
        ratio: distance to people over that of independent flips, in the paper's way (`table1`).
        proper_ratio: the same as proper distributions; None where there are none of this error rate.
        ratio_of_four: as `ratio`, with `ciln_bench.LABELS` labels an image; None where there are fewer raters.
    """

    error_rate: float
    alpha: float
    vote_variance: float
    flip_rate_variance: float
    explained_by_class: float
    ratio: Estimate
    proper_ratio: Estimate | None
    ratio_of_four: Estimate | None


@dataclasses.dataclass(frozen=True)
class Turned:
    """A pool at a setting of a knob (`dial.common`); it and `figures` are None where the knob cannot reach the rate."""

    knob: str
    rate: float
    setting: float | None
    figures: Figures | None


def measure(noisy_labels: np.ndarray, labels: np.ndarray, human_counts: np.ndarray) -> Figures:
    """Returns the figures of labels.

    Args:
        noisy_labels: [n, R].
        labels: [n] clean labels.
        human_counts: [n, K] how often people gave each class to each example.
    """
    num_classes = human_counts.shape[1]
    found = instance_dependence(noisy_labels, labels, num_classes)
    table = table1.compare(noisy_labels, labels, human_counts)
    ratio = table.ratios["paper"]
    assert ratio is not None  # None for "proper" only
    four = ciln_bench.LABELS
    return Figures(
        error_rate=metrics.rater_error_rate(noisy_labels, labels),
        alpha=metrics.krippendorff_alpha(noisy_labels, num_classes),
        vote_variance=found.vote_variance,
        flip_rate_variance=found.flip_rate_variance,
        explained_by_class=found.explained_by_class,
        ratio=ratio,
        proper_ratio=table.ratios["proper"],
        ratio_of_four=table1.ratio_at(four, noisy_labels, labels, human_counts)
        if noisy_labels.shape[1] >= four
        else None,
    )


def sweep(
    probabilities: np.ndarray,
    ids: np.ndarray,
    labels: np.ndarray,
    human_counts: np.ndarray,
    rates: Sequence[float],
    knobs: Sequence[str] = tuple(dial.KNOBS),
) -> Iterator[Turned]:
    """Yields a pool turned to each rate by each knob.

    Args:
        probabilities: [n, R, K] of the raters.
        ids: [n] of the examples; labels are drawn at numbers that hang on them alone.
        labels: [n] clean labels.
        human_counts: [n, K].
        rates: rater error rates in (0, 1).
        knobs: of `dial.KNOBS`.

    Raises:
        DialError: a rate that is none, or a knob that there is not.
    """
    for knob, rate, setting, drawn in _drawn(probabilities, ids, labels, rates, knobs):
        if setting is None or drawn is None:
            yield Turned(knob, rate, None, None)
        else:
            yield Turned(knob, rate, dial.common(setting), measure(drawn, labels, human_counts))


def sweep_four(
    probabilities: np.ndarray,
    ids: np.ndarray,
    labels: np.ndarray,
    human_counts: np.ndarray,
    rates: Sequence[float],
    knobs: Sequence[str] = tuple(dial.KNOBS),
) -> Iterator[tuple[str, float, ciln_bench.Comparison | None]]:
    """Yields knob, rate and comparison in the way of CILN-Bench of a pool's best raters, as many as that has voters.

    Args and errors as those of `sweep`; None where the knob cannot reach the rate.
    """
    four = probabilities[:, ciln_bench.best(probabilities.argmax(axis=-1), labels)]
    for knob, rate, _, drawn in _drawn(four, ids, labels, rates, knobs):
        yield knob, rate, None if drawn is None else ciln_bench.compare(drawn, labels, human_counts)


def _drawn(
    probabilities: np.ndarray, ids: np.ndarray, labels: np.ndarray, rates: Sequence[float], knobs: Sequence[str]
) -> Iterator[tuple[str, float, np.ndarray | None, np.ndarray | None]]:
    """Yields knob, rate, settings [R] and labels [n, R]; None where the knob cannot reach the rate, as another can."""
    for rate in rates:
        if not 0 < rate < 1:
            raise dial.DialError(f"a rater error rate lies between 0 and 1, not {rate}")
    for knob in knobs:
        if knob not in dial.KNOBS:
            raise dial.DialError(f"no knob {knob!r}; there are {', '.join(dial.KNOBS)}")
    uniforms = uniforms_of_ids(ids, probabilities.shape[1], "dial")
    for rate, knob in itertools.product(rates, knobs):
        try:
            setting = dial.solve(knob, probabilities, labels, rate, uniforms)
        except dial.DialError:
            yield knob, rate, None, None
        else:
            yield knob, rate, setting, dial.draw(knob, probabilities, labels, setting, uniforms)
