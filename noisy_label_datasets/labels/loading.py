"""The labels of a config as arrays and tables, without images, TFDS or TensorFlow.

    labels = noisy_label_datasets.load_labels("cifar10_noisy/medium")
    train = labels.select("noisy_label_train")
    train.noisy_labels                  # [n, R], one column per rater
    train.index                         # [n], positions in the dataset's own files: torchvision's and Keras' order
    train.to_csv("labels.csv")

TFDS iterates over a dataset in an order of its own, and so does every build; a position means something only within the
files that the dataset was published in. `index` is that position: CIFAR-10's `train_00017` is row 17 of its training
set in torchvision and in Keras.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.base.splits import SPLITS
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.catalog import UnknownConfigError, entry_of
from noisy_label_datasets.labels.imbalance import IMBALANCED_SPLITS, imbalanced
from noisy_label_datasets.labels.sampling import NO_RATER, sample_raters
from noisy_label_datasets.labels.sources import NOISY_SPLITS, LabelContext, LabelSource
from noisy_label_datasets.labels.stored_annotations import StoredAnnotations, stored_configs
from noisy_label_datasets.noise.metrics import MISSING
from noisy_label_datasets.registration import builder_dir

if TYPE_CHECKING:
    import pandas as pd

NO_INDEX = -1
DATA_DIR = "~/tensorflow_datasets"  # where TFDS keeps datasets
_NUMBERED = re.compile(r"(?P<file>[a-z]+)_(?P<index>[0-9]+)")


class LabelsError(NoisyLabelsError, ValueError):
    """Labels that cannot be had, shown or stored as asked for."""


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels of n examples by R raters, an example per row.

    Attributes:
      name: 'cifar10_noisy/medium'.
      ids: [n] <U: the base dataset's own ids.
      split: [n] <U: which of the five splits.
      file: [n] <U: which of the dataset's own files an example is in ('train', 'test'); '' where ids do not say.
      index: [n] int64: its position there, from 0; -1 where ids do not say.
      labels: [n] int32: clean labels.
      noisy_labels: [n, R] int32; -1: this rater did not label this example.
      noisy_label: [n] int32: the one label to train on: on the noisy splits that of one rater, drawn uniformly and
        independently per example (Section 3 of the paper), elsewhere the clean label. The same as in the TFDS dataset.
      noisy_label_rater: [n] int32: whose label that is; -1: it is the clean one.
      class_names: of the K classes.
      raters: R mappings of rater features (JSON); "id" is always there.
      provenance: how the labels were made (JSON).
      origin: "shipped" with the package, "trained" on this machine, or as the source says.
      sha256: of the artifact that they are from.
    """

    name: str
    ids: np.ndarray
    split: np.ndarray
    file: np.ndarray
    index: np.ndarray
    labels: np.ndarray
    noisy_labels: np.ndarray
    noisy_label: np.ndarray
    noisy_label_rater: np.ndarray
    class_names: tuple[str, ...]
    raters: tuple[Mapping[str, Any], ...]
    provenance: Mapping[str, Any]
    origin: str
    sha256: str
    _source: LabelSource
    _context: LabelContext = dataclasses.field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def rater_ids(self) -> tuple[str, ...]:
        """The raters, in the order of the columns of `noisy_labels`."""
        return tuple(rater["id"] for rater in self.raters)

    def select(self, *splits: str) -> Labels:
        """Returns the examples of some splits only.

        Raises:
          LabelsError: a name that is none of the splits in these labels.
        """
        there = [split for split in SPLITS if split in set(self.split.tolist())]
        unknown = sorted(set(splits) - set(there))
        if unknown or not splits:
            raise LabelsError(f"{self.name} has labels of the splits {', '.join(there)}, given {list(splits)}")
        return self.rows(np.flatnonzero(np.isin(self.split, splits)))

    def rows(self, rows: np.ndarray) -> Labels:
        """Returns these rows only, in this order."""
        return dataclasses.replace(self, **{name: getattr(self, name)[rows] for name in _BY_EXAMPLE})

    def imbalanced(self, fraction: float, *, seed: int = 0, majority: int = 0) -> Labels:
        """Returns a part of the examples of a binary task, in which one class has a wanted share.

        Of each of the splits `noisy_label_train`, `noisy_label_valid` and `test` that are there, as many examples are
        kept at every fraction (Section 3.1 of the paper; see `labels.imbalance`). Other splits stay whole. They are the
        examples of the TFDS dataset with the config `build.configs.imbalanced_config`.

        Args:
          fraction: share of the larger class, in [0.5, 1).
          seed: another seed keeps other examples.
          majority: which class is the larger one, 0 or 1.

        Raises:
          ImbalanceError: the task is not binary, or the fraction leaves a class empty.
        """
        kept = np.ones(len(self), bool)
        for split in IMBALANCED_SPLITS:
            rows = np.flatnonzero(self.split == split)
            if len(rows):
                of_split = imbalanced(self.ids[rows], self.labels[rows], fraction, seed=seed, majority=majority)
                kept[np.delete(rows, of_split)] = False
        return self.rows(np.flatnonzero(kept))

    def probabilities(self) -> np.ndarray:
        """Returns the raters' class probabilities: [n, R, K] float32, summing to 1 over K; read when asked for.

        Raises:
          LabelsError: labels that no stored probabilities belong to, such as flips.
        """
        predictions = self._source.predictions(self._context)
        if predictions is None:
            raise LabelsError(f"{self.name} has no probabilities: its labels are not those of a pool of raters")
        found = np.empty((*self.noisy_labels.shape, len(self.class_names)), np.float32)
        for split, ids in predictions.ids.items():
            here = np.flatnonzero(self.split == split)
            if len(here):
                order = np.argsort(ids)
                rows = order[np.searchsorted(ids, self.ids[here], sorter=order)]
                found[here] = predictions.probabilities(split)[rows]
        return found

    def rater_features(self) -> pd.DataFrame:
        """Returns what is known of each rater: a row per rater, a column per feature; indexed by the rater's id."""
        import pandas as pd

        return pd.DataFrame.from_records(list(self.raters)).set_index("id")

    def wide(self) -> pd.DataFrame:
        """Returns a row per example and a column per rater, indexed by id; NA: this rater did not label it.

        As cleanlab's multi-annotator functions take it (`labels_multiannotator`).
        """
        import pandas as pd

        index = pd.Index(self.ids, name="id")
        frame = pd.DataFrame(self.noisy_labels, index=index, columns=list(self.rater_ids), dtype="Int64")
        return frame.mask(frame == MISSING)

    def annotations(self) -> pd.DataFrame:
        """Returns a row per given label: `task` (the example's id), `worker` (the rater's id), `label`.

        As crowd-kit's aggregators take it.
        """
        import pandas as pd

        examples, raters = np.nonzero(self.noisy_labels != MISSING)
        return pd.DataFrame(
            {
                "task": self.ids[examples],
                "worker": np.asarray(self.rater_ids)[raters],
                "label": self.noisy_labels[examples, raters],
            }
        )

    def table(self) -> pd.DataFrame:
        """Returns a row per example: all of its attributes, and a column per rater named after it.

        A rater who is called as an attribute, such as an annotator "id", has the column "id (rater)".
        """
        import pandas as pd

        columns = {"id": self.ids, **{name: getattr(self, name) for name in _BY_EXAMPLE[1:] if name != "noisy_labels"}}
        raters = list(self.rater_ids)
        for place in range(len(raters)):
            while raters[place] in columns or raters.count(raters[place]) > 1:
                raters[place] += " (rater)"
        return pd.concat([pd.DataFrame(columns), pd.DataFrame(self.noisy_labels, columns=raters)], axis="columns")

    def to_csv(self, path: str | os.PathLike) -> None:
        """Writes `table()` as CSV, whole or not at all."""
        _write(path, self.table().to_csv(index=False).encode())

    def to_parquet(self, path: str | os.PathLike) -> None:
        """Writes `table()` as Parquet, whole or not at all; needs pyarrow, which the `export` extra brings.

        Raises:
          LabelsError: pyarrow is not installed.
        """
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise LabelsError("Parquet needs pyarrow: pip install 'noisy-label-datasets[export]'") from error
        _write(path, self.table().to_parquet(None, index=False))

    def to_npz(self, path: str | os.PathLike) -> None:
        """Writes the arrays as a compressed .npz, whole or not at all: those of an example, and `rater_ids`."""
        arrays = {**{name: getattr(self, name) for name in _BY_EXAMPLE}, "rater_ids": np.asarray(self.rater_ids)}
        _write(path, files.pack_arrays(arrays))


