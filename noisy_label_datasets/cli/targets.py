"""From DATASET/CONFIG on the command line to a TFDS builder; and the options that most commands share."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import pathlib
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.registration import builder_class, dataset_names

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder

STORE_SECONDS = 60.0  # that a store of a cloud has to answer in
FILE_FORMATS = ("tfrecord", "array_record")


class UnknownNameError(NoisyLabelsError):
    """A name that does not exist."""

    def __init__(self, what: str, given: str, allowed: Iterable[str], hint: str = "") -> None:
        """Takes what is unknown, the name that was given and those there are, and what else to say at the end."""
        allowed = list(allowed)
        near = difflib.get_close_matches(given, allowed, n=1)
        meant = f"Did you mean {near[0]!r}? " if near else ""
        super().__init__(f"no {what} {given!r}. {meant}There are: {', '.join(allowed) or 'none'}{hint}")


def add_target(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """Adds the argument `target`; optional: whether it may be left out."""
    parser.add_argument(
        "target",
        metavar="DATASET/CONFIG",
        help="such as digits_noisy/medium; `noisy-labels list` shows all",
        nargs="?" if optional else None,
    )


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Adds the option `--data-dir`."""
    parser.add_argument(
        "--data-dir",
        type=os.path.expanduser,
        metavar="FOLDER",
        help="where TFDS keeps datasets (default: $TFDS_DATA_DIR, else ~/tensorflow_datasets)",
    )


def default_data_dir() -> str:
    """Returns where TFDS keeps datasets; raises NoisyLabelsError where there is no home folder."""
    folder = os.environ.get("TFDS_DATA_DIR", os.path.join(os.path.expanduser("~"), "tensorflow_datasets"))
    if folder.startswith("~"):
        raise NoisyLabelsError("there is no home folder to keep datasets in: name another with --data-dir")
    return folder


def import_datasets(modules: str) -> None:
    """Imports modules of the working directory or installed ones, so that the datasets in them are known.

    Args:
      modules: their names, with commas between them.

    Raises:
      NoisyLabelsError: there is no such module.
    """
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        for module in modules.split(","):
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as error:
                raise NoisyLabelsError(f"--imports {module}: {error} (looked in {here} too)") from error
    finally:  # what is imported from now on is not to be taken from a file that happens to lie here
        sys.path.remove(here)
        sys.path.append(here)


def check_data_dir(folder: str | None) -> None:
    """Raises NoisyLabelsError if a folder (None: the default) cannot be where TFDS keeps datasets, or be looked at."""
    if folder is None:
        folder = default_data_dir()
    if not folder:
        raise NoisyLabelsError("--data-dir (or TFDS_DATA_DIR) is empty: name the folder where TFDS keeps datasets")
    if "://" in folder:
        try:
            _look_at(folder)
        except Exception as error:  # each kind of store has its own
            said = str(error).strip().partition("\n")[0]
            raise NoisyLabelsError(
                f"--data-dir {folder} cannot be reached ({type(error).__name__}: {said}); a folder of this machine is "
                "named without `file://`, and a store of a cloud needs the package that reads it"
            ) from error


def _look_at(folder: str) -> None:
    """Raises what looking at a folder raises, or TimeoutError: without a network some stores try on for minutes."""
    from etils import epath

    raised: list[Exception] = []

    def look() -> None:
        try:
            epath.Path(folder).exists()
        except Exception as error:
            raised.append(error)

    looking = threading.Thread(target=look, daemon=True)  # so that the command can end without it
    looking.start()
    looking.join(STORE_SECONDS)
    if looking.is_alive():
        raise TimeoutError(f"no answer in {STORE_SECONDS:g} seconds")
    if raised:
        raise raised[0]


def add_file_format(parser: argparse.ArgumentParser) -> None:
    """Adds the option `--file-format`."""
    parser.add_argument(
        "--file-format",
        choices=FILE_FORMATS,
        help="tfrecord is read with tfds.load (default), array_record with tfds.data_source; TFDS's other formats "
        "are not offered: its parquet loses rows",
    )


def check_dataset(dataset: str, data_dir: str | None = None) -> None:
    """Raises UnknownNameError if there is no such dataset; one whose folder lies in the working directory is imported.

    Args:
      dataset: 'digits_noisy'.
      data_dir: where TFDS keeps datasets; None: its default.
    """
    if dataset in dataset_names():
        return
    module = f"{dataset}.{dataset}_dataset_builder"
    if dataset in datasets_here():
        import_datasets(module)
    if dataset not in dataset_names():
        folder = pathlib.Path(default_data_dir() if data_dir is None else data_dir, dataset)
        hint = (
            f". There is {folder}, but not its builder: give the command where the folder {dataset} with {module}.py "
            f"lies, or name the builder's module, `noisy-labels --imports {module} ...`"
            if dataset and folder.is_dir()
            else ""
        )
        raise UnknownNameError("dataset", dataset, dataset_names(), hint)


def datasets_here() -> list[str]:
    """Returns the datasets whose builders lie in the working directory, as `make --from` writes them; imports none."""
    found = pathlib.Path.cwd().glob("*_noisy/*_noisy_dataset_builder.py")
    return sorted(path.parent.name for path in found if path.name == f"{path.parent.name}_dataset_builder.py")


def config_names(dataset: str, data_dir: str | None) -> list[str]:
    """Returns the names of a dataset's configs, those of annotations that are stored in the data folder included."""
    from noisy_label_datasets.build import own_configs

    return own_configs.config_names(builder_class(dataset), data_dir)


def find_builder(target: str, *, data_dir: str | None, file_format: str | None = None) -> NoisyLabelBuilder:
    """Returns the builder of 'digits_noisy/medium'.

    Raises:
      UnknownNameError: no such dataset, or no such config of it.
      NoisyLabelsError: no config is given.
    """
    if data_dir is None:
        check_data_dir(None)
    dataset, _, config = target.partition("/")
    check_dataset(dataset, data_dir)
    allowed = config_names(dataset, data_dir)
    if not config:
        raise NoisyLabelsError(
            f"{dataset} is given without a config, such as {dataset}/{allowed[0]}; its configs are {', '.join(allowed)}"
        )
    if config not in allowed:
        folder = pathlib.Path(default_data_dir() if data_dir is None else data_dir, dataset, config)
        hint = (
            f". What is in {folder} was built from a config of your own, whose labels are not stored there; those of a "
            f"table are, with `noisy-labels build {target} --annotations TABLE`"
            if folder.is_dir()
            else ""
        )
        raise UnknownNameError(f"config of {dataset} called", config, allowed, hint)
    return builder_class(dataset)(config=config, data_dir=data_dir, file_format=file_format)
