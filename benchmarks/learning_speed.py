"""What learning with noisy labels costs, as ratios of measurements of one run.

    python benchmarks/learning_speed.py [--network compact_resnet] [--width 0.5] [--into docs/learning.md]
    python benchmarks/learning_speed.py --only dawid_skene      # needs crowd-kit: pip install --no-deps crowd-kit

A step of each algorithm over one of cross-entropy; a whole cross-entropy run over the same network's as a rater;
seeds one after the other over seeds in one loop; Dawid & Skene's model beside crowd-kit's. Times are CPU seconds of
this process on one core, where no thread waits for another, the least of some turns that take place in turn: a busy
machine changes them little.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import os
import sys
import time
import types
from collections.abc import Callable

import jax
import numpy as np
from documents import machine, report

from noisy_label_datasets.training_options import positive
from noisy_label_learning.algorithms import ELR, Algorithm, Bootstrap, CoTeaching, CrossEntropy, MCSoftMax, MentorMix
from noisy_label_learning.algorithms.base import Stage
from noisy_label_learning.algorithms.noise_rate import NoiseRate
from noisy_label_learning.correctors.dawid_skene import dawid_skene
from noisy_label_learning.runs.config import Network, Schedule, training_config
from noisy_label_learning.runs.training import Learner
from rater_training.engine import loop, raters
from rater_training.engine.examples import Normalization

PARTS = ("steps", "whole", "seeds", "dawid_skene")
# Name, algorithm, whether targets are soft, and the goal, as multiples of a step of cross-entropy.
CONTESTANTS: tuple[tuple[str, Algorithm, bool, float | None], ...] = (
    ("cross_entropy", CrossEntropy(), False, None),
    ("co_teaching", CoTeaching(), False, 2.1),
    ("mentor_mix", MentorMix(), False, 2.2),
    ("mc_softmax", MCSoftMax(), False, 1.15),
    ("cross_entropy on LQM's soft targets", CrossEntropy(), True, 1.02),
    ("bootstrap", Bootstrap(), False, None),
    ("elr", ELR(), False, None),
)


def least(runs: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Returns the least CPU seconds of each function, after a first call that compiles."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            started = time.process_time()
            run()
            times[name].append(time.process_time() - started)
    return {name: min(values) for name, values in times.items()}


def trainer(
    algorithm: Algorithm, images: np.ndarray, targets: np.ndarray, network: Network, schedule: Schedule, seeds: int = 1
) -> Callable[[int], object]:
    """Returns what trains so many steps: of one seed, or of several in one loop."""
    learner = Learner(images, targets.shape[1], network, schedule, algorithm, Normalization.of(images))
    stage = Stage(None, None, lambda setting: NoiseRate(0.4, "told"), lambda: targets)  # type: ignore[arg-type]
    constants, _ = algorithm.prepare(stage)

    def train(steps: int) -> object:
        made = [
            learner.run(f"{seed}", targets, constants, steps=steps, seed=seed, checkpoints=None)
            for seed in range(seeds)
        ]
        program, examples = learner.program(made[0][0]), learner.examples()
        runs = [run for _, run in made]
        if seeds > 1:
            return list(loop.train_vmapped(program, examples, runs))
        return loop.train(program, examples, runs[0])

    return train


def step_seconds(trainers: dict[str, Callable[[int], object]], steps: int, turns: int) -> dict[str, float]:
    """Returns the CPU seconds of a step: of a long training minus a short one, without what both begin with."""
    calls: dict[str, Callable[[], object]] = {}
    for name, train in trainers.items():
        calls[f"{name}|long"] = lambda train=train: train(steps + 1)
        calls[f"{name}|short"] = lambda train=train: train(1)
    found = least(calls, turns)
    return {name: (found[f"{name}|long"] - found[f"{name}|short"]) / steps for name in trainers}


def crowd_kit() -> Callable[..., object] | None:
    """Returns crowd-kit's model without the rest of that package, whose imports are many; None: not installed."""
    found = importlib.util.find_spec("crowdkit")
    if found is None or not found.submodule_search_locations:
        return None
    package = types.ModuleType("crowdkit.aggregation")
    package.__path__ = [f"{found.submodule_search_locations[0]}/aggregation"]
    sys.modules.setdefault("crowdkit.aggregation", package)
    from crowdkit.aggregation.classification.dawid_skene import DawidSkene

    return DawidSkene