_BY_EXAMPLE = ("ids", "split", "file", "index", "labels", "noisy_labels", "noisy_label", "noisy_label_rater")


def load_labels(name: str, *, data_dir: str | os.PathLike | None = None) -> Labels:
    """Returns the labels of a config, of all splits that its raters labelled.

    Examples of `clean_label_train`, which the raters were trained on, are not among them: nobody labelled them.

    Args:
      name: 'cifar10_noisy/medium', any config whose labels can be had without images: those of raters, their flips, the
        dial at any error rate ('cifar10_noisy/rate_0.37', 'cifar10_noisy/medium_rate_0.5_skill'), and annotations that
        `noisy-labels build --annotations` stored; of this package's datasets, and of others once they are imported.
      data_dir: where TFDS keeps datasets; labels trained on this machine are looked for there before the shipped ones.
        None: TFDS_DATA_DIR, or ~/tensorflow_datasets.

    Raises:
      UnknownConfigError: there is no such dataset or config; the message names those there are.
      MissingLabelsError: its labels are neither here nor shipped; the message says how to get them.
      LabelsError: the labels cannot be had without images.
    """
    if not isinstance(name, str):
        raise UnknownConfigError(f"a config is named by text, such as 'digits_noisy/low'; given {name!r}")
    dataset, slash, config = name.partition("/")
    entry = entry_of(dataset)
    if not slash:
        raise UnknownConfigError(f"{name}: a config is wanted, as in {dataset}/{next(iter(entry.configs))}")
    # Where there is no home folder it is one that is not there either: shipped labels need none.
    folder = pathlib.Path(os.path.expanduser(data_dir or os.environ.get("TFDS_DATA_DIR") or DATA_DIR))
    own = {name: StoredAnnotations(name) for name in stored_configs(folder, dataset)}
    entry = dataclasses.replace(entry, configs={**entry.configs, **{n: own[n] for n in own if n not in entry.configs}})
    source = entry.source(config)

    no_images = functools.partial(_no_images, name)  # pickled with the labels, as processes that load images want it
    if source.reads_base():
        no_images()
    context = LabelContext(
        dataset=dataset,
        base=entry.base,
        class_names=entry.class_names,
        split_plan=entry.split_plan,
        data_dir=folder,
        builder_dir=builder_dir(dataset),
        configs=tuple(entry.configs),
        examples=no_images,  # of a source that does not say in `reads_base` that it reads them
    )
    return labels_of(name, source, context)


