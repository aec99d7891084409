"""A lease: of several processes, on several machines that share a folder, one works on a thing at a time.

    with Lease("checkpoints/00-resnet50.lease") as lease:       # waits while another process has it
        ...
        lease.check()                                           # raises LeaseLost if it has been taken over

    with taking_turns(folder) as lease:                         # the lease of a folder; waits
        ...

A lease is a file that exists while it is held. Its holder touches it every few seconds; one that nobody has touched for
`patience` is taken over, since its holder is gone, and so at once is that of a process of this machine that has ended.
Clocks are not compared: who waits sees, by its own clock, that the file's time has not changed. A holder that was only
asleep finds a stranger's token in the file and stops.

That is no lock for what must never happen twice: between a look at the file and what follows, it can change hands. It
saves double work, and keeps two processes from writing checkpoints to one folder. Results do not depend on it: files
and folders take their places atomically, and both processes would write the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from types import TracebackType

from noisy_label_datasets import owner
from noisy_label_datasets.errors import NoisyLabelsError

_LOGGER = logging.getLogger(__name__)
_QUIET_SECONDS = 2.0  # who waits no longer than this does not say so
_MINE: dict[str, tuple[tuple[int, int], Lease]] = {}  # the leases of folders, by process and thread that hold them


class LeaseLost(NoisyLabelsError, RuntimeError):
    """Another process has taken over, having seen no sign of life of this one."""


class HeldError(NoisyLabelsError):
    """Another process holds a lease, and it is not waited for."""


@dataclasses.dataclass(frozen=True)
class _Holder:
    """What a lease's file says.

    Attributes:
      token: of one claim; '' while the file is being written.
      worker: 'host:process id', to be read by humans.
      owner: see `owner.this_process`.
      touched: the file's time.
    """

    token: str
    worker: str
    owner: str
    touched: int


class Lease:
    """An exclusive claim, made by `with`.

    Attributes:
      path: of the file that stands for it.
      worker: 'host:process id' of this process.
    """

    def __init__(
        self, path: str | os.PathLike, *, heartbeat: float = 10.0, patience: float = 60.0, wait: bool = True
    ) -> None:
        """Prepares a claim.

        Args:
          path: in a folder that all claimants share.
          heartbeat: seconds between two signs of life.
          patience: seconds without one after which a lease is taken over; several heartbeats.
          wait: for a holder that lives; else `with` raises HeldError. (One whose life is in doubt is waited for.)
        """
        if not 0 < heartbeat < patience:
            raise ValueError(f"heartbeat is {heartbeat} s, patience {patience} s; wanted 0 < heartbeat < patience")
        self.path = pathlib.Path(path)
        self.worker = f"{platform.node()}:{os.getpid()}"
        self._heartbeat = heartbeat
        self._patience = patience
        self._wait = wait
        self._token = uuid.uuid4().hex
        self._lost = False
        self._released = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Lease:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        seen: _Holder | None = None
        began = since = time.monotonic()
        pause, said = 0.01, False
        while not self._create():
            holder, now = self._look(), time.monotonic()
            if holder != seen:
                if (
                    not self._wait and holder and seen and holder.token == seen.token
                ):  # it was touched: its holder lives
                    raise self._held(holder)
                seen, since = holder, now
            elif holder is not None and (owner.is_gone(holder.owner) or now - since >= self._patience):
                self._evict(holder.token)
                continue
            elif not self._wait and holder is not None and owner.is_running(holder.owner):
                raise self._held(holder)
            if holder is not None and not said and now - began > _QUIET_SECONDS:
                _LOGGER.warning("waiting for process %s, which holds %s", holder.worker or "?", self.path)
                said = True
            time.sleep(pause)
            pause = min(2 * pause, self._heartbeat, self._patience / 10, 1.0)
        self._thread = threading.Thread(target=self._beat, name=f"lease {self.path.name}", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        if self._thread is not None:
            self._thread.join()
        found = self._look()
        if found is not None and found.token == self._token:
            self.path.unlink(missing_ok=True)

    def check(self) -> None:
        """Raises LeaseLost if another process has taken over, or has removed the folder because all was done."""
        found = self._look()
        if self._lost or found is None or found.token != self._token:
            raise LeaseLost(f"{self.path} is no longer held by {self.worker}: another worker has taken over")

    def _held(self, holder: _Holder) -> HeldError:
        return HeldError(f"process {holder.worker} works on it: it holds {self.path}")

    def _create(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        except FileNotFoundError:  # whoever was waited for has removed the folder, since all was done
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return False
        try:
            with open(descriptor, "w") as file:
                json.dump({"token": self._token, "worker": self.worker, "owner": owner.this_process()}, file)
        except BaseException as error:  # a full disk; a file without a token would be waited for
            self.path.unlink(missing_ok=True)
            if isinstance(error, OSError):  # write() itself does not say of which file it speaks
                raise type(error)(error.errno, f"cannot write: {error.strerror}", str(self.path)) from error
            raise
        return True

    def _look(self) -> _Holder | None:
        """Returns what the file says, or None if there is none."""
        try:
            touched = self.path.stat().st_mtime_ns
            return _parse(self.path.read_bytes(), touched)
        except FileNotFoundError:
            return None

    def _evict(self, token: str) -> None:
        """Removes the lease of a process that has died; puts back one that has changed hands in between."""
        aside = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}")
        try:
            os.rename(self.path, aside)
        except FileNotFoundError:
            return
        if _parse(aside.read_bytes(), 0).token != token:
            with contextlib.suppress(OSError):
                os.link(aside, self.path)
        aside.unlink()

    def _beat(self) -> None:
        while not self._released.wait(self._heartbeat):
            found = self._look()
            if found is None or found.token != self._token:
                self._lost = True
                return
            try:
                os.utime(self.path)
            except FileNotFoundError:
                self._lost = True
                return
            except OSError as error:
                _LOGGER.warning("%s cannot be touched (%s)", self.path, error)


@contextlib.contextmanager
def taking_turns(folder: str | os.PathLike, *, wait: bool = True) -> Iterator[Lease | None]:
    """Gives the lease of a folder, `.<name>.lease` beside it; a thread that has it already is given it again.

    Args:
      folder: which need not be there. One of a cloud store is nobody's: None is given.
      wait: see `Lease`.

    Raises:
      HeldError: another process has it, and is not waited for.
      OSError: the folder beside which the lease would lie cannot be written.
    """
    if "://" in os.fspath(folder):
        yield None
        return
    folder = pathlib.Path(os.path.abspath(folder))
    me = (os.getpid(), threading.get_ident())
    thread, held = _MINE.get(str(folder), (None, None))
    if thread == me:
        yield held
        return
    with Lease(folder.with_name(f".{folder.name}.lease"), wait=wait) as lease:
        _MINE[str(folder)] = (me, lease)
        try:
            yield lease
        finally:
            del _MINE[str(folder)]


def _parse(content: bytes, touched: int) -> _Holder:
    """Returns what a file's content says; of one that is cut short or damaged, nothing but its time."""
    try:
        said = json.loads(content)
        return _Holder(str(said["token"]), str(said.get("worker", "")), str(said.get("owner", "")), touched)
    except (ValueError, TypeError, KeyError, AttributeError):
        return _Holder("", "", "", touched)
