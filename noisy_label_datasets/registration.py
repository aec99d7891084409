"""Makes the builders of this package known to TFDS, as soon as TFDS is imported.

TFDS knows a builder when its module has been imported. Importing TFDS takes a second or two, which neither
`noisy-labels --help` nor rater training should pay for, so `import noisy_label_datasets` does not import it: it sees to
it that the import of TFDS, whenever it comes, is followed by that of `noisy_label_datasets.build.builder`, which ends
by importing every builder. Where TFDS is not installed nothing ever follows.

Each builder is imported under the name that `tfds build` gives it in its own folder,
`<dataset>.<dataset>_dataset_builder`, so that one builder is one module and never registered twice; for that the folder
of builders is put on `sys.path`.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import pathlib
import sys
import types
from collections.abc import Sequence
from typing import Any

from noisy_label_datasets.errors import NoisyLabelsError

_TFDS = "tensorflow_datasets"
_GENERIC_BUILDER = "noisy_label_datasets.build.builder"
_OTHERS: dict[str, Any] = {}  # builders of other packages and of users, by the name of their dataset


class RegistrationError(NoisyLabelsError):
    """An installation without builders, or a dataset that is not one of this package's."""


def builders_dir() -> pathlib.Path:
    """Returns the folder of builders: inside the installed package, or beside it in a clone of the repository.

    Raises:
      RegistrationError: there is neither.
    """
    package = pathlib.Path(__file__).parent
    candidates = (package / "builders", package.parent / "builders")
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise RegistrationError(f"the installation is incomplete: neither {candidates[0]} nor {candidates[1]} is there")


def dataset_names() -> tuple[str, ...]:
    """Returns the names of the datasets of this package, and of others that were imported."""
    return (*own_names(), *sorted(_OTHERS))


def own_names() -> tuple[str, ...]:
    """Returns the names of the datasets of this package, sorted."""
    return tuple(sorted(path.parent.name for path in builders_dir().glob("*/*_dataset_builder.py")))


def remember(builder: Any) -> None:
    """Makes a builder class that is not one of this package's known to the `noisy-labels` command."""
    if builder.name not in own_names():
        _OTHERS[builder.name] = builder


def builder_class(dataset: str) -> Any:
    """Returns the builder class of one of this package's datasets, or of another that was imported.

    Raises:
      RegistrationError: there is no such dataset; the message names those there are.
    """
    if dataset not in dataset_names():
        raise RegistrationError(f"no dataset {dataset!r}; there are {', '.join(dataset_names())}")
    importlib.import_module(_GENERIC_BUILDER)
    return _OTHERS.get(dataset) or importlib.import_module(f"{dataset}.{dataset}_dataset_builder").Builder


def builder_dir(dataset: str) -> pathlib.Path:
    """Returns the folder of a dataset's builder, with what is shipped beside it.

    Raises:
      RegistrationError: there is no such dataset; the message names those there are.
    """
    return builders_dir() / dataset if dataset in own_names() else builder_class(dataset).code_path.parent


def import_builders() -> None:
    """Imports every builder; the last act of `noisy_label_datasets.build.builder`, on which they build."""
    folder = str(builders_dir())
    if folder not in sys.path:
        sys.path.append(folder)
    for name in own_names():
        importlib.import_module(f"{name}.{name}_dataset_builder")


def register_with_tfds() -> None:
    """Registers the builders now if TFDS is imported, else as soon as it is."""
    if _TFDS in sys.modules:
        importlib.import_module(_GENERIC_BUILDER)
    elif not any(isinstance(finder, _AfterTfds) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterTfds())


class _AfterTfds:
    """Finds TFDS where it is and lets the generic builder's import follow its own."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _TFDS:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)):
                self._follow(spec.loader)
                return spec
        return None

    def _follow(self, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: types.ModuleType) -> None:
            execute(module)
            sys.meta_path.remove(self)
            # When it is the generic builder that imports TFDS, this finds it half imported and leaves it to its end.
            importlib.import_module(_GENERIC_BUILDER)

        loader.exec_module = exec_module
