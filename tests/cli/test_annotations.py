import shutil

import numpy as np
import pandas as pd
import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets import cli, files, load_labels
from noisy_label_datasets.cli import clean, learn, tune
from noisy_label_datasets.labels.stored_annotations import path_of
from noisy_label_learning.__main__ import main as learning_main


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Two people have labelled the noisy half of the digits; bob always takes the next digit, and skips some."""
    labels = load_labels("digits_noisy/low").select("noisy_label_train", "noisy_label_valid")
    ann = pd.DataFrame({"id": labels.ids, "annotator": "ann", "label": labels.labels})
    bob = ann.assign(annotator="bob", label=(labels.labels + 1) % 10).iloc[::2]
    path = tmp_path_factory.mktemp("table") / "labels.csv"
    pd.concat([ann, bob]).to_csv(path, index=False)
    return path


def test_a_table_becomes_a_dataset(table, tmp_path, capsys):
    arguments = ["build", "digits_noisy/people", "--annotations", str(table), "--data-dir", str(tmp_path)]
    assert cli.main(arguments) == 0
    assert "tfds.load('digits_noisy/people', split='noisy_label_train'" in capsys.readouterr().out
    built = tfds.builder("digits_noisy/people", data_dir=tmp_path)
    assert [rater["id"] for rater in built.info.metadata["raters"]] == ["ann", "bob"]
    read = built.as_dataset(split="noisy_label_train", batch_size=-1)
    noisy, clean = np.asarray(read["noisy_labels"]), np.asarray(read["label"])
    np.testing.assert_array_equal(noisy[:, 0], clean)
    by_bob = noisy[:, 1] != -1
    assert 0.4 < by_bob.mean() < 0.6
    np.testing.assert_array_equal(noisy[by_bob, 1], (clean[by_bob] + 1) % 10)
    # Where bob has skipped an example its one label is ann's, elsewhere that of either.
    rater = np.asarray(read["noisy_label_rater"])
    assert set(rater[~by_bob].tolist()) == {0}
    assert 0.4 < rater[by_bob].mean() < 0.6
    assert (np.asarray(built.as_dataset(split="test", batch_size=-1)["noisy_labels"]) == -1).all()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("digits_noisy/low", "has a config low already"),
        ("digits_noisy", "a config is called by small letters"),
        ("digits_noisy/Ann's", "a config is called by small letters"),
        ("digit_noisy/people", "Did you mean 'digits_noisy'"),
    ],
)
def test_names_that_are_none(table, target, message, tmp_path, capsys):
    assert cli.main(["build", target, "--annotations", str(table), "--data-dir", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_tables_that_are_none(table, tmp_path, capsys):
    build = ["build", "digits_noisy/people", "--data-dir", str(tmp_path)]
    assert cli.main([*build, "--annotations", str(tmp_path / "nothing.csv")]) == 2
    assert "there is no table" in capsys.readouterr().err
    assert cli.main([*build, "--annotations", str(table), "--columns", "id", "worker", "label"]) == 2
    assert "has no column ['worker']" in capsys.readouterr().err


@pytest.fixture(scope="module")
def data(table, tmp_path_factory):
    """The data folder of somebody who has built `people` and has the table no more."""
    folder = tmp_path_factory.mktemp("data")
    own_table = folder / "for_this_one.csv"
    shutil.copy(table, own_table)
    build = ["build", "digits_noisy/people", "--annotations", str(own_table), "--data-dir", str(folder)]
    assert cli.main([*build, "--file-format", "array_record"]) == 0  # which needs no TensorFlow
    own_table.unlink()
    return folder


@pytest.fixture
def run(data, tmp_path, monkeypatch, capfd):
    """Runs a command on that folder and returns what it prints; learning in this process, which is quicker."""
    monkeypatch.chdir(tmp_path)
    for module in (learn, tune, clean):
        monkeypatch.setattr(module, "start", lambda *arguments: learning_main([str(each) for each in arguments]))

    def command(*arguments, exit_code=0, data_dir=data):
        assert cli.main([*arguments, "--data-dir", str(data_dir)]) == exit_code
        captured = capfd.readouterr()
        return captured.out if exit_code == 0 else captured.err

    return command


PEOPLE = "digits_noisy/people"
QUICK = ("--network", "softmax_regression", "--epochs", "1")


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (("build", PEOPLE), "Built already"),
        (("card", PEOPLE), "images by how many of 2 raters are right"),
        (("card", "digits_noisy"), "digits_noisy/people 2."),
        (("verify", PEOPLE), "annotated, 2 raters"),
        (("verify", "digits_noisy"), "digits_noisy/people 2.0.0, dataset: 1,797 examples and all figures"),
        (("labels", PEOPLE, "--out", "labels.csv"), "Wrote 763 examples with the labels of 2 raters"),
        (("export", PEOPLE, "--out", "exported"), "Wrote digits_noisy/people"),
        (("explore", PEOPLE), "Wrote 600 images of digits_noisy/people"),
        (("learn", PEOPLE, "--algorithm", "cross_entropy", *QUICK), "best on test"),
        (("tune", PEOPLE, "--algorithms", "cross_entropy", "--out", "tuned.json", *QUICK), "cross_entropy"),
        (("clean", PEOPLE, "--corrector", "majority", "--out", "cleaned"), "recall"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_every_command_finds_the_config(run, arguments, printed):
    assert printed.lower() in run(*arguments).lower()


def test_the_list_has_it(run, monkeypatch):
    monkeypatch.setattr("noisy_label_datasets.cli.list.dataset_names", lambda: ("digits_noisy",))
    monkeypatch.setattr("noisy_label_datasets.cli.list.training_is_installed", lambda: False)
    (line,) = (line for line in run("list").splitlines() if line.startswith(PEOPLE))
    assert line.split()[1:4] == ["annotated", "2", "0.333"]
    assert line.endswith("array_record")


def test_what_needs_raters_says_that_there_are_none(run):
    for command in ("train", "make"):
        assert "there are no raters of digits_noisy/people to train: labels that human" in run(
            command, PEOPLE, exit_code=2
        )
    assert "the raters of digits_noisy/people do not come with the package" in run("label", PEOPLE, exit_code=2)


def test_a_data_folder_without_it_says_so(run, tmp_path):
    for command in (("card", PEOPLE), ("verify", PEOPLE), ("export", PEOPLE, "--out", "out"), ("explore", PEOPLE)):
        assert "called 'people'. There are: low" in run(*command, data_dir=tmp_path, exit_code=2)
    assert "no config 'people'; there are low" in run(
        "labels", PEOPLE, "--out", "labels.csv", data_dir=tmp_path, exit_code=2
    )
    (tmp_path / "digits_noisy" / "people" / "2.0.0").mkdir(parents=True)  # as TFDS alone would have it
    assert "`noisy-labels build digits_noisy/people --annotations TABLE`" in run(
        "card", PEOPLE, data_dir=tmp_path, exit_code=2
    )


def test_in_python_it_has_its_name(data):
    labels = load_labels(PEOPLE, data_dir=data).select("noisy_label_train")
    source = tfds.data_source(PEOPLE, data_dir=data, split="noisy_label_train")
    arrays = labels.ids, labels.noisy_labels, labels.noisy_label
    by_id = {id_: (of_raters, one) for id_, of_raters, one in zip(*(a.tolist() for a in arrays), strict=True)}
    read = {e["id"].decode(): (e["noisy_labels"].tolist(), int(e["noisy_label"])) for e in source}
    assert read == by_id


def test_another_table_takes_its_place(table, tmp_path, capsys):
    build = ["build", PEOPLE, "--data-dir", str(tmp_path), "--file-format", "array_record"]
    assert cli.main([*build, "--annotations", str(table)]) == 0
    other = tmp_path / "other.csv"
    pd.read_csv(table).query("annotator == 'ann'").to_csv(other, index=False)
    assert cli.main([*build, "--annotations", str(other)]) == 0
    assert "It was built from labels with SHA-256" in capsys.readouterr().out
    assert load_labels(PEOPLE, data_dir=tmp_path).rater_ids == ("ann",)
    assert cli.main(["verify", PEOPLE, "--data-dir", str(tmp_path)]) == 0


def test_damaged_labels_are_named(table, tmp_path, capsys):
    arguments = ["build", PEOPLE, "--data-dir", str(tmp_path), "--file-format", "array_record"]
    assert cli.main([*arguments, "--annotations", str(table)]) == 0
    stored = path_of(tmp_path, *PEOPLE.split("/"))
    whole = stored.read_bytes()
    stored.write_bytes(whole[:-100])
    capsys.readouterr()
    assert cli.main(["verify", PEOPLE, "--data-dir", str(tmp_path)]) == 2
    assert f"FAULT  digits_noisy/people, labels: the annotations in {stored} cannot be read" in capsys.readouterr().out

    arrays = dict(files.unpack_arrays(whole))
    name = next(name for name in arrays if name.endswith(".clean_labels"))
    stored.write_bytes(files.pack_arrays(arrays | {name: arrays[name][:-1]}))
    assert cli.main(["verify", PEOPLE, "--data-dir", str(tmp_path)]) == 2
    assert "has arrays of other lengths than each other" in capsys.readouterr().out
