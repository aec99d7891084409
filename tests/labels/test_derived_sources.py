"""Flips and the dial as sources of a config's labels, on an artifact of a small pool."""

import json

import numpy as np
import pytest

from noisy_label_datasets.base.splits import LABELLED_SPLITS, SplitPlan
from noisy_label_datasets.labels.derived_sources import ClassConditionalFlips, Dial, IndependentFlips
from noisy_label_datasets.labels.sources import LabelContext, Raters
from noisy_label_datasets.noise import metrics
from noisy_label_datasets.noise.dial import DialError
from noisy_label_datasets.noise.instance_dependence import instance_dependence
from tests.made_up import pool_folder, softmax, write_artifact

CLASSES = ("ant", "bee", "cat", "dog")
HALVES = {"clean_label_train": 0.4, "clean_label_valid": 0.1, "noisy_label_train": 0.4, "noisy_label_valid": 0.1}
PLAN = SplitPlan({"train": HALVES, "test": {"test": 1.0}})
COUNTS = dict(zip(LABELLED_SPLITS, (1_000, 8_000, 1_000, 1_000), strict=True))
SKILLS = {"weak": 0.6, "fair": 1.0, "good": 1.6}
BASE = {"name": "animals", "version": "1.0.0"}


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    examples = {s: (np.array([f"{s}_{i}" for i in range(n)]), rng.integers(4, size=n)) for s, n in COUNTS.items()}
    # What there is to see: classes 2 and 3 look alike, and some images are harder than others.
    looks = np.eye(4) + 0.5 * np.eye(4)[[0, 1, 3, 2]]
    seen = {s: 4 * looks[labels] + rng.normal(size=(len(labels), 4)) for s, (_, labels) in examples.items()}
    skills = list(SKILLS.values())
    write_artifact(
        pool_folder(data_dir, "animals_noisy"),
        lambda rater, _: {s: softmax(skills[rater] * e + rng.normal(size=e.shape)) for s, e in seen.items()},
        list(SKILLS),
        features=lambda rater: {"architecture": "vgg", "loss": 0.3, "accuracy": 0.9},
        dataset="animals_noisy", level="low", base=BASE, split_plan=PLAN, class_names=CLASSES, examples=examples,
    )  # fmt: skip
    return LabelContext("animals_noisy", BASE, CLASSES, PLAN, data_dir, data_dir / "nothing_shipped")


@pytest.fixture(scope="module")
def pool(context):
    return Raters("low").load(context)


def train(labels):
    return labels.noisy_labels["noisy_label_train"], labels.clean_labels["noisy_label_train"]


def test_siblings_err_as_often_as_the_pool_rater_by_rater(context, pool):
    for source in (IndependentFlips("low"), ClassConditionalFlips("low")):
        sibling = source.load(context)
        assert [rater["id"] for rater in sibling.raters] == list(SKILLS)
        np.testing.assert_array_equal(sibling.ids["noisy_label_train"], pool.ids["noisy_label_train"])
        np.testing.assert_allclose(
            metrics.error_rate_by_rater(*train(sibling)), metrics.error_rate_by_rater(*train(pool)), atol=0.02
        )
        dependence = instance_dependence(*train(sibling), 4)
        assert abs(dependence.flip_rate_variance) < 0.1 * instance_dependence(*train(pool), 4).flip_rate_variance


def test_only_class_conditional_flips_keep_the_confusion(context, pool):
    expected = metrics.confusion_matrix(*train(pool), 4)
    conditional = metrics.confusion_matrix(*train(ClassConditionalFlips("low").load(context)), 4)
    np.testing.assert_allclose(conditional, expected, atol=0.02 * expected.sum(axis=1).max())
    independent = metrics.confusion_matrix(*train(IndependentFlips("low").load(context)), 4)
    assert independent[0, 2] == pytest.approx(independent[2, 3], rel=0.15)
    assert expected[2, 3] > 2 * expected[0, 2]


@pytest.mark.parametrize(
    ("rate", "rescaling"), [(0.05, "error_odds"), (0.4, "temperature"), (0.6, "error_odds"), (0.2, "skill")]
)
def test_the_dial_meets_its_rate_on_every_split(context, rate, rescaling):
    labels = Dial(rate, rescaling=rescaling).load(context)
    assert metrics.rater_error_rate(*train(labels)) == pytest.approx(rate, abs=0.002)
    for split in LABELLED_SPLITS:  # the others up to the luck of 3,000 draws
        realised = metrics.rater_error_rate(labels.noisy_labels[split], labels.clean_labels[split])
        assert realised == pytest.approx(rate, abs=0.04)
        assert labels.provenance["realised_rates"][split] == realised
    by_rater = metrics.error_rate_by_rater(*train(labels))
    assert by_rater[0] > by_rater[1] > by_rater[2]


def test_features_tell_of_these_labels(context):
    for source in (IndependentFlips("low"), ClassConditionalFlips("low"), Dial(0.3, "low")):
        labels = source.load(context)
        noisy, clean = labels.noisy_labels["clean_label_valid"], labels.clean_labels["clean_label_valid"]
        for rater, given in zip(labels.raters, noisy.T, strict=True):
            assert rater["accuracy"] == np.mean(given == clean)
            np.testing.assert_array_equal(rater["confusion_matrix"], metrics.confusion_matrix(given, clean, 4))
            assert "loss" not in rater
            assert ("architecture" in rater) == isinstance(source, Dial)
        json.dumps([labels.raters, labels.provenance], allow_nan=False)


def test_loading_twice_gives_the_same_labels(context):
    for source in (IndependentFlips("low"), Dial(0.3, "low")):
        first, second = source.load(context), source.load(context)
        for split in LABELLED_SPLITS:
            np.testing.assert_array_equal(first.noisy_labels[split], second.noisy_labels[split])


def test_what_is_no_dial(context):
    with pytest.raises(DialError, match=r"0\.01 is out of this pool's reach"):
        Dial(0.01, rescaling="temperature").load(context)
    with pytest.raises(DialError, match="between 0 and 1, not 30"):
        Dial(30)
    with pytest.raises(DialError, match="no rescaling"):
        Dial(0.3, rescaling="volume")
