"""Labels that the paper's authors released, as a source of a config's labels.

    NoisyLabelConfig(name="published_low", source=Published("low"))

Only the noisy splits have labels there. Its CIFAR records carry no id: they are matched by their pixels with the images
of the base dataset. What the release does not use becomes the clean splits and, where the base has no test split of its
own, the test split: divided by the hash of the id, in the proportions of the dataset's split plan.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from noisy_label_datasets.base.bases import decode_image
from noisy_label_datasets.base.names import check_ids
from noisy_label_datasets.base.splits import SplitPlan, divide
from noisy_label_datasets.labels import release
from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.labels.sources import NOISY_SPLITS, LabelContext, LabelSource, MissingLabelsError, NoisyLabels

PARTS = dict(zip(NOISY_SPLITS, release.PARTS, strict=True))


@dataclasses.dataclass(frozen=True)
class Task:
    """How the release stores the labels of one of its four tasks.

    Attributes:
      folder: its name in the bucket.
      key: the feature that says which example a record is of.
      by_pixels: whether `key` holds the pixels [h, w, 3] of the image, not the base's id.
      label_key: the feature with the clean label; None: there is none.
    """

    folder: str
    key: str
    by_pixels: bool = False
    label_key: str | None = None


TASKS = {
    "cifar10": Task("cifar10", "image/raw", by_pixels=True, label_key="image/class/label"),
    "cifar100": Task("cifar100", "image/encoded", by_pixels=True, label_key="image/class/fine_label"),
    "patch_camelyon": Task("patch_camelyon", "id", label_key="label"),
    "cats_vs_dogs": Task("cats_vs_dogs", "image/filename"),
}
"""By the name of the base dataset."""


@dataclasses.dataclass(frozen=True)
class Published(LabelSource):
    """The labels of a level of the release.

    Attributes:
      level: 'low', 'medium' or 'high'.
    """

    level: str

    def describe(self) -> str:
        """See `LabelSource`."""
        return f"the labels {self.level} that the paper's authors released"

    def is_at_hand(self, context: LabelContext) -> bool:
        """See `LabelSource`."""
        task = TASKS.get(context.base["name"])
        return task is not None and release.at_hand(task.folder, self.level, context) is not None

    def absence(self, context: LabelContext) -> str:
        """See `LabelSource`."""
        return "published, not fetched"

    def reads_base(self) -> bool:
        """See `LabelSource`; the records are matched with the images."""
        return True

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels; see `LabelSource`. Downloads what is not on this machine."""
        task = _task(context)
        folder = release.at_hand(task.folder, self.level, context) or release.fetch(task.folder, self.level, context)
        try:
            return self._read(folder, task, context)
        except PredictionsError as error:
            if not release.was_fetched(folder):
                raise
            raise PredictionsError(f"{error}; remove {folder}, and it is fetched again") from error

    def _read(self, folder: Any, task: Task, context: LabelContext) -> NoisyLabels:
        records = [_read(folder, part, task, len(context.class_names)) for part in PARTS.values()]
        rater_ids = records[0].rater_ids
        if set(records[1].rater_ids) != set(rater_ids):
            raise PredictionsError(f"{folder}: train has the raters {rater_ids}, valid {records[1].rater_ids}")
        ids, clean_labels = _identify(records, task, context, folder)
        orders = [np.argsort(np.array(of_split, dtype=np.str_)) for of_split in ids]

        def by_split(columns: Iterable[Any], dtype: Any) -> dict[str, np.ndarray]:
            """In the order of the ids, so that figures do not depend on that of the files."""
            ordered = (np.array(column, dtype)[order] for column, order in zip(columns, orders, strict=True))
            return dict(zip(NOISY_SPLITS, ordered, strict=True))

        return NoisyLabels(
            raters=release.rater_features(folder, rater_ids),
            division=ReleaseDivision(
                {id_: split for split, of_split in zip(NOISY_SPLITS, ids, strict=True) for id_ in of_split},
                context.split_plan,
            ),
            ids=by_split(ids, np.str_),
            clean_labels=by_split(clean_labels, np.int32),
            noisy_labels=by_split(
                (
                    of_part.noisy_labels[:, [of_part.rater_ids.index(rater_id) for rater_id in rater_ids]]
                    for of_part in records
                ),
                np.int32,
            ),
            provenance={
                "release": f"gs://{release.BUCKET}/public/{task.folder}/{self.level}",
                "paper": "arXiv:2107.11413",
            },
            origin="published",
            sha256=release.content_sha256(folder),
        )


@dataclasses.dataclass(frozen=True)
class ReleaseDivision:
    """The division of the release where it has an example, else that of a split plan without its noisy splits.

    Attributes:
      noisy: id -> noisy split.
      plan: the dataset's.
    """

    noisy: Mapping[str, str]
    plan: SplitPlan

    def assign(self, base_split: str, ids: Sequence[str]) -> np.ndarray:
        """See `sources.Division`."""
        shares = {split: share for split, share in self.plan.fractions[base_split].items() if split not in NOISY_SPLITS}
        left = divide(ids, {split: share / sum(shares.values()) for split, share in shares.items()}, self.plan.seed)
        return np.array([self.noisy.get(id_, split) for id_, split in zip(ids, left.tolist(), strict=True)])


@dataclasses.dataclass(frozen=True)
class _Records:
    """The n records of a part: keys [n] (ids, or digests of pixels), clean labels [n] or None, noisy labels [n, R]."""

    keys: Sequence[Any]
    labels: Sequence[int | None]
    noisy_labels: np.ndarray
    rater_ids: tuple[str, ...]


