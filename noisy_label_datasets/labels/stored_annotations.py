"""Labels of human annotators, stored with the user's datasets: a config that is known by its name from then on.

    <data_dir>/annotations/<dataset>/<config>.npz

    path = path_of(data_dir, "cifar10_noisy", "people")
    store(path, Annotations("labels.csv").load(context), context, "people")
    labels = StoredAnnotations("people").load(context)      # needs neither the table nor the base dataset

Labels are stored in long form, by example and annotator, with ids and clean labels of every split that has any; a table
may be of a thousand annotators. The file is whole or not there, and its SHA-256 stands for the labels.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Any

import numpy as np

from noisy_label_datasets import files, schema
from noisy_label_datasets.base.names import check_ids
from noisy_label_datasets.base.splits import SPLIT_PLAN, SPLITS, SplitPlan
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.annotations import LabelledFirst
from noisy_label_datasets.labels.prediction_schema import FEATURES
from noisy_label_datasets.labels.sources import (
    LabelContext,
    LabelIdentity,
    LabelSource,
    MissingLabelsError,
    NoisyLabels,
    check_fits,
)
from noisy_label_datasets.noise import metrics

ANNOTATIONS_DIR = "annotations"
NAME = r"[a-z][a-z0-9_]*"
"""What a config of one's own can be called."""

_FORMAT, _FORMAT_VERSION = "noisy_label_datasets/annotations", 1
_HEADER = schema.Record(
    {
        "format": schema.Exactly(_FORMAT),
        "format_version": schema.Exactly(_FORMAT_VERSION),
        "dataset": schema.Text(),
        "level": schema.Text(),
        "base": schema.Record({"name": schema.Text(), "version": schema.Text()}),
        "class_names": schema.ListOf(schema.Text(), least=2),
        "split_plan": SPLIT_PLAN,
        "labelled_first": schema.OneOf((True, False)),
        "splits": schema.ListOf(schema.OneOf(SPLITS), least=2),
        "raters": schema.ListOf(FEATURES, least=1),
        "provenance": schema.MapOf(schema.Anything()),
        "origin": schema.Text(),
    }
)
_OF_EXAMPLE, _OF_LABEL = ("ids", "clean_labels"), ("example", "rater", "label")


class StoredAnnotationsError(NoisyLabelsError, ValueError):
    """A file that does not hold stored annotations, or those of another dataset."""


