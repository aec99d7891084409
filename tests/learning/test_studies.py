"""The studies on planted problems: their plans, their records, what they say, and what cannot be."""

import dataclasses
import json

import numpy as np
import pytest

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.noise import metrics
from noisy_label_learning.commands import study as command
from noisy_label_learning.errors import LearningError
from noisy_label_learning.problem import Problem
from noisy_label_learning.reports.document import put_between
from noisy_label_learning.runs.record import Epoch, Record, select
from noisy_label_learning.studies import STUDIES, difficulty, human, imbalance, pretraining
from noisy_label_learning.studies.derivations import (
    CleanLabels,
    FlipsAlike,
    ImbalancedPart,
    OneRater,
    TrainingPart,
    derived,
)
from noisy_label_learning.studies.plan import Measured, read_plan, write_plan
from tests.learning.problems import planted, symmetric


@pytest.fixture(scope="module")
def binary():
    problem = planted(np.stack([symmetric(0.1, 2), symmetric(0.3, 2), symmetric(0.3, 2)]), n=400, num_classes=2)
    ids = np.array([f"test_{i:05d}" for i in range(400)])
    return Problem.of_parts(problem.data, dataclasses.replace(problem.answers, test_ids=ids))


@pytest.fixture(scope="module")
def three_classes():
    return planted(np.stack([symmetric(0.2), symmetric(0.4)]), n=900)


def test_clean_labels_stand_in_training_and_validation(three_classes):
    clean = CleanLabels().of(three_classes)
    assert clean.data.name == "planted_noisy/clean"
    np.testing.assert_array_equal(clean.data.train.noisy_label, three_classes.answers.train_labels)
    np.testing.assert_array_equal(clean.data.valid.noisy_labels[:, 0], three_classes.answers.valid_labels)
    assert clean.labels_sha256 != three_classes.labels_sha256
    assert clean.images_sha256 == three_classes.images_sha256


def test_one_rater_is_drawn_always(three_classes):
    one = OneRater("01").of(three_classes)
    np.testing.assert_array_equal(one.data.train.noisy_label, three_classes.data.train.noisy_labels[:, 1])
    assert one.data.name == "planted_noisy/high_01"
    with pytest.raises(LearningError, match="has no rater '02'; it has 00, 01"):
        OneRater("02").of(three_classes)


def test_flips_alike_have_the_rates_and_confusions_of_the_labels():
    confusion = np.array([[0.9, 0.1, 0.0], [0.0, 0.7, 0.3], [0.2, 0.2, 0.6]])
    problem = planted(confusion[None], n=6000)
    truth = problem.answers.train_labels
    given = metrics.rater_error_rate(problem.data.train.noisy_labels, truth)
    for kind, expected in (("class_conditional", confusion), ("independent", symmetric(given))):
        flipped = FlipsAlike(kind).of(problem)
        labels = flipped.data.train.noisy_labels
        assert metrics.rater_error_rate(labels, truth) == pytest.approx(given, abs=0.02)
        counts = metrics.confusion_matrix(labels, truth, 3)
        np.testing.assert_allclose(counts / counts.sum(axis=1, keepdims=True), expected, atol=0.04)
        assert flipped.data.raters[0]["accuracy"] == pytest.approx(1 - given, abs=0.01)
    with pytest.raises(LearningError, match="kind is 'pairs'"):
        FlipsAlike("pairs")


@pytest.mark.parametrize("fraction", [0.5, 0.9])
def test_all_three_splits_are_alike_imbalanced(binary, fraction):
    part = ImbalancedPart(fraction).of(binary)
    for labels in (part.answers.train_labels, part.answers.valid_labels, part.answers.test_labels):
        assert np.mean(labels == 0) == pytest.approx(fraction, abs=0.005)
    assert len(part.data.train) == len(ImbalancedPart(0.5).of(binary).data.train)
    assert part.data.name == f"planted_noisy/high_majority_{fraction:.2f}"
    # The same examples as in the clean problem, with their labels and the paired subset's.
    clean = derived(binary, (CleanLabels(), ImbalancedPart(fraction)))
    assert clean.data.train.ids.tolist() == part.data.train.ids.tolist()
    rows = np.searchsorted(binary.data.train.ids, part.data.train.ids)
    np.testing.assert_array_equal(part.data.train.noisy_label, binary.data.train.noisy_label[rows])
    paired = part.data.train.ids[part.data.paired.rows]
    assert set(paired) == set(binary.data.train.ids[binary.data.paired.rows]) & set(part.data.train.ids)
    np.testing.assert_array_equal(part.answers.train_labels[part.data.paired.rows], part.data.paired.clean_labels)


