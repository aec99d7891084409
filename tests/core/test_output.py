"""What reaches a terminal: no control characters but the command's own, and nothing that its encoding lacks."""

import io
import logging
import os
import subprocess
import sys

import pytest
from rich.table import Table

from noisy_label_datasets.beam_logs import quiet_workers
from noisy_label_datasets.output import console, encodable, errors_held_back, guarded_output, log_again, printable

HOSTILE = "\x1b[2Jcat\x07\x9b31m\rdog\u202e\ud800"


def written(encoding: str, write) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    stdout, sys.stdout = sys.stdout, stream
    try:
        with guarded_output():
            write()
        stream.flush()
    finally:
        sys.stdout = stdout
    return stream.buffer.getvalue().decode(encoding)


def test_control_characters_are_written_out():
    assert printable("cat\n\tdog é 家 👩‍🚀") == "cat\n\tdog é 家 👩‍🚀"
    assert printable(HOSTILE) == "\\x1b[2Jcat\\x07\\x9b31m\\rdog\\u202e\\ud800"


def test_characters_that_an_encoding_lacks():
    assert encodable("10.5 % – ±0.1 家", "utf-8") == "10.5 % – ±0.1 家"
    assert encodable("10.5 % – ±0.1 家", "latin-1") == "10.5 % - ±0.1 \\u5bb6"
    assert encodable("10.5 % – ±0.1 家", "ascii") == "10.5 % - ~0.1 \\u5bb6"
    assert encodable("家", None) == "家"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "cp1252", "utf-16"])
def test_printed_text_can_be_anything(encoding):
    out = written(encoding, lambda: print("a – b", HOSTILE))
    assert "\x1b" not in out
    assert "\\x1b[2Jcat" in out


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_tables_keep_their_own_colours_and_no_others(encoding):
    def write():
        table = Table("name", "red")
        table.add_row(HOSTILE, "[red]█[/]")
        console(force_terminal=True, color_system="standard", width=80).print(table)

    out = written(encoding, write)
    assert "\\x1b[2Jcat" in out
    assert "\x1b[31m" in out  # the table's own
    assert "\x1b[2J" not in out
    assert "\r" not in out
    assert ("█" in out) == (encoding == "utf-8")


def test_errors_that_libraries_log_are_held_back_and_can_be_logged_again(caplog):
    logger = logging.getLogger("a.library")
    with errors_held_back() as held:
        logger.warning("a warning")
        logger.error("an error")
    assert caplog.messages == ["a warning"]
    log_again(held)
    logger.error("another")
    assert caplog.messages == ["a warning", "an error", "another"]


WORKER = """
import logging, sys, types
sys.modules["__main__"].__spec__ = types.SimpleNamespace(name={name!r})
logging.basicConfig()
from noisy_label_datasets.beam_logs import keep_quiet
worker = sys.modules["apache_beam.runners.worker.sdk_worker"] = types.ModuleType("sdk_worker")
keep_quiet()
exec("print('a traceback', file=sys.stderr)", vars(worker) | {{"sys": sys}})
logging.getLogger("apache_beam.runners.common").error("a traceback")
logging.getLogger("absl").warning("a warning")
"""


@pytest.mark.parametrize(("name", "said"), [("apache_beam.runners.worker.sdk_worker_main", False), ("another", True)])
def test_workers_of_this_machine_log_no_tracebacks(name, said):
    with quiet_workers():
        code = WORKER.format(name=name)
        process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "NOISY_LABELS_QUIET_WORKERS" not in os.environ
    assert process.returncode == 0, process.stderr
    assert ("a traceback" in process.stderr) == said
    assert "a warning" in process.stderr
