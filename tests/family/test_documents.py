"""The Python of the README and of the documents runs, block by block, in order.

TensorFlow takes seconds to start: those that use it run in one process, each with names of its own. That every one
imports the package, which only the first has to, is therefore looked up.
"""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DOCS = ROOT / "docs"
END = "---- end of a document ----"


def code_of(document: pathlib.Path) -> str:
    """The Python blocks, but those that need a library which is not here."""
    pattern = r"(?:<!-- needs (\w+) -->\n *)?```python\n(.*?)\n *```"  # indented where it stands under a tab
    blocks = re.findall(pattern, document.read_text(), re.DOTALL)
    assert any("import noisy_label_datasets" in block for _, block in blocks)
    return "\n".join(textwrap.dedent(block) for needs, block in blocks if not needs or importlib.util.find_spec(needs))


def run(codes: dict[str, str], tmp_path: pathlib.Path) -> list[str]:
    """Returns what each prints, run in one process and in this order; code by the name of its document."""
    for name, code in codes.items():
        (tmp_path / name).with_suffix(".py").write_text(code)
    files = [pathlib.Path(name).with_suffix(".py").name for name in codes]
    each = f"import runpy\nfor name in {files}:\n    runpy.run_path(name)\n    print({END!r})"
    environment = {
        **os.environ,
        "TFDS_DATA_DIR": str(tmp_path / "data"),
        "HF_HOME": str(tmp_path / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "agg",
        "TQDM_DISABLE": "1",
    }
    process = subprocess.run(
        [sys.executable, "-c", each], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout.split(f"{END}\n")[:-1]


PLACES = """
import pathlib
array_record_dir = pathlib.Path("array_record").absolute()
export_dir = pathlib.Path("exported")
"""
OF_THE_README = """
image, noisy_label = next(iter(dataset))
assert image.shape == (8, 8, 1) and 0 <= noisy_label < 10
assert len(noisy_label_datasets.rater_features(info)) == len(info.metadata["raters"]) > 1
"""


def test_documents_that_load_with_tensorflow(tmp_path):
    """What the README builds the others find built."""
    codes = {
        "README.md": code_of(ROOT / "README.md") + OF_THE_README,
        "using-the-datasets.md": PLACES + code_of(DOCS / "using-the-datasets.md"),
        "human-labels.md": code_of(DOCS / "human-labels.md"),
    }
    _, of_datasets, of_people = run(codes, tmp_path)
    rates = re.findall(r"^0\.\d+$", of_datasets, re.MULTILINE)
    assert any(abs(float(rate) - 0.37) < 0.002 for rate in rates)  # the dial's
    assert re.search(r"^ann\s+0\.\d+$", of_people, re.MULTILINE)


@pytest.mark.slow
def test_start_page(tmp_path):
    commands = re.findall(r"^    noisy-labels (.*)$", (DOCS / "index.md").read_text(), re.MULTILINE)
    make, export = (command.split() for command in commands)
    assert make[0] == "make"
    build = ["build", *make[1:]]  # of the labels that are shipped, which takes less time than training anew
    commands = f"from noisy_label_datasets import cli\nassert cli.main({build}) == cli.main({export}) == 0\n"
    run({"index.md": commands + code_of(DOCS / "index.md")}, tmp_path)


def test_labels_without_tfds(tmp_path):
    run({"labels-without-tfds.md": code_of(DOCS / "labels-without-tfds.md")}, tmp_path)