def test_a_training_part_is_among_any_larger_one(three_classes):
    small, large = (TrainingPart(n).of(three_classes) for n in (100, 300))
    assert len(small.data.train) == 100
    assert set(small.data.train.ids) <= set(large.data.train.ids)
    assert len(small.data.valid) == len(three_classes.data.valid)
    assert TrainingPart(900).of(three_classes) is three_classes


def test_no_clean_label_beyond_the_paired_subset_comes_with_a_part(binary):
    part = ImbalancedPart(0.8).of(binary)
    assert not hasattr(part.data.train, "labels")
    assert len(part.data.paired) < 0.4 * len(part.data.train)


# ---------------------------------------------------------------------------------------------------------------------
# What reports say, of made-up records


def measured(accuracy, *, problem="x_noisy/high", ranked=None, **tags):
    point = Epoch(1, 0.5, 0.6, 0.7, accuracy / 100, *((ranked / 100, ranked / 100) if ranked is not None else ()))
    config = {"algorithm": {"name": "cross_entropy"}, "corrector": {"name": "none"}, "seed": tags["seed"]}
    config |= {"network": {"architecture": "mlp"}, "schedule": {"epochs": 1}}
    rest = {"labels_sha256": "", "images_sha256": "", "seconds": {"wall": 1.0, "cpu": 1.0}, "software": {}}
    record = Record(f"{tags}", problem, config, "done", (point,), select([point]), {}, 0, {}, **rest)
    return Measured(tags, record)


def outcomes(report):
    return {verdict.finding.name: verdict.outcome for verdict in report.verdicts}


@pytest.mark.parametrize(("growth", "outcome"), [(20, "supported"), (-20, "refuted"), (0, "undecided")])
def test_imbalance_is_judged_by_the_slope_of_drops(growth, outcome):
    runs = [
        measured(
            50,
            ranked=90 - (labels == "noisy") * (5 + growth * (fraction - 0.5) + jitter * (fraction > 0.6)),
            dataset="cats",
            level="high",
            alpha=0.6,
            fraction=fraction,
            labels=labels,
            seed=seed,
        )
        for seed, jitter in enumerate((-1.0, 0.0, 1.0))
        for fraction in (0.5, 0.8, 0.95)
        for labels in ("clean", "noisy")
    ]
    report = imbalance.report(runs)
    assert set(outcomes(report).values()) == {outcome}
    points = imbalance.drops(runs, "cats", "high", "test_auc_pr")
    assert points[0.95][1] == pytest.approx(5 + growth * 0.45)
    # The effect is that of the line from 0.5 to 0.95: the middle seed has no jitter.
    assert report.verdicts[0].effect.mean == pytest.approx(0.45 * growth, abs=0.2)


def test_pretraining_gains_and_falls_more_slowly_and_on_pathology_neither():
    runs = []
    for dataset, gain, slower in (("cifar10_noisy", 8, 30), ("pcam_noisy", 0.1, 0)):
        for seed in range(3):
            for rate in (0.1, 0.2, 0.4):
                for start in (pretraining.SCRATCH, pretraining.PRETRAINED):
                    pretrained = start == pretraining.PRETRAINED
                    accuracy = 90 - 60 * rate + seed + pretrained * (gain + slower * (rate - 0.1) + 0.1 * seed)
                    tags = {"network": "lite", "start": start, "error_rate": rate, "seed": seed, "dataset": dataset}
                    runs.append(measured(accuracy, level=f"{rate}", alpha=None, **tags))
    report = pretraining.report(runs)
    assert outcomes(report) == {
        "pretraining_cifar10_noisy": "supported",
        "pretraining_slope_cifar10_noisy": "supported",
        "pretraining_pcam_noisy": "supported",  # no gain of as much as a point
    }
    slope = next(v for v in report.verdicts if v.finding.name == "pretraining_slope_cifar10_noisy")
    assert slope.effect.mean == pytest.approx(3)  # 30 points per unit of error rate, by tenths
    _, rows = report.table
    assert rows[0][4].startswith("-6.00")


def test_easier_tasks_fall_faster():
    runs = [
        measured(
            clean - (labels == "noisy") * slope * (1 - alpha) + 0.1 * seed * (labels == "noisy") * (1 - alpha),
            dataset=dataset,
            level=f"{alpha}",
            alpha=alpha,
            labels=labels,
            seed=seed,
        )
        for dataset, clean, slope in (("cats_vs_dogs_noisy", 95, 40), ("pcam_noisy", 85, 20))
        for alpha in (0.9, 0.6, 0.4)
        for seed in range(3)
        for labels in ("clean", "noisy")
    ]
    report = difficulty.report(runs)
    assert set(outcomes(report).values()) == {"supported"}
    faster = next(v for v in report.verdicts if v.finding.name.startswith("difficulty"))
    assert faster.effect.mean == pytest.approx(2)
    assert [panel.title for panel in report.panels] == ["binary tasks"]
    assert "95.0 %" in report.panels[0].series[0].label


