"""The five splits: disjoint, complete, of the wanted sizes, and a function of the id alone."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisy_label_datasets.base.splits import LABELLED_SPLITS, SPLITS, SplitPlan, SplitPlanError

FRACTIONS = {
    "train": {
        "clean_label_train": 0.4,
        "clean_label_valid": 0.1,
        "noisy_label_train": 0.4,
        "noisy_label_valid": 0.1,
    },
    "test": {"test": 1.0},
}
PLAN = SplitPlan(FRACTIONS)

id_sets = st.sets(st.text(min_size=1, max_size=12).filter(lambda s: s.isprintable()), min_size=1, max_size=60)


def test_names():
    assert LABELLED_SPLITS == ("clean_label_valid", "noisy_label_train", "noisy_label_valid", "test")
    assert set(SPLITS) - set(LABELLED_SPLITS) == {"clean_label_train"}


@given(id_sets, st.randoms(), st.integers(0, 5))
def test_a_split_depends_on_the_id_alone(ids, random, seed):
    plan = SplitPlan(FRACTIONS, seed=seed)
    ids = sorted(ids)
    together = dict(zip(ids, plan.assign("train", ids), strict=True))
    shuffled = random.sample(ids, len(ids))
    assert dict(zip(shuffled, plan.assign("train", shuffled), strict=True)) == together
    one_by_one = {id_: plan.assign("train", [id_])[0] for id_ in ids}
    assert one_by_one == together
    assert set(together.values()) <= set(FRACTIONS["train"])


def test_the_assignment_is_the_documented_hash():
    ids = [f"train_{i:05d}" for i in range(500)]
    ends = [
        (0.4, "clean_label_train"),
        (0.5, "clean_label_valid"),
        (0.9, "noisy_label_train"),
        (2, "noisy_label_valid"),
    ]
    expected = []
    for id_ in ids:
        place = int(hashlib.sha256(f"7:{id_}".encode()).hexdigest()[:16], 16) / 2**64
        expected.append(next(split for end, split in ends if place < end))
    assert SplitPlan(FRACTIONS, seed=7).assign("train", ids).tolist() == expected


def test_the_order_in_which_fractions_are_written_does_not_matter():
    backwards = {base: dict(reversed(shares.items())) for base, shares in reversed(FRACTIONS.items())}
    ids = [str(i) for i in range(200)]
    assert SplitPlan(backwards) == PLAN
    assert (SplitPlan(backwards).assign("train", ids) == PLAN.assign("train", ids)).all()


def test_sizes_of_cifar10_are_those_of_the_papers_release_to_chance():
    split_of = PLAN.assign("train", [f"train_{i:05d}" for i in range(50_000)])
    sizes = {split: int((split_of == split).sum()) for split in SPLITS[:4]}
    assert sum(sizes.values()) == 50_000
    released = {"noisy_label_train": 19_987, "noisy_label_valid": 5_021}  # Section 3 / the released files
    for split, size in released.items():
        share = FRACTIONS["train"][split]
        four_sigma = 4 * np.sqrt(50_000 * share * (1 - share))
        assert abs(sizes[split] - size) < four_sigma
    assert (PLAN.assign("test", ["test_00000", "test_00001"]) == "test").all()


def test_another_seed_gives_an_independent_division():
    ids = [str(i) for i in range(20_000)]
    a, b = PLAN.assign("train", ids), SplitPlan(FRACTIONS, seed=1).assign("train", ids)
    agreement = (a == b).mean()  # independent: the sum of the squared fractions
    assert agreement == pytest.approx(2 * 0.4**2 + 2 * 0.1**2, abs=0.015)


def test_json_round_trip():
    plan = SplitPlan(FRACTIONS, seed=3)
    assert SplitPlan.from_json(plan.to_json()) == plan


def without(split):
    shares = {name: share for name, share in FRACTIONS["train"].items() if name != split}
    total = sum(shares.values())
    return {"train": {name: share / total for name, share in shares.items()}, "test": {"test": 1.0}}


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({**FRACTIONS, "test": {"test": 0.9}}, "sum to 0.9, not 1"),
        ({**FRACTIONS, "test": {"tset": 1.0}}, "'tset'.*the splits are"),
        ({**FRACTIONS, "test": {"test": 2.0, "noisy_label_valid": -1.0}}, "above 0"),
        (without("noisy_label_valid"), "no base split gives.*noisy_label_valid"),
        ({}, "no base split gives"),
    ],
)
def test_faulty_fractions(fractions, message):
    with pytest.raises(SplitPlanError, match=message):
        SplitPlan(fractions)


def test_unknown_base_split_names_those_there_are():
    with pytest.raises(SplitPlanError, match=r"'validation'; it has \['test', 'train'\]"):
        PLAN.assign("validation", ["a"])


@pytest.mark.parametrize("value", [{}, {"fractions": 3, "seed": 0}, {"fractions": FRACTIONS, "seed": "0"}])
def test_json_that_is_no_plan(value):
    with pytest.raises(SplitPlanError):
        SplitPlan.from_json(value)
