"""Table 1's comparison on labels whose answer is known."""

import numpy as np
import pytest

from noisy_label_datasets.human import table1
from noisy_label_datasets.noise import metrics, noise_models
from noisy_label_datasets.noise.errors import NoiseError

N, R, K = 4_000, 10, 10
RNG = np.random.default_rng(0)
LABELS = RNG.integers(K, size=N)
# People: 50 labels per image, 60 % of the images without any doubt, the others wrong with a class of their own.
DOUBT = np.where(RNG.random(N) < 0.6, 0, RNG.beta(1, 6, N))[:, None]
COUNTS = np.stack(
    [
        RNG.multinomial(50, p)
        for p in np.eye(K)[LABELS] * (1 - DOUBT) + np.eye(K)[(LABELS + RNG.integers(1, K, N)) % K] * DOUBT
    ]
)
HUMAN = COUNTS / 50


def test_labels_from_people_are_nearest_and_flips_farthest():
    proper = noise_models.upsampled_errors(HUMAN, LABELS, 0.2)
    people = noise_models.sample_labels(proper[:, None], RNG.random((N, R)))
    table = table1.compare(people, LABELS, COUNTS)
    assert table.rows["raters"].error_rate == pytest.approx(0.2, abs=0.01)
    for row in table.rows.values():
        assert row.error_rate == pytest.approx(table.rows["raters"].error_rate, abs=0.01)
    assert table.rows["raters"].proper.value == pytest.approx(table.rows["human annotators"].proper.value, abs=0.005)
    assert table.ratios["proper"].value < table.ratios["paper"].value < 0.7
    assert table.human_error_rate == pytest.approx(DOUBT.mean(), abs=0.003)


def test_above_the_rate_that_people_can_be_brought_to_only_the_papers_way_is_left():
    most = np.mean(HUMAN[np.arange(N), LABELS] < 1)
    flips = noise_models.independent_flips(LABELS, most + 0.05, K, RNG.random((N, R)))
    table = table1.compare(flips, LABELS, COUNTS)
    assert table.ratios["proper"] is None
    assert "human annotators" not in table.rows
    assert table.rows["raters"].proper is None
    assert table.ratios["paper"].value == pytest.approx(1, abs=0.02)


def test_flips_compared_with_flips_have_ratio_one():
    flips = noise_models.independent_flips(LABELS, 0.3, K, RNG.random((N, R)))
    for ratio in table1.compare(flips, LABELS, COUNTS).ratios.values():
        assert ratio.value == pytest.approx(1, abs=0.02)
        assert 0 < ratio.half_width < 0.03


def test_the_rows_are_mean_distances():
    noisy = noise_models.independent_flips(LABELS, 0.3, K, RNG.random((N, R)))
    row = table1.compare(noisy, LABELS, COUNTS).rows["raters"]
    votes = np.stack([np.bincount(given, minlength=K) for given in noisy]) / R
    assert row.raw.value == pytest.approx(np.abs(votes - HUMAN).sum() / (2 * N))
    rate = np.mean(noisy != LABELS[:, None])
    one_hot = np.eye(K)[LABELS]
    error = np.sum(one_hot * (one_hot - HUMAN)) / N
    reference = one_hot + rate / error * (HUMAN - one_hot)
    assert row.paper.value == pytest.approx(np.abs(votes - reference).sum() / (2 * N))


def test_the_floor_is_that_of_splitting_fifty_labels():
    # Of a doubtful image with share p of one wrong class: ten draws against the other forty.
    table = table1.compare(noise_models.independent_flips(LABELS, 0.3, K, RNG.random((N, R))), LABELS, COUNTS)
    rng = np.random.default_rng(1)
    urns = [rng.permutation(np.repeat(np.arange(K), counts)) for counts in COUNTS]
    expected = np.mean(
        [
            np.abs(np.bincount(urn[:10], minlength=K) / 10 - np.bincount(urn[10:], minlength=K) / 40).sum() / 2
            for urn in urns
        ]
    )
    assert table.human_floor.value == pytest.approx(expected, abs=3 * table.human_floor.half_width)


def test_reproduction_is_the_distance_of_flips_from_the_extrapolated_people():
    for level, distance in table1.reproduction(LABELS, COUNTS, draws=2).items():
        rate = table1.PAPER_ERROR_RATES[level]
        flips = noise_models.independent_flips(LABELS, rate, K, RNG.random((N, 10)))
        reference = noise_models.extrapolated_errors(HUMAN, LABELS, rate)
        expected = metrics.mean_total_variation(metrics.vote_shares(flips, K), reference)
        assert distance.value == pytest.approx(expected.value, abs=0.01)
        assert distance.half_width == pytest.approx(expected.half_width, rel=0.1)


def test_the_papers_ratios():
    assert [table1.paper_ratio(level) for level in table1.LEVELS] == pytest.approx([0.87, 0.90, 0.94], abs=0.005)


def test_fewer_labels_an_image_are_compared_with_flips_of_as_many():
    proper = noise_models.upsampled_errors(HUMAN, LABELS, 0.2)
    people = noise_models.sample_labels(proper[:, None], RNG.random((N, R)))
    of_all = table1.ratio_at(R, people, LABELS, COUNTS)
    assert of_all.value == pytest.approx(table1.compare(people, LABELS, COUNTS).ratios["paper"].value, abs=0.01)
    flips = noise_models.independent_flips(LABELS, 0.2, K, RNG.random((N, R)))
    assert table1.ratio_at(4, flips, LABELS, COUNTS).value == pytest.approx(1, abs=0.01)
    # One rater in place of ten: the first alone, and so on, each against flips of its own rate.
    alone = [table1.compare(people[:, [r]], LABELS, COUNTS) for r in range(R)]
    raters, others = (np.mean([t.rows[name].paper.value for t in alone]) for name in ("raters", "independent flipping"))
    assert table1.ratio_at(1, people, LABELS, COUNTS).value == pytest.approx(raters / others, abs=0.01)
    with pytest.raises(NoiseError, match="11 labels per image of a pool of 10"):
        table1.ratio_at(11, people, LABELS, COUNTS)