def test_the_nearest_imitation_by_hand():
    people = {"cross_entropy": {0: 80.0}, "a": {0: 82.0}, "b": {0: 85.0}}
    found = human.distances(people, {"cross_entropy": {0: 81.0}, "a": {0: 84.0}, "b": {0: 83.0}})
    assert found["accuracy"][0] == pytest.approx((1 + 2 + 2) / 3)
    assert found["gain"][0] == pytest.approx((1 + 3) / 2)  # gains 2, 5 against 3, 2
    assert found["rank"][0] == pytest.approx(0.5)
    assert human.distances(people, {}) == {"accuracy": {}, "gain": {}, "rank": {}}


def test_a_dial_that_is_nearer_is_said_to_be():
    accuracies = {"cross_entropy": 80.0, "a": 82.0, "b": 85.0}
    off = {"human": (0, 0, 0), "dial": (1, 1, 1), "class_conditional": (4, 6, -1), "independent": (9, -2, 3)}
    runs = [
        measured(accuracy + shift + 0.01 * seed * place, people="people_worst", noise=noise, algorithm=name, seed=seed)
        for noise, shifts in off.items()
        for place, ((name, accuracy), shift) in enumerate(zip(accuracies.items(), shifts, strict=True))
        for seed in range(3)
    ]
    report = human.report(runs)
    found = outcomes(report)
    assert found["dial_nearer_accuracy_independent"] == "supported"
    assert found["dial_nearer_gain_class_conditional"] == "supported"
    assert len(found) == 6


def test_one_seed_decides_nothing():
    runs = [
        measured(
            50,
            ranked=90 - 5 * (labels == "noisy") - 10 * fraction,
            dataset="cats",
            level="high",
            alpha=0.6,
            fraction=fraction,
            labels=labels,
            seed=0,
        )
        for fraction in (0.5, 0.9)
        for labels in ("clean", "noisy")
    ]
    assert set(outcomes(imbalance.report(runs)).values()) == {"undecided"}


def test_a_plan_is_read_as_it_was_written_and_no_other_file(tmp_path):
    entries = [("a.json", {"level": "high", "seed": 0})]
    write_plan(tmp_path, "imbalance", entries)
    assert read_plan(tmp_path, "imbalance") == entries
    with pytest.raises(LearningError, match="has no plan of the study difficulty"):
        read_plan(tmp_path, "difficulty")
    (tmp_path / "plans" / "imbalance.json").write_text(json.dumps({"format": "x", "format_version": 1}))
    with pytest.raises(LearningError, match="is no plan of a study that this code reads: format is 'x'"):
        read_plan(tmp_path, "imbalance")


def test_documents_need_their_markers(tmp_path):
    document = tmp_path / "studies.md"
    with pytest.raises(LearningError, match="there is no such file"):
        put_between(document, "study imbalance", "text")
    document.write_text("# Studies\n")
    with pytest.raises(LearningError, match="has no lines <!-- study imbalance: begin -->"):
        put_between(document, "study imbalance", "text")
    document.write_text("a\n<!-- study imbalance: begin -->\nold\n<!-- study imbalance: end -->\nb\n")
    put_between(document, "study imbalance", "new")
    assert document.read_text() == "a\n<!-- study imbalance: begin -->\nnew\n<!-- study imbalance: end -->\nb\n"


def test_every_study_asks_a_question():
    assert list(STUDIES) == ["imbalance", "pretraining", "difficulty", "human"]
    assert all(study.question.endswith("?") for study in STUDIES.values())


@pytest.mark.parametrize("text", ["resnet50", "=x.h5", "resnet50="])
def test_files_of_keras_belong_to_networks(text):
    with pytest.raises(LearningError, match="--keras-weights takes NETWORK=FILE"):
        list(command.network_pairs([], [text]))


def test_networks_without_weights_are_refused_before_anything_is_trained():
    with pytest.raises(NoisyLabelsError, match="no published weights are known of mobilenet_v1"):
        list(command.network_pairs(["mobilenet_v1"], []))
    with pytest.raises(LearningError, match="no network 'lite'"):
        list(command.network_pairs(["lite"], []))
