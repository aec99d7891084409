"""The Python of the documents runs, block by block, in order, each document in a process of its own."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

DOCS = pathlib.Path(__file__).parents[2] / "docs"


def code_of(document: str) -> str:
    """The Python blocks, but those that need a library which is not here."""
    pattern = r"(?:<!-- needs (\w+) -->\n *)?```python\n(.*?)\n *```"  # indented where it stands under a tab
    blocks = re.findall(pattern, (DOCS / document).read_text(), re.DOTALL)
    assert blocks
    return "\n".join(textwrap.dedent(block) for needs, block in blocks if not needs or importlib.util.find_spec(needs))


def run(code: str, tmp_path: pathlib.Path) -> str:
    (tmp_path / "document.py").write_text(code)
    environment = {
        **os.environ,
        "TFDS_DATA_DIR": str(tmp_path / "data"),
        "HF_HOME": str(tmp_path / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "agg",
        "TQDM_DISABLE": "1",
    }
    process = subprocess.run(
        [sys.executable, "document.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


def test_using_the_datasets(tmp_path):
    places = """
import pathlib
array_record_dir = pathlib.Path("array_record").absolute()
export_dir = pathlib.Path("exported")
"""
    printed = run(places + code_of("using-the-datasets.md"), tmp_path).splitlines()
    assert any(re.fullmatch(r"0\.\d+", line) and abs(float(line) - 0.37) < 0.002 for line in printed)  # the dial's rate


@pytest.mark.slow
def test_start_page(tmp_path):
    commands = re.findall(r"^    noisy-labels (.*)$", (DOCS / "index.md").read_text(), re.MULTILINE)
    make, export = (command.split() for command in commands)
    assert make[0] == "make"
    build = ["build", *make[1:]]  # of the labels that are shipped, which takes less time than training anew
    run(
        f"from noisy_label_datasets import cli\nassert cli.main({build}) == cli.main({export}) == 0\n"
        + code_of("index.md"),
        tmp_path,
    )


def test_labels_without_tfds(tmp_path):
    run(code_of("labels-without-tfds.md"), tmp_path)


def test_human_labels(tmp_path):
    printed = run(code_of("human-labels.md"), tmp_path)
    assert re.search(r"^ann\s+0\.\d+$", printed, re.MULTILINE)
