"""Trials with processes: killed at random moments, and racing each other."""

import functools
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable

from noisy_label_datasets.errors import NoisyLabelsError
from tests.faults.trials import CLEAR, FAILED, SAME, Tally
from tests.faults.work import WORKS

LEFTOVERS = (".tmp", ".old", ".lease")
SECONDS = 600  # after which a process is taken to hang


def start(name: str, folder: pathlib.Path) -> subprocess.Popen:
    """Starts a work; it waits for `go`."""
    command = [sys.executable, "-m", "tests.faults.work", name, str(folder)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def go(*processes: subprocess.Popen) -> None:
    """Lets works begin, all at once, when the last is ready."""
    for process in processes:
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"not ready: {process.stderr.read()[-1000:]!r}")
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()


def leftovers(folder: pathlib.Path) -> list[str]:
    """Returns what should not be there after a work has ended well."""
    return sorted(
        path.name
        for path in folder.rglob("*")
        if path.name.endswith(LEFTOVERS) or path.name.startswith("incomplete.") or "orbax-checkpoint-tmp" in path.name
    )


def try_killed(name: str, seeds: Iterable[int]) -> Tally:
    """Kills a work at random moments, looks at what is there, and does it again."""
    tally, work = Tally(f"killed: {name}"), WORKS[name]
    work.prepare()
    with tempfile.TemporaryDirectory() as scratch:
        undisturbed = pathlib.Path(scratch) / "undisturbed"
        process = start(name, undisturbed)
        go(process)
        began = time.monotonic()
        expected = bytes.fromhex(process.communicate(timeout=SECONDS)[0].decode())
        lasts = time.monotonic() - began
        for seed in seeds:
            folder = pathlib.Path(scratch) / str(seed)
            delay = random.Random(f"{name} {seed}").uniform(0, lasts)
            what = f"seed {seed}: killed after {delay:.2f} of {lasts:.2f} s"
            process = start(name, folder)
            go(process)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            tally.add(*_after_a_kill(name, folder, expected, what))
    return tally


def _after_a_kill(name: str, folder: pathlib.Path, expected: bytes, what: str) -> tuple[str, str]:
    work = WORKS[name]
    try:
        try:
            if work.read(folder) != expected:
                return FAILED, f"{what}: half of it is taken for whole"
        except (NoisyLabelsError, OSError):
            pass  # not there, or said to be not whole
        work.run(folder)
        if work.read(folder) != expected:
            return FAILED, f"{what}: done again, it is another"
    except Exception as error:
        return FAILED, f"{what}: done again: {type(error).__name__}: {str(error)[:300]}"
    if left := leftovers(folder):
        return FAILED, f"{what}: left behind {left}"
    return SAME, what


def try_races(name: str, seeds: Iterable[int]) -> Tally:
    """Lets two processes, and four, do a work in one folder at the same moment."""
    tally = Tally(f"at once: {name}")
    with tempfile.TemporaryDirectory() as scratch:
        for seed in seeds:
            folder, number = pathlib.Path(scratch) / str(seed), (2, 4)[seed % 2]
            processes = [start(name, folder) for _ in range(number)]
            go(*processes)
            ended = [(*process.communicate(timeout=SECONDS), process.returncode) for process in processes]
            what = f"seed {seed}: {number} processes"
            wrong = [
                f"exit code {code}: {err.decode(errors='replace')[-400:]}"
                for _, err, code in ended
                if code not in (0, 2) or (code == 2 and b"Traceback" in err)
            ]
            if len(found := {out for out, _, code in ended if code == 0}) != 1:
                wrong.append(f"{len(found)} different results")
            if left := leftovers(folder):
                wrong.append(f"left behind {left}")
            if wrong:
                tally.add(FAILED, f"{what}: {'; '.join(wrong)}")
            else:
                tally.add(CLEAR if any(code for *_, code in ended) else SAME, what)
    return tally


NOT_KILLED = ("save and load clean arrays", "tfds.load", "export to one folder")
NOT_RACED = ("save clean arrays", "rebuild", "export")
KILLED = {f"killed: {name}": functools.partial(try_killed, name) for name in WORKS if name not in NOT_KILLED}
RACES = {f"at once: {name}": functools.partial(try_races, name) for name in WORKS if name not in NOT_RACED}
