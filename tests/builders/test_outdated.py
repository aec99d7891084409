"""A dataset whose labels were made anew since it was built says so wherever it is used, until it is built anew."""

import shutil
import warnings

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import logging

from noisy_label_datasets import cli
from noisy_label_datasets.build.builder import load_clean_dataset
from noisy_label_datasets.build.configs import NoisyLabelConfig
from noisy_label_datasets.build.outdated import OutdatedWarning, why_outdated
from noisy_label_datasets.labels.derived_sources import Dial
from noisy_label_datasets.labels.predictions import read_predictions
from tests.made_up import pool_folder, write_pool

CONFIGS = ("low", "low_independent", "low_class_conditional", "rate_0.40")


@pytest.fixture(scope="module")
def clean():
    return load_clean_dataset("digits_noisy")


@pytest.fixture(autouse=True)
def _logging():
    """The command silences TFDS for the rest of its process."""
    verbosity = logging.get_verbosity()
    yield
    logging.set_verbosity(verbosity)


def builder(data_dir, config):
    return tfds.builder("digits_noisy", config=config, data_dir=data_dir, file_format="array_record")


@pytest.fixture(scope="module")
def made_once(clean, tmp_path_factory):
    """A folder with raters' labels and what was built from them."""
    folder = tmp_path_factory.mktemp("data")
    write_pool(folder, clean, num_raters=4)
    for config in CONFIGS:
        builder(folder, config).download_and_prepare()
    return folder


@pytest.fixture
def up_to_date(made_once, tmp_path):
    return shutil.copytree(made_once, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def hashes(up_to_date, clean):
    """The same with another pool in the place of the first: the hashes of both."""
    old = read_predictions(pool_folder(up_to_date, "digits_noisy")).sha256
    shutil.rmtree(pool_folder(up_to_date, "digits_noisy"))
    write_pool(up_to_date, clean, num_raters=3, error=0.35)
    return old, read_predictions(pool_folder(up_to_date, "digits_noisy")).sha256


def run(capsys, *arguments, exit_code=0):
    assert cli.main([str(argument) for argument in arguments]) == exit_code
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_what_is_up_to_date_is_read_without_a_word(up_to_date):
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutdatedWarning)
        for config in CONFIGS:
            assert len(builder(up_to_date, config).as_data_source("test"))


@pytest.mark.parametrize("config", CONFIGS)
def test_a_read_warns_once_and_names_both_hashes(up_to_date, hashes, config):
    outdated = builder(up_to_date, config)
    with pytest.warns(OutdatedWarning) as caught:
        source = outdated.as_data_source("test")
    (message,) = (str(warning.message) for warning in caught)
    assert message.startswith(
        f"digits_noisy/{config} 2.0.0 in {up_to_date} was built from labels with SHA-256 {hashes[0]}"
    )
    assert f"that would be used now have {hashes[1]}; `noisy-labels build digits_noisy/{config}`" in message
    assert source[0]["noisy_labels"].shape == (4,)  # what is there is still read as it was built
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutdatedWarning)
        outdated.as_data_source("test")


def test_loading_with_tfds_warns(up_to_date, hashes):
    with pytest.warns(OutdatedWarning, match=hashes[1]):
        tfds.data_source("digits_noisy/rate_0.40", split="test", data_dir=up_to_date)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_commands(up_to_date, hashes, capsys, config):
    name, folder = f"digits_noisy/{config}", ("--data-dir", up_to_date)
    for command in (["card", name], ["export", name, "--out", up_to_date / "exported"]):
        _, err = run(capsys, *command, *folder)
        (line,) = (line for line in err.splitlines() if "warning" in line)
        assert line.startswith(f"noisy-labels: warning: {name} ")
        assert all(digest in line for digest in hashes)
    out, _ = run(capsys, "verify", name, *folder, exit_code=2)
    fault = out.splitlines()[-1]
    assert fault.startswith(f"FAULT  {name} 2.0.0, dataset: built from labels with SHA-256 {hashes[0]}")
    assert hashes[1] in fault
    out, _ = run(capsys, "build", name, *folder)
    assert f"It was built from labels with SHA-256 {hashes[0]}" in out
    out, err = run(capsys, "verify", name, *folder)
    assert [line.split()[0] for line in out.splitlines()] == ["ok", "ok"]
    assert err == ""
    assert builder(up_to_date, config).info.features["noisy_labels"].shape == (3,)
    out, _ = run(capsys, "build", name, *folder)
    assert "Built already" in out


