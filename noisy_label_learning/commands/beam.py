"""Runs on many workers: an Apache Beam pipeline whose elements are the runs of one algorithm on one problem.

Folders have to be the same on every worker: the arrays, the labels, and that of the records. What is done has a record
and is not trained again; of two attempts at the same runs one waits for the other (`noisy_label_datasets.lease`).
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import Any

from noisy_label_datasets.beam_logs import keep_quiet
from noisy_label_learning.commands import settings
from noisy_label_learning.problem import Problem
from noisy_label_learning.runs.config import RunConfig
from noisy_label_learning.runs.session import Session
from noisy_label_learning.studies.derivations import Derivation, derived
from noisy_label_learning.studies.plan import Source
from rater_training.workers import beam_pool

# A problem, and runs on it that differ in their seeds.
Element = tuple[Source, tuple[Derivation, ...], Sequence[RunConfig]]


def run_elements(args: argparse.Namespace, elements: Sequence[Element]) -> None:
    """Runs elements on the workers of a Beam runner.

    Raises:
      BeamError: Beam is not installed, does not take an option, or the pipeline failed.
    """
    beam = beam_pool.import_beam()
    options = beam_pool.pipeline_options(args.for_beam, workers=len(elements) or 1)
    work = functools.partial(run_element, out=str(pathlib.Path(args.out).absolute()), register=tuple(args.register))
    everywhere = [(_absolute(source), derivations, list(configs)) for source, derivations, configs in elements]
    beam_pool.run(
        options,
        lambda pipeline: (
            pipeline
            | "Runs" >> beam.Create(everywhere, reshuffle=False)
            | "One a bundle" >> beam.Reshuffle()
            | "Train" >> beam.Map(work)
        ),
    )


def run_element(element: Element, out: str, register: Sequence[str]) -> int:
    """Trains the runs of an element, unless they have records; returns how many there are."""
    keep_quiet()
    source, derivations, configs = element
    settings.register(register)
    records = Session(derived(_problem(source), derivations), out).run_seeds(list(configs))
    print(
        f"{records[0].problem}, {records[0].corrector} + {records[0].algorithm}: {len(records)} runs stored", flush=True
    )
    return len(records)


def _absolute(source: Source) -> Source:
    paths: dict[str, Any] = {name: str(pathlib.Path(getattr(source, name)).absolute()) for name in ("arrays", "labels")}
    return dataclasses.replace(source, **paths)


@functools.cache
def _problem(source: Source) -> Problem:
    """Returns a problem, read once a process."""
    return source.load()
