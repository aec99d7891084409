"""CPU time of `load_labels`, import and all, in a fresh process for each config.

    python benchmarks/labels.py [CONFIG ...] [--repeats 3]

Without configs: of CIFAR-10 and CIFAR-100 the labels of raters, of a sibling, and of the dial by each rescaling. Goal:
below a second each, on an otherwise idle machine. Shown is the least of the repeats, since nothing makes a process
faster than it is; processes beside it make it slower by the caches and the memory that they share.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

CONFIGS = (
    "cifar10_noisy/medium",
    "cifar10_noisy/rate_0.40",
    "cifar10_noisy/rate_0.40_skill",
    "cifar10_noisy/rate_0.40_temperature",
    "cifar100_noisy/medium",
    "cifar100_noisy/high_class_conditional",
    "cifar100_noisy/medium_rate_0.5",
    "cifar100_noisy/medium_rate_0.5_skill",
    "cifar100_noisy/medium_rate_0.5_temperature",
)
_PROCESS = """
import sys, time
import noisy_label_datasets
noisy_label_datasets.load_labels(sys.argv[1])
print(time.process_time())
"""


def cpu_seconds(config: str) -> float:
    """Returns the CPU time of a process that loads the labels of a config."""
    return float(subprocess.run([sys.executable, "-c", _PROCESS, config], check=True, capture_output=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", metavar="CONFIG")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    for config in args.configs or CONFIGS:
        print(f"{config:45} {min(cpu_seconds(config) for _ in range(args.repeats)):.2f} s", flush=True)


if __name__ == "__main__":
    main()