def test_the_list_marks_what_is_outdated(up_to_date, hashes, monkeypatch, capsys):
    monkeypatch.setattr("noisy_label_datasets.cli.list.dataset_names", lambda: ("digits_noisy",))
    monkeypatch.setattr("noisy_label_datasets.cli.list.training_is_installed", lambda: False)

    def lines():
        out, _ = run(capsys, "list", "--data-dir", up_to_date)
        return {line.split()[0]: line for line in out.splitlines() if line.startswith("digits_noisy")}

    assert lines()["digits_noisy/low"].endswith("array_record (outdated)")
    assert {name for name in CONFIGS[1:] if f"{name} (outdated)" in lines()["digits_noisy"]} == set(CONFIGS[1:])
    for config in CONFIGS:
        run(capsys, "build", f"digits_noisy/{config}", "--data-dir", up_to_date)
    assert not any("outdated" in line for line in lines().values())


def test_a_config_of_ones_own_whose_source_changed(up_to_date):
    def mine(rate):
        return builder(up_to_date, NoisyLabelConfig(name="mine", source=Dial(rate)))

    mine(0.3).download_and_prepare()
    assert why_outdated(mine(0.3)) is None
    changed = mine(0.5)
    with pytest.warns(OutdatedWarning) as caught:
        changed.as_data_source("test")
    (message,) = (str(warning.message) for warning in caught)
    digest = read_predictions(pool_folder(up_to_date, "digits_noisy")).sha256
    for part in ("Dial(rate=0.3, ", "Dial(rate=0.5, ", digest, "download_mode=tfds.GenerateMode.REUSE_CACHE_IF_EXISTS"):
        assert part in message
    assert message.count(digest) == 2
    anew = tfds.download.DownloadConfig(download_mode=tfds.GenerateMode.REUSE_CACHE_IF_EXISTS)
    changed.download_and_prepare(download_config=anew)
    assert why_outdated(mine(0.5)) is None
    examples = mine(0.5).as_data_source("noisy_label_train")
    wrong = [example["noisy_labels"] != example["label"] for example in examples]
    assert np.mean(wrong) == pytest.approx(0.5, abs=0.002)
    assert mine(0.5).info.metadata["provenance"]["target_rate"] == 0.5


def test_one_builder_before_and_after_its_labels_changed(up_to_date, hashes):
    """It takes the labels that are there when it builds, whatever their number was when it was made or read from."""
    old = tfds.builder("digits_noisy/low_independent", data_dir=up_to_date)
    with pytest.warns(OutdatedWarning):
        assert next(iter(old.as_data_source("test")))["noisy_labels"].shape == (4,)
    anew = tfds.download.DownloadConfig(download_mode=tfds.GenerateMode.REUSE_CACHE_IF_EXISTS)
    old.download_and_prepare(download_config=anew)
    assert next(iter(old.as_data_source("test")))["noisy_labels"].shape == (3,)
    assert old.info.metadata["labels_sha256"] == hashes[1]


def test_a_builder_that_is_older_than_its_labels(clean, tmp_path):
    """It knew of the nine raters whose labels are shipped."""
    early = tfds.builder("digits_noisy/low", data_dir=tmp_path, file_format="array_record")
    assert early.info.features["noisy_labels"].shape == (9,)
    write_pool(tmp_path, clean, num_raters=2)
    early.download_and_prepare()
    assert early.info.features["noisy_labels"].shape == early.as_data_source("test")[0]["noisy_labels"].shape == (2,)


def test_labels_that_are_gone_are_nothing_to_compare_with(up_to_date, tmp_path, capsys):
    config = NoisyLabelConfig(name="elsewhere", source=Dial(0.3, of="elsewhere"))
    shutil.copytree(up_to_date / "digits_noisy" / "low", up_to_date / "digits_noisy" / "elsewhere")
    assert why_outdated(builder(up_to_date, config)) is None