def compare_dawid_skene(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Says how long both models take for as many iterations, and that they agree."""
    theirs = crowd_kit()
    if theirs is None:
        say("Dawid & Skene: crowd-kit is not installed (pip install --no-deps crowd-kit)")
        return
    import pandas as pd

    rng = np.random.default_rng(0)
    n, num_raters, num_classes = args.examples, 11, 100
    truth = rng.integers(0, num_classes, n)
    wrong = rng.random((n, num_raters)) < 0.4
    labels = np.where(wrong, rng.integers(0, num_classes, (n, num_raters)), truth[:, None])
    example, rater = np.divmod(np.arange(n * num_raters), num_raters)
    data = pd.DataFrame({"task": example, "worker": rater, "label": labels.ravel()})
    started = time.process_time()
    ours = dawid_skene(labels, num_classes, iterations=args.iterations, tolerance=-np.inf)
    of_ours = time.process_time() - started
    started = time.process_time()
    expected = theirs(n_iter=args.iterations, tol=-np.inf).fit_predict_proba(data)  # type: ignore[attr-defined]
    of_theirs = time.process_time() - started
    apart = np.abs(ours.posterior - expected.sort_index().sort_index(axis=1).to_numpy()).max()
    say(
        f"Dawid & Skene, {n} x {num_raters} x {num_classes}, {args.iterations} iterations: {of_ours:.2f} s; crowd-kit "
        f"{of_theirs:.2f} s, {of_theirs / of_ours:.1f} times as long; posteriors differ by {apart:.1e} at most"
    )


def compare(args: argparse.Namespace, say: Callable[[str], None]) -> None:
    """Says all that was asked for."""
    say(machine("jax", "flax"))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (max(4 * args.batch_size, 256), args.side, args.side, 3)).astype(np.uint8)
    labels = np.arange(len(images)) % 10
    hard = np.eye(10)[labels]
    network = Network(args.network, width=args.width)
    schedule = Schedule(epochs=1, batch_size=args.batch_size, learning_rate=0.01, crop_padding=4, flip=True)
    shown = f"{args.network}, width {args.width:g}, batch {args.batch_size}, {args.side}x{args.side}"
    if "steps" in args.only:
        say(f"{shown}; CPU seconds of a step on {jax.devices()[0].device_kind}")
        soft = 0.7 * hard + 0.03
        trainers = {
            name: trainer(algorithm, images, soft if is_soft else hard, network, schedule)
            for name, algorithm, is_soft, _ in CONTESTANTS
        }
        seconds = step_seconds(trainers, args.steps, args.turns)
        for name, _, _, goal in CONTESTANTS:
            ratio = seconds[name] / seconds["cross_entropy"]
            say(f"  {name:38} {seconds[name]:8.4f}  {ratio:5.2f}" + (f"  goal {goal}" if goal else ""))
    if "whole" in args.only:
        rater = training_config(network, schedule, args.whole_steps, seed=0)
        learn = trainer(CrossEntropy(), images, hard, network, schedule)
        runs = {
            "learning": lambda: learn(args.whole_steps),
            "a rater": lambda: raters.train(rater, images, labels, num_classes=10),
        }
        seconds = least(runs, args.turns)
        learner, a_rater = seconds["learning"], seconds["a rater"]
        say(
            f"a whole run of {args.whole_steps} steps: {learner:.3f} s; of a rater: {a_rater:.3f} s; "
            f"{learner / a_rater:.2f} times as long"
        )
    if "seeds" in args.only:
        for name, width, side in (("mlp", 1.0, 8), (args.network, args.width, args.side)):
            small = rng.integers(0, 256, (600, side, side, 3)).astype(np.uint8)
            targets = np.eye(10)[np.arange(600) % 10]
            plain = dataclasses.replace(schedule, batch_size=64, crop_padding=0, flip=False)
            trainers = {
                str(seeds): trainer(CrossEntropy(), small, targets, Network(name, width=width), plain, seeds)
                for seeds in (1, 3)
            }
            seconds = step_seconds(trainers, args.steps * (20 if name == "mlp" else 1), args.turns)
            ratio = 3 * seconds["1"] / seconds["3"]
            say(f"{name}, three seeds in one loop: {ratio:.2f} times as fast as one after the other")
    if "dawid_skene" in args.only:
        compare_dawid_skene(args, say)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--network", default="compact_resnet")
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--side", type=positive, default=32, help="of the images, in pixels")
    parser.add_argument("--batch-size", type=positive, default=64)
    parser.add_argument("--steps", type=positive, default=5)
    parser.add_argument("--whole-steps", type=positive, default=20, help="of a whole run")
    parser.add_argument("--turns", type=positive, default=3)
    parser.add_argument("--examples", type=positive, default=20_000, help="of Dawid & Skene's model")
    parser.add_argument("--iterations", type=positive, default=10, help="of Dawid & Skene's model")
    parser.add_argument("--into", metavar="FILE", help="write what is printed into this document, too")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):  # before JAX asks how many processors there are
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with report(args.into, "learning speed") as say:
        compare(args, say)


if __name__ == "__main__":
    main()
