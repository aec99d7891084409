"""Tries to break the package, and prints what came of it.

  python -m tests.faults                                              a few of each kind
  python -m tests.faults --count 100 --slow-count 4 --into docs/reliability.md
  python -m tests.faults --only checkpoints --count 100               one kind, or several

Each kind runs in a process of its own. Exits with 1 if anything failed; every failure is printed with its seed.
"""

import argparse
import dataclasses
import json
import pathlib
import subprocess
import sys
import time
from collections.abc import Sequence

from noisy_label_datasets import files
from tests.faults.trials import FAILED, OUTCOMES, Tally
from tests.faults.trying import KINDS, try_kind

BEGIN, END = "<!-- table of faults: begin -->", "<!-- table of faults: end -->"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the harness; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--count", type=int, default=5, metavar="N", help="damaged files of each kind (default: 5)")
    parser.add_argument(
        "--slow-count", type=int, default=1, metavar="N", help="kills and races of each kind (default: 1)"
    )
    parser.add_argument("--first-seed", type=int, default=0, metavar="N", help="for others than the last time")
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="kinds whose name holds one of these")
    parser.add_argument(
        "--into",
        type=pathlib.Path,
        metavar="FILE",
        help="write the table between this file's marks; with --only the rows of other kinds stay as they are",
    )
    parser.add_argument(
        "--keep",
        type=pathlib.Path,
        metavar="FILE",
        help="where what is found is kept; what stands there is not tried again",
    )
    parser.add_argument("--alone", metavar="KIND", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.alone:
        count = arguments.slow_count if KINDS[arguments.alone].costly else arguments.count
        tally = try_kind(arguments.alone, range(arguments.first_seed, arguments.first_seed + count))
        print(json.dumps({"counts": tally.counts, "failures": tally.failures}), file=sys.__stdout__, flush=True)
        return 0
    tallies = [Tally(**json.loads(line)) for line in _lines(arguments.keep)]
    for name in [name for name in KINDS if name not in {tally.kind for tally in tallies}]:
        if not arguments.only or any(text in name for text in arguments.only):
            began = time.monotonic()
            tally = _in_a_process(name, arguments)
            tallies.append(tally)
            if arguments.keep and not tally.failures:
                with arguments.keep.open("a") as file:
                    file.write(json.dumps(dataclasses.asdict(tally)) + "\n")
            print(f"{row(tally)}  {time.monotonic() - began:.0f} s", flush=True)
            for failure in tally.failures:
                print(f"    {failure}", flush=True)
    tallies.sort(key=lambda tally: list(KINDS).index(tally.kind))
    if arguments.into:
        before, _, rest = arguments.into.read_text(encoding="utf-8").partition(BEGIN)
        old, _, after = rest.partition(END)
        tried = {tally.kind for tally in tallies}
        others = [tally for tally in rows(old) if arguments.only and tally.kind not in tried]
        whole = sorted([*others, *tallies], key=lambda tally: list(KINDS).index(tally.kind))
        files.write_atomically(arguments.into, f"{before}{BEGIN}\n\n{table(whole)}\n\n{END}{after}".encode())
        print(f"Wrote the table into {arguments.into}")
    failed = sum(tally.counts[FAILED] for tally in tallies)
    print(f"{sum(tally.tried for tally in tallies):,} trials of {len(tallies)} kinds, {failed} failed")
    return 1 if failed else 0


def _lines(path: pathlib.Path | None) -> list[str]:
    return path.read_text().splitlines() if path and path.exists() else []


def _in_a_process(name: str, arguments: argparse.Namespace) -> Tally:
    numbers = ("--count", arguments.count, "--slow-count", arguments.slow_count, "--first-seed", arguments.first_seed)
    command = [sys.executable, "-m", "tests.faults", "--alone", name, *map(str, numbers)]
    process = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    tally = Tally(name)
    try:
        said = json.loads(process.stdout.strip().splitlines()[-1])
        tally.counts, tally.failures = said["counts"], said["failures"]
    except (ValueError, IndexError):
        tally.add(FAILED, f"the process ended with {process.returncode}: {process.stderr[-1500:]}")
    return tally


def row(tally: Tally) -> str:
    """Returns a row of the table."""
    return " | ".join(["", tally.kind, str(tally.tried), *(str(tally.counts[each]) for each in OUTCOMES), ""]).strip()


def rows(text: str) -> list[Tally]:
    """Returns the rows of a table of kinds that there still are."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in KINDS:
            found.append(Tally(cells[0], dict(zip(OUTCOMES, map(int, cells[2:]), strict=True))))
    return found


def table(tallies: Sequence[Tally]) -> str:
    """Returns the table, in Markdown."""
    total = Tally("all", {each: sum(tally.counts[each] for tally in tallies) for each in OUTCOMES})
    header = " | ".join(["", "what was tried", "tried", *OUTCOMES, ""]).strip()
    return "\n".join([header, "|---|" + "--:|" * (len(OUTCOMES) + 1), *map(row, tallies), row(total)])


if __name__ == "__main__":
    sys.exit(main())
