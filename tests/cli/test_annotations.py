import numpy as np
import pandas as pd
import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets import cli, load_labels


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
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "builder_from_directory" in line)
    built = tfds.builder_from_directory(line.split("'")[1])
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
