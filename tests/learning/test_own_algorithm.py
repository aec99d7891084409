"""docs/your-own-algorithm.md, followed from outside the package: its files written and its commands run."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from noisy_label_learning.runs.record import read_records

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "your-own-algorithm.md").read_text()
QUICK = {"learn": ["--epochs=3"], "benchmark": ["--epochs=3"], "clean": []}


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.slow
def test_the_page_does_what_it_says(tmp_path):
    for name, text in re.findall(r"```python file=(\S+)\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TFDS_DATA_DIR": str(tmp_path / "data")}
    printed = []
    for block in blocks("sh run"):
        program, command, *rest = shlex.split(block.replace("\\\n", " "))  # lines are joined as a shell joins them
        assert program == "noisy-labels"
        arguments = [sys.executable, "-m", "noisy_label_datasets", command, *rest, *QUICK[command]]
        process = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert process.returncode == 0, process.stdout + process.stderr
        printed.append(process.stdout)
    assert "symmetric_cross_entropy" in printed[0]
    assert "| symmetric_cross_entropy (alpha=0.5) |" in printed[1]
    assert "precision" in printed[2]
    records = [record for path in (tmp_path / "data").rglob("runs") for record in read_records(path)]
    assert sum(record.algorithm == "symmetric_cross_entropy" for record in records) == 4


def test_the_page_s_code_is_whole():
    assert len(blocks("sh run")) == 3
    for _, text in re.findall(r"```python file=(\S+)\n(.*?)```", PAGE, re.DOTALL):
        compile(text, "page", "exec")
