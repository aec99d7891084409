"""Checkpoints of a rater in training (orbax), so that a killed run loses a minute and not a rater.

    checkpoints = Checkpoints(folder, fingerprint)
    saved = checkpoints.restore(state)              # `Saved`, or None
    checkpoints.save(state, step=1000, history=history)
    checkpoints.remove()                            # once the rater's predictions are stored

A checkpoint is whole or not there (orbax writes to a temporary folder and renames). It carries the fingerprint of the
rater's configuration and data; one of another configuration is an error and not a start. Of several processes that
train together, process 0 keeps them and the others take the state from it, so no folder has to be shared.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import threading
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from noisy_label_datasets.errors import NoisyLabelsError

_KEPT = 2
# Orbax tells the saves of a process apart by a counter that all of them share: two at once, of raters trained beside
# one another, take each other's temporary folders away.
ONE_AT_A_TIME = threading.RLock()


class CheckpointError(NoisyLabelsError):
    """A checkpoint that belongs to another rater, or that cannot be read."""


@dataclasses.dataclass(frozen=True)
class Saved:
    """What a checkpoint holds.

    Attributes:
      state: a tree of NumPy arrays.
      history: (step, mean loss) pairs.
      curve: (step, JSON) pairs of the evaluations between calls.
    """

    state: Any
    history: tuple[tuple[int, float], ...]
    curve: tuple[tuple[int, Any], ...]


class Checkpoints:
    """The checkpoints of one rater.

    Attributes:
      folder: where they are, removed with all that is in it by `remove`.
      every_seconds: how long after a checkpoint the next one is due.
    """

    def __init__(self, folder: str | os.PathLike, fingerprint: str, *, every_seconds: float = 60.0) -> None:
        self.folder = pathlib.Path(folder).absolute()
        self.every_seconds = every_seconds
        self._fingerprint = fingerprint
        self._manager: ocp.CheckpointManager | None = None
        self._saved = time.monotonic()

    def steps(self) -> list[int]:
        """Returns the steps of which there are checkpoints, rising."""
        return sorted(self._open().all_steps()) if self.folder.exists() else []

    def restore(self, state: Any, step: int | None = None) -> Saved | None:
        """Returns what a checkpoint holds, or None if there is none.

        Args:
          state: a tree of arrays of the shapes and dtypes that the checkpoint has to have.
          step: of which; None: of the last.

        Raises:
          CheckpointError: it is of another configuration or of other data, or cannot be read.
        """
        with ONE_AT_A_TIME:
            return self._restore(state, step)

    def _restore(self, state: Any, step: int | None) -> Saved | None:
        stored = self.steps()
        if step is None and stored:
            step = stored[-1]
        if step not in stored:
            return None
        leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, state))
        try:
            about = self._open().restore(step, args=ocp.args.Composite(about=ocp.args.JsonRestore())).about
            if about["fingerprint"] != self._fingerprint:
                raise CheckpointError(
                    f"{self.folder} holds a checkpoint of another configuration or of other data (fingerprint "
                    f"{about['fingerprint']}, wanted {self._fingerprint}); remove the folder to start anew"
                )
            wanted = ocp.args.Composite(state=ocp.args.StandardRestore(_named(leaves)))
            restored = self._open().restore(step, args=wanted).state
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"the checkpoint in {self.folder} cannot be read: {error}; remove the folder"
            ) from error
        return Saved(
            state=jax.tree.unflatten(structure, [restored[name] for name in _named(leaves)]),
            history=tuple((int(at), float(loss)) for at, loss in about["history"]),
            curve=tuple((int(at), entry) for at, entry in about.get("curve", [])),
        )

    def due(self) -> bool:
        """Returns whether the last checkpoint is old enough for a new one."""
        return time.monotonic() - self._saved >= self.every_seconds

    def save(
        self,
        state: Any,
        *,
        step: int,
        history: Sequence[tuple[int, float]],
        curve: Sequence[tuple[int, Any]] = (),
    ) -> None:
        """Writes a checkpoint and waits until it is on disk.

        Args:
          state: a tree of arrays.
          step: how many steps led to it.
          history: (step, mean loss) pairs.
          curve: (step, JSON) pairs of the evaluations between calls.
        """
        about = {"fingerprint": self._fingerprint, "history": [list(entry) for entry in history]}
        if curve:
            about["curve"] = [list(entry) for entry in curve]
        leaves = jax.tree.leaves(jax.tree.map(np.asarray, state))
        args = ocp.args.Composite(state=ocp.args.StandardSave(_named(leaves)), about=ocp.args.JsonSave(about))
        with ONE_AT_A_TIME:
            self._open().save(step, args=args)
            self._open().wait_until_finished()
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Removes the folder."""
        if self._manager is not None:
            with ONE_AT_A_TIME:
                self._manager.close()
            self._manager = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _open(self) -> ocp.CheckpointManager:
        if self._manager is None:
            # Of several processes, only this one has to do with them: no waiting for the others.
            alone = ocp.options.MultiprocessingOptions(
                primary_host=0, active_processes={0}, barrier_sync_key_prefix=self.folder.name
            )
            several = {"multiprocessing_options": alone, "create": False} if jax.process_count() > 1 else {}
            self.folder.mkdir(parents=True, exist_ok=True)
            options = ocp.CheckpointManagerOptions(
                max_to_keep=_KEPT, enable_async_checkpointing=False, **{"create": True, **several}
            )
            self._manager = ocp.CheckpointManager(self.folder, options=options)
        return self._manager


def _named(leaves: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{i:05}": leaf for i, leaf in enumerate(leaves)}
