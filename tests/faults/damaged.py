"""Trials with damaged files: a sample is copied, one of its files damaged, and read."""

import pathlib
import random
import shutil
import tempfile
from collections.abc import Iterable

from tests.faults.kinds import FileKind
from tests.faults.mutations import damage
from tests.faults.trials import FAILED, Tally, judge


def try_damaged(kind: FileKind, seeds: Iterable[int]) -> Tally:
    """Tries a kind of file with the damage of each seed."""
    tally = Tally(f"damaged: {kind.name}")
    with tempfile.TemporaryDirectory() as scratch:
        sample = pathlib.Path(scratch) / "sample"
        sample.mkdir()
        kind.write(sample)
        names = sorted(
            {path.relative_to(sample) for pattern in kind.damaged for path in sample.glob(pattern) if path.is_file()}
        )
        whole = shutil.copytree(sample, pathlib.Path(scratch) / "whole")
        expected = frozenset({kind.read(whole)}) | kind.also(sample)
        for seed in seeds:
            rng = random.Random(f"{kind.name} {seed}")
            folder = pathlib.Path(scratch) / f"{seed}"
            shutil.copytree(sample, folder)
            name = rng.choice(names)
            what = f"seed {seed}: {name.parent}/{damage(folder / name, rng)}"
            kind.mend(folder)
            outcome, said = judge(lambda folder=folder: kind.read(folder), expected, hashed=kind.hashed)
            tally.add(outcome, f"{what}: {said}" if outcome == FAILED else what)
            shutil.rmtree(folder, ignore_errors=True)
    return tally
