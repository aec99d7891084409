"""Trains rater pools from arrays: `python -m rater_training train`, `python -m rater_training list`.

`noisy-labels train` prepares the arrays, starts this and says where the result is. Neither TensorFlow nor TFDS is
needed here. docs/training.md: several devices, several processes, images that do not fit on a device.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING

from noisy_label_datasets.arrays import CleanDataset
from noisy_label_datasets.errors import NoisyLabelsError
from rater_training import pools
from rater_training.config import ConfigError, PoolConfig, RaterConfig

if TYPE_CHECKING:
    from rater_training.devices import Devices

_INTERRUPTED = 130
_MOST_AT_ONCE = 4  # each takes about 2 GB


class ProgressLines:
    """Prints a line every few seconds that a terminal, a log file and a notebook show alike."""

    def __init__(self, pool: PoolConfig) -> None:
        self._heads = {r.id: f"[{i + 1}/{len(pool.raters)}] {r.id}" for i, r in enumerate(pool.raters)}
        self._began: dict[str, float] = {}
        self._printed: dict[str, float] = {}

    def started(self, rater: RaterConfig, position: int) -> None:
        self._began[rater.id] = self._printed[rater.id] = time.monotonic()

    def progressed(self, rater: RaterConfig, step: int, loss: float) -> None:
        now = time.monotonic()
        if now - self._printed[rater.id] < 2 and step < rater.steps:
            return
        self._printed[rater.id] = now
        left = (now - self._began[rater.id]) * (rater.steps - step) / step
        print(
            f"{self._heads[rater.id]}  step {step}/{rater.steps}  loss {loss:.3f}  about {left:.0f} s left", flush=True
        )

    def finished(self, rater: RaterConfig, message: str, *, trained: bool) -> None:
        spent = f", {time.monotonic() - self._began[rater.id]:.0f} s" if trained else ""
        print(f"{self._heads[rater.id]}  {message}{spent}", flush=True)


class Silent:
    """Says nothing: what the processes beside process 0 have."""

    def started(self, rater: RaterConfig, position: int) -> None:
        pass

    def progressed(self, rater: RaterConfig, step: int, loss: float) -> None:
        pass

    def finished(self, rater: RaterConfig, message: str, *, trained: bool) -> None:
        pass


def _train(arguments: argparse.Namespace) -> int:
    devices = _devices(arguments)  # before anything else that has JAX look for devices
    from rater_training.pool import train_pool

    pool = pools.get_pool(arguments.pool)
    dataset = CleanDataset.load(arguments.arrays)
    if devices.leads:
        shared = f", each batch shared by {devices.count} devices" if devices.count > 1 else ""
        print(f"Pool {pool.name}: {len(pool.raters)} raters for {pool.dataset}/{pool.level}{shared}", flush=True)
    finished = train_pool(
        dataset,
        pool,
        arguments.out,
        ProgressLines(pool) if devices.leads else Silent(),
        only=tuple(arguments.only),
        note=arguments.note,
        at_once=arguments.at_once or (_at_once() if devices.count == 1 else 1),
        together=arguments.together or _together(),
        devices=devices,
        streamed={None: None, "streamed": True, "resident": False}[arguments.images],
    )
    if not devices.leads:
        return 0
    if finished:
        print(f"Rater predictions of the whole pool are in {arguments.out}")
    else:
        print(f"Rater predictions so far are in {arguments.out}; raters not named with --only are still to be trained")
    return 0


def _devices(arguments: argparse.Namespace) -> Devices:
    """Returns the devices to train on, after the other processes have come, where there are to be some."""
    import jax

    from rater_training.devices import Cluster, Devices, DevicesError, connect

    explicit = (arguments.coordinator, arguments.processes, arguments.process_id)
    if arguments.distributed or any(value is not None for value in explicit):
        connect(Cluster(*explicit))
    there = jax.devices()
    count = arguments.devices or len(there)
    if count > len(there) or (count < len(there) and jax.process_count() > 1):
        raise DevicesError(
            f"--devices is {count}; there are {len(there)} of {jax.process_count()} processes"
            + (", which all take part" if jax.process_count() > 1 else "")
        )
    return Devices.of(there[:count])


def _together() -> int | None:
    """Returns how many raters of one architecture to train in one loop.

    Convolutions of stacked networks become grouped ones, for which XLA has no fast code on a CPU; an accelerator that
    one small network does not fill gets more to do at a time. `benchmarks/together.py` measures it.
    """
    import jax

    return 1 if jax.default_backend() == "cpu" else None


def _at_once() -> int:
    """Returns how many raters keep this machine busy."""
    import jax

    return min(os.cpu_count() or 1, _MOST_AT_ONCE) if jax.default_backend() == "cpu" else 1


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
    train.add_argument("--out", required=True, metavar="FOLDER", help="artifact, new or begun: a begun one goes on")
    train.add_argument("--only", nargs="+", default=[], metavar="RATER", help="train these raters only")
    train.add_argument("--note", default="", metavar="TEXT", help="what the provenance should say besides")
    train.add_argument(
        "--at-once",
        type=_positive,
        metavar="N",
        help=f"raters trained beside one another (default: on a CPU one a core, at most {_MOST_AT_ONCE}; else 1)",
    )
    train.add_argument(
        "--together",
        type=_positive,
        metavar="N",
        help="at most so many raters of one architecture in one loop, each the same as alone but for rounding"
        " (default: on a CPU 1; else all)",
    )
    train.add_argument(
        "--images",
        choices=("resident", "streamed"),
        help="keep the training images on the device, or stream batches to it"
        " (default: resident, unless they take more than half of its memory)",
    )
    train.add_argument(
        "--devices", type=_positive, metavar="N", help="so many devices share each batch (default: all there are)"
    )
    several = train.add_argument_group(
        "several processes", "each is given the same command; process 0 writes, and waits for the others to come"
    )
    several.add_argument("--distributed", action="store_true", help="ask the cluster's scheduler who the others are")
    several.add_argument("--coordinator", metavar="HOST:PORT", help="or say it: where process 0 listens")
    several.add_argument("--processes", type=_positive, metavar="N", help="how many there are")
    several.add_argument("--process-id", type=int, metavar="I", help="which this is, from 0")
    train.set_defaults(run=_train)
    listing = commands.add_parser("list", help="the pools")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.add_argument("--cost", action="store_true", help="with the floating-point operations of training each")
    listing.set_defaults(run=_list)
    return parser


def _advice(error: str) -> str | None:
    """Returns what to do about an error of the JAX runtime that a user can do something about."""
    if "RESOURCE_EXHAUSTED" in error:
        return "the device's memory is full; less of it is taken with a smaller --together, or --images streamed"
    if "Gloo" in error or "coordination" in error.lower():
        return "another process has ended, and says why; the same commands go on from the last checkpoint"
    return None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is given; it has to be a whole number, 1 or more")
    return int(text)


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return arguments.run(arguments)
    except (NoisyLabelsError, ConfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except RuntimeError as error:  # as which JAX reports what befell a device or another process
        if (advice := _advice(str(error))) is None:
            raise
        print(f"error: {advice} ({str(error).splitlines()[0]})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; finished raters are stored, the same command goes on with the next", file=sys.stderr)
        sys.stderr.flush()
        os._exit(_INTERRUPTED)  # raters in training are not waited for: what is on disk is whole
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # nor here: the threads of the other raters would keep a run going that has failed


if __name__ == "__main__":
    sys.exit(main())
