"""Training speed: this package's engine against Keras' `fit` and a plain Flax loop, on one machine, in turn.

    python benchmarks/training_speed.py [--networks mobilenet_v1 resnet50] [--forms imagenet] [--batch-size 256]
                                        [--width 1] [--dtype float32] [--steps 4] [--turns 3]
                                        [--contestants engine keras flax torch] [--num-vmapped 1]
                                        [--into docs/training-speed.md [--name "training speed"]]

Contestants, each in a process of its own so that their thread pools are apart, one training while the others wait:

    engine   `rater_training.engine.raters.train`: images on the device, input and step in one compiled loop
    keras    `keras.applications` and `fit` on Keras' JAX backend, its input from tf.data
    flax     a loop in plain Flax NNX with optax, its input from the same tf.data pipeline
    torch    only when asked for, as PyTorch is none of this package's requirements: a PyTorch loop, channels last,
             images and augmentation on the device, on a GPU compiled

The networks are the same: `imagenet` is what `keras.applications` builds for images of 32x32 (parameter for parameter,
see tests/architectures), ending in one pixel; `small` is the form that raters have at 32x32, ending in 4x4, which Keras
has not. All see random crops and flips. Measured are steps with that input ("total") and steps on one prepared batch
("step"); the difference is the cost of the input. Shown are the medians over the turns and, in brackets, lowest and
highest; a ratio above 1 means that the engine is faster. CPU seconds are shown beside wall seconds because they hardly
depend on what else a machine does.

On an accelerator: `--contestants engine torch --dtype bfloat16 --steps 200`, and with `--num-vmapped 10` the engine
trains ten raters in one loop; its seconds per step are then those of one rater's step.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
from collections.abc import Callable

from documents import machine, report

from noisy_label_datasets.training_options import positive

CONTESTANTS = ("engine", "keras", "flax", "torch")
_PACKAGES = {"engine": ("jax", "flax"), "keras": ("keras", "tensorflow"), "flax": ("optax",), "torch": ("torch",)}
_SCRIPT = pathlib.Path(__file__).with_name("training_contestants.py")


class Contestant:
    """A process that trains when it is told to."""

    def __init__(self, name: str, task: dict[str, object]):
        self.turns: dict[str, list[dict[str, float]]] = {"total": [], "step": []}
        self._name = name
        command = [sys.executable, str(_SCRIPT), name, json.dumps(task)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            command = " ".join(map(repr, self._process.args))
            raise SystemExit(f"{self._name} ended with status {self._process.wait()}; to see why: {command}")
        return answer

    def take_turn(self, kind: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kind}\n")
        self._process.stdin.flush()
        self.turns[kind].append(json.loads(self._answer()))

    def close(self) -> None:
        self._process.communicate()

    def seconds_per_step(self, kind: str, clock: str) -> list[float]:
        return sorted(turn[clock] / turn["steps"] for turn in self.turns[kind])


def compare(args: argparse.Namespace, network: str, form: str, say: Callable[[str], None]) -> None:
    """Says the table of one network in one form."""
    names = [name for name in args.contestants if name != "keras" or form == "imagenet"]
    contestants: dict[str, Contestant] = {}
    try:
        for name in names:
            task = {
                "network": network,
                "form": form,
                "width": args.width,
                "batch_size": args.batch_size,
                "dtype": args.dtype,
                "steps": args.steps,
                "num_vmapped": args.num_vmapped if name == "engine" else 1,
            }
            contestants[name] = Contestant(name, task)
        for _ in range(args.turns):
            for kind in ("total", "step"):
                for contestant in contestants.values():
                    contestant.take_turn(kind)
    finally:
        for contestant in contestants.values():
            contestant.close()
    say(f"\n{network}, {form} form at 32x32, width {args.width:g}, batch {args.batch_size}, {args.dtype}")
    if args.num_vmapped > 1:
        say(f"the engine trains {args.num_vmapped} vmapped raters; a step is that of one of them")
    say(f"{'':8}{'seconds per step':<50}{'CPU seconds per step':<20}")
    say(f"{'':8}{'total':<21}{'step':<21}{'input':>6}  {'total':>9}{'step':>9}{'input':>9}")
    medians = {}
    for name, contestant in contestants.items():
        walls = [contestant.seconds_per_step(kind, "wall") for kind in ("total", "step")]
        total, step, total_cpu, step_cpu = medians[name] = [
            statistics.median(contestant.seconds_per_step(kind, clock))
            for clock in ("wall", "cpu")
            for kind in ("total", "step")
        ]
        say(
            f"{name:8}{spread(walls[0]):<21}{spread(walls[1]):<21}{total - step:6.2f}"
            f"  {total_cpu:9.2f}{step_cpu:9.2f}{total_cpu - step_cpu:9.2f}"
        )
    for name in names:
        if name != "engine" and "engine" in names:
            ratios = [theirs / ours for ours, theirs in zip(medians["engine"], medians[name], strict=True)]
            say(
                f"engine against {name}: total {ratios[0]:.2f}x, step {ratios[1]:.2f}x;"
                f" in CPU seconds total {ratios[2]:.2f}x, step {ratios[3]:.2f}x"
            )


def spread(seconds: list[float]) -> str:
    """Returns median, lowest and highest as text."""
    return f"{statistics.median(seconds):.2f} [{seconds[0]:.2f}, {seconds[-1]:.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--networks", nargs="+", choices=("mobilenet_v1", "resnet50"), default=["mobilenet_v1", "resnet50"]
    )
    parser.add_argument("--forms", nargs="+", choices=("imagenet", "small"), default=["imagenet"])
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS[:3]))
    parser.add_argument("--batch-size", type=positive, default=256)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--steps", type=positive, default=4, help="a turn, after one that is not counted")
    parser.add_argument("--turns", type=positive, default=3)
    parser.add_argument("--num-vmapped", type=positive, default=1, help="raters that the engine trains in one loop")
    parser.add_argument("--into", metavar="FILE", help="write the tables into this document, too")
    parser.add_argument("--name", default="training speed", help="of the markers in it")
    args = parser.parse_args()
    with report(args.into, args.name) as say:
        say(machine(*(package for name in args.contestants for package in _PACKAGES[name])))
        for network in args.networks:
            for form in args.forms:
                compare(args, network, form, say)


if __name__ == "__main__":
    main()
