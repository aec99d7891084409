"""Where the noisy labels of a config come from.

    source = Raters("low")              # what a pool of raters said
    labels = source.load(context)       # NoisyLabels: by id, a split at a time

Another kind of labels is another frozen dataclass with such a `load`; it can build on `Raters(...).load(context)`, or
on `Raters(...).predictions(context)` where it needs the raters' probabilities.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from noisy_label_datasets.base.splits import SPLITS, SplitPlan
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.checksums import read_checksums
from noisy_label_datasets.labels.predictions import MANIFEST, PredictionsError, RaterPredictions, read_predictions

if TYPE_CHECKING:
    from noisy_label_datasets.base.examples import ExampleBatch

NOISY_SPLITS = ("noisy_label_train", "noisy_label_valid")


class MissingLabelsError(NoisyLabelsError, LookupError):
    """A config whose labels are nowhere to be found."""


class Division(Protocol):
    """Which of the five splits an example is in; a `SplitPlan` is one."""

    def assign(self, base_split: str, ids: Sequence[str]) -> np.ndarray:
        """Returns [n] <U: the split of each example of a base split."""
        ...


@dataclasses.dataclass(frozen=True)
class LabelContext:
    """What a source may need to know to find labels.

    Attributes:
      dataset: 'cifar10_noisy'.
      base: name and version of the dataset that the images are from.
      class_names: of the K classes.
      split_plan: how the base is divided.
      data_dir: the folder that holds all TFDS datasets of the user.
      builder_dir: the folder of the builder, with what is shipped beside it.
      configs: names of the dataset's configs.
      manual_dir: the folder of what the user has fetched by hand.
      examples: reads the base dataset, all splits of the plan, images encoded.
    """

    dataset: str
    base: Mapping[str, str]
    class_names: tuple[str, ...]
    split_plan: SplitPlan
    data_dir: Any
    builder_dir: Any
    configs: tuple[str, ...] = ()
    manual_dir: Any = None
    examples: Callable[[], Iterable[ExampleBatch]] = tuple


@dataclasses.dataclass(frozen=True)
class NoisyLabels:
    """Labels by id: what a builder joins to the images.

    Attributes:
      raters: R mappings of features (JSON), in the order of the labels; "id" is always there.
      division: says for every example of the base in which split it is.
      ids: split -> [n] <U. The noisy splits are there; a split that is not has no noisy labels.
      clean_labels: split -> [n] int32.
      noisy_labels: split -> [n, R] int32; -1: this rater did not label this example.
      provenance: JSON: how the labels were made.
      origin: where they were found: "shipped" with the package, "trained" on this machine, or "published" by the
        paper's authors.
      sha256: of the artifact that they are from.
    """

    raters: tuple[Mapping[str, Any], ...]
    division: Division
    ids: Mapping[str, np.ndarray]
    clean_labels: Mapping[str, np.ndarray]
    noisy_labels: Mapping[str, np.ndarray]
    provenance: Mapping[str, Any]
    origin: str
    sha256: str

    def __post_init__(self) -> None:
        if not set(NOISY_SPLITS) <= set(self.ids) <= set(SPLITS):
            raise PredictionsError(f"labels are of {list(NOISY_SPLITS)} and more, given {sorted(self.ids)}")
        for split, ids in self.ids.items():
            shapes = (self.clean_labels[split].shape, self.noisy_labels[split].shape)
            if shapes != ((len(ids),), (len(ids), len(self.raters))):
                raise PredictionsError(
                    f"{split}: {len(ids)} ids, {len(self.raters)} raters, but clean and noisy labels of shapes {shapes}"
                )

    def without(self, ids: Mapping[str, Sequence[str]]) -> NoisyLabels:
        """Returns these labels without those of some examples; ids: split -> ids."""
        kept = {split: ~np.isin(of_split, list(ids.get(split, ()))) for split, of_split in self.ids.items()}
        return dataclasses.replace(
            self,
            ids={split: self.ids[split][rows] for split, rows in kept.items()},
            clean_labels={split: self.clean_labels[split][rows] for split, rows in kept.items()},
            noisy_labels={split: self.noisy_labels[split][rows] for split, rows in kept.items()},
        )


class LabelSource(Protocol):
    """Where labels come from: a frozen dataclass, so that it can be compared, shown and pickled."""

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels.

        Raises:
          MissingLabelsError: there are none; the message says how to get them.
          PredictionsError: there are, but they are damaged or of another dataset.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Raters:
    """The hard labels of a pool of raters: trained on this machine if there are such, else shipped with the builder.

    Attributes:
      level: which pool: 'low'.
    """

    level: str

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels; see `LabelSource`."""
        predictions, origin = self.predictions(context)
        return NoisyLabels(
            raters=predictions.raters,
            division=predictions.split_plan,
            ids=predictions.ids,
            clean_labels=predictions.clean_labels,
            noisy_labels=predictions.noisy_labels,
            provenance=predictions.provenance,
            origin=origin,
            sha256=predictions.sha256,
        )

    def predictions(self, context: LabelContext) -> tuple[RaterPredictions, str]:
        """Returns what the pool said, probabilities and all, and its origin ("trained" or "shipped").

        Raises: as `load`.
        """
        trained = context.data_dir / "rater_predictions" / context.dataset / self.level
        shipped = context.builder_dir / "rater_predictions" / self.level
        if (trained / MANIFEST).exists():
            predictions, origin, folder = read_predictions(trained), "trained", trained
        elif (shipped / MANIFEST).exists():
            listed = read_checksums(context.builder_dir).get(f"rater_predictions/{self.level}/{MANIFEST}")
            if listed is None:
                raise PredictionsError(f"{shipped / MANIFEST} is not listed in checksums.tsv of its dataset")
            predictions, origin, folder = read_predictions(shipped, expected_sha256=listed.sha256), "shipped", shipped
        else:
            name = f"{context.dataset}/{self.level}"
            unfinished = " (where an unfinished pool is)" if trained.exists() else ""
            published = f"published_{self.level}"
            instead = f", or take those of the paper's authors: {context.dataset}/{published}"
            raise MissingLabelsError(
                f"no rater predictions for {name}: looked in {trained}{unfinished} and {shipped}; "
                f"train them with `noisy-labels train {name}`{instead if published in context.configs else ''}"
            )
        self._check_fits(predictions, context, folder)
        return predictions, origin

    def _check_fits(self, predictions: RaterPredictions, context: LabelContext, folder: Any) -> None:
        for what, given, wanted in (
            ("dataset", predictions.dataset, context.dataset),
            ("level", predictions.level, self.level),
            ("base dataset", dict(predictions.base), dict(context.base)),
            ("split plan", predictions.split_plan, context.split_plan),
            ("class names", predictions.class_names, context.class_names),
        ):
            if given != wanted:
                raise PredictionsError(f"{folder} is of another {what}: {given}; {context.dataset} has {wanted}")
