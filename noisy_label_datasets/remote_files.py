"""Files of others that are fetched once, checked, and kept in the user's cache folder.

counts = read(CIFAR10H, parse, most_bytes=2**24)                     # fetched where it is not in the cache folder
counts = read(CIFAR10H, parse, most_bytes=2**24, path="counts.npy")  # or a copy of one's own
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import TypeVar

from noisy_label_datasets import files
from noisy_label_datasets.download import PATIENCE, DownloadError, download
from noisy_label_datasets.errors import NoisyLabelsError

T = TypeVar("T")


class RemoteFileError(NoisyLabelsError):
    """A file of others that cannot be had, or is not what it should be."""


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file at a fixed revision of its repository; `sha256` is None where nobody has told us its hash."""

    url: str
    sha256: str | None

    @property
    def name(self) -> str:
        """Its name in the cache folder."""
        return self.url.rpartition("/")[2]

    def check(self, data: bytes) -> None:
        """Raises ValueError where these bytes are not the published file's."""
        if self.sha256 is not None and files.sha256(data) != self.sha256:
            raise ValueError(f"it is not {self.name} as published: its SHA-256 is not {self.sha256}")


def cache_folder() -> pathlib.Path:
    """Returns where fetched files are kept: `noisy_label_datasets` in $XDG_CACHE_HOME or ~/.cache.

    Raises:
      RemoteFileError: there is no home folder, nor does the variable name another.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if cache.startswith("~"):
        raise RemoteFileError("there is no home folder to keep what is fetched in: set XDG_CACHE_HOME, or name a file")
    return pathlib.Path(cache) / "noisy_label_datasets"


def is_cached(file: RemoteFile) -> bool:
    """Returns whether a file was fetched before; does not read it."""
    try:
        return (cache_folder() / file.name).exists()
    except RemoteFileError:
        return False


def read(file: RemoteFile, parse: Callable[[bytes], T], *, most_bytes: int, path: str | os.PathLike | None = None) -> T:
    """Returns what is in a local copy, or in the cached one, which is fetched if it is missing or damaged.

    Args:
      file: which.
      parse: of its bytes; raises ValueError for those of another file.
      most_bytes: that it may have.
      path: of a local copy; None: the cached one.

    Raises:
      RemoteFileError: it cannot be fetched, or is another file.
    """

    def checked(data: bytes) -> T:
        file.check(data)
        return parse(data)

    if path:
        try:
            return checked(pathlib.Path(path).read_bytes())
        except FileNotFoundError as error:
            raise RemoteFileError(f"{path} is not there; without it, {file.url} is fetched") from error
        except ValueError as error:
            raise RemoteFileError(f"{path} cannot be used: {error}") from error
    cached = cache_folder() / file.name
    damaged = ""
    try:
        return checked(cached.read_bytes())
    except FileNotFoundError:
        pass
    except ValueError as error:
        damaged = f"{cached}, fetched before, is damaged ({error}), and "
    try:
        download(
            file.url, cached, most_bytes=most_bytes, check=lambda path: checked(path.read_bytes()), patience=PATIENCE
        )
    except DownloadError as error:
        raise RemoteFileError(f"{damaged}{error}; get it by hand and name its path, or try again") from error
    return checked(cached.read_bytes())
