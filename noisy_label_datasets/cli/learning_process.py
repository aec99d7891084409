"""Learning as a process of its own, so that TensorFlow and JAX never share one, and the arrays that it reads.

folders = prepare(builder)
start("learn", "--arrays", folders.arrays, "--labels", folders.labels, "--algorithm", "co_teaching")
"""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
import subprocess
import sys
from typing import TYPE_CHECKING

from noisy_label_datasets.cli.training_process import environment, stop
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.learning_presets import PRESETS

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder

NEEDED = ("jax", "flax", "optax", "orbax", "sklearn", "matplotlib")
INSTALL = "pip install 'noisy-label-datasets[learning]' (in a clone of the repository: pip install '.[learning]')"
_DIVERGED = 3


class LearningProcessError(NoisyLabelsError):
    """Learning that cannot start, or a process that failed."""


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where the arrays of a config are.

    Attributes:
      arrays: images and clean labels, shared by the dataset's configs.
      labels: the config's noisy labels.
      runs: where records go if nothing else is said.
    """

    arrays: pathlib.Path
    labels: pathlib.Path
    runs: pathlib.Path


def prepare(builder: NoisyLabelBuilder, preset: str | None = None) -> Folders:
    """Writes the arrays of a config, images once per dataset and size, and returns where they are.

    Args:
      builder: of the config.
      preset: a name of `PRESETS`, which says at what size images are read; None: as raters see them.

    Raises:
      NoisyLabelsError: there are no labels, or the base dataset cannot be had.
    """
    from noisy_label_datasets.labels.label_arrays import LabelArrays

    root = pathlib.Path(builder.data_dir_root) / "learning" / builder.name / str(builder.version)
    side = None if preset is None else PRESETS[preset].arrays_side(builder.BASE.image_shape)
    arrays = root / ("arrays" if side is None else f"arrays-{side}x{side}")
    folders = Folders(arrays, root / "labels" / builder.builder_config.name, root / "runs")
    labels = builder.builder_config.source.load(builder.label_context())
    name = f"{builder.name}/{builder.builder_config.name}"
    LabelArrays.of(labels, name=name, class_names=tuple(builder.BASE.class_names)).save(folders.labels)
    if not _are_of(folders.arrays, builder):
        print(f"Reading {builder.BASE.name} {builder.BASE.version}", flush=True)
        builder.clean_dataset(folders.arrays, image_size=None if side is None else (side, side))
    return folders


def _are_of(arrays: pathlib.Path, builder: NoisyLabelBuilder) -> bool:
    """Returns whether a folder holds the clean arrays of a dataset as it is now; of damaged ones it does not."""
    from noisy_label_datasets.base.arrays import CleanDataset, CleanDatasetError

    try:
        found = CleanDataset.load(arrays)
    except CleanDatasetError:
        return False
    base = builder.BASE
    return (found.name, found.version, found.base_name, found.base_version, found.class_names, found.split_plan) == (
        builder.name,
        str(builder.version),
        base.name,
        base.version,
        tuple(base.class_names),
        builder.SPLIT_PLAN,
    )


def check_installed() -> None:
    """Raises LearningProcessError where what learning needs is not installed."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise LearningProcessError(f"learning needs {', '.join(missing)}, not installed here: {INSTALL}")


def start(*arguments: str) -> None:
    """Runs `python -m noisy_label_learning`; its progress appears on this process's own standard output and error.

    Raises:
      LearningProcessError: the process failed; it has said why.
      KeyboardInterrupt: this process or the other one was interrupted.
    """
    check_installed()
    sys.stdout.flush()
    process = subprocess.Popen([sys.executable, "-m", "noisy_label_learning", *arguments], env=environment())
    try:
        exit_code = process.wait()
    finally:
        stop(process)
    if exit_code in (130, -2):
        raise KeyboardInterrupt
    if exit_code == _DIVERGED:
        raise LearningProcessError("a run diverged: its loss is no longer a number (see above)")
    if exit_code:
        raise LearningProcessError(f"learning failed with exit code {exit_code} (see above); finished runs are kept")
