"""The labels of a pool at many target error rates: error, agreement, instance dependence, distance to human labels.

    figures = measure(noisy_labels, labels, human_counts)          # of any labels of the CIFAR-10 test set
    for rescaled in sweep(probabilities, HumanLabelled(ids, labels, human_counts), rates=(0.2, 0.3)):
        print(rescaled.rescaling, rescaled.rate, rescaled.figures)

`noisy-labels evaluate --rates` prints it, and the tables of docs/measuring.md are made of it.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

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
      ratio: distance to human labels over that of independent flips, as in the paper (`table1`).
      proper_ratio: the same as proper distributions; None where there are none of this error rate.
      ratio_of_four: as `ratio`, with `ciln_bench.LABELS` labels per image; None where there are fewer raters.
    """

    error_rate: float
    alpha: float
    vote_variance: float
    flip_rate_variance: float
    explained_by_class: float
    ratio: Estimate
    proper_ratio: Estimate | None
    ratio_of_four: Estimate | None


class HumanLabelled(NamedTuple):
    """Images that human annotators labelled, too.

    Attributes:
      ids: [n]; labels are drawn at numbers that depend on them alone.
      labels: [n] clean labels.
      human_counts: [n, K] how often human annotators gave each class to each image.
    """

    ids: np.ndarray
    labels: np.ndarray
    human_counts: np.ndarray


@dataclasses.dataclass(frozen=True)
class Rescaled:
    """The figures of a pool at a target error rate.

    Attributes:
      rescaling: of `dial.RESCALINGS`.
      rate: the target.
      setting: of the rescaling (`dial.common`); None where it cannot reach the rate.
      figures: of the labels at this setting; None as above.
    """

    rescaling: str
    rate: float
    setting: float | None
    figures: Figures | None


@dataclasses.dataclass(frozen=True)
class RescaledFour:
    """The four best raters of a pool at a target error rate, compared in the way of CILN-Bench.

    Attributes:
      rescaling: of `dial.RESCALINGS`.
      rate: the target.
      comparison: with human annotators; None where the rescaling cannot reach the rate.
    """

    rescaling: str
    rate: float
    comparison: ciln_bench.Comparison | None


def measure(noisy_labels: np.ndarray, labels: np.ndarray, human_counts: np.ndarray) -> Figures:
    """Returns the figures of labels.

    Args:
      noisy_labels: [n, R].
      labels: [n] clean labels.
      human_counts: [n, K] how often human annotators gave each class to each example.
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
    images: HumanLabelled,
    rates: Sequence[float],
    rescalings: Sequence[str] = tuple(dial.RESCALINGS),
) -> Iterator[Rescaled]:
    """Yields the figures of a pool at each target rate by each rescaling.

    Args:
      probabilities: [n, R, K] of the raters.
      images: the n images.
      rates: target error rates in (0, 1).
      rescalings: of `dial.RESCALINGS`.

    Raises:
      DialError: a rate that is none, or a rescaling that does not exist.
    """
    for drawn in _drawn(probabilities, images, rates, rescalings):
        if drawn.settings is None or drawn.noisy_labels is None:
            yield Rescaled(drawn.rescaling, drawn.rate, None, None)
        else:
            figures = measure(drawn.noisy_labels, images.labels, images.human_counts)
            yield Rescaled(drawn.rescaling, drawn.rate, dial.common(drawn.settings), figures)


def sweep_four(
    probabilities: np.ndarray,
    images: HumanLabelled,
    rates: Sequence[float],
    rescalings: Sequence[str] = tuple(dial.RESCALINGS),
) -> Iterator[RescaledFour]:
    """Yields the comparison in the way of CILN-Bench of a pool's best raters, as many as that has voters.

    Arguments and errors are those of `sweep`.
    """
    four = probabilities[:, ciln_bench.best(probabilities.argmax(axis=-1), images.labels)]
    for drawn in _drawn(four, images, rates, rescalings):
        found = drawn.noisy_labels
        comparison = None if found is None else ciln_bench.compare(found, images.labels, images.human_counts)
        yield RescaledFour(drawn.rescaling, drawn.rate, comparison)


class _Drawn(NamedTuple):
    """Settings [R] and labels [n, R] at a target rate; None where the rescaling cannot reach the rate."""

    rescaling: str
    rate: float
    settings: np.ndarray | None
    noisy_labels: np.ndarray | None


def _drawn(
    probabilities: np.ndarray, images: HumanLabelled, rates: Sequence[float], rescalings: Sequence[str]
) -> Iterator[_Drawn]:
    for rate in rates:
        if not 0 < rate < 1:
            raise dial.DialError(f"a rater error rate lies between 0 and 1, not {rate}")
    for rescaling in rescalings:
        if rescaling not in dial.RESCALINGS:
            raise dial.DialError(f"no rescaling {rescaling!r}; there are {', '.join(dial.RESCALINGS)}")
    uniforms = uniforms_of_ids(images.ids, probabilities.shape[1], dial.SEED)
    for rate, rescaling in itertools.product(rates, rescalings):
        try:
            settings = dial.solve(rescaling, probabilities, images.labels, rate, uniforms)
        except dial.DialError:  # another rescaling may reach it
            yield _Drawn(rescaling, rate, None, None)
        else:
            noisy_labels = dial.draw(rescaling, probabilities, images.labels, settings, uniforms)
            yield _Drawn(rescaling, rate, settings, noisy_labels)
