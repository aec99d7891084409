"""Runs Python in a process of its own and says how long it took and how much memory it needed, with its children."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import psutil


def measured(code: str, *arguments: object, every: float = 0.1) -> tuple[list[str], float]:
    """Returns what the code printed last, as words, and the peak of memory in MB.

    Memory is the resident set of the process and all its descendants together, sampled; pages that they share count
    once for each.

    Args:
      code: Python.
      *arguments: its `sys.argv[1:]`.
      every: seconds between samples.
    """
    with tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
        observed, peak = psutil.Process(process.pid), 0
        while process.poll() is None:  # it prints little, which the pipe holds
            peak = max(peak, _resident([observed, *_descendants(observed)]))
            time.sleep(every)
        output = process.stdout.read() if process.stdout else ""
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read()[-3000:])
    return output.splitlines()[-1].split(), peak / 1e6


def _descendants(process: psutil.Process) -> Sequence[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _resident(processes: Sequence[psutil.Process]) -> int:
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it has just ended
            continue
    return total