def _read(folder: Any, part: str, task: Task, num_classes: int) -> _Records:
    keys: list[Any] = []
    labels: list[int | None] = []
    noisy_labels: list[list[int]] = []
    rater_ids: tuple[str, ...] = ()
    needed = {task.key, task.label_key or task.key, "noisy_labels", "rater_ids"}
    for features in release.read_records(folder, part):
        if missing := sorted(name for name in needed if name not in features):
            raise PredictionsError(f"{folder}: a record of {part} has no feature {missing}; it has {sorted(features)}")
        try:
            key, label, votes = _record(features, task, num_classes)
            rater_ids = rater_ids or tuple(votes)
            if set(votes) != set(rater_ids):
                raise ValueError(f"its raters are {list(votes)}, those of the first record {list(rater_ids)}")
        except ValueError as error:
            raise PredictionsError(
                f"{folder}: record {len(keys)} of {part} is not of the form of the release: {error}"
            ) from error
        keys.append(key)
        labels.append(label)
        noisy_labels.append([votes[rater_id] for rater_id in rater_ids])
    if not keys:
        raise PredictionsError(f"{folder}: {part} has no records")
    try:
        check_ids(np.array(rater_ids))
        if not task.by_pixels:
            check_ids(np.array(keys))
    except ValueError as error:
        raise PredictionsError(f"{folder}: {part}: {error}") from error
    return _Records(keys, labels, np.array(noisy_labels, dtype=np.int32), rater_ids)


def _record(features: Mapping[str, Any], task: Task, num_classes: int) -> tuple[Any, int | None, dict[str, int]]:
    """Returns key, clean label and rater id -> label of a record; raises ValueError for one of another form."""
    (key,) = features[task.key].bytes_list.value
    label = None
    if task.label_key is not None:
        (label,) = features[task.label_key].int64_list.value
    raters = [rater_id.decode() for rater_id in features["rater_ids"].bytes_list.value]
    votes = dict(zip(raters, features["noisy_labels"].int64_list.value, strict=True))
    if not votes or len(votes) < len(raters):
        raise ValueError(f"raters are there each once, given {raters}")
    for given in (*votes.values(), *([] if label is None else [label])):
        if not 0 <= given < num_classes:
            raise ValueError(f"labels are 0..{num_classes - 1}, given {given}")
    return (_digest(key) if task.by_pixels else key.decode()), label, votes


def _identify(
    records: Sequence[_Records], task: Task, context: LabelContext, folder: Any
) -> tuple[list[list[str]], list[list[int]]]:
    """Returns ids and clean labels of the records of each part."""
    ids = _ids_by_pixels(records, context, folder) if task.by_pixels else [list(part.keys) for part in records]
    repeated = [id_ for id_, count in collections.Counter(itertools.chain(*ids)).items() if count > 1]
    if repeated:
        raise PredictionsError(f"{folder}: {len(repeated)} ids have several records, such as {repeated[0]}")
    if task.label_key is not None:
        return ids, [[int(label) for label in of_part.labels] for of_part in records]  # type: ignore[arg-type]
    labels = {id_: label for batch in context.examples() for id_, label in zip(batch.ids, batch.labels, strict=True)}
    unknown = [id_ for id_ in itertools.chain(*ids) if id_ not in labels]
    if unknown:
        base = f"{context.base['name']} {context.base['version']}"
        raise PredictionsError(f"{folder}: {len(unknown)} ids are not in {base}, such as {unknown[0]}")
    return ids, [[labels[id_] for id_ in of_part] for of_part in ids]


def _ids_by_pixels(records: Sequence[_Records], context: LabelContext, folder: Any) -> list[list[str]]:
    """Returns the ids of the records of each part, by their images in the base splits that noisy splits are made of.

    Some images of CIFAR occur more than once. The records of such an image take the ids of the examples with the same
    clean label, in order, so that no two of them take the same one.
    """
    wanted = {key for of_part in records for key in of_part.keys}
    candidates: collections.defaultdict[tuple[Any, Any], list[str]] = collections.defaultdict(list)
    noisy = [name for name, shares in context.split_plan.fractions.items() if set(shares) & set(NOISY_SPLITS)]
    for batch in context.examples():
        if batch.base_split not in noisy:
            continue
        for id_, image, label in zip(batch.ids, batch.images, batch.labels, strict=True):
            if (key := _digest(decode_image(image, channels=3).tobytes())) in wanted:
                candidates[key, label].append(id_)
    free = {place: iter(sorted(ids)) for place, ids in candidates.items()}
    ids: list[list[Any]] = [
        [next(free.get(place, iter(())), None) for place in zip(of_part.keys, of_part.labels, strict=True)]
        for of_part in records
    ]
    unmatched = [
        (part, row)
        for part, of_part in zip(PARTS.values(), ids, strict=True)
        for row, id_ in enumerate(of_part)
        if id_ is None
    ]
    if unmatched:
        part, row = unmatched[0]
        raise PredictionsError(
            f"{folder}: {len(unmatched)} of {sum(map(len, ids))} images are not in {context.base['name']} "
            f"{context.base['version']} with that clean label, such as that of record {row} of {part}"
        )
    return ids


def _task(context: LabelContext) -> Task:
    if context.base["name"] not in TASKS:
        raise MissingLabelsError(
            f"the paper's authors published no labels for {context.base['name']}; they did for {', '.join(TASKS)}"
        )
    return TASKS[context.base["name"]]


def _digest(pixels: bytes) -> bytes:
    return hashlib.sha256(pixels).digest()
