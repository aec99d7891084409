"""Trains rater pools from arrays, labels with trained ones: `python -m rater_training train`, `fit`, `label`, `list`.

`noisy-labels train` prepares the arrays, starts this and prints where the result is. Neither TensorFlow nor TFDS is
needed here. docs/training.md: several devices, several processes, images that do not fit on a device. With --beam the
work is spread over the workers of an Apache Beam runner; what follows `--` are Beam's options.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from noisy_label_datasets import fitting_options, training_options
from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.files import to_json, write_atomically
from noisy_label_datasets.output import guarded_output, printable
from rater_training import pools
from rater_training.config import PoolConfig
from rater_training.training.progress import LabellingLines, PilotLines, ProgressLines, Silent

if TYPE_CHECKING:
    from rater_training.engine.devices import Devices

_INTERRUPTED = 130


def _train(arguments: argparse.Namespace) -> int:
    if os.getcwd() not in sys.path:  # for the user's own pools; last, so that no file here hides what is installed
        sys.path.append(os.getcwd())
    pool = pools.get_pool(arguments.pool)
    leads = True
    if arguments.beam:
        finished = _train_on_workers(arguments, pool)
    else:
        devices = _devices(arguments)  # before anything else that has JAX look for devices
        from rater_training.training.pool import train_pool

        leads = devices.is_primary
        dataset = CleanDataset.load(arguments.arrays)
        if arguments.resume_from and devices.is_primary:
            from rater_training.training.shipping import resume_from_shipped

            resume_from_shipped(
                arguments.resume_from,
                dataset,
                pool,
                arguments.out,
                save_weights=arguments.save_weights,
                report=_print_line,
            )
        if devices.is_primary:
            shared = f", each batch shared by {devices.count} devices" if devices.count > 1 else ""
            print(f"Pool {pool.name}: {len(pool.raters)} raters for {pool.dataset}/{pool.level}{shared}", flush=True)
        finished = train_pool(
            dataset,
            pool,
            arguments.out,
            ProgressLines(pool) if devices.is_primary else Silent(),
            only=tuple(arguments.only),
            note=arguments.note,
            num_parallel=arguments.num_parallel or (_num_parallel() if devices.count == 1 else 1),
            num_vmapped=arguments.num_vmapped or _num_vmapped(),
            devices=devices,
            streamed={None: None, "streamed": True, "resident": False}[arguments.images],
            save_weights=arguments.save_weights,
        )
    if not leads:
        return 0
    if finished:
        print(f"Rater predictions of the whole pool are in {arguments.out}")
    else:
        print(f"Rater predictions so far are in {arguments.out}; raters not named with --only are still to be trained")
    return 0


def _train_on_workers(arguments: argparse.Namespace, pool: PoolConfig) -> bool:
    """Trains a pool on the workers of a Beam runner; returns whether it is finished."""
    from rater_training.workers import beam_pool

    work = beam_pool.Work(
        os.path.abspath(arguments.arrays),
        pool,
        os.path.abspath(arguments.out),
        note=arguments.note,
        save_weights=arguments.save_weights,
    )
    print(f"Pool {pool.name}: {len(pool.raters)} raters for {pool.dataset}/{pool.level}", flush=True)
    return beam_pool.train_pool_on_workers(work, only=tuple(arguments.only), options=arguments.for_beam)


def _devices(arguments: argparse.Namespace) -> Devices:
    """Returns the devices to train on, after the other processes have come, where there are to be some."""
    import jax

    from rater_training.engine.devices import Cluster, Devices, DevicesError, connect

    explicit = tuple(getattr(arguments, name, None) for name in ("coordinator", "processes", "process_id"))
    if getattr(arguments, "distributed", False) or any(value is not None for value in explicit):
        connect(Cluster(*explicit))
    there = jax.devices()
    count = arguments.devices or len(there)
    if count > len(there) or (count < len(there) and jax.process_count() > 1):
        raise DevicesError(
            f"--devices is {count}; there are {len(there)} of {jax.process_count()} processes"
            + (", which all take part" if jax.process_count() > 1 else "")
        )
    return Devices.of(there[:count])


def _num_vmapped() -> int | None:
    """Returns how many raters of one architecture to train in one loop.

    Convolutions of stacked networks become grouped ones, which XLA is expected to be slow at on a CPU; an accelerator
    that one small network does not fill gets more to do at a time. `benchmarks/vmapped.py` measures it.
    """
    import jax

    return 1 if jax.default_backend() == "cpu" else None


def _fit(arguments: argparse.Namespace) -> int:
    devices = _devices(arguments)
    from rater_training.training.fit import Wanted, fit, report, report_lines
    from rater_training.training.pool import train_pool

    dataset = CleanDataset.load(arguments.arrays)
    wanted = Wanted(
        rates=tuple(arguments.rates),
        num_raters=arguments.raters,
        max_steps=arguments.max_steps,
        flip=arguments.flip,
        pretrained=arguments.pretrained,
        seed=arguments.seed,
    )
    num_parallel = arguments.num_parallel or (_num_parallel() if devices.count == 1 else 1)
    lines = PilotLines(wanted.num_raters)
    fitted = fit(dataset, wanted, arguments.pools, arguments.pilots, lines, num_parallel=num_parallel)
    print("\n".join(report_lines(fitted)), flush=True)
    asked_for = set(map(fitting_options.level_of, wanted.rates))
    for pool in fitted.pools:
        if pool.level not in asked_for:
            continue
        print(f"Pool {pool.name}: {len(pool.raters)} raters for {pool.dataset}/{pool.level}", flush=True)
        train_pool(
            dataset,
            pool,
            os.path.join(arguments.out, pool.level),
            ProgressLines(pool),
            note=arguments.note,
            num_parallel=num_parallel,
            num_vmapped=arguments.num_vmapped or _num_vmapped(),
            devices=devices,
            streamed={None: None, "streamed": True, "resident": False}[arguments.images],
            save_weights=arguments.save_weights,
        )
    if arguments.report:
        write_atomically(pathlib.Path(arguments.report), to_json(report(fitted)))
    return 0


def _label(arguments: argparse.Namespace) -> int:
    from rater_training.training import labelling

    weights = labelling.open_weights(arguments.weights)
    if arguments.images is not None:
        images, ids = _array(arguments.images), _array(arguments.ids).tolist() if arguments.ids else None
        lines = LabellingLines(weights.pool().rater_ids, len(images))
        labelled = labelling.label_images(weights, images, ids, lines)
        labelled.save(arguments.out)
        print(f"{len(labelled.labels)} images, labelled by {len(labelled.rater_ids)} raters: {arguments.out}")
        return 0
    if arguments.beam:
        from rater_training.workers import beam_pool

        beam_pool.import_beam()
        from rater_training.workers import beam_labelling

        folders = (os.path.abspath(folder) for folder in (arguments.weights, arguments.arrays, arguments.out))
        beam_labelling.label_dataset_on_workers(*folders, options=arguments.for_beam)
    else:
        dataset = CleanDataset.load(arguments.arrays)
        number = sum(len(dataset.splits[split]) for split in LABELLED_SPLITS)
        lines = LabellingLines(weights.pool().rater_ids, number)
        labelling.label_dataset(weights, dataset, arguments.out, lines)
    print(f"Rater predictions of the whole pool are in {arguments.out}")
    return 0


def _array(path: str) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise NoisyLabelsError(f"{path} is no .npy file: {error}") from error


def _ship(arguments: argparse.Namespace) -> int:
    from rater_training.training.shipping import ship
    from rater_training.training.weights import PoolWeights

    pool = pools.get_pool(arguments.pool)
    dataset = CleanDataset.load(arguments.arrays)
    weights = PoolWeights(arguments.weights)
    missing = ship(weights, dataset, pool, arguments.into, record=arguments.record, report=_print_line)
    if missing:
        print(f"Begun: {arguments.into} still lacks {', '.join(missing)}")
    else:
        print(f"The raters of the whole pool are in {arguments.into}")
    return 0


def _print_line(line: str) -> None:
    print(line, flush=True)


def _num_parallel() -> int:
    """Returns how many raters keep this machine busy."""
    import jax

    return min(os.cpu_count() or 1, training_options.MAX_PARALLEL) if jax.default_backend() == "cpu" else 1


def _list(arguments: argparse.Namespace) -> int:
    rows = [pools.summary(pool, cost=arguments.cost) for pool in pools.POOLS.values()]
    if arguments.json:
        print(json.dumps(rows))
        return 0
    for row in rows:
        target = f"{row['dataset']}/{row['level']}"
        cost = f"  {row['training_flops']:.1e} FLOPs" if arguments.cost else ""
        print(f"{row['name']:28} {row['raters']:3} raters  {row['examples_seen']:.1e} examples{cost}  -> {target}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rater_training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train a pool and write its rater-prediction artifact")
    train.add_argument("--arrays", required=True, metavar="FOLDER", help="clean arrays (CleanDataset.save)")
    train.add_argument("--pool", required=True, metavar="NAME", help="'digits/medium'; `list` shows all")
    train.add_argument("--out", required=True, metavar="FOLDER", help="artifact; an unfinished one is resumed")
    train.add_argument(
        "--resume-from",
        metavar="FOLDER",
        help="raters that `ship` has written there are not trained again but label again, if they were trained alike "
        "on these arrays",
    )
    training_options.add_options(train)
    several = train.add_argument_group(
        "several processes", "each is given the same command; process 0 writes, and waits for the others to come"
    )
    several.add_argument("--distributed", action="store_true", help="ask the cluster's scheduler who the others are")
    several.add_argument("--coordinator", metavar="HOST:PORT", help="or say it: where process 0 listens")
    several.add_argument("--processes", type=training_options.positive, metavar="N", help="how many there are")
    several.add_argument("--process-id", type=int, metavar="I", help="which this is, from 0")
    of_several = ("--distributed", "--coordinator", "--processes", "--process-id")
    not_with_beam = ("--resume-from", *training_options.NOT_WITH_BEAM, *of_several)
    train.set_defaults(run=_train, not_with_beam=not_with_beam)
    fit = commands.add_parser(
        "fit", help="make pools of wanted error rates for a dataset that has none, and train them"
    )
    fit.add_argument("--arrays", required=True, metavar="FOLDER", help="clean arrays (CleanDataset.save)")
    fit.add_argument("--pools", required=True, metavar="FILE", help="module of the pools, new or begun")
    fit.add_argument("--pilots", required=True, metavar="FOLDER", help="where pilots are stored, new or begun")
    fit.add_argument("--out", required=True, metavar="FOLDER", help="of the artifacts, one per pool; resumed")
    fit.add_argument("--report", metavar="FILE", help="write what came of it as JSON")
    fitting_options.add_options(fit)
    training_options.add_options(fit, without=("--only", "--beam"))
    fit.set_defaults(run=_fit, only=[])
    label = commands.add_parser("label", help="label with saved raters, or with those that are shipped")
    label.add_argument("--weights", required=True, metavar="FOLDER", help="the raters")
    what = label.add_mutually_exclusive_group(required=True)
    what.add_argument("--arrays", metavar="FOLDER", help="clean arrays of the dataset that the raters are for")
    what.add_argument("--images", metavar="FILE", help=".npy of other images, [n, h, w, c] uint8, of the same size")
    label.add_argument("--ids", metavar="FILE", help=".npy of text: what the images of --images are called")
    label.add_argument(
        "--out", required=True, metavar="PATH", help="the artifact's folder; with --images an .npz of labels and codes"
    )
    label.add_argument(
        "--beam", action="store_true", help=training_options.beam_help("500 images are an element; with --arrays")
    )
    label.set_defaults(run=_label, not_with_beam=("--images", "--ids"))
    ship = commands.add_parser("ship", help="convert saved raters to the small form that is shipped with a dataset")
    ship.add_argument("--weights", required=True, metavar="FOLDER", help="folder that `train --save-weights` wrote")
    ship.add_argument("--arrays", required=True, metavar="FOLDER", help="clean arrays that the raters were trained on")
    ship.add_argument("--pool", required=True, metavar="NAME", help="of which pool they are")
    ship.add_argument(
        "--into", required=True, metavar="FOLDER", help="builders/DATASET/rater_weights/CONFIG, new or unfinished"
    )
    ship.add_argument(
        "--record",
        action="store_true",
        help="store their predictions too: where labels are not shipped",
    )
    ship.set_defaults(run=_ship)
    listing = commands.add_parser("list", help="the pools")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.add_argument("--cost", action="store_true", help="with the floating-point operations of training each")
    listing.set_defaults(run=_list)
    return parser


def _advice(error: str) -> str | None:
    """Returns what to do about an error of the JAX runtime that a user can do something about."""
    if "RESOURCE_EXHAUSTED" in error:
        return "the device's memory is full; less of it is taken with a smaller --num-vmapped, or --images streamed"
    if "Gloo" in error or "coordination" in error.lower():
        return "another process has ended, and says why; the same commands resume from the last checkpoint"
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0, 2 if it failed, 130 if it was interrupted."""
    with guarded_output():
        return _main(sys.argv[1:] if argv is None else argv)


def _main(argv: Sequence[str]) -> int:
    own, for_beam = training_options.divided(argv)
    arguments = _parser().parse_args(own, argparse.Namespace(beam=False, not_with_beam=(), for_beam=for_beam))
    try:
        training_options.check_beam(arguments, arguments.for_beam, not_with_beam=arguments.not_with_beam)
        return arguments.run(arguments)
    except (NoisyLabelsError, OSError) as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; finished raters are stored, the same command resumes with the next", file=sys.stderr)
        sys.stderr.flush()
        os._exit(_INTERRUPTED)  # raters in training are not waited for: what is on disk is complete
    except Exception as error:
        # JAX reports faults of a device or of another process as a RuntimeError.
        if isinstance(error, RuntimeError) and (advice := _advice(str(error))) is not None:
            print(f"error: {advice} ({str(error).splitlines()[0]})", file=sys.stderr)
            return 2
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # nor here: the threads of the other raters would keep a run going that has failed


if __name__ == "__main__":
    sys.exit(main())
