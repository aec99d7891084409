"""Which builders there are, and what is said of one that is not."""

import pathlib

import pytest

from noisy_label_datasets import registration


def test_builders_of_the_clone_or_the_installation():
    folder = registration.builders_dir()
    assert (folder / "digits_noisy" / "digits_noisy_dataset_builder.py").is_file()
    assert {"cifar10_noisy", "digits_noisy"} <= set(registration.dataset_names())


def test_the_installed_place_comes_first(tmp_path, monkeypatch):
    package = tmp_path / "noisy_label_datasets"
    for folder in (tmp_path / "builders", package / "builders"):
        folder.mkdir(parents=True)
    monkeypatch.setattr(registration, "__file__", str(package / "registration.py"))
    assert registration.builders_dir() == package / "builders"
    (package / "builders").rmdir()
    assert registration.builders_dir() == tmp_path / "builders"
    (tmp_path / "builders").rmdir()
    with pytest.raises(registration.RegistrationError, match="installation is incomplete"):
        registration.builders_dir()


def test_unknown_dataset():
    with pytest.raises(registration.RegistrationError, match=r"no dataset 'cifar11_noisy'; there are .*cifar10_noisy"):
        registration.builder_class("cifar11_noisy")


def test_builder_class():
    builder = registration.builder_class("digits_noisy")
    assert builder.name == "digits_noisy"
    assert pathlib.Path(str(builder.code_path)).parent == registration.builders_dir() / "digits_noisy"
