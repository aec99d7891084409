"""Krippendorff's alpha: this package against the `krippendorff` package, on the same labels in the same run.

    python benchmarks/alpha.py [--examples 20000] [--raters 11] [--classes 100]

Prints both times, both peaks of memory that NumPy allocated, and the difference of the results. Goal at the default
size: at most 1/100 of the time, under 200 MB. The other package needs about 5 GB there.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable

import krippendorff
import numpy as np

from noisy_label_datasets.noise import metrics


def measured(function: Callable[[], float]) -> tuple[float, float, float]:
    """Returns the result, the seconds it took and, of a second run, the peak of memory in MB."""
    start = time.perf_counter()
    result = function()
    seconds = time.perf_counter() - start
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return result, seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--raters", type=int, default=11)
    parser.add_argument("--classes", type=int, default=100)
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    truth = rng.integers(args.classes, size=(args.examples, 1))
    others = rng.integers(args.classes, size=(args.examples, args.raters))
    noisy_labels = np.where(rng.random(others.shape) < 0.7, truth, others)
    noisy_labels[rng.random(others.shape) < 0.05] = metrics.MISSING
    with_nan = np.where(noisy_labels == metrics.MISSING, np.nan, noisy_labels).T

    ours, seconds, peak = measured(lambda: metrics.krippendorff_alpha(noisy_labels, args.classes))
    print(f"noisy_label_datasets  {seconds:8.3f} s  {peak:7.0f} MB  alpha {ours:.9f}")
    theirs, their_seconds, their_peak = measured(
        lambda: krippendorff.alpha(with_nan, level_of_measurement="nominal", value_domain=np.arange(args.classes))
    )
    print(f"krippendorff          {their_seconds:8.3f} s  {their_peak:7.0f} MB  alpha {theirs:.9f}")
    print(
        f"time 1/{their_seconds / seconds:.0f}, memory 1/{their_peak / peak:.0f}, difference {abs(ours - theirs):.1e}"
    )


if __name__ == "__main__":
    main()
