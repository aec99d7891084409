"""Checkpoints of a run of the training loop (orbax), so that a killed run loses a minute and not all.

    checkpoints = Checkpoints(folder, fingerprint)
    saved = checkpoints.restore(state)              # `Saved`, or None
    checkpoints.save(state, step=1000, history=history)
    checkpoints.remove()                            # once the result is stored

A checkpoint is complete or not there (orbax writes to a temporary folder and renames). It holds a hash of its content:
in place of one that was damaged the one before is restored. It holds the fingerprint of the rater's configuration and
data; one of another configuration is an error. Of several processes that
train together, process 0 writes them and broadcasts the state, so no folder has to be shared.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import logging
import os
import pathlib
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.output import errors_held_back, log_again
from noisy_label_datasets.schema import Anything, ListOf, Number, Record, Text, check

_LOGGER = logging.getLogger(__name__)
_KEPT = 2
_ABOUT = Record(
    {"fingerprint": Text(), "history": ListOf(ListOf(Number(), least=2, most=2))},
    optional={"curve": ListOf(ListOf(Anything(), least=2, most=2)), "sha256": Text("[0-9a-f]{64}")},
)
# Orbax tells the saves of a process apart by a counter that all of them share: two at once, of raters trained in
# parallel, take each other's temporary folders away.
ONE_AT_A_TIME = threading.RLock()


class CheckpointError(NoisyLabelsError):
    """A checkpoint that belongs to another run, or that cannot be read."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint that cannot be read, or that does not hold what was written."""


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
    """The checkpoints of one run.

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
        """Returns the steps of which there are checkpoints, rising.

        Raises:
          CheckpointError: the folder cannot be read.
        """
        with ONE_AT_A_TIME:
            return sorted(self._open().all_steps()) if self.folder.exists() else []

    def intact_steps(self, state: Any) -> list[int]:
        """Returns the steps of which there are checkpoints that are not damaged, rising.

        Args:
          state: as of `restore`.

        Raises:
          CheckpointError: all are damaged, or one is of another configuration or of other data.
        """
        intact, damage = [], None
        for step in self.steps():
            try:
                self.restore(state, step)
                intact.append(step)
            except DamagedCheckpointError as error:
                damage = error
                _LOGGER.warning("%s", error)
        if damage is not None and not intact:
            raise damage
        return intact

    def restore(self, state: Any, step: int | None = None) -> Saved | None:
        """Returns what a checkpoint holds, or None if there is none.

        Args:
          state: a tree of arrays of the shapes and dtypes that the checkpoint has to have.
          step: of which; None: of the last one that is not damaged.

        Raises:
          CheckpointError: it is of another configuration or of other data.
          DamagedCheckpointError: it cannot be read, or holds something else than what was written.
        """
        stored = self.steps()
        if step is not None:
            return self._restore(state, step) if step in stored else None
        for last in reversed(stored):
            try:
                return self._restore(state, last)
            except DamagedCheckpointError as error:
                if last == stored[0]:
                    raise
                _LOGGER.warning("%s; resuming from the one before", error)
        return None

    def _restore(self, state: Any, step: int) -> Saved:
        leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, state))
        try:
            with ONE_AT_A_TIME:
                about = self._open().restore(step, args=ocp.args.Composite(about=ocp.args.JsonRestore())).about
            check(about, _ABOUT)
            if about["fingerprint"] != self._fingerprint:
                raise CheckpointError(
                    f"{self.folder} holds a checkpoint of another configuration or of other data (fingerprint "
                    f"{about['fingerprint']}, wanted {self._fingerprint}); remove the folder to start anew"
                )
            wanted = ocp.args.Composite(state=ocp.args.StandardRestore(_named(leaves)))
            with ONE_AT_A_TIME:
                restored = self._open().restore(step, args=wanted).state
            arrays = [np.asarray(restored[name]) for name in _named(leaves)]
            if "sha256" in about and about["sha256"] != content_sha256(_named(arrays), about):
                raise ValueError("it does not hold what was written")  # caught below
        except CheckpointError:
            raise
        except Exception as error:  # on altered files orbax raises a dozen kinds of error
            raise DamagedCheckpointError(
                f"the checkpoint {self.folder / str(step)} cannot be read: {first_line(error)}; "
                f"remove {self.folder} to start anew"
            ) from error
        return Saved(
            state=jax.tree.unflatten(structure, arrays),
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

        Raises:
          OSError: the disk is full, or the folder, which the error names, cannot be written.
        """
        about: dict[str, Any] = {"fingerprint": self._fingerprint, "history": [list(entry) for entry in history]}
        if curve:
            about["curve"] = [list(entry) for entry in curve]
        arrays = _named(jax.tree.leaves(jax.tree.map(np.asarray, state)))
        about["sha256"] = content_sha256(arrays, about)
        args = ocp.args.Composite(state=ocp.args.StandardSave(arrays), about=ocp.args.JsonSave(about))
        with ONE_AT_A_TIME:
            for later in [at for at in self._open().all_steps() if at >= step]:
                # Damaged, or passed over for a step of which others have checkpoints too; orbax would keep it.
                shutil.rmtree(self.folder / str(later))
                self._open().reload()
            with naming_what_is_written(f"checkpoint {step}", self.folder):
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
            try:
                self._manager = ocp.CheckpointManager(self.folder, options=options)
            except Exception as error:  # see `_restore`
                raise DamagedCheckpointError(
                    f"the checkpoints in {self.folder} cannot be read: {first_line(error)}; "
                    "remove the folder to start anew"
                ) from error
        return self._manager


def content_sha256(arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of arrays by name, and of the JSON that stands beside them but for its own entry `sha256`."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {arrays[name].shape} ".encode())
        digest.update(array.tobytes())
    rest = {key: value for key, value in about.items() if key != "sha256"}
    digest.update(json.dumps(rest, sort_keys=True).encode())
    return digest.hexdigest()


@contextlib.contextmanager
def naming_what_is_written(what: str, folder: pathlib.Path) -> Iterator[None]:
    """Turns what orbax raises where something cannot be written into an OSError of one line.

    It is of several kinds, and pages long; orbax logs its traceback besides.
    """
    held: list[logging.LogRecord] = []
    try:
        with errors_held_back() as held:
            yield
        log_again(held)
    except Exception as error:
        code = re.search(r"os_error_code='(\d+)'", str(error))
        if not isinstance(error, OSError) and code is None:
            log_again(held)
            raise
        number = (error.errno if isinstance(error, OSError) else int(code[1]) if code else None) or errno.EIO
        raise OSError(number, f"cannot write {what}: {os.strerror(number)}", str(folder)) from error


def first_line(error: BaseException) -> str:
    """Returns what an error says, in one line; those of orbax have hundreds."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__


def _named(leaves: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{i:05}": leaf for i, leaf in enumerate(leaves)}
