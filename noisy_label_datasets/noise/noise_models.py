"""Simple models of label noise, to set beside raters (Sections 2.1 and 2.3 of Gu et al. 2021).

    rng = np.random.default_rng(0)
    noisy = independent_flips(labels, 0.2, num_classes=10, uniforms=rng.random((len(labels), 10)))
    rater_error_rate(noisy, labels)          # the realised rate: 0.2 up to random variation

Labels are drawn by inverting a cumulative distribution at given `uniforms` [n, R], one number in [0, 1) per label: from
a generator, or `uniforms_of_ids`, which makes a label depend on its example's id and on nothing else in the dataset.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from noisy_label_datasets.noise import metrics
from noisy_label_datasets.noise.errors import NoiseError


def uniforms_of_ids(ids: Sequence[str] | np.ndarray, num_raters: int, seed: str) -> np.ndarray:
    """Numbers in [0, 1) from a hash of each example's id: [n, R] float64, the same in any order and on any machine.

    Args:
      ids: [n] ids.
      num_raters: R.
      seed: what the numbers are for; other seeds give independent numbers.
    """
    digests = b"".join(hashlib.shake_256(f"{seed}:{id_}".encode()).digest(8 * num_raters) for id_ in ids)
    integers = np.frombuffer(digests, dtype="<u8").reshape(len(ids), num_raters)
    return (integers >> np.uint64(11)) * 2.0**-53  # the 53 bits that a float64 holds


def sample_labels(probabilities: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Draws a label from each of the distributions `probabilities` [n, R, K] or, shared by the raters, [n, 1, K].

    The other choice of Section 2.2 of the paper: to sample a rater's label instead of taking its most likely one.

    Args:
      probabilities: non-negative; each distribution is normalised here.
      uniforms: [n, R] in [0, 1).

    Returns:
      [n, R] int32.
    """
    if probabilities.ndim != 3 or uniforms.shape not in (
        (*probabilities.shape[:2],),
        (len(probabilities), uniforms.shape[-1]),
    ):
        raise NoiseError(f"probabilities {list(probabilities.shape)} and uniforms {list(uniforms.shape)} do not fit")
    cumulative = np.cumsum(probabilities, axis=-1, dtype=np.float64)
    # Strictly below the total, so that rounding can never draw the class after the last one.
    level = uniforms[..., None] * cumulative[..., -1:]
    return (cumulative <= level).sum(axis=-1, dtype=np.int32)


def independent_transition(rate: float, num_classes: int) -> np.ndarray:
    """The transition matrix [K, K] of independent flipping.

    A label is wrong with probability `rate`, and then any of the K-1 *other* classes equally often: a rate of 0.5 means
    that half of the labels are wrong.
    """
    if not 0 <= rate <= 1:
        raise NoiseError(f"a rate of wrong labels lies in 0 .. 1, not {rate}")
    if num_classes < 2:
        raise NoiseError(f"flipping needs at least 2 classes, not {num_classes}")
    transition = np.full((num_classes, num_classes), rate / (num_classes - 1))
    np.fill_diagonal(transition, 1 - rate)
    return transition


def independent_flips(labels: np.ndarray, rate: float, num_classes: int, uniforms: np.ndarray) -> np.ndarray:
    """Independent (symmetric) flipping of labels [n] at a rate, by R raters alike: [n, R] int32."""
    return class_conditional_flips(labels, independent_transition(rate, num_classes), uniforms)


