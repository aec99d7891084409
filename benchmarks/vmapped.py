"""Raters of one architecture one after the other, in parallel threads, and vmapped in one loop, in the same run.

    python benchmarks/vmapped.py [--architectures mlp compact_vgg] [--members 4] [--steps 10]
                                  [--into docs/training-speed.md]

Prints seconds per step of the whole group, compilation left out, and how many times as fast as one after the other: the
reason for the default of `python -m rater_training train --num-vmapped`.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import os
import time
from collections.abc import Callable

import jax
import numpy as np
from documents import machine, report

from noisy_label_datasets.training_options import positive
from rater_training.config import RaterConfig
from rater_training.engine import raters as training
from rater_training.engine.trained import TrainedRater


def seconds_per_step(train: Callable[[], object], steps: int) -> float:
    """Returns the time of a second run, whose programs the first has compiled."""
    train()
    started = time.perf_counter()
    train()
    return (time.perf_counter() - started) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=["mlp", "compact_vgg", "compact_mobilenet"])
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--side", type=positive, default=32, help="of the images, in pixels")
    parser.add_argument("--batch-size", type=positive, default=64)
    parser.add_argument("--members", type=positive, default=4)
    parser.add_argument("--steps", type=positive, default=10)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--into", metavar="FILE", help="write what is printed into this document, too")
    args = parser.parse_args()
    with report(args.into, "vmapped raters") as say:
        compare(args, say)


def compare(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Says how long each architecture takes in each way."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1000, args.side, args.side, 3)).astype(np.uint8)
    labels = np.arange(1000) % 10
    say(machine("jax", "flax"))
    say(f"{jax.devices()[0].device_kind}; {args.members} raters of width {args.width:g}, batch {args.batch_size}")
    for architecture in args.architectures:
        first = RaterConfig(
            id="0",
            architecture=architecture,
            width=args.width,
            steps=args.steps,
            batch_size=args.batch_size,
            learning_rate=0.01,
            dtype=args.dtype,
        )
        raters = [dataclasses.replace(first, id=str(i), seed=i) for i in range(args.members)]

        def train(rater: RaterConfig) -> TrainedRater:
            return training.train(rater, images, labels, num_classes=10, streamed=False)

        def in_parallel(raters: list[RaterConfig] = raters, train: Callable = train) -> list[TrainedRater]:
            with concurrent.futures.ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as executor:
                return list(executor.map(train, raters))

        alone = seconds_per_step(lambda raters=raters, train=train: [train(rater) for rater in raters], args.steps)
        ways = {"in parallel": in_parallel}
        ways["vmapped"] = lambda raters=raters: list(training.train_vmapped(raters, images, labels, num_classes=10))
        say(f"{architecture:20} one after the other  {alone:8.4f} s per step")
        for name, way in ways.items():
            seconds = seconds_per_step(way, args.steps)
            say(f"{'':20} {name:20} {seconds:8.4f} s per step, {alone / seconds:.2f} times as fast")


if __name__ == "__main__":
    main()
