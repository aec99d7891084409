"""Answer a question of the paper by runs: imbalance, pretraining, difficulty, or nearness to human labels.

    python -m noisy_label_learning study imbalance --source ARRAYS LABELS --source ARRAYS LABELS --out RUNS

Says first how many runs there are. A run that has its record is not trained again, one that was killed goes on from its
checkpoint. Ends with the paper's statements checked, a table and a figure; --into puts them into a document.
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
from noisy_label_learning.commands.benchmark import SMALL_NETWORKS
from noisy_label_learning.commands.learn import Progress
from noisy_label_learning.errors import LearningError
from noisy_label_learning.problem import PAIRED_SHARE
from noisy_label_learning.runs.config import Network
from noisy_label_learning.runs.record import Record
from noisy_label_learning.runs.session import Session
from noisy_label_learning.studies import STUDIES, writing
from noisy_label_learning.studies.plan import PlannedRun, Problems, Source, runs_so_far, write_plan
from noisy_label_learning.studies.study import Request, Study


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what the command takes."""
    parser.add_argument("study", choices=tuple(STUDIES), metavar="STUDY", help=", ".join(STUDIES))
    parser.add_argument("--source", nargs=2, action="append", default=[], metavar=("ARRAYS", "LABELS"))
    parser.add_argument("--out", required=True, metavar="FOLDER", help="records, checkpoints, plan, table and figure")
    parser.add_argument("--beam", action="store_true", help=training_options.beam_help("a run is an element"))
    learning_options.add_options(parser, learning_options.STUDY)
    learning_options.add_options(parser, learning_options.LEARN)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs what is missing and reports; returns the exit code: 3 where a run diverged."""
    settings.register(args.register)
    study, out = STUDIES[args.study], pathlib.Path(args.out)
    if not args.report:
        runs = study.plan(request_of(args), Problems())
        unique = list({run.key: run for run in runs}.values())
        missing = [run for run in unique if not run.path(out).exists()]
        print(cost_line(unique, missing, out), flush=True)
        if args.dry_run:
            return 0
        write_plan(out, study.name, [(run.path(out).name, run.tags) for run in runs])
        train(args, missing, out)
    return report(study, out, args.into)


def request_of(args: argparse.Namespace) -> Request:
    """Returns what was asked of a study.

    Raises:
      NoisyLabelsError: something that cannot be.
    """
    share = PAIRED_SHARE if args.paired_share is None else args.paired_share
    return Request(
        sources=tuple(Source(arrays, labels, share) for arrays, labels in args.source),
        seeds=tuple(args.seeds),
        training=lambda problem: settings.training_of(args, problem),
        fractions=tuple(args.fractions or ()),
        networks=tuple(network_pairs(args.networks, args.keras_weights)) if args.study == "pretraining" else (),
        algorithms=tuple(settings.algorithm(name, args.set) for name in args.algorithms),
        train_images=args.images,
    )


def network_pairs(names: Sequence[str], keras_weights: Sequence[str]) -> Iterator[tuple[Network, Network]]:
    """Yields each network from scratch and pretrained: from ImageNet's weights, or from a file of Keras.

    Args:
      names: of architectures whose weights are known.
      keras_weights: 'resnet50=FILE' and the like.

    Raises:
      LearningError: something that is not of this form.
      PretrainedError: weights that are not known, or not installed; before anything is trained.
    """
    weights = dict.fromkeys(names, "imagenet") if not keras_weights else {}
    for text in keras_weights:
        name, equals, path = text.partition("=")
        if not (equals and name and path):
            raise LearningError(f"--keras-weights takes NETWORK=FILE, such as resnet50=resnet50.h5; given {text!r}")
        weights[name] = path
    for name, of_network in weights.items():
        scratch = settings.network_of(name)
        yield scratch, settings.pretrained_network(scratch, of_network)


def cost_line(runs: Sequence[PlannedRun], missing: Sequence[PlannedRun], out: pathlib.Path) -> str:
    """Returns what there is to do, and about how long it takes by the records that are there."""
    flops, images = sum(run.flops for run in missing), sum(run.images for run in missing)
    line = (
        f"{len(runs)} runs, {len(runs) - len(missing)} of them done; {len(missing)} to train on {images:,} images in "
        f"all, {flops:.1e} floating-point operations"
    )
    done = [(run, Record.read(run.path(out))) for run in runs if run.path(out).exists()]
    trained = sum(run.flops for run, _ in done)
    if trained and missing:
        seconds = flops * sum(record.seconds["cpu"] for _, record in done) / trained
        line += f", about {seconds / 60:.1f} CPU minutes by those that are done"
    return line


def train(args: argparse.Namespace, missing: Sequence[PlannedRun], out: pathlib.Path) -> None:
    """Trains runs here, or on Beam's workers."""
    # Runs that differ in their seeds only are one loop where the network is small.
    groups: dict[tuple, list[PlannedRun]] = {}
    for number, run in enumerate(missing):
        alike = dataclasses.replace(run.config, seed=0)
        together = run.config.network.architecture in SMALL_NETWORKS
        groups.setdefault((run.source, run.derivations, alike, None if together else number), []).append(run)
    if args.beam:
        from noisy_label_learning.commands import beam

        elements = [(*key[:2], [run.config for run in group]) for key, group in groups.items()]
        beam.run_elements(args, elements)
        return
    problems, started, done = Problems(), time.monotonic(), 0
    for (source, derivations), of_problem in itertools.groupby(groups.items(), key=lambda item: item[0][:2]):
        progress = Progress("  ")
        session = Session(problems.get(source, derivations), out, on_epoch=progress, on_prior_epoch=progress.prior)
        for _, group in of_problem:
            session.run_seeds([run.config for run in group])
            done += len(group)
            left = (time.monotonic() - started) / done * (len(missing) - done)
            print(f"[{done}/{len(missing)}] {group[0].problem}  about {left:.0f} s left", flush=True)


def report(study: Study, out: pathlib.Path, document: str | None) -> int:
    """Writes and prints what is done; returns the exit code."""
    text, _ = writing.markdown(study, out, f"{study.name}.svg")
    print(text)
    written = writing.write_report(study, out, out / "report")
    if document is not None:
        written += writing.write_into(study, out, pathlib.Path(document))
    print(f"Written: {', '.join(str(path) for path in written)}")
    diverged = runs_so_far(out, study.name).diverged
    for record in diverged:
        print(f"DIVERGED, counted nowhere: {record.problem}, seed {record.seed}: {record.details['diverged']}")
    return 3 if diverged else 0
