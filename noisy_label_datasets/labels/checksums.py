"""Checksums of what is shipped beside a builder: `checksums/<dataset>.tsv`, to which `checksums.tsv` there is a link.

    write_checksums("builders/cifar10_noisy")       # for whoever changes what is shipped
    verify_shipped_files("builders/cifar10_noisy")  # raises ChecksumError

The format is that of TFDS, four columns with tabs between: path, size in bytes, SHA-256, file name.
"""

from __future__ import annotations

import pathlib
import re
from typing import Any, NamedTuple

from noisy_label_datasets import files
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.predictions import PREDICTIONS_DIR

CHECKSUMS = "checksums.tsv"
SHIPPED = ("*.npz", f"{PREDICTIONS_DIR}/**/*", "rater_weights/**/*")

_LINE = re.compile(r"(?P<path>[^\t/\0][^\t\0]*)\t(?P<size>[0-9]{1,15})\t(?P<sha256>[0-9a-f]{64})\t[^\t]+")


class ChecksumError(NoisyLabelsError, ValueError):
    """A shipped file that is not what `checksums.tsv` says, or a `checksums.tsv` that cannot be read."""


class Checksum(NamedTuple):
    """Size in bytes and SHA-256 in hexadecimal digits."""

    size: int
    sha256: str


def read_checksums(builder_dir: Any) -> dict[str, Checksum]:
    """Returns path, relative to the builder's folder -> checksum.

    Raises:
      ChecksumError: no checksums.tsv, or one that is not of the form above.
    """
    path = builder_dir / CHECKSUMS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise ChecksumError(f"{path} is not there: the installation is incomplete") from error
    except ValueError as error:
        raise ChecksumError(f"{path} is no text: {error}") from error
    checksums: dict[str, Checksum] = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None or {".", ".."} & set(match["path"].split("/")):
            raise ChecksumError(f"{path}, line {number}: not path, size, SHA-256 and file name: {line!r:.300}")
        if match["path"] in checksums:
            raise ChecksumError(f"{path}, line {number}: {match['path']} is listed a second time")
        checksums[match["path"]] = Checksum(int(match["size"]), match["sha256"])
    return checksums


def write_checksums(builder_dir: str | pathlib.Path) -> pathlib.Path:
    """Writes checksums.tsv anew from what lies in a builder's folder; returns the file that a link leads to."""
    builder_dir = pathlib.Path(builder_dir)
    lines = []
    for name in _shipped_files(builder_dir):
        data = (builder_dir / name).read_bytes()
        lines.append(f"{name}\t{len(data)}\t{files.sha256(data)}\t{name.rsplit('/', 1)[-1]}\n")
    path = (builder_dir / CHECKSUMS).resolve()
    files.write_atomically(path, "".join(lines).encode())
    return path


def verify_shipped_files(builder_dir: str | pathlib.Path) -> list[str]:
    """Returns the paths of the shipped files of a builder, having found each as `checksums.tsv` lists it.

    Raises:
      ChecksumError: a file is altered, missing or not listed.
    """
    builder_dir = pathlib.Path(builder_dir)
    checksums = read_checksums(builder_dir)
    found = _shipped_files(builder_dir)
    faults = [f"{name} is missing" for name in sorted(set(checksums) - set(found))]
    for name in found:
        data = (builder_dir / name).read_bytes()
        if name not in checksums:
            faults.append(f"{name} is not listed")
        elif Checksum(len(data), files.sha256(data)) != checksums[name]:
            faults.append(f"{name} was altered or cut short")
    if faults:
        raise ChecksumError(f"{builder_dir} is not what its {CHECKSUMS} lists: {'; '.join(faults)}")
    return found


def _shipped_files(builder_dir: pathlib.Path) -> list[str]:
    """Data files beside a builder, as paths relative to it: arrays, labels and raters."""
    found = [file for pattern in SHIPPED for file in builder_dir.glob(pattern)]
    return sorted(
        path.relative_to(builder_dir).as_posix()
        for path in found
        if path.is_file() and not path.name.startswith(".")  # a temporary file of an interrupted writer
    )
