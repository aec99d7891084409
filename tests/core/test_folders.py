"""Folders replaced by several processes, read meanwhile, and what killed ones leave."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from noisy_label_datasets import owner
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.files import write_atomically
from noisy_label_datasets.folders import read_whole, remove_leftovers, replacing, set_aside

WRITE = """
import pathlib, sys, time
from noisy_label_datasets.files import write_atomically
from noisy_label_datasets.folders import replacing
folder, mark, times = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for i in range(times):
    with replacing(folder, "x") as empty:
        for name in ("first", "second"):
            (empty / name).write_text(f"{mark}{i}")
"""

HANG = """
import pathlib, sys, time
from noisy_label_datasets.files import write_atomically
from noisy_label_datasets.folders import replacing
with replacing(pathlib.Path(sys.argv[1]), "x") as empty:
    (empty / "first").write_text("half")
    print("half", flush=True)
    time.sleep(600)
"""


def write(folder: pathlib.Path, text: str) -> None:
    with replacing(folder, "x") as empty:
        for name in ("first", "second"):
            (empty / name).write_text(text)


def read(folder: pathlib.Path) -> tuple[str, str]:
    try:
        first = (folder / "first").read_text()
        time.sleep(0.001)
        return first, (folder / "second").read_text()
    except FileNotFoundError as error:
        raise NoisyLabelsError(f"no {error.filename}") from error


def test_three_write_and_one_reads_without_ever_failing(tmp_path):
    folder = tmp_path / "1.0.0"
    write(folder, "at first")
    command = [sys.executable, "-c", WRITE, str(folder)]
    writers = [subprocess.Popen([*command, mark, "60"]) for mark in "abc"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        first, second = read_whole(folder, lambda: read(folder))
        assert first == second
        seen.add(first)
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(seen) > 3
    assert os.listdir(tmp_path) == ["1.0.0"]


def test_what_a_killed_process_left_is_swept_by_the_next(tmp_path):
    folder = tmp_path / "1.0.0"
    write(folder, "old")
    process = subprocess.Popen([sys.executable, "-c", HANG, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(os.listdir(tmp_path)) == 3  # the folder, a half one, the lease
    assert read_whole(folder, lambda: read(folder)) == ("old", "old")
    write(folder, "new")
    assert read_whole(folder, lambda: read(folder)) == ("new", "new")
    assert os.listdir(tmp_path) == ["1.0.0"]


def test_a_swap_that_was_killed_does_not_block_the_next(tmp_path):
    (tmp_path / f".1.0.0.{'a' * 32}.old").mkdir()
    (tmp_path / "incomplete.ABC123_1.0.0").mkdir()
    write(tmp_path / "1.0.0", "new")
    assert os.listdir(tmp_path) == ["1.0.0"]


def test_what_belongs_to_another_folder_is_left_alone(tmp_path):
    others = [f".1.0.0.1.{'a' * 32}.old", "incomplete.ABC123_1.0.01", ".1.0.0.json", "incomplete.notes", "1.0.0-mine"]
    for name in others:
        (tmp_path / name).mkdir()
    remove_leftovers(tmp_path / "1.0.0")
    assert sorted(os.listdir(tmp_path)) == sorted(others)


def test_a_folder_that_is_not_there_is_said_to_be_missing_at_once(tmp_path):
    began = time.monotonic()
    with pytest.raises(NoisyLabelsError, match="first"):
        read_whole(tmp_path / "x", lambda: read(tmp_path / "x"))
    assert time.monotonic() - began < 1


def test_set_aside_takes_what_is_not_there(tmp_path):
    set_aside(tmp_path / "x")
    assert not os.listdir(tmp_path)


def test_a_file_that_a_killed_process_was_writing_is_swept_by_the_next_writer(tmp_path):
    code = "from noisy_label_datasets import owner; print(owner.this_process())"
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    leftover = tmp_path / f".a.json.{gone}.{'0' * 32}.tmp"
    by_another = [tmp_path / f".{name}.{gone}.{'0' * 32}.tmp" for name in ("b.json", "xa.json")]
    running = tmp_path / f".a.json.{owner.this_process()}.{'0' * 32}.tmp"
    elsewhere = tmp_path / f".a.json.00000000-1-1.{'0' * 32}.tmp"  # of another machine
    for path in (leftover, *by_another, running, elsewhere):
        path.touch()
    write_atomically(tmp_path / "a.json", b"{}")
    assert set(tmp_path.iterdir()) == {tmp_path / "a.json", *by_another, running, elsewhere}
