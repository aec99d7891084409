"""`noisy-labels evaluate` on a folder of predictions, with a small CIFAR-10H."""

import dataclasses
import io
import json

import numpy as np
import pytest

from noisy_label_datasets import cli, files
from noisy_label_datasets.base.splits import LABELLED_SPLITS, SplitPlan
from noisy_label_datasets.cli import evaluate
from noisy_label_datasets.human import ciln_bench, human_labels, table1
from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.noise import dial, metrics
from tests.made_up import softmax, write_artifact

N, K = 600, 10
HALVES = {"clean_label_train": 0.4, "clean_label_valid": 0.1, "noisy_label_train": 0.4, "noisy_label_valid": 0.1}


@pytest.fixture
def given(tmp_path, monkeypatch):
    """A pool's folder, people's labels and corrections: three files."""
    rng = np.random.default_rng(0)
    labels = rng.integers(K, size=N)
    hard = np.eye(K)[labels] * 4 + rng.normal(size=(N, K))
    people = np.exp(2 * hard) / np.exp(2 * hard).sum(axis=1, keepdims=True)
    counts = np.stack([rng.multinomial(50, p) for p in people])
    buffer = io.BytesIO()
    np.save(buffer, counts)
    (tmp_path / "counts.npy").write_bytes(buffer.getvalue())
    known = dataclasses.replace(human_labels.CIFAR10H, sha256=files.sha256(buffer.getvalue()))
    monkeypatch.setattr(human_labels, "CIFAR10H", known)

    examples = {split: (np.array([f"{split}_{i}" for i in range(K)]), np.arange(K)) for split in LABELLED_SPLITS}
    examples["clean_label_valid"] = (np.array([f"train_{i:05d}" for i in range(N)]), labels)
    examples["test"] = (np.array([f"test_{i:05d}" for i in range(N)]), labels)

    def predict(rater, labels):
        logits = {split: np.eye(K)[y] for split, y in labels.items()}
        for split in ("clean_label_valid", "test"):
            logits[split] = hard + rng.normal(size=hard.shape)
        return {split: softmax(x) for split, x in logits.items()}

    write_artifact(
        tmp_path / "pool",
        predict,
        [f"rater_{rater}" for rater in range(5)],
        dataset="cifar10_noisy",
        level="low",
        base={"name": "cifar10", "version": "3.0.2"},
        split_plan=SplitPlan({"train": HALVES, "test": {"test": 1.0}}),
        class_names=[f"class {k}" for k in range(K)],
        examples=examples,
    )
    wrong = {"id": 7, "given_original_label": int(labels[7]), "our_guessed_label": int(labels[7] + 1) % K}
    (tmp_path / "wrong.json").write_text(json.dumps([wrong | {"mturk": {"given": 0, "guessed": 5}}]))
    return tmp_path / "pool", tmp_path / "counts.npy", tmp_path / "wrong.json", counts


def test_prints_table1_beside_the_papers(given, capsys):
    pool, people, _, counts = given
    assert cli.main(["evaluate", str(pool), "--human-labels", str(people), "--rates", "0.3", "0.85"]) == 0
    printed = capsys.readouterr().out
    assert "are not corrected" in printed
    read = read_predictions(pool)
    expected = table1.compare(read.noisy_labels["test"], read.clean_labels["test"], counts)
    for row in expected.rows.values():
        assert str(row.paper) in printed
        assert str(row.proper) in printed
    assert f"{expected.ratios['paper']}" in printed
    assert "0.180 ± 0.005" in printed  # what the paper prints for its low level
    error = metrics.rater_error_rate(read.noisy_labels["test"], read.clean_labels["test"])
    rows = [line for line in printed.splitlines() if line.startswith(("as they are", *dial.RESCALINGS))]
    rates = [float(row.split("%")[0].split()[-1]) for row in rows]
    assert rates[:7] == pytest.approx([100 * error, *[30] * 3, *[85] * 3], abs=0.2)
    # The second table: four of the five raters, and what is reported beside them.
    best = ciln_bench.best(read.noisy_labels["test"], read.clean_labels["test"])
    four = ciln_bench.compare(read.noisy_labels["test"][:, best], read.clean_labels["test"], counts)
    assert four.error_rate < error
    assert rates[7:] == pytest.approx([100 * four.error_rate, *[30] * 3, *[85] * 3], abs=0.2)
    assert str(four.ratio) in printed
    for name, setting in ciln_bench.SETTINGS.items():
        assert f"CILN-Bench, {name}" in printed
        assert f"{setting.error_rate:.1%}" in printed


def test_corrections_are_counted(given, capsys):
    pool, people, corrections, _ = given
    arguments = ["evaluate", str(pool), "--human-labels", str(people), "--corrections", str(corrections)]
    assert cli.main(arguments) == 0
    assert "1 mislabelled test images are corrected" in capsys.readouterr().out


def test_what_cannot_be_compared_is_an_error(given, capsys, tmp_path):
    pool, people, _, _ = given
    with pytest.raises(SystemExit, match="2"):
        cli.main(["evaluate", str(pool), "--human-labels", str(people), "--rates", "30"])
    assert "'30' is given; it has to be a number between 0 and 1" in capsys.readouterr().err
    assert cli.main(["evaluate", str(tmp_path / "nowhere"), "--human-labels", str(people)]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_another_dataset_is_refused_before_anything_is_fetched(given, capsys, monkeypatch):
    (whole,) = evaluate.find_pools(str(given[0]), None)
    other = dataclasses.replace(whole, name="digits_noisy/high", ids=np.char.add("digits_", whole.ids))
    monkeypatch.setattr(evaluate, "find_pools", lambda name, data_dir: [other])
    monkeypatch.setattr(human_labels, "load_cifar10h", lambda path: pytest.fail("fetched"))
    assert cli.main(["evaluate", "digits_noisy"]) == 2
    error = capsys.readouterr().err
    assert "CIFAR-10H has labels of the test set of CIFAR-10, test_00000 to test_09999" in error
    assert "of digits_noisy/high are others, 'digits_test_0" in error


def test_labels_of_people_who_have_left_the_test_split_out(given, capsys, monkeypatch):
    pool, people, _, _ = given
    (whole,) = evaluate.find_pools(str(pool), None)
    empty = dataclasses.replace(whole, name="cifar10_noisy/people", noisy_labels=np.full_like(whole.noisy_labels, -1))
    for pools, code in (([empty], 2), ([whole, empty], 0)):
        monkeypatch.setattr(evaluate, "find_pools", lambda name, data_dir, pools=pools: pools)
        assert cli.main(["evaluate", "cifar10_noisy", "--human-labels", str(people)]) == code
        captured = capsys.readouterr()
        said = "no labels of the test split, which CIFAR-10H is of: cifar10_noisy/people"
        assert said in (captured.err if code else captured.out)
