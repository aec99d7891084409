"""A lease: of several processes on several machines that share a folder, one works on a thing at a time.

    with Lease("checkpoints/00-resnet50.lease") as lease:       # waits while another process has it
        ...
        lease.check()                                           # raises LeaseLost if it has been taken over

A lease is a file that exists while it is held. Its holder touches it every few seconds; one that nobody has touched for
`patience` is taken over, since its holder is gone. Clocks are not compared: who waits sees, by its own clock, that the
file's time has not changed. A holder that was only asleep finds a stranger's token in the file and stops.

That is no lock for what must never happen twice: between a look at the file and what follows, it can change hands. It
saves double work, and keeps two processes from writing checkpoints to one folder. Raters do not depend on it: files are
written atomically, and both processes would write the same predictions.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pathlib
import platform
import threading
import time
import uuid
from types import TracebackType

_LOGGER = logging.getLogger(__name__)


class LeaseLost(RuntimeError):
    """Another process has taken over, having seen no sign of life of this one."""


class Lease:
    """An exclusive claim, made by `with`.

    Attributes:
      path: of the file that stands for it.
      worker: 'host:process id' of this process.
    """

    def __init__(self, path: str | os.PathLike, *, heartbeat: float = 10.0, patience: float = 60.0) -> None:
        """Prepares a claim.

        Args:
          path: in a folder that all claimants share.
          heartbeat: seconds between two signs of life.
          patience: seconds without one after which a lease is taken over; several heartbeats.
        """
        if not 0 < heartbeat < patience:
            raise ValueError(f"heartbeat is {heartbeat} s, patience {patience} s; wanted 0 < heartbeat < patience")
        self.path = pathlib.Path(path)
        self.worker = f"{platform.node()}:{os.getpid()}"
        self._heartbeat = heartbeat
        self._patience = patience
        self._token = uuid.uuid4().hex
        self._lost = False
        self._released = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Lease:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        seen: tuple[str, int] | None = None
        since = time.monotonic()
        while not self._create():
            now = self._look()
            if seen is None and now is not None:
                _LOGGER.warning("%s waits for another worker, which has %s", self.worker, self.path)
            if now != seen:
                seen, since = now, time.monotonic()
            elif now is not None and time.monotonic() - since >= self._patience:
                self._evict(now[0])
            time.sleep(min(self._heartbeat, self._patience / 10, 1.0))
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
        if found is not None and found[0] == self._token:
            self.path.unlink(missing_ok=True)

    def check(self) -> None:
        """Raises LeaseLost if another process has taken over, or has removed the folder because all was done."""
        found = self._look()
        if self._lost or found is None or found[0] != self._token:
            raise LeaseLost(f"{self.path} is no longer held by {self.worker}: another worker has taken over")

    def _create(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with open(descriptor, "w") as file:
            json.dump({"token": self._token, "worker": self.worker}, file)
        return True

    def _look(self) -> tuple[str, int] | None:
        """Returns whose token the file holds ('' while it is being written) and when it was touched, or None."""
        try:
            touched = self.path.stat().st_mtime_ns
            return json.loads(self.path.read_text() or '{"token": ""}')["token"], touched
        except FileNotFoundError:
            return None

    def _evict(self, token: str) -> None:
        """Removes the lease of a process that has died; puts back one that has changed hands in between."""
        aside = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}")
        try:
            os.rename(self.path, aside)
        except FileNotFoundError:
            return
        if json.loads(aside.read_text() or '{"token": ""}')["token"] != token:
            with contextlib.suppress(FileExistsError):
                os.link(aside, self.path)
        aside.unlink()

    def _beat(self) -> None:
        while not self._released.wait(self._heartbeat):
            found = self._look()
            if found is None or found[0] != self._token:
                self._lost = True
                return
            try:
                os.utime(self.path)
            except FileNotFoundError:
                self._lost = True
                return
