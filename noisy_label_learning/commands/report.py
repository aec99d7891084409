"""Write the records of benchmarks into a document: what was found, one figure of all, and tables.

    python -m noisy_label_learning report --records docs/records --into docs/benchmarks.md

Nothing is trained, and no data are read: the records are enough.
"""

from __future__ import annotations

import argparse
import pathlib

from noisy_label_learning.errors import LearningError
from noisy_label_learning.reports import document
from noisy_label_learning.runs.record import read_records


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what the command takes."""
    parser.add_argument("--records", required=True, nargs="+", metavar="FOLDER", help="of benchmarks, one or more")
    parser.add_argument("--into", required=True, metavar="FILE", help="a Markdown document with markers")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes the document; returns the exit code."""
    folders = [pathlib.Path(folder) for folder in args.records]
    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        raise LearningError(f"--records {missing[0]}: there is no such folder")
    records = [record for folder in folders for record in read_records(folder)]
    written = document.write_into(records, pathlib.Path(args.into))
    print(f"{len(records)} records; written: {', '.join(str(path) for path in written)}")
    return 0
