"""Where a config's labels are looked for, and what is believed of what is found."""

import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest

from noisy_label_datasets.base.splits import LABELLED_SPLITS, SplitPlan
from noisy_label_datasets.cli.targets import find_builder
from noisy_label_datasets.labels.checksums import write_checksums
from noisy_label_datasets.labels.derived_sources import ClassConditionalFlips, Dial, IndependentFlips
from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.labels.sources import LabelContext, MissingLabelsError, NoisyLabels, Raters
from tests.made_up import write_artifact

PLAN = SplitPlan(
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
CLASSES = ("circle", "square")


def write_pool(folder, num_raters=2):
    write_artifact(
        folder,
        lambda rater, labels: dict.fromkeys(labels, np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]])),
        [str(r) for r in range(num_raters)],
        provenance={"raters": num_raters},
        dataset="shapes_noisy",
        level="low",
        base={"name": "shapes", "version": "1.0.0"},
        split_plan=PLAN,
        class_names=CLASSES,
        examples={
            split: (np.array([f"{split}_{i}" for i in range(3)]), np.array([0, 1, 0])) for split in LABELLED_SPLITS
        },
    )


@pytest.fixture
def context(tmp_path):
    builder_dir = tmp_path / "builders" / "shapes_noisy"
    builder_dir.mkdir(parents=True)
    (builder_dir / "checksums.tsv").touch()
    return LabelContext(
        dataset="shapes_noisy",
        base={"name": "shapes", "version": "1.0.0"},
        class_names=CLASSES,
        split_plan=PLAN,
        data_dir=tmp_path / "data",
        builder_dir=builder_dir,
    )


@pytest.fixture
def shipped(context):
    folder = context.builder_dir / "rater_predictions" / "low"
    write_pool(folder)
    write_checksums(context.builder_dir)
    return folder


@pytest.fixture
def trained(context):
    folder = context.data_dir / "rater_predictions" / "shapes_noisy" / "low"
    write_pool(folder, num_raters=3)
    return folder


def test_shipped_labels(context, shipped):
    labels = Raters("low").load(context)
    assert labels.origin == "shipped"
    assert labels.division == PLAN
    assert set(labels.ids) == set(LABELLED_SPLITS)
    assert labels.noisy_labels["test"].tolist() == [[0, 0], [0, 0], [1, 1]]
    stored = Raters("low").stored(context)
    assert stored.origin == "shipped"
    np.testing.assert_allclose(stored.predictions.probabilities("test")[0], [[0.9, 0.1]] * 2, atol=0.0145)


def test_what_was_trained_here_comes_first(context, shipped, trained):
    labels = Raters("low").load(context)
    assert (labels.origin, len(labels.raters)) == ("trained", 3)


def test_a_pool_in_training_does_not_hide_the_shipped_one(context, shipped, trained):
    (trained / "manifest.json").unlink()
    assert Raters("low").load(context).origin == "shipped"
    shutil.rmtree(shipped)
    with pytest.raises(MissingLabelsError, match=r"where an unfinished pool is.*`noisy-labels train shapes_noisy/low`"):
        Raters("low").load(context)


def test_no_labels(context):
    with pytest.raises(
        MissingLabelsError, match=r"no rater predictions for shapes_noisy/low: looked in .* and .*; train"
    ):
        Raters("low").load(context)


def test_shipped_labels_altered_with_fitting_hashes_inside(context, shipped):
    """Whoever alters an artifact and its manifest is still found out by checksums.tsv."""
    manifest = json.loads((shipped / "manifest.json").read_text())
    (shipped / "manifest.json").write_text(json.dumps({**manifest, "provenance": {"device": "better"}}))
    with pytest.raises(PredictionsError, match=r"manifest\.json was altered"):
        Raters("low").load(context)


def test_shipped_labels_that_are_not_listed(context, shipped):
    (context.builder_dir / "checksums.tsv").write_text("")
    with pytest.raises(PredictionsError, match=r"manifest\.json is not listed in checksums\.tsv"):
        Raters("low").load(context)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "plants_noisy"}, "no rater predictions for plants_noisy/low"),
        ({"base": {"name": "shapes", "version": "1.0.1"}}, r"another base dataset: .*1\.0\.0.*has .*1\.0\.1"),
        ({"class_names": ("circle", "star")}, "another class names"),
        ({"split_plan": SplitPlan(PLAN.fractions, seed=1)}, "another split plan"),
    ],
)
def test_labels_of_something_else(context, trained, change, message):
    with pytest.raises((PredictionsError, MissingLabelsError), match=message):
        Raters("low").load(dataclasses.replace(context, **change))


def test_another_level_in_the_folder(context, trained):
    trained.rename(trained.with_name("high"))
    with pytest.raises(PredictionsError, match="another level: low; shapes_noisy has high"):
        Raters("high").load(context)


def test_labels_of_no_noisy_split_or_of_a_wrong_shape(context, trained):
    labels = Raters("low").load(context)
    for changes, message in (
        ({"ids": {"test": labels.ids["test"]}}, "labels are of"),
        ({"raters": labels.raters[:1]}, "3 ids, 1 raters"),
        ({"clean_labels": {**labels.clean_labels, "test": np.zeros(2, np.int32)}}, "test: 3 ids"),
    ):
        with pytest.raises(PredictionsError, match=message):
            dataclasses.replace(labels, **changes)


def test_labels_of_only_the_noisy_splits_are_enough(context, trained):
    labels = Raters("low").load(context)
    noisy = ("noisy_label_train", "noisy_label_valid")
    kept = {name: {s: getattr(labels, name)[s] for s in noisy} for name in ("ids", "clean_labels", "noisy_labels")}
    assert isinstance(dataclasses.replace(labels, **kept), NoisyLabels)


# SHA-256 of the labels that each source drew for `digits_noisy` when it was first released. Whoever changes one changes
# datasets that others have built.
DRAWN = {
    Raters("low"): "0d705a6a352ff5a0c568b3ffab9666c2645eb259d76f4c61bd743b845dee6cdf",
    IndependentFlips("low"): "e2d92dd2fb6e84be6b47807a05ddf9803f59cbbb76e99aaea6952110f3d2645d",
    ClassConditionalFlips("medium"): "a386edb9c045304b49c9e65fc6b9dd0fe4cbe19a10fc2c88f28f46199c52ddad",
    Dial(0.3): "110267a2fbf0e6cd3076e097782e29639026a2562476f2e1f57a9544c435f9f9",
    Dial(0.4, of="medium", rescaling="temperature"): "f78ecd99182b421cc4bfa2dada1aef8fa983f601e627705e6daa849c439dbada",
    Dial(0.2, rescaling="skill"): "2f82c34b3ebddfde548233f42b626509e62f1379483c96ded77e84f01c9c95ff",
}


@pytest.mark.parametrize("source", DRAWN, ids=repr)
def test_the_drawn_labels_of_digits_stay_what_they_are(source, tmp_path):
    labels = source.load(find_builder("digits_noisy/low", data_dir=tmp_path).label_context())
    digest = hashlib.sha256()
    for split in sorted(labels.noisy_labels):
        digest.update(split.encode())
        digest.update(labels.noisy_labels[split].astype("<i4").tobytes())
    assert digest.hexdigest() == DRAWN[source]
