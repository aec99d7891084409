"""Human labels of the CIFAR-10 test set, and corrections to its clean labels.

    human = load_cifar10h()                    # fetched once, checked, kept in the cache folder
    human.counts[0]                            # how often human annotators gave each class to 'test_00000'

CIFAR-10H (Peterson et al. 2019, `Human uncertainty makes classification more robust`) holds about 50 human labels
for each of the 10,000 images, in the order of the test set, hence of TFDS' ids. The corrections are the answers of five
people to whether a suspicious label is right (Northcutt et al. 2021, `Pervasive label errors in test sets destabilize
machine learning benchmarks`). Neither is part of this package.
"""

from __future__ import annotations

import dataclasses
import io
import os

import numpy as np

from noisy_label_datasets import remote_files
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.remote_files import RemoteFile
from noisy_label_datasets.schema import ListOf, Record, Whole, read_json


class HumanLabelsError(NoisyLabelsError):
    """Human labels that are not of the examples they should be of."""


_GITHUB = "https://raw.githubusercontent.com"
CIFAR10H = RemoteFile(
    url=f"{_GITHUB}/jcpeterson/cifar-10h/597cbc5f07266c9405b830ee4a53463539124c4f/data/cifar10h-counts.npy",
    sha256="9b36b4550349af56c79083356312eb4af856cc5fd3caf1f669d40b9d0bbb69ff",
)
CIFAR10H_BASE = "cifar10"  # the TFDS dataset whose test set human annotators labelled
NUM_CIFAR10H = 10_000
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
    """How often human annotators gave each class to each example.

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


def check_are_labelled(ids: np.ndarray, name: str) -> None:
    """Checks that examples are those that human annotators labelled for CIFAR-10H; reads and fetches nothing.

    Args:
      ids: [n] <U.
      name: whose examples they are, for the error.

    Raises:
      HumanLabelsError: one of another dataset.
    """
    others = ids[~np.isin(ids, [_id(i) for i in range(NUM_CIFAR10H)])]
    if len(others):
        raise HumanLabelsError(
            f"CIFAR-10H has labels of the test set of CIFAR-10, {_id(0)} to {_id(NUM_CIFAR10H - 1)}; {len(others)} of "
            f"the {len(ids)} test images of {name} are others, {str(others[0])!r} first"
        )


def _id(position: int) -> str:
    return f"test_{position:05d}"


def load_cifar10h(path: str | os.PathLike | None = None) -> HumanLabels:
    """Reads CIFAR-10H from its `cifar10h-counts.npy`: the given one, or one that is fetched into the cache folder.

    Raises:
      RemoteFileError: it cannot be fetched, or its SHA-256 is not the published file's.
    """
    counts = remote_files.read(CIFAR10H, _parse_cifar10h, most_bytes=_MOST_BYTES, path=path)
    return HumanLabels(ids=np.array([_id(i) for i in range(len(counts))]), counts=counts)


def load_corrections(ids: np.ndarray, labels: np.ndarray, path: str | os.PathLike | None = None) -> np.ndarray:
    """Clean labels of CIFAR-10 test examples, with the mislabelled ones corrected: [n] like `labels`.

    A label is corrected where most of the five annotators said that the proposed label is right and the given
    one wrong. Where most found neither, or both, the given one stays.

    Args:
      ids: [n] TFDS ids, 'test_00000' and on.
      labels: [n] the labels of the dataset.
      path: of `cifar10_mturk.json`; None fetches it into the cache folder. No hash of it is published and none stands
        here: that the label which the file says was given is the one in `labels` is checked for each of its images.

    Raises:
      RemoteFileError: it cannot be fetched, or has another form.
      HumanLabelsError: it is of other labels than these.
    """
    source = path or CORRECTIONS.url
    corrected = labels.copy()
    place = {id_: i for i, id_ in enumerate(ids.tolist())}
    for image in remote_files.read(CORRECTIONS, _parse_corrections, most_bytes=_MOST_BYTES, path=path):
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
    return np.load(io.BytesIO(data), allow_pickle=False)


def _parse_corrections(data: bytes) -> list[dict]:
    try:
        return read_json(data, _CORRECTIONS)
    except ValueError as error:
        raise ValueError(f"it is no list of corrections: {error}") from error


def at_hand(path: str | os.PathLike | None = None) -> bool:
    """Returns whether people's labels can be had without fetching them: a file is named, or was fetched before."""
    return path is not None or remote_files.is_cached(CIFAR10H)