def _no_images(name: str) -> NoReturn:
    raise LabelsError(
        f"{name}: these labels are matched with images, so they need the TFDS dataset: tfds.load({name!r})"
    )


def labels_of(name: str, source: LabelSource, context: LabelContext) -> Labels:
    """Returns the labels of a source; raises as its `load`."""
    read = source.load(context)
    splits = [split for split in SPLITS if split in read.ids]
    ids = np.concatenate([read.ids[split] for split in splits])
    split_of = np.repeat(splits, [len(read.ids[split]) for split in splits])
    clean = np.concatenate([read.clean_labels[split] for split in splits])
    noisy = np.concatenate([read.noisy_labels[split] for split in splits])
    drawn = np.full(len(ids), NO_RATER, np.int32)
    on_noisy = np.isin(split_of, NOISY_SPLITS)
    drawn[on_noisy] = sample_raters(ids[on_noisy].tolist(), noisy[on_noisy])
    one = np.where(drawn == NO_RATER, clean, noisy[np.arange(len(ids)), drawn]).astype(np.int32)
    file, index = _places(ids)

    return Labels(
        name=name,
        ids=ids,
        split=split_of,
        file=file,
        index=index,
        labels=clean,
        noisy_labels=noisy,
        noisy_label=one,
        noisy_label_rater=drawn,
        class_names=context.class_names,
        raters=read.raters,
        provenance=read.provenance,
        origin=read.origin,
        sha256=read.sha256,
        _source=source,
        _context=context,
    )


def _places(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns in which of the dataset's own files each example is and where, [n] <U and [n] int64, from its id."""
    found = [_NUMBERED.fullmatch(id_) for id_ in ids.tolist()]
    indices = [int(match["index"]) if match else NO_INDEX for match in found]
    return np.asarray([match["file"] if match else "" for match in found]), np.asarray(indices, np.int64)


def _write(path: str | os.PathLike, data: bytes) -> None:
    target = pathlib.Path(path)
    if not target.parent.is_dir():
        raise LabelsError(f"{target} cannot be written: there is no folder {target.parent}")
    files.write_atomically(target, data)
