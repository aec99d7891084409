"""Human labels of the CIFAR-10 test set, and corrections to its clean labels.

    human = load_cifar10h()                    # fetched once, checked, kept in the cache folder
    human.counts[0]                            # how often people gave each class to example 'test_00000'

CIFAR-10H (Peterson et al. 2019, `Human uncertainty makes classification more robust`) holds about 50 labels by people
for each of the 10,000 images, in the order of the test set, hence of TFDS' ids. The corrections are the answers of five
people to whether a suspicious label is right (Northcutt et al. 2021, `Pervasive label errors in test sets destabilize
machine learning benchmarks`). Neither is part of this package.
"""

from __future__ import annotations

import dataclasses
import io
import os
import pathlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.download import PATIENCE, DownloadError, download
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.schema import ListOf, Record, Whole, read_json

T = TypeVar("T")


class HumanLabelsError(NoisyLabelsError):
    """A file of human labels that cannot be had, or is not what it should be."""


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file at a fixed revision of its repository; `sha256` is None where nobody has told us its hash."""

    url: str
    sha256: str | None

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


_GITHUB = "https://raw.githubusercontent.com"
CIFAR10H = RemoteFile(
    url=f"{_GITHUB}/jcpeterson/cifar-10h/597cbc5f07266c9405b830ee4a53463539124c4f/data/cifar10h-counts.npy",
    sha256="9b36b4550349af56c79083356312eb4af856cc5fd3caf1f669d40b9d0bbb69ff",
)
CIFAR10H_BASE = "cifar10"  # the TFDS dataset whose test set people labelled
_CLASS = Whole(0, 9)
_CORRECTIONS = ListOf(
    Record(
        {
            "id": Whole(0, 9_999),
            "given_original_label": _CLASS,
            "our_guessed_label": _CLASS,
            "mturk": Record({"guessed": Whole(0, 1000)}, others=Whole(0, 1000)),
        }
    ),
    least=1,
)
_MOST_BYTES = 16 * 2**20  # of either file; they have 0.8 MB and less
CORRECTIONS = RemoteFile(
    url=f"{_GITHUB}/cleanlab/label-errors/5457895eee26e49187de5c4d6617b9de6f172221/mturk/cifar10_mturk.json",
    sha256=None,  # checked by content instead, in `load_corrections`
)


@dataclasses.dataclass(frozen=True)
class HumanLabels:
    """How often people gave each class to each example.

    Attributes:
        ids: [n] <U, as TFDS names the examples.
        counts: [n, K] int64.
    """

    ids: np.ndarray
    counts: np.ndarray

    def of(self, ids: np.ndarray) -> np.ndarray:
        """The counts [m, K] of the given examples, in their order.

        Raises:
            HumanLabelsError: an example has no human labels.
        """
        order = np.argsort(self.ids)
        place = np.searchsorted(self.ids, ids, sorter=order)
        found = order[np.minimum(place, len(order) - 1)]
        unknown = self.ids[found] != ids
        if unknown.any():
            raise HumanLabelsError(
                f"{unknown.sum()} of {len(ids)} examples have no human labels, {str(ids[unknown][0])!r} first"
            )
        return self.counts[found]


def load_cifar10h(path: str | os.PathLike | None = None) -> HumanLabels:
    """Reads CIFAR-10H from its `cifar10h-counts.npy`: the given one, or one that is fetched into the cache folder.

    Raises:
        HumanLabelsError: it cannot be fetched, or its SHA-256 is not the published file's.
    """
    counts = _read(CIFAR10H, path, _parse_cifar10h)
    return HumanLabels(ids=np.array([f"test_{i:05d}" for i in range(len(counts))]), counts=counts)


def load_corrections(ids: np.ndarray, labels: np.ndarray, path: str | os.PathLike | None = None) -> np.ndarray:
    """Clean labels of CIFAR-10 test examples, with the mislabelled ones corrected: [n] like `labels`.

    A label is corrected where most of the five people who looked said that the proposed label is right and the given
    one wrong. Where most found neither, or both, the given one stays.

    Args:
        ids: [n] TFDS ids, 'test_00000' and on.
        labels: [n] the labels of the dataset.
        path: of `cifar10_mturk.json`; None fetches it into the cache folder. No hash of it is published and none stands
            here: that the label which the file says was given is the one in `labels` is checked for each of its images.

    Raises:
        HumanLabelsError: it cannot be fetched, has another form, or is of other labels than these.
    """
    source = path or CORRECTIONS.url
    corrected = labels.copy()
    place = {id_: i for i, id_ in enumerate(ids.tolist())}
    for image in _read(CORRECTIONS, path, _parse_corrections):
        at = place.get(f"test_{image['id']:05d}")
        if at is None:  # these examples are a part of the test set
            continue
        if image["given_original_label"] != labels[at]:
            raise HumanLabelsError(
                f"{source} says that {ids[at]} is labelled {image['given_original_label']}; it is {labels[at]} here"
            )
        answers = image["mturk"]
        if answers["guessed"] > sum(answers.values()) / 2:
            corrected[at] = image["our_guessed_label"]
    return corrected


def _parse_cifar10h(data: bytes) -> np.ndarray:
    if files.sha256(data) != CIFAR10H.sha256:
        raise ValueError(f"it is not CIFAR-10H: its SHA-256 is not {CIFAR10H.sha256}")
    return np.load(io.BytesIO(data), allow_pickle=False)


def _parse_corrections(data: bytes) -> list[dict]:
    try:
        return read_json(data, _CORRECTIONS)
    except ValueError as error:
        raise ValueError(f"it is no list of corrections: {error}") from error


def cache_folder() -> pathlib.Path:
    """Where fetched files are kept: `noisy_label_datasets` in the user's cache folder ($XDG_CACHE_HOME or ~/.cache).

    Raises:
        HumanLabelsError: there is no home folder, nor does the variable name another.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if cache.startswith("~"):
        raise HumanLabelsError("there is no home folder to keep what is fetched in: set XDG_CACHE_HOME, or name a file")
    return pathlib.Path(cache) / "noisy_label_datasets"


def at_hand(path: str | os.PathLike | None = None) -> bool:
    """Returns whether people's labels can be had without fetching them: a file is named, or was fetched before."""
    try:
        return path is not None or (cache_folder() / CIFAR10H.name).exists()
    except HumanLabelsError:
        return False


def _read(file: RemoteFile, path: str | os.PathLike | None, parse: Callable[[bytes], T]) -> T:
    """Returns what is in a local copy, or in the cached one, which is fetched if it is missing or damaged.

    parse: raises ValueError for the bytes of another file.
    """
    if path:
        try:
            return parse(pathlib.Path(path).read_bytes())
        except FileNotFoundError as error:
            raise HumanLabelsError(f"{path} is not there; without it, {file.url} is fetched") from error
        except ValueError as error:
            raise HumanLabelsError(f"{path} cannot be used: {error}") from error
    cached = cache_folder() / file.name
    damaged = ""
    try:
        return parse(cached.read_bytes())
    except FileNotFoundError:
        pass
    except ValueError as error:
        damaged = f"{cached}, fetched before, is damaged ({error}), and "
    try:
        download(
            file.url, cached, most_bytes=_MOST_BYTES, check=lambda path: parse(path.read_bytes()), patience=PATIENCE
        )
    except DownloadError as error:
        raise HumanLabelsError(f"{damaged}{error}; get it by hand and name its path, or try again") from error
    return parse(cached.read_bytes())
