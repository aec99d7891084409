"""Images and labels brought together by example id, in one pass over the base dataset.

    spool = Spool()
    for example in join_by_id(base.batches(data_dir, base_splits), labels):
        spool.add(example)
    for example in spool.read("test"): ...

A base is read once, in its own order; TFDS wants the splits one after another: in between the examples wait in a spool.
"""

from __future__ import annotations

import dataclasses
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from noisy_label_datasets.base.examples import ExampleBatch
from noisy_label_datasets.base.splits import SPLITS
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.sampling import NO_RATER
from noisy_label_datasets.labels.sources import NoisyLabels
from noisy_label_datasets.noise.metrics import MISSING

UNLABELLED = -1


def no_labels(num_raters: int) -> list[int]:
    """Returns the noisy labels of an example that nobody labelled: [R], all of them MISSING."""
    return [MISSING] * num_raters


class JoinError(NoisyLabelsError, ValueError):
    """Ids or clean labels in which the base dataset and the noisy labels do not agree."""


@dataclasses.dataclass(frozen=True, slots=True)
class JoinedExample:
    """An example and the place of its noisy labels.

    Attributes:
      split: one of the five.
      id: of the example.
      image: encoded.
      label: the clean label.
      row: of its noisy labels in `NoisyLabels.noisy_labels[split]`; UNLABELLED in a split without noisy labels.
      extra_labels: its further class labels, in the base's order.
    """

    split: str
    id: str
    image: bytes
    label: int
    row: int
    extra_labels: tuple[int, ...] = ()


def join_by_id(
    batches: Iterable[ExampleBatch],
    labels: NoisyLabels,
    *,
    may_lack: int = 0,
    missing: dict[str, list[str]] | None = None,
) -> Iterator[JoinedExample]:
    """Yields every example of the base that the division has a split for, in the base's order.

    Args:
      batches: of the base.
      labels: to be joined.
      may_lack: how many labelled ids the base may lack.
      missing: is filled with those that it lacks, by split.

    Raises:
      JoinError: after the last example, when everything is known: an id stands in the base twice, or in a labelled
        split of only one side (but for what may be lacking); or a clean label differs. The message counts the ids and
        names a few.
    """
    rows = {split: {id_: row for row, id_ in enumerate(ids.tolist())} for split, ids in labels.ids.items()}
    clean = {split: clean_labels.tolist() for split, clean_labels in labels.clean_labels.items()}
    seen: set[str] = set()
    repeated: list[str] = []
    without_labels: list[str] = []
    differing: list[str] = []
    for batch in batches:
        splits = labels.division.assign(batch.base_split, batch.ids).tolist()
        extras = list(zip(*batch.extra_labels.values(), strict=True)) or [()] * len(splits)
        for split, id_, image, label, extra in zip(splits, batch.ids, batch.images, batch.labels, extras, strict=True):
            if id_ in seen:
                repeated.append(id_)
                continue
            seen.add(id_)
            if not split:  # left out by the division
                continue
            row = rows[split].pop(id_, UNLABELLED) if split in rows else UNLABELLED
            if split in rows and row == UNLABELLED:
                without_labels.append(id_)
            elif row != UNLABELLED and clean[split][row] != label:
                differing.append(other_label(id_, label, clean[split][row]))
            yield JoinedExample(split, id_, image, label, row, extra)
    if missing is not None:
        missing.update({split: list(of_split) for split, of_split in rows.items()})
    without_image = [id_ for ids in rows.values() for id_ in ids]
    found = {REPEATED: repeated, NO_LABELS: without_labels, NO_IMAGE: without_image, OTHER_LABEL: differing}
    check_faults({what: Fault(len(names), names[:3]) for what, names in found.items()}, may_lack=may_lack)


REPEATED = "ids stand in the base dataset more than once"
NO_LABELS = "examples of the base dataset have no noisy labels"
NO_IMAGE = "labelled ids are not in the base dataset in that split"
OTHER_LABEL = "examples have another clean label"


class Fault(NamedTuple):
    """How often something is wrong, and with which examples, such as these."""

    number: int
    examples: Sequence[str]


def other_label(id_: str, of_base: int, of_labels: int) -> str:
    """Returns how an example with another clean label is named in an error."""
    return f"{id_} (base {of_base}, labels {of_labels})"


def check_faults(faults: Mapping[str, Fault], *, may_lack: int = 0) -> None:
    """Raises a JoinError that counts the faults and names a few.

    Args:
      faults: what is wrong -> with which.
      may_lack: so many labelled ids that are not in the base are no fault.
    """
    allowed = {NO_IMAGE: may_lack}
    said = [
        f"{faults[what].number} {what}, such as {', '.join(faults[what].examples)}"
        + (f" (at most {allowed[what]} may be missing)" if allowed.get(what) else "")
        for what in (REPEATED, NO_LABELS, NO_IMAGE, OTHER_LABEL)
        if what in faults and faults[what].number > allowed.get(what, 0)
    ]
    if said:
        raise JoinError(f"the noisy labels do not fit the base dataset: {'; '.join(said)}")


def example_features(
    id_: str,
    image: bytes,
    label: int,
    noisy_labels: Sequence[int],
    rater: int,
    extra_labels: Mapping[str, int],
) -> dict[str, Any]:
    """Returns the features of an example as a builder declares them.

    Args:
      id_, image, label, extra_labels: of the base.
      noisy_labels: [R] of the raters; MISSING where a rater has not labelled it.
      rater: the one whose label is the example's `noisy_label`; NO_RATER: it is the clean label.
    """
    return {
        "id": id_,
        "image": image,
        "label": label,
        "noisy_labels": noisy_labels,
        "noisy_label": label if rater == NO_RATER else noisy_labels[rater],
        "noisy_label_rater": rater,
        **extra_labels,
    }


class Spool:
    """Examples kept by split between the one pass over the base and the writing of the splits.

    A little in memory, the rest in unnamed temporary files, of which nothing stays behind however the process ends.
    They lie where Python puts temporary files (TMPDIR).
    """

    _HEADER = struct.Struct("<qqIII")  # label, row, bytes of the id, bytes of the image, number of further labels

    def __init__(self, memory_per_split: int = 16 * 2**20) -> None:
        self._files = {split: tempfile.SpooledTemporaryFile(memory_per_split) for split in SPLITS}  # noqa: SIM115

    def add(self, example: JoinedExample) -> None:
        """Keeps an example.

        Raises:
          OSError: the disk with the temporary files is full; names their folder.
        """
        id_ = example.id.encode()
        file = self._files[example.split]
        try:
            extra = example.extra_labels
            file.write(self._HEADER.pack(example.label, example.row, len(id_), len(example.image), len(extra)))
            file.write(id_)
            file.write(example.image)
            file.write(struct.pack(f"<{len(extra)}q", *extra))
        except OSError as error:
            where = tempfile.gettempdir()
            raise type(error)(error.errno, f"cannot keep examples in TMPDIR: {error.strerror}", where) from error

    def read(self, split: str) -> Iterator[JoinedExample]:
        """Yields the examples of a split in the order in which they were added."""
        file = self._files[split]
        file.seek(0)
        while header := file.read(self._HEADER.size):
            label, row, id_size, image_size, num_extra = self._HEADER.unpack(header)
            id_, image = file.read(id_size).decode(), file.read(image_size)
            yield JoinedExample(
                split, id_, image, label, row, struct.unpack(f"<{num_extra}q", file.read(8 * num_extra))
            )
