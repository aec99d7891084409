"""Images and labels brought together by example id, in one pass over the base dataset.

    spool = Spool()
    for example in join_by_id(base.batches(data_dir, base_splits), labels):
        spool.add(example)
    for example in spool.read("test"): ...

A base is read once, in its own order; TFDS wants the splits one after another: in between the examples wait in a spool.
"""

import dataclasses
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.sources import NoisyLabels
from noisy_label_datasets.splits import SPLITS

UNLABELLED = -1


class JoinError(NoisyLabelsError, ValueError):
    """Ids or clean labels in which the base dataset and the noisy labels do not agree."""


@dataclasses.dataclass(frozen=True)
class ExampleBatch:
    """Some examples of a split of the base dataset.

    Attributes:
      base_split: its name.
      ids: [n] ids.
      images: [n] encoded images (PNG, JPEG).
      labels: [n] clean labels.
      extra_labels: name -> [n], for each of the base's further class labels, in the base's order.
    """

    base_split: str
    ids: Sequence[str]
    images: Sequence[bytes]
    labels: Sequence[int]
    extra_labels: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)


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


def join_by_id(batches: Iterable[ExampleBatch], labels: NoisyLabels) -> Iterator[JoinedExample]:
    """Yields every example of the base, in the base's order.

    Raises:
      JoinError: after the last example, when everything is known: an id stands in the base twice, or in a labelled
        split of only one side; or a clean label differs. The message counts the ids and names a few.
    """
    rows = {split: {id_: row for row, id_ in enumerate(ids.tolist())} for split, ids in labels.ids.items()}
    clean = {split: clean_labels.tolist() for split, clean_labels in labels.clean_labels.items()}
    seen: set[str] = set()
    repeated: list[str] = []
    without_labels: list[str] = []
    other_label: list[str] = []
    for batch in batches:
        splits = labels.division.assign(batch.base_split, batch.ids).tolist()
        extras = list(zip(*batch.extra_labels.values(), strict=True)) or [()] * len(splits)
        for split, id_, image, label, extra in zip(splits, batch.ids, batch.images, batch.labels, extras, strict=True):
            if id_ in seen:
                repeated.append(id_)
                continue
            seen.add(id_)
            row = rows[split].pop(id_, UNLABELLED) if split in rows else UNLABELLED
            if split in rows and row == UNLABELLED:
                without_labels.append(id_)
            elif row != UNLABELLED and clean[split][row] != label:
                other_label.append(f"{id_} (base {label}, labels {clean[split][row]})")
            yield JoinedExample(split, id_, image, label, row, extra)
    without_image = [id_ for ids in rows.values() for id_ in ids]
    faults = [
        f"{len(found)} {what}, such as {', '.join(found[:3])}"
        for found, what in (
            (repeated, "ids stand in the base dataset more than once"),
            (without_labels, "examples of the base dataset have no noisy labels"),
            (without_image, "labelled ids are not in the base dataset in that split"),
            (other_label, "examples have another clean label"),
        )
        if found
    ]
    if faults:
        raise JoinError(f"the noisy labels do not fit the base dataset: {'; '.join(faults)}")


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
