"""Distances in the way of CILN-Bench, against a second computation, draw by draw."""

import numpy as np
import pytest

from noisy_label_datasets.human import ciln_bench
from noisy_label_datasets.noise import noise_models

N, K = 3_000, 6
RNG = np.random.default_rng(0)
LABELS = RNG.integers(K, size=N)
DOUBT = np.where(RNG.random(N) < 0.7, 0, RNG.beta(1, 4, N))[:, None]
OTHER = (LABELS + RNG.integers(1, K, N)) % K
COUNTS = np.stack([RNG.multinomial(50, p) for p in np.eye(K)[LABELS] * (1 - DOUBT) + np.eye(K)[OTHER] * DOUBT])


def people_at(rate):
    """As that benchmark's code states it: k = rate * right / ((1 - rate) * wrong), over all votes, image by image."""
    right = sum(int(COUNTS[i, LABELS[i]]) for i in range(N))
    k = rate * right / ((1 - rate) * (int(COUNTS.sum()) - right))
    rows = []
    for votes, label in zip(COUNTS, LABELS, strict=True):
        row = [float(v) if c == label else k * v for c, v in enumerate(votes)]
        rows.append([v / sum(row) for v in row])
    return np.array(rows)


def test_distances_are_those_of_a_second_computation():
    noisy = noise_models.sample_labels(people_at(0.15)[:, None], RNG.random((N, 4)))
    noisy[: N // 2] = noise_models.independent_flips(LABELS[: N // 2], 0.3, K, RNG.random((N // 2, 4)))
    rate = np.mean(noisy != LABELS[:, None])
    rng, ours, flips = np.random.default_rng(1), [], []
    votes = np.stack([np.bincount(given, minlength=K) for given in noisy])
    for _ in range(10):
        people = rng.multinomial(4, people_at(rate))
        flipped = np.where(
            rng.random((N, 4)) < rate, (LABELS[:, None] + rng.integers(1, K, (N, 4))) % K, LABELS[:, None]
        )
        ours.append(np.abs(votes - people).sum() / (2 * 4 * N))
        flipped_votes = np.stack([np.bincount(given, minlength=K) for given in flipped])
        flips.append(np.abs(flipped_votes - people).sum() / (2 * 4 * N))
    found = ciln_bench.compare(noisy, LABELS, COUNTS)
    assert found.error_rate == rate
    assert found.distance.value == pytest.approx(np.mean(ours), abs=0.002)
    assert found.flips.value == pytest.approx(np.mean(flips), abs=0.002)
    assert found.ratio.value == pytest.approx(np.mean(ours) / np.mean(flips), abs=0.01)
    assert 0 < found.ratio.half_width < 0.05


def test_people_are_nearer_than_flips_and_flips_as_near_as_flips():
    people = noise_models.sample_labels(people_at(0.15)[:, None], RNG.random((N, 4)))
    flips = noise_models.independent_flips(LABELS, 0.15, K, RNG.random((N, 4)))
    assert ciln_bench.compare(people, LABELS, COUNTS).ratio.value < 0.75
    found = ciln_bench.compare(flips, LABELS, COUNTS)
    assert found.ratio.value == pytest.approx(1, abs=0.05)  # one draw of the flips
    assert ciln_bench.distance_of_flips(0.15, LABELS, COUNTS) == pytest.approx(found.distance.value, abs=0.01)


def test_the_reported_distances_are_below_those_that_any_labels_can_have():
    for setting in ciln_bench.SETTINGS.values():
        assert 0 < setting.error_rate < 1
        # Two datasets of an error rate lie at most twice the rate apart.
        assert setting.distance < 2 * setting.error_rate
