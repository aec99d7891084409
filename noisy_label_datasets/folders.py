"""Folders that are either whole or not there, whichever process is killed, and however many write them at a time.

    with replacing(folder, "digits_noisy") as empty:        # waits while another process writes the same folder
        (empty / "dataset.json").write_bytes(...)           # and takes the place of `folder` at the end

    dataset = read_whole(folder, read)                      # never half of an old and half of a new one

What a killed process left behind is swept by whoever writes the same folder next; by then it holds the folder's lease,
and so nobody works there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.lease import taking_turns

T = TypeVar("T")

READ_SECONDS = 30.0  # how long a reader tries to get between two writers that leave it no moment
SWAP_SECONDS = 2.0  # how long a folder may be missing while a new one takes its place


@contextlib.contextmanager
def replacing(folder: pathlib.Path, name: str) -> Iterator[pathlib.Path]:
    """Gives an empty folder that takes the place of `folder` when all went well, and is removed when not.

    Raises:
      OSError: the folder cannot be written or the disk is full; it says so of the dataset `name`.
      LeaseLost: this process slept so long that another took it for dead and has taken over.
    """
    temporary = _beside(folder, "tmp")
    try:
        with taking_turns(folder) as lease:
            remove_leftovers(folder)
            try:
                temporary.mkdir(parents=True)
                yield temporary
                if lease is not None:
                    lease.check()
                set_aside(folder, instead=temporary)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        # NumPy's own error of a full disk has no number, and says "597 requested and 338 written".
        what = error.strerror or f"{os.strerror(errno.ENOSPC)} ({error})"
        raise type(error)(error.errno or errno.ENOSPC, f"cannot save {name}: {what}", str(folder)) from error


def set_aside(folder: pathlib.Path, *, instead: pathlib.Path | None = None) -> None:
    """Removes a folder, if there is one, and gives its name to another.

    First it is renamed, to a name under which `remove_leftovers` finds it: half removed, it is not to be taken for a
    whole one.
    """
    old = _beside(folder, "old")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(old)
    try:
        if instead is not None:
            instead.rename(folder)
    finally:
        shutil.rmtree(old, ignore_errors=True)


def remove_leftovers(folder: pathlib.Path) -> None:
    """Removes what killed processes left of a folder beside it; the caller holds its lease.

    Such are folders of `replacing` and `set_aside`, and those in which TFDS was preparing it.
    """
    for leftover in _leftovers(folder):
        shutil.rmtree(leftover, ignore_errors=True)


def read_whole(folder: pathlib.Path, read: Callable[[], T]) -> T:
    """Returns what `read` returns of a folder that other processes may be replacing: of one of them, not of two.

    Raises:
      NoisyLabelsError: it is replaced all the time.
      Exception: whatever `read` raises of a folder that nobody replaces.
    """
    began = time.monotonic()
    while True:
        before = _identity(folder)
        try:
            found = read()
            if _identity(folder) == before:
                return found
        except (NoisyLabelsError, OSError):
            waited = time.monotonic() - began
            swapped = (
                before is None and waited < SWAP_SECONDS and any(path.suffix == ".old" for path in _leftovers(folder))
            )
            if waited > READ_SECONDS or (_identity(folder) == before and not swapped):
                raise
        if time.monotonic() - began > 2 * READ_SECONDS:
            raise NoisyLabelsError(f"{folder} is being replaced without a pause; it cannot be read meanwhile")
        time.sleep(0.01)


def _identity(folder: pathlib.Path) -> tuple[int, ...] | None:
    """Returns numbers that differ for two folders that had one name after each other; None: there is no folder."""
    try:
        status = os.stat(folder)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _beside(folder: pathlib.Path, kind: str) -> pathlib.Path:
    return folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.{kind}")


def _leftovers(folder: pathlib.Path) -> list[pathlib.Path]:
    name = re.escape(folder.name)
    pattern = re.compile(rf"\.{name}\.[0-9a-f]{{32}}\.(tmp|old)|incomplete\.[A-Z0-9]{{6}}_{name}")
    try:
        return [path for path in folder.parent.iterdir() if pattern.fullmatch(path.name)]
    except OSError:
        return []
