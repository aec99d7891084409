"""Puts what a benchmark printed into a document, so that no figure there is typed by hand.

with report("docs/training-speed.md", "training speed") as say:
    say("engine  0.31")             # printed at once, and in the document when all is measured
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import pathlib
import platform
from collections.abc import Callable, Iterator

from noisy_label_datasets import files


@contextlib.contextmanager
def report(document: str | os.PathLike | None, name: str, *, markdown: bool = False) -> Iterator[Callable[[str], None]]:
    """Gives a function that prints a line, and at the end writes all lines between two markers of a document.

    Args:
      document: of Markdown; None: lines are only printed.
      name: what stands in the markers, `<!-- NAME: begin -->` and `<!-- NAME: end -->`.
      markdown: whether the lines are Markdown; else they are set as they are.

    Raises:
      SystemExit: there is no such document, or it lacks the markers; before anything is measured.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    if document is not None:
        if not pathlib.Path(document).is_file():
            raise SystemExit(f"--into {document}: there is no such file; it has to be a Markdown document")
        text = pathlib.Path(document).read_text(encoding="utf-8")
        if begin not in text or end not in text.partition(begin)[2]:
            raise SystemExit(f"{document} has no lines {begin.strip()} and {end.strip()}")
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line.rstrip())

    yield say
    if document is not None:
        before, _, rest = pathlib.Path(document).read_text(encoding="utf-8").partition(begin)
        after = rest.partition(end)[2]
        block = "\n".join(lines).strip("\n") + "\n"
        block = f"\n{block}\n" if markdown else f"```text\n{block}```\n"
        files.write_atomically(pathlib.Path(document), (before + begin + block + end + after).encode())


def machine(*packages: str) -> str:
    """Returns on what this runs: processor, processors, Python, and the versions of packages.

    Raises:
      SystemExit: one of them is not installed.
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise SystemExit(f"not installed here: {', '.join(missing)}; pip install {' '.join(missing)}")
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    kind = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return f"{kind}; Python {platform.python_version()}, {versions}"
