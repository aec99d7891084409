"""Run algorithms with correctors on problems over seeds, and write tables, figures and the paper's statements checked.

    runs = planned(problems, algorithms, correctors, seeds, ...)

Runs that differ in their seeds only are trained in one vmapped loop, where the network is small; each has a record of
its own, and a run that has one is not trained again. With --beam such a group of runs is an element of an Apache Beam
pipeline, whose options follow after `--`.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import pathlib
import time
from collections.abc import Iterator, Sequence

from noisy_label_datasets import learning_options, training_options
from noisy_label_learning.commands import settings
from noisy_label_learning.commands.learn import Progress
from noisy_label_learning.errors import LearningError
from noisy_label_learning.problem import PAIRED_SHARE, Problem
from noisy_label_learning.reports import figures, tables
from noisy_label_learning.runs.config import RunConfig
from noisy_label_learning.runs.cost import training_flops
from noisy_label_learning.runs.record import DONE, Record, stored_record
from noisy_label_learning.runs.session import Session
from noisy_label_learning.studies.plan import Source

# Architectures whose seeds are trained in one loop: benchmarks/learning_speed.py measures when that is faster on a CPU.
SMALL_NETWORKS = ("mlp", "softmax_regression")


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that differ in their seeds, on one problem.

    Attributes:
      labels: folder of the problem's labels.
      configs: one or more.
    """

    labels: str
    configs: tuple[RunConfig, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what the command takes."""
    parser.add_argument("--arrays", required=True, metavar="FOLDER", help="clean arrays (CleanDataset.save)")
    parser.add_argument("--labels", required=True, nargs="+", metavar="FOLDER", help="noisy labels, one folder each")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="records, checkpoints, tables and figures")
    parser.add_argument("--algorithms", required=True, nargs="+", metavar="NAME")
    parser.add_argument("--correctors", nargs="+", default=["none"], metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N")
    parser.add_argument(
        "--beam", action="store_true", help=training_options.beam_help("the seeds of a run are an element")
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be run, and end")
    learning_options.add_options(parser, learning_options.LEARN)
    learning_options.add_options(parser, learning_options.CORRECTED)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs what is missing and reports; returns the exit code: 3 where a run diverged."""
    settings.register(args.register)
    groups = list(planned(args))
    sessions = {labels: settings.load_problem(args, labels) for labels in args.labels}
    out = pathlib.Path(args.out)
    missing = [group for group in groups if any(_stored(sessions[group.labels], out, c) is None for c in group.configs)]
    print(cost_line(groups, missing, out, sessions), flush=True)
    if args.dry_run:
        return 0
    if args.beam:
        from noisy_label_learning.commands import beam

        share = PAIRED_SHARE if args.paired_share is None else args.paired_share
        elements = [(Source(args.arrays, group.labels, share), (), group.configs) for group in missing]
        beam.run_elements(args, elements)
    else:
        _run_here(sessions, missing, out)
    records = [
        record
        for group in groups
        for config in group.configs
        if (record := _stored(sessions[group.labels], out, config)) is not None
    ]
    return report(records, out)


def planned(args: argparse.Namespace) -> Iterator[Group]:
    """Yields the runs that were asked for; of each problem those that share a corrector one after the other.

    Where a corrector is asked for that sees clean labels, cross-entropy with as many is added as its baseline.
    """
    if len(set(args.seeds)) < len(args.seeds):
        raise LearningError(f"--seeds are {args.seeds}; each has to be there once")
    algorithms = [settings.algorithm(name, args.set) for name in dict.fromkeys(args.algorithms)]
    correctors = [settings.corrector(name, args.set) for name in dict.fromkeys(args.correctors)]
    baseline = settings.algorithm("cross_entropy", [])
    pairs = list(itertools.product(correctors, algorithms))
    clean = settings.corrector("clean_subset", [])
    if (
        any(each.name == "lqm" or getattr(each, "gold", False) for each in correctors)
        and (clean, baseline) not in pairs
    ):
        pairs.insert(0, (clean, baseline))
    for labels in dict.fromkeys(args.labels):
        network, schedule = settings.training_of(args, settings.load_problem(args, labels))
        together = network.architecture in SMALL_NETWORKS
        for corrector, algorithm in pairs:
            configs = [
                RunConfig(algorithm, corrector, network, schedule, seed=seed, targets=args.targets)
                for seed in args.seeds
            ]
            for some in [configs] if together else [[config] for config in configs]:
                yield Group(labels, tuple(some))


def cost_line(
    groups: Sequence[Group], missing: Sequence[Group], out: pathlib.Path, problems: dict[str, Problem]
) -> str:
    """Returns what there is to do, and about how long it takes, by the CPU seconds of the records that are there."""
    runs = sum(len(group.configs) for group in groups)
    left = sum(len(group.configs) for group in missing)
    images, flops = 0, 0.0
    for group in missing:
        data = problems[group.labels].data
        shape = data.train.images.shape[1:]
        for config in group.configs:
            images += config.schedule.epochs * len(data.train) * config.algorithm.networks
            flops += training_flops(
                config,
                image_shape=shape,  # type: ignore[arg-type]
                num_classes=data.num_classes,
                examples=len(data.train),
            )
    done = [record for group in groups for c in group.configs if (record := _stored(problems[group.labels], out, c))]
    seconds = [record.seconds["cpu"] for record in done]
    about = (
        f", about {left * sum(seconds) / len(seconds) / 60:.1f} CPU minutes by those that are done" if seconds else ""
    )
    return (
        f"{runs} runs, {runs - left} of them done; {left} to train on {images:,} images in all, "
        f"{flops:.1e} floating-point operations{about}"
    )


def _run_here(problems: dict[str, Problem], missing: Sequence[Group], out: pathlib.Path) -> None:
    started, total, done = time.monotonic(), sum(len(group.configs) for group in missing), 0
    session: tuple[str, Session] | None = None
    for group in missing:
        if session is None or session[0] != group.labels:
            progress = Progress("  ")
            session = (
                group.labels,
                Session(problems[group.labels], out, on_epoch=progress, on_prior_epoch=progress.prior),
            )
        records = session[1].run_seeds(group.configs)
        done += len(records)
        left = (time.monotonic() - started) / done * (total - done)
        first = records[0]
        print(
            f"[{done}/{total}] {first.problem}, {first.corrector} + {first.algorithm}  about {left:.0f} s left",
            flush=True,
        )


def _stored(problem: Problem, out: pathlib.Path, config: RunConfig) -> Record | None:
    return stored_record(out, config.to_json(), problem.data.name, config.key(problem))


def report(records: Sequence[Record], out: pathlib.Path) -> int:
    """Writes tables and figures of records; prints the tables; returns the exit code."""
    print(f"\n{tables.markdown(records)}\n{tables.findings_markdown(records)}")
    folder = out / "report"
    written = [*tables.write_tables(folder, records), *figures.write_figures(folder, records)]
    print(f"Written: {', '.join(path.name for path in written)} in {folder}")
    diverged = [record for record in records if record.status != DONE]
    for record in diverged:
        print(f"DIVERGED, in no mean: {record.algorithm}, seed {record.seed}: {record.details['diverged']}")
    return 3 if diverged else 0
