"""Trains rater pools from arrays: `python -m rater_training train`, `python -m rater_training list`.

`noisy-labels train` prepares the arrays, starts this and says where the result is. Neither TensorFlow nor TFDS is
needed here.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from noisy_label_datasets.arrays import CleanDataset
from noisy_label_datasets.errors import NoisyLabelsError
from rater_training import pools
from rater_training.config import ConfigError, PoolConfig, RaterConfig

_INTERRUPTED = 130


class ProgressLines:
    """Prints a line every few seconds that a terminal, a log file and a notebook show alike."""

    def __init__(self, pool: PoolConfig) -> None:
        self._pool = pool
        self._began = self._printed = time.monotonic()

    def started(self, rater: RaterConfig, position: int) -> None:
        self._began = time.monotonic()
        self._head = f"[{position + 1}/{len(self._pool.raters)}] {rater.id}"

    def progressed(self, rater: RaterConfig, step: int, loss: float) -> None:
        now = time.monotonic()
        if now - self._printed < 2 and step < rater.steps:
            return
        self._printed = now
        left = (now - self._began) * (rater.steps - step) / step
        print(f"{self._head}  step {step}/{rater.steps}  loss {loss:.3f}  about {left:.0f} s left", flush=True)

    def finished(self, rater: RaterConfig, message: str, *, trained: bool) -> None:
        spent = f", {time.monotonic() - self._began:.0f} s" if trained else ""
        print(f"{self._head}  {message}{spent}", flush=True)


def _train(arguments: argparse.Namespace) -> int:
    from rater_training.pool import train_pool

    pool = pools.get_pool(arguments.pool)
    dataset = CleanDataset.load(arguments.arrays)
    print(f"Pool {pool.name}: {len(pool.raters)} raters for {pool.dataset}/{pool.level}", flush=True)
    finished = train_pool(
        dataset, pool, arguments.out, ProgressLines(pool), only=tuple(arguments.only), note=arguments.note
    )
    if finished:
        print(f"Rater predictions of the whole pool are in {arguments.out}")
    else:
        print(f"Rater predictions so far are in {arguments.out}; raters not named with --only are still to be trained")
    return 0


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
    train.set_defaults(run=_train)
    listing = commands.add_parser("list", help="the pools")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.add_argument("--cost", action="store_true", help="with the floating-point operations of training each")
    listing.set_defaults(run=_list)
    return parser


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return arguments.run(arguments)
    except (NoisyLabelsError, ConfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; finished raters are stored, the same command goes on with the next", file=sys.stderr)
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
