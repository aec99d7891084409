"""A benchmark on many workers: an Apache Beam pipeline whose elements are the runs of one algorithm over the seeds.

Folders have to be the same on every worker: the arrays, the labels, and that of the records. What is done has a record
and is not trained again; of two attempts at the same runs one waits for the other (`noisy_label_datasets.lease`).
"""

from __future__ import annotations

import argparse
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from noisy_label_learning.commands import settings
from noisy_label_learning.problem import Problem
from noisy_label_learning.runs.session import Session
from rater_training.workers import beam_pool


def run_groups(args: argparse.Namespace, groups: Sequence[Any]) -> None:
    """Runs groups on the workers of a Beam runner.

    Raises:
      BeamError: Beam is not installed, does not take an option, or the pipeline failed.
    """
    beam = beam_pool.import_beam()
    options = beam_pool.pipeline_options(args.for_beam, workers=len(groups) or 1)
    paths = {name: str(pathlib.Path(getattr(args, name)).absolute()) for name in ("arrays", "out")}
    work = functools.partial(
        run_group,
        arrays=paths["arrays"],
        out=paths["out"],
        paired_share=args.paired_share,
        register=tuple(args.register),
    )
    elements = [(str(pathlib.Path(group.labels).absolute()), group.configs) for group in groups]
    beam_pool.run(
        options,
        lambda pipeline: (
            pipeline
            | "Runs" >> beam.Create(elements, reshuffle=False)
            | "One a bundle" >> beam.Reshuffle()
            | "Train" >> beam.Map(work)
        ),
    )


def run_group(
    element: tuple[str, Sequence[Any]], arrays: str, out: str, paired_share: float | None, register: Sequence[str]
) -> int:
    """Trains the runs of an element, unless they have records; returns how many there are."""
    labels, configs = element
    settings.register(register)
    problem = _problem(arrays, labels, paired_share)
    records = Session(problem, out).run_seeds(list(configs))
    print(
        f"{records[0].problem}, {records[0].corrector} + {records[0].algorithm}: {len(records)} runs stored", flush=True
    )
    return len(records)


@functools.cache
def _problem(arrays: str, labels: str, paired_share: float | None) -> Problem:
    """Returns a problem, read once a process."""
    return settings.load_problem(argparse.Namespace(arrays=arrays, paired_share=paired_share), labels)
