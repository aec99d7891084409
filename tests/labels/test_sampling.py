"""The one noisy label of an example."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.labels.sampling import sample_raters


def all_labelled(ids, num_raters):
    return np.zeros((len(ids), num_raters), np.int32)


@given(st.lists(st.text(max_size=8), unique=True, min_size=1, max_size=30), st.integers(1, 50), st.randoms())
def test_a_rater_depends_on_the_id_alone(ids, num_raters, random):
    drawn = dict(zip(ids, sample_raters(ids, all_labelled(ids, num_raters)).tolist(), strict=True))
    assert all(0 <= rater < num_raters for rater in drawn.values())
    shuffled = random.sample(ids, len(ids))
    assert (
        dict(zip(shuffled, sample_raters(shuffled, all_labelled(shuffled, num_raters)).tolist(), strict=True)) == drawn
    )


@given(st.integers(1, 200), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_only_raters_who_labelled_the_example_are_drawn(n, num_raters, seed):
    """As if there were no others."""
    rng = np.random.default_rng(seed)
    ids = [f"train_{i}" for i in range(n)]
    noisy_labels = np.where(rng.random((n, num_raters)) < 0.5, -1, 3)
    noisy_labels[np.arange(n), rng.integers(num_raters, size=n)] = 3
    for id_, votes, drawn in zip(ids, noisy_labels, sample_raters(ids, noisy_labels).tolist(), strict=True):
        labelled = np.flatnonzero(votes != -1)
        assert drawn == labelled[sample_raters([id_], all_labelled([id_], len(labelled)))[0]]


def test_an_example_of_the_noisy_splits_that_nobody_labelled_is_an_error():
    with pytest.raises(PredictionsError, match="2 examples have no label of any rater, such as b"):
        sample_raters(["a", "b", "c"], np.array([[-1, 0], [-1, -1], [-1, -1]]))


def test_raters_are_drawn_uniformly_and_neighbours_independently():
    n, num_raters = 40_000, 10
    drawn = sample_raters([f"train_{i:05d}" for i in range(n)], np.zeros((n, num_raters), np.int32))
    counts = np.bincount(drawn, minlength=num_raters)
    chi2 = ((counts - n / num_raters) ** 2 / (n / num_raters)).sum()
    assert chi2 < 27.9  # 99.9th percentile at 9 degrees of freedom
    assert (drawn[1:] == drawn[:-1]).mean() == pytest.approx(1 / num_raters, abs=0.006)  # 4 sigma


def test_the_draw_does_not_follow_the_split():
    """Were split and rater the same hash, a split would have only some of the raters."""
    from noisy_label_datasets.base.splits import SplitPlan

    plan = SplitPlan(
        {
            "all": {
                "clean_label_train": 0.4,
                "clean_label_valid": 0.1,
                "noisy_label_train": 0.3,
                "noisy_label_valid": 0.1,
                "test": 0.1,
            }
        }
    )
    ids = np.array([str(i) for i in range(20_000)])
    of_split = ids[plan.assign("all", ids.tolist()) == "noisy_label_valid"]
    counts = np.bincount(sample_raters(of_split.tolist(), all_labelled(of_split, 4)), minlength=4)
    assert counts.min() > 0.2 * len(of_split)


def test_the_draw_stays_what_it_is():
    """As first released: whoever changes this changes the noisy label of every example that others have built."""
    ids = ["digits_00042", "train_00000", "test_09999"]
    assert sample_raters(ids, all_labelled(ids, 10)).tolist() == [2, 7, 6]
