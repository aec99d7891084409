import pandas as pd
import pytest

from noisy_label_datasets import cli


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
def test_labels_are_written(tmp_path, capsys, suffix):
    out = tmp_path / f"labels.{suffix}"
    assert cli.main(["labels", "digits_noisy/low", "--out", str(out), "--data-dir", str(tmp_path)]) == 0
    assert "Wrote 1,200 examples with the labels of 9 raters" in capsys.readouterr().out
    assert out.stat().st_size > 1000


def test_some_splits_only(tmp_path):
    out = tmp_path / "labels.csv"
    arguments = ["labels", "digits_noisy/low", "--out", str(out), "--splits", "test", "noisy_label_valid"]
    assert cli.main([*arguments, "--data-dir", str(tmp_path)]) == 0
    assert set(pd.read_csv(out)["split"]) == {"test", "noisy_label_valid"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits_noisy/low", "--out", "labels.xlsx"], "has to end in .csv, .parquet, .npz"),
        (["digits_noisy/lwo", "--out", "labels.csv"], "no config 'lwo'; there are low"),
        (["digits_noisy/low", "--out", "labels.csv", "--splits", "train"], "given ['train']"),
        (["digits_noisy/low", "--out", "nowhere/labels.csv"], "there is no folder nowhere"),
    ],
)
def test_bad_input(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["labels", *arguments, "--data-dir", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
