"""Verify labels and built datasets: files against their hashes, datasets against their labels and figures.

Shipped labels are compared with the SHA-256 values in checksums.tsv, labels trained on this machine with those in
their manifest. Every example of a built dataset is read and compared with the labels by id; the figures of the noise
card are recomputed and compared with those in its metadata.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from noisy_label_datasets.cli.targets import add_data_dir, check_dataset, find_builder
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.registration import dataset_names

if TYPE_CHECKING:
    from noisy_label_datasets.build.verification import Finding


class VerificationError(NoisyLabelsError):
    """Something that is not what it should be."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `verify` takes."""
    parser.add_argument("target", nargs="?", metavar="DATASET[/CONFIG]", help="what to verify (default: everything)")
    add_data_dir(parser)


def run(args: argparse.Namespace) -> None:
    """Prints what is found, a line each, and ends with an error if something is wrong."""
    from noisy_label_datasets.build.verification import FAULT

    faults = 0
    for finding in _findings(args.target, args.data_dir):
        print(f"{finding.verdict:5}  {finding.subject}: {finding.note}", flush=True)
        faults += finding.verdict == FAULT
    if faults:
        raise VerificationError(f"{faults} things are not what they should be (see above)")


def _findings(target: str | None, data_dir: str | None) -> Iterator[Finding]:
    from noisy_label_datasets.build.verification import verify_config, verify_dataset

    if target and "/" in target:
        yield from verify_config(find_builder(target, data_dir=data_dir))
        return
    if target:
        check_dataset(target, data_dir)
    for dataset in [target] if target else dataset_names():
        yield from verify_dataset(dataset, data_dir)