def class_conditional_flips(labels: np.ndarray, transition: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Class-conditional (asymmetric) flipping of labels [n], by R raters alike: [n, R] int32.

    Args:
      labels: clean labels in 0 .. K-1.
      transition: [K, K], rows clean classes, each row a distribution over noisy labels; or [R, K, K], one per rater.
      uniforms: [n, R] in [0, 1).
    """
    if (transition < 0).any() or not np.allclose(transition.sum(axis=-1), 1, atol=1e-6):
        raise NoiseError("every row of a transition matrix must be non-negative and sum to 1")
    # As `sample_labels` does, but the distributions are few: those of a rater and a class are added up once.
    cumulative = np.cumsum(np.broadcast_to(transition, (uniforms.shape[1], *transition.shape[-2:])), axis=-1)
    noisy_labels = np.empty(uniforms.shape, np.int32)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        for rater, up_to in enumerate(cumulative[:, label]):
            level = uniforms[rows, rater] * up_to[-1]
            noisy_labels[rows, rater] = np.searchsorted(up_to, level, side="right")
    return noisy_labels


def estimate_transition(noisy_labels: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """The transition matrix [K, K] with which class-conditional flipping confuses the classes as the given labels do.

    Args:
      noisy_labels: [n, R] or [n].
      labels: [n] clean labels; every class must occur.
      num_classes: K.
    """
    confusion = metrics.confusion_matrix(noisy_labels, labels, num_classes)
    total = confusion.sum(axis=1, keepdims=True)
    if (total == 0).any():
        raise NoiseError(f"no label was given to an example of class {np.argmin(total)}: its row cannot be estimated")
    return confusion / total


def extrapolated_errors(soft_labels: np.ndarray, labels: np.ndarray, rate: float) -> np.ndarray:
    """Soft labels moved along the line from the clean label through the given ones until their error rate is `rate`.

    Every wrong entry is multiplied by one factor, rate / (mean error), and the entry of the clean class takes what is
    left: exact on any dataset, but *negative* on an example whose error times the factor exceeds 1. The result is then
    a signed measure with rows that sum to 1, not a distribution. See `table1` for why it is wanted.

    Args:
      soft_labels: [n, K] distributions.
      labels: [n] clean labels.
      rate: the wanted mean error.

    Returns:
      [n, K] float64.
    """
    clean = np.eye(soft_labels.shape[1])[labels]
    error = 1 - np.take_along_axis(soft_labels, labels[:, None], axis=1).mean()
    if error <= 0:
        raise NoiseError("there is no wrong label to make more of")
    return clean + (rate / error) * (soft_labels - clean)


def upsampled_errors(soft_labels: np.ndarray, labels: np.ndarray, rate: float) -> np.ndarray:
    """Soft labels whose wrong votes are repeated until the mean error rate is `rate`: distributions [n, K].

    The wrong votes of every example count `factor` times, one factor for the dataset (below 1 where the rate is lower
    than it was), and each example is normalised again. Examples without a wrong vote keep none.

    Raises:
      NoiseError: the rate is above the share of examples with a wrong vote, which no factor can pass.
    """
    right = np.take_along_axis(soft_labels, labels[:, None], axis=1)[:, 0]
    wrong = 1 - right
    reachable = float(np.mean(wrong > 0))
    if not 0 < rate < reachable:
        raise NoiseError(f"an error rate of {rate} is out of reach; repeating wrong votes gives 0 .. {reachable:.3f}")

    def mean_error(factor: float) -> float:
        scaled = factor * wrong
        return float(np.mean(scaled / (scaled + right)))

    factor = np.exp(bisect(lambda log_factor: mean_error(np.exp(log_factor)), rate, -20.0, 20.0))
    scaled = soft_labels * factor
    np.put_along_axis(scaled, labels[:, None], right[:, None], axis=1)
    return scaled / scaled.sum(axis=1, keepdims=True)


def subsampled_ratings(noisy_labels: np.ndarray, size: int, uniforms: np.ndarray) -> np.ndarray:
    """Keeps the labels of `size` raters on each example, drawn anew for each, and marks the others MISSING: [n, R].

    To keep the same raters everywhere, choose columns: `noisy_labels[:, raters]`.
    """
    num_raters = noisy_labels.shape[1]
    if not 1 <= size <= num_raters:
        raise NoiseError(f"can keep 1 .. {num_raters} labels per example, not {size}")
    rank = np.argsort(np.argsort(uniforms, axis=1), axis=1)
    return np.where(rank < size, noisy_labels, metrics.MISSING)


def bisect(function: Callable[[float], float], target: float, low: float, high: float, steps: int = 60) -> float:
    """Returns x in [low, high] at which a non-decreasing function reaches `target`, to (high - low) / 2**steps."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < target else (low, middle)
    return (low + high) / 2
