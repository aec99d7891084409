"""The figures of the noise card, recomputed in other ways."""

import json
import types

import numpy as np
import pytest

from noisy_label_datasets.card import noise_figures
from noisy_label_datasets.noise import metrics, noise_models

CLASSES = ("ant", "bee", "cat")


def labelled(noisy_labels, clean):
    ids = np.array([f"train_{i:04d}" for i in range(len(clean))])
    train, test = slice(None, len(clean) // 2), slice(len(clean) // 2, None)
    return types.SimpleNamespace(
        ids={"noisy_label_train": ids[train], "test": ids[test]},
        clean_labels={"noisy_label_train": clean[train], "test": clean[test]},
        noisy_labels={"noisy_label_train": noisy_labels[train], "test": noisy_labels[test]},
    )


@pytest.fixture
def labels():
    rng = np.random.default_rng(0)
    clean = rng.integers(3, size=600)
    soft = np.eye(3)[clean] + rng.gamma(0.4, size=(600, 3))
    return labelled(noise_models.sample_labels(soft[:, None], rng.random((600, 5))), clean)


def test_figures_agree_with_plain_counting(labels):
    figures = noise_figures(labels, CLASSES)
    noisy, clean = labels.noisy_labels["noisy_label_train"], labels.clean_labels["noisy_label_train"]
    right = [int(sum(vote == label for vote in votes)) for votes, label in zip(noisy, clean, strict=True)]
    assert figures["right_votes"] == [right.count(r) for r in range(6)]
    assert figures["rater_error_rate"] == pytest.approx(1 - sum(right) / 1500)
    assert np.trace(figures["confusion_matrix"]) == sum(right)
    assert figures["num_examples"] == 300
    assert figures["splits"]["test"]["num_examples"] == 300
    majority = [np.bincount(votes).argmax() for votes in noisy]
    assert figures["majority_error_rate"] == pytest.approx(np.mean(majority != clean))
    assert figures["splits"]["test"]["krippendorff_alpha"] == metrics.krippendorff_alpha(labels.noisy_labels["test"], 3)


def test_shown_examples_are_the_extreme_ones(labels):
    noisy, clean = labels.noisy_labels["noisy_label_train"], labels.clean_labels["noisy_label_train"]
    right = (noisy == clean[:, None]).sum(axis=1)
    for kind, sign in (("easiest", -1), ("hardest", 1)):
        shown = noise_figures(labels, CLASSES)["examples"][kind]
        for label in range(3):
            votes = [example["votes"] for example in shown if example["label"] == label]
            found = sorted(sign * sum(vote == label for vote in votes_of_one) for votes_of_one in votes)
            assert found == sorted(sign * right[clean == label])[:3]
        for example in shown:
            np.testing.assert_array_equal(noisy[int(example["id"][-4:])], example["votes"])


def test_figures_are_json_even_where_a_figure_is_not_defined():
    clean = np.array([0, 1, 0, 1] * 2)
    figures = noise_figures(labelled(clean[:, None], clean), CLASSES)  # one rater, and no third class
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    assert figures["krippendorff_alpha"] is None
    assert figures["instance_dependence"] is None
    assert figures["error_rate_by_class"] == [0, 0, None]


def test_missing_ratings(labels):
    kept = {
        s: noise_models.subsampled_ratings(n, 2, np.random.default_rng(1).random(n.shape))
        for s, n in labels.noisy_labels.items()
    }
    figures = noise_figures(types.SimpleNamespace(**{**vars(labels), "noisy_labels": kept}), CLASSES)
    assert figures["instance_dependence"] is None
    assert sum(map(sum, figures["confusion_matrix"])) == 600


def test_examples_that_nobody_labelled_change_no_figure_but_their_number(labels):
    rng = np.random.default_rng(2)

    def with_unlabelled(split):
        n = len(labels.ids[split])
        order = np.argsort(np.concatenate([2 * np.arange(n), rng.choice(2 * n, 40) + 1]), kind="stable")
        return (
            np.concatenate([labels.ids[split], [f"unlabelled_{i}" for i in range(40)]])[order],
            np.concatenate([labels.clean_labels[split], rng.integers(3, size=40)])[order],
            np.concatenate([labels.noisy_labels[split], np.full((40, 5), metrics.MISSING)])[order],
        )

    parts = {split: with_unlabelled(split) for split in labels.ids}
    more = types.SimpleNamespace(
        **{
            name: {split: part[i] for split, part in parts.items()}
            for i, name in enumerate(("ids", "clean_labels", "noisy_labels"))
        }
    )
    figures, expected = noise_figures(more, CLASSES), noise_figures(labels, CLASSES)
    for counted in (figures, figures["splits"]["noisy_label_train"], figures["splits"]["test"]):
        assert counted["num_examples"] == 340
        counted["num_examples"] = 300
    assert figures == expected


def test_where_nobody_labelled_anything_no_figure_is_defined():
    clean = np.array([0, 1, 0, 1] * 2)
    figures = noise_figures(labelled(np.full((8, 3), metrics.MISSING), clean), CLASSES)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
    undefined = ("rater_error_rate", "majority_error_rate", "krippendorff_alpha", "agreement", "instance_dependence")
    assert [figures[name] for name in undefined] == [None] * 5
    assert figures["examples"] == {"easiest": [], "contested": [], "hardest": []}
    assert (figures["num_examples"], sum(figures["right_votes"])) == (4, 0)
