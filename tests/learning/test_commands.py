"""The commands of learning, from arrays to tables, figures and files; started as a user starts them, in one process."""

import contextlib
import csv
import io
import json
import re

import numpy as np
import pytest

from noisy_label_datasets.base.arrays import CleanDataset, LabelledImages
from noisy_label_datasets.base.splits import SPLITS, SplitPlan
from noisy_label_datasets.labels.label_arrays import LabelArrays
from noisy_label_learning.__main__ import main
from noisy_label_learning.algorithms import Bootstrap
from noisy_label_learning.commands import clean, settings
from noisy_label_learning.correctors import LQM
from noisy_label_learning.runs.record import Record, read_records
from tests.learning.problems import planted, symmetric

OPTIONS = ["--network=softmax_regression", "--epochs=2", "--batch-size=40", "--paired-share=0.2"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Arrays of a planted problem, and two folders of labels: raters' and independent noise."""
    root = tmp_path_factory.mktemp("arrays")
    problems = {
        "high": planted(np.stack([symmetric(0.2)] * 3 + [symmetric(0.6)]), n=200, noise=40),
        "high_independent": planted(np.stack([symmetric(0.3)] * 4), n=200, noise=40, seed=0),
    }
    first = problems["high"]
    train, valid = first.data.train, first.data.valid
    rng = np.random.default_rng(0)
    splits = {
        "noisy_label_train": (train.ids, train.images, first.answers.train_labels),
        "noisy_label_valid": (valid.ids, valid.images, first.answers.valid_labels),
        "test": (None, first.answers.test_images, first.answers.test_labels),
    }
    whole = {}
    for split in SPLITS:
        ids, images, labels = splits.get(
            split, (None, rng.integers(0, 255, (3, 4, 4, 1)).astype(np.uint8), np.arange(3))
        )
        ids = np.array([f"{split}_{i}" for i in range(len(images))]) if ids is None else ids
        whole[split] = LabelledImages(ids, images, labels.astype(np.int32))
    plan = SplitPlan({"all": dict.fromkeys(SPLITS, 0.2)})
    CleanDataset("planted_noisy", "1.0.0", "planted", "1.0.0", tuple("abc"), plan, whole).save(root / "arrays")
    for name, problem in problems.items():
        data = problem.data
        LabelArrays(
            name=f"planted_noisy/{name}",
            class_names=data.class_names,
            raters=data.raters,
            ids={"noisy_label_train": data.train.ids, "noisy_label_valid": data.valid.ids},
            noisy_labels={"noisy_label_train": data.train.noisy_labels, "noisy_label_valid": data.valid.noisy_labels},
            noisy_label_rater={"noisy_label_train": data.train.rater, "noisy_label_valid": data.valid.rater},
            labels_sha256="0" * 64,
        ).save(root / name)
    return root


def learn(folders, out, *options):
    return main(
        ["learn", f"--arrays={folders / 'arrays'}", f"--labels={folders / 'high'}", f"--out={out}", *OPTIONS, *options]
    )


def test_learn_prints_three_selections_beside_cross_entropy(folders, tmp_path, capsys):
    assert learn(folders, tmp_path, "--algorithm=cross_entropy") == 0
    assert learn(folders, tmp_path, "--algorithm=elr") == 0
    printed = capsys.readouterr().out
    assert "epoch 2/2" in printed
    table = printed[printed.rindex("test accuracy") :]
    assert table.splitlines()[0].split() == ["test", "accuracy", "elr", "cross_entropy"]
    rows = [line.strip().rsplit(maxsplit=2)[0] for line in table.splitlines()[1:4]]
    assert rows == ["last", "selected on noisy validation", "best on test"]
    assert learn(folders, tmp_path, "--algorithm=elr") == 0
    assert "this run is done already" in capsys.readouterr().out


def test_benchmark_runs_resumes_and_reports(folders, tmp_path, capsys):
    arguments = [
        "benchmark",
        f"--arrays={folders / 'arrays'}",
        f"--out={tmp_path}",
        "--labels",
        str(folders / "high"),
        str(folders / "high_independent"),
        *["--algorithms", "cross_entropy", "bootstrap", "--correctors", "none", "dawid_skene"],
        *["--seeds", "0", "1"],
        "--set",
        "dawid_skene.gold=True",
        *OPTIONS,
    ]
    assert main([*arguments, "--dry-run"]) == 0
    # Gold labels are clean ones, so their baseline is there too.
    assert "20 runs, 0 of them done; 20 to train" in capsys.readouterr().out
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "epoch: selected on validation" in printed
    records = read_records(tmp_path)
    assert len(records) == 20
    with open(tmp_path / "report" / "tables.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["selection"] for row in rows} == {"selected_on_validation", "last"}
    assert len(rows) == 2 * 10
    (row,) = [
        r
        for r in rows
        if (r["selection"], r["noise"], r["corrector"], r["algorithm"]) == ("last", "raters", "none", "bootstrap")
    ]
    values = {
        name: [
            100 * r.selections["last"].test_accuracy
            for r in sorted(records, key=lambda r: r.seed)
            if (r.problem, r.corrector, r.algorithm) == ("planted_noisy/high", "none", name)
        ]
        for name in ("cross_entropy", "bootstrap")
    }
    assert float(row["accuracy"]) == pytest.approx(np.mean(values["bootstrap"]), abs=1e-3)
    gain = np.mean(np.subtract(values["bootstrap"], values["cross_entropy"]))
    assert float(row["gain"]) == pytest.approx(gain, abs=1e-3)
    for name in ("tables.md", "findings.md", "planted_noisy-accuracy.svg", "planted_noisy-gain.svg"):
        assert (tmp_path / "report" / name).stat().st_size > 200
    before = {path: path.read_bytes() for path in (tmp_path / "report").iterdir()}
    assert main(arguments) == 0
    assert "20 runs, 20 of them done; 0 to train" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in (tmp_path / "report").iterdir()} == before


def test_tune_chooses_on_noisy_validation(folders, tmp_path, capsys):
    command = ["tune", f"--arrays={folders / 'arrays'}", f"--labels={folders / 'high'}", f"--out={tmp_path}", *OPTIONS]
    assert main([*command, "--algorithms", "generalized_cross_entropy", "cross_entropy"]) == 0
    printed = capsys.readouterr().out
    records = read_records_of(tmp_path)
    assert {record.seed for record in records} == {100}
    valid = {
        (record.algorithm, record.config["schedule"]["learning_rate"], record.config["algorithm"].get("q")): max(
            point.noisy_valid_accuracy for point in record.curve
        )
        for record in records
    }
    of_rates = {rate: value for (name, rate, _), value in valid.items() if name == "cross_entropy"}
    assert set(of_rates) == {0.1, 0.2, 0.4}
    rate = max(of_rates, key=of_rates.get)
    best = max((0.4, 0.7), key=lambda q: valid["generalized_cross_entropy", rate, q])
    assert f"for benchmark: --learning-rate {rate:g}" in printed
    assert ("--set generalized_cross_entropy.q=0.4" in printed) == (best == 0.4)
    assert len(records) == 5


def test_tune_has_a_corrector_choose_once_for_all_seeds(folders, tmp_path, capsys):
    command = ["tune", f"--arrays={folders / 'arrays'}", f"--labels={folders / 'high'}", f"--out={tmp_path}", *OPTIONS]
    options = ["--algorithms", "cross_entropy", "--correctors", "lqm", "majority", "--learning-rate", "0.1"]
    assert main([*command, *options]) == 0
    printed = capsys.readouterr().out
    (path,) = tmp_path.glob("tuned-*.json")
    found = json.loads(path.read_text())["correctors"]["lqm"]
    told = f"lqm.auxiliary={found['auxiliary']} lqm.gamma={found['gamma']}"
    assert f"for benchmark: --learning-rate 0.1 --set {told}\n" in printed
    assert re.search(r"majority +nothing to choose", printed)


def test_tune_names_the_corrector_of_a_variant_and_refuses_two_of_one(folders, tmp_path, capsys):
    command = ["tune", f"--arrays={folders / 'arrays'}", f"--labels={folders / 'high'}", f"--out={tmp_path}", *OPTIONS]
    options = ["--algorithms", "cross_entropy", "--learning-rate", "0.1", "--correctors", "lqm:auxiliary=all,gamma=1.0"]
    assert main([*command, *options]) == 0
    assert "for benchmark: --learning-rate 0.1 --set lqm.auxiliary=all lqm.gamma=1.0\n" in capsys.readouterr().out
    assert main([*command, *options, "lqm"]) == 2
    error = capsys.readouterr().err
    assert "lqm:auxiliary=all,gamma=1.0, lqm: settings are chosen for one variant of lqm at a time" in error


def read_records_of(folder):
    return [Record.read(path) for path in sorted(folder.glob("planted*.json"))]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_clean_writes_examples_and_raters(folders, tmp_path, capsys, suffix):
    arguments = [f"--arrays={folders / 'arrays'}", f"--labels={folders / 'high'}", f"--out={tmp_path}"]
    assert main(["clean", *arguments, "--corrector=dawid_skene", f"--format={suffix}", *OPTIONS]) == 0
    assert "precision" in capsys.readouterr().out
    if suffix == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        examples = parquet.read_table(tmp_path / "examples.parquet").to_pylist()
        raters = parquet.read_table(tmp_path / "raters.parquet").to_pylist()
    else:
        with open(tmp_path / "examples.csv", newline="") as file:
            examples = list(csv.DictReader(file))
        with open(tmp_path / "raters.csv", newline="") as file:
            raters = list(csv.DictReader(file))
    assert len(examples) == 200
    suspects = [row for row in examples if str(row["suspect"]) == "True"]
    assert all(row["given_label"] != row["corrected_label"] for row in suspects)
    assert 20 < len(suspects) < 100
    assert [row["id"] for row in raters] == ["00", "01", "02", "03"]
    assert float(raters[3]["accuracy"]) < float(raters[0]["accuracy"]) - 0.2
    assert sum(float(raters[0][f"p_1_{j}"]) for j in range(3)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--algorithm=sgd"], "no algorithm 'sgd'; there are bootstrap, co_teaching, cross_entropy"),
        (["--algorithm=elr", "--corrector=vote"], "no corrector 'vote'; there are clean_subset, dawid_skene"),
        (["--algorithm=elr", "--set", "elr.lambda=3"], "algorithm elr has no setting 'lambda'"),
        (["--algorithm=elr", "--set", "weight"], "--set takes NAME.SETTING=VALUE"),
        (["--algorithm=elr", "--corrector=lqm:aggregate"], "a variant is NAME:SETTING=VALUE"),
        (["--algorithm=elr", "--corrector=lmq:cleaner=x"], "no corrector 'lmq'; there are"),
        (["--algorithm=elr", "--set", "erl.weight=3"], "there is no algorithm or corrector 'erl'"),
        (["--algorithm=elr", "--network=mpl"], "no network 'mpl'; there are"),
        (["--algorithm=elr", "--register", "nowhere"], "--register nowhere: No module named 'nowhere'"),
        (["--algorithm=co_teaching", "--set", "co_teaching.noise_rate=1.0"], "it has to be in [0, 1)"),
        (["--algorithm=cross_entropy", "--corrector=lqm", "--paired-share=0"], "is empty: enlarge paired_share"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(folders, tmp_path, capsys, options, message):
    assert learn(folders, tmp_path, *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_variant_has_settings_of_its_own():
    given = ["lqm.gamma=0.5", "lqm.folds=3"]
    assert settings.corrector("lqm", given) == LQM(gamma=0.5, folds=3)
    assert settings.corrector("lqm:cleaner=aggregate,gamma=1.0", given) == LQM(gamma=1.0, folds=3, cleaner="aggregate")
    assert settings.algorithm("bootstrap:hard=True", given) == Bootstrap(hard=True)


def test_a_diverging_run_has_an_exit_code_of_its_own(folders, tmp_path, capsys):
    assert learn(folders, tmp_path, "--algorithm=cross_entropy", "--learning-rate=1e30") == 3
    assert "DIVERGED" in capsys.readouterr().out


def test_a_record_says_with_what_it_was_made(folders, tmp_path):
    learn(folders, tmp_path, "--algorithm=co_teaching", "--set", "co_teaching.noise_rate=0.25")
    values = json.loads(next(tmp_path.glob("*.json")).read_bytes())
    assert values["config"]["algorithm"] == {
        "name": "co_teaching",
        "noise_rate": 0.25,
        "ramp_epochs": 10.0,
        "exponent": 1.0,
    }
    assert values["details"]["algorithm"]["noise_rate"] == {"half_width": None, "rate": 0.25, "source": "told"}


@pytest.mark.slow
def test_beam_s_workers_come_to_the_records_of_this_process(folders, tmp_path):
    def benchmark(out, *more):
        arguments = [f"--arrays={folders / 'arrays'}", f"--out={out}", "--labels", str(folders / "high"), *OPTIONS]
        return main(["benchmark", *arguments, "--algorithms", "cross_entropy", "elr", "--seeds", "0", "1", *more])

    assert benchmark(tmp_path / "here") == 0
    runner = ["--runner=FnApiRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"]
    assert benchmark(tmp_path / "beam", "--beam", "--", *runner) == 0
    here, beam = (
        {record.key: record.reproducible() for record in read_records(tmp_path / name)} for name in ("here", "beam")
    )
    assert len(here) == 4
    assert here == beam


def test_any_text_can_be_printed(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(clean, "run", lambda args: print("81 ± 2 \x1b[31mann", flush=True) or 0)
    with contextlib.redirect_stdout(out):
        assert main(["clean", "--arrays=a", "--labels=b", "--out=c", "--corrector=none"]) == 0
    assert out.buffer.getvalue() == b"81 ~ 2 \\x1b[31mann\n"