@dataclasses.dataclass(frozen=True)
class StoredAnnotations(LabelSource):
    """Labels that were stored under a config's name.

    Attributes:
      config: 'people'.
    """

    config: str

    def describe(self) -> str:
        """See `LabelSource`."""
        return "labels that human annotators gave"

    def is_at_hand(self, context: LabelContext) -> bool:
        """See `LabelSource`."""
        return self._path(context).exists()

    def is_by_humans(self) -> bool:
        """See `LabelSource`."""
        return True

    def absence(self, context: LabelContext) -> str:
        """See `LabelSource`."""
        return "no annotations stored"

    def identify(self, context: LabelContext) -> LabelIdentity | None:
        """See `LabelSource`."""
        try:
            data = self._path(context).read_bytes()
            return LabelIdentity(files.sha256(data), len(_header(files.unpack_arrays(data))["raters"]))
        except (OSError, ValueError):
            return None  # `load` says what is wrong

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels; see `LabelSource`.

        Raises:
          MissingLabelsError: there are none of this name.
          StoredAnnotationsError: the file is damaged.
          PredictionsError: they are of another dataset, or of another version of it.
        """
        path = self._path(context)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            name = f"{context.dataset}/{self.config}"
            raise MissingLabelsError(
                f"no annotations are stored for {name}: looked in {path}; "
                f"`noisy-labels build {name} --annotations TABLE` stores them"
            ) from error
        try:
            arrays = files.unpack_arrays(data)
            header = _header(arrays)
            labels = _labels(header, arrays, files.sha256(data))
        except (KeyError, IndexError, ValueError) as error:
            raise StoredAnnotationsError(f"the annotations in {path} cannot be read: {error}") from error
        check_fits(
            path,
            context,
            self.config,
            dataset=header["dataset"],
            level=header["level"],
            base=header["base"],
            split_plan=SplitPlan.from_json(header["split_plan"]),
            class_names=tuple(header["class_names"]),
        )
        return labels

    def _path(self, context: LabelContext) -> Any:
        return path_of(context.data_dir, context.dataset, self.config)


def path_of(data_dir: Any, dataset: str, config: str) -> Any:
    """Returns the file of a config; data_dir: the folder that holds all TFDS datasets of the user."""
    return data_dir / ANNOTATIONS_DIR / dataset / f"{config}.npz"


def stored_configs(data_dir: Any, dataset: str) -> list[str]:
    """Returns the names of the configs of a dataset whose annotations are stored, sorted."""
    folder = data_dir / ANNOTATIONS_DIR / dataset
    try:
        found = [path.name.removesuffix(".npz") for path in folder.iterdir() if path.name.endswith(".npz")]
    except OSError:  # there is none
        return []
    return sorted(name for name in found if re.fullmatch(NAME, name))


def store(path: Any, labels: NoisyLabels, context: LabelContext, config: str) -> None:
    """Stores labels in place of what was stored there; atomic.

    Args:
      path: of `path_of`.
      labels: what `Annotations` loaded.
      context: that it was given.
      config: whose labels they are.

    Raises:
      OSError: the file cannot be written or the disk is full.
    """
    splits = [split for split in SPLITS if split in labels.ids]
    header = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "dataset": context.dataset,
        "level": config,
        "base": dict(context.base),
        "class_names": list(context.class_names),
        "split_plan": context.split_plan.to_json(),
        "labelled_first": isinstance(labels.division, LabelledFirst),
        "splits": splits,
        "raters": [dict(rater) for rater in labels.raters],
        "provenance": dict(labels.provenance),
        "origin": labels.origin,
    }
    arrays = {"header": np.frombuffer(files.to_json(header), np.uint8)}
    for split in splits:
        example, rater = np.nonzero(labels.noisy_labels[split] != metrics.MISSING)
        of_split = {
            "ids": labels.ids[split],
            "clean_labels": labels.clean_labels[split].astype(np.int32),
            "example": example.astype(np.int32),
            "rater": rater.astype(np.int32),
            "label": labels.noisy_labels[split][example, rater].astype(np.int32),
        }
        arrays |= {f"{split}.{name}": array for name, array in of_split.items()}
    data = files.pack_arrays(arrays)
    if "://" in str(path):  # a store of a cloud, whose files appear when they are whole
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    else:
        files.write_atomically(pathlib.Path(path), data)


def _header(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns what stands beside the arrays; raises ValueError (SchemaError) where it is none."""
    if "header" not in arrays or arrays["header"].dtype != np.uint8:
        raise ValueError("it has no header")
    return schema.read_json(arrays["header"].tobytes(), _HEADER)


def _labels(header: dict[str, Any], arrays: dict[str, np.ndarray], sha256: str) -> NoisyLabels:
    """Returns the labels; raises ValueError, KeyError or IndexError for arrays that do not fit together."""
    raters, num_classes = header["raters"], len(header["class_names"])
    ids, clean, noisy = {}, {}, {}
    for split in header["splits"]:
        of_split = {name: arrays[f"{split}.{name}"] for name in (*_OF_EXAMPLE, *_OF_LABEL)}
        if of_split["ids"].dtype.kind != "U" or any(of_split[name].dtype != np.int32 for name in list(of_split)[1:]):
            raise ValueError(f"{split} has arrays of other types")
        if any(len({of_split[name].shape for name in names}) > 1 for names in (_OF_EXAMPLE, _OF_LABEL)):
            raise ValueError(f"{split} has arrays of other lengths than each other")
        check_ids(of_split["ids"])
        for name, fewer in (("clean_labels", num_classes), ("label", num_classes), ("rater", len(raters))):
            if of_split[name].size and not 0 <= of_split[name].min() <= of_split[name].max() < fewer:
                raise ValueError(f"{split} has a {name} that is none of {fewer}")
        example, rater, label = (of_split[name] for name in _OF_LABEL)
        if example.size and example.min() < 0:
            raise ValueError(f"{split} has labels of no example")
        ids[split], clean[split] = of_split["ids"], of_split["clean_labels"]
        noisy[split] = np.full((len(ids[split]), len(raters)), metrics.MISSING, np.int32)
        noisy[split][example, rater] = label
    plan = SplitPlan.from_json(header["split_plan"])
    labelled = frozenset(
        id_ for split in ids for id_ in ids[split][(noisy[split] != metrics.MISSING).any(axis=1)].tolist()
    )
    return NoisyLabels(
        raters=tuple(raters),
        division=LabelledFirst(labelled, plan) if header["labelled_first"] else plan,
        ids=ids,
        clean_labels=clean,
        noisy_labels=noisy,
        provenance=header["provenance"],
        origin=header["origin"],
        sha256=sha256,
    )
