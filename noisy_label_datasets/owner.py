"""Which process something on disk belongs to, and whether that process is gone.

    owner = this_process()         # '5f1c0a9e-1234-17645', fit for a file's name
    is_gone(owner)                 # False: it runs

A process id alone would not do: it is used again, and several machines that share a folder have the same ones. So an
owner is a machine, a process id and the time at which the process started. Of another machine's processes nothing can
be said; they are never taken for gone.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re

PATTERN = r"[0-9a-f]{8}-[0-9]+-[0-9]+"
UNKNOWN = "0"  # a time of which nothing follows


def this_process() -> str:
    """Returns the owner of what this process makes."""
    return _of(os.getpid())  # by its id, since a forked child inherits the cache


@functools.cache
def _of(pid: int) -> str:
    return f"{_machine()}-{pid}-{_started(pid) or UNKNOWN}"


def is_gone(owner: str) -> bool:
    """Returns whether an owner was a process of this machine that has ended; False: it runs, or nobody can say."""
    if not re.fullmatch(PATTERN, owner):
        return False
    machine, pid, started = owner.split("-")
    return machine == _machine() and started != UNKNOWN and _started(int(pid)) not in (started, UNKNOWN)


def is_running(owner: str) -> bool:
    """Returns whether an owner is a process of this machine that runs; False: it has ended, or nobody can say."""
    return bool(re.fullmatch(PATTERN, owner)) and owner.split("-")[0] == _machine() and not is_gone(owner)


def _started(pid: int) -> str | None:
    """Returns a number that tells when a process started; None: there is no such process, or it has ended."""
    if os.path.isdir("/proc/self"):  # by the kernel's own clock, which nobody sets
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()  # what stands before is a name, with anything in it
        except (FileNotFoundError, ProcessLookupError):
            return None
        except OSError:
            return UNKNOWN
        return None if fields[0] in (b"Z", b"X") else fields[19].decode()
    import psutil

    try:
        return str(round(psutil.Process(pid).create_time() * 100))
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return UNKNOWN


@functools.cache
def _machine() -> str:
    """Returns what tells this machine, or container, from others: processes are numbered anew in each."""
    try:
        numbering = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        numbering = ""
    return hashlib.sha256(f"{platform.node()} {numbering}".encode()).hexdigest()[:8]
