"""Where the noisy labels of a config come from.

    source = Raters("low")              # the labels of a pool of raters
    labels = source.load(context)       # NoisyLabels: by id, a split at a time

Another kind of labels is another frozen dataclass that derives from `LabelSource`: it defines `load`, and what else is
not as the base class answers it. All commands ask a source through these methods and never what kind of source it is.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from noisy_label_datasets.base.splits import SPLITS, SplitPlan
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.checksums import read_checksums
from noisy_label_datasets.labels.predictions import (
    MANIFEST,
    PREDICTIONS_DIR,
    PredictionsError,
    RaterPredictions,
    is_finished,
    read_identity,
    read_predictions,
)
from noisy_label_datasets.labels.shipped_raters import LABELLED_BY, are_shipped

if TYPE_CHECKING:
    from noisy_label_datasets.base.examples import ExampleBatch

NOISY_SPLITS = ("noisy_label_train", "noisy_label_valid")


class MissingLabelsError(NoisyLabelsError, LookupError):
    """A config whose labels are nowhere to be found."""


class Division(Protocol):
    """Which of the five splits an example is in; a `SplitPlan` is one."""

    def assign(self, base_split: str, ids: Sequence[str]) -> np.ndarray:
        """Returns [n] <U: the split of each example of a base split; "": it is left out of the dataset."""
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
      origin: where they were found: "shipped" with the package, "trained" on this machine, "labelled" here by raters
        that are shipped, or "published" by the paper's authors.
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


@dataclasses.dataclass(frozen=True)
class LabelIdentity:
    """Which labels a source would give, known without loading them.

    Attributes:
      sha256: `NoisyLabels.sha256`.
      num_raters: R.
    """

    sha256: str
    num_raters: int


class LabelSource(abc.ABC):
    """Where labels come from: a frozen dataclass, so that it can be compared, shown and pickled.

    Attributes:
      README: of labels derived from a pool's, what a rater does in them ("each rater errs ..."), for the READMEs of the
        datasets, which say so of the first level's configs; "": nothing.
    """

    README: ClassVar[str] = ""

    @abc.abstractmethod
    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels.

        Raises:
          MissingLabelsError: there are none; the message says how to get them.
          PredictionsError: there are, but they are damaged or of another dataset.
        """

    def describe(self) -> str:
        """Returns what these labels are, as a phrase: "labels flipped to any other class alike, ..."."""
        return repr(self)

    def depends_on(self) -> tuple[LabelSource, ...]:
        """Returns the sources that these labels are made of when they are loaded; none: they are stored themselves."""
        return ()

    def pool_to_train(self) -> str | None:
        """Returns the config whose raters have to be trained for these labels; None: there is nothing to train."""
        return next((pool for source in self.depends_on() if (pool := source.pool_to_train()) is not None), None)

    def is_at_hand(self, context: LabelContext) -> bool:
        """Returns whether `load` finds everything on this machine; looks for files, and reads none of them."""
        return all(source.is_at_hand(context) for source in self.depends_on())

    def identify(self, context: LabelContext) -> LabelIdentity | None:
        """Returns which labels `load` would give; None where they are not at hand or it would have to load them.

        It is asked at every use of a dataset, so it is quick and raises nothing.
        """
        dependencies = self.depends_on()
        return dependencies[0].identify(context) if len(dependencies) == 1 else None

    def absence(self, context: LabelContext) -> str:
        """Returns what is said of labels that are not at hand, in a few words."""
        return next((source.absence(context) for source in self.depends_on()), "missing")

    def reads_base(self) -> bool:
        """Returns whether `load` reads the base dataset, which takes time and may start a download."""
        return any(source.reads_base() for source in self.depends_on())

    def is_by_humans(self) -> bool:
        """Returns whether people gave these labels, with whom raters can be compared."""
        return False

    def predictions(self, context: LabelContext) -> RaterPredictions | None:
        """Returns class probabilities of the very raters whose labels these are, or None where there are none.

        Raises: as `load`.
        """
        return None


@dataclasses.dataclass(frozen=True)
class StoredPredictions:
    """The predictions of a pool, and where they were found.

    Attributes:
      predictions: what was stored.
      origin: "trained" on this machine, "labelled" on it by shipped raters, or "shipped".
    """

    predictions: RaterPredictions
    origin: str

    def labels(self) -> NoisyLabels:
        """Returns the hard labels."""
        stored = self.predictions
        return NoisyLabels(
            raters=stored.raters,
            division=stored.split_plan,
            ids=stored.ids,
            clean_labels=stored.clean_labels,
            noisy_labels=stored.noisy_labels,
            provenance=stored.provenance,
            origin=self.origin,
            sha256=stored.sha256,
        )


@dataclasses.dataclass(frozen=True)
class Raters(LabelSource):
    """The hard labels of a pool of raters: trained on this machine if there are such, else shipped with the builder.

    Attributes:
      pool: the config that is named after the pool: 'low'.
    """

    pool: str

    def load(self, context: LabelContext) -> NoisyLabels:
        """Returns the labels; see `LabelSource`."""
        return self.stored(context).labels()

    def describe(self) -> str:
        """See `LabelSource`."""
        return f"labels of the raters of {self.pool}"

    def pool_to_train(self) -> str:
        """See `LabelSource`."""
        return self.pool

    def is_at_hand(self, context: LabelContext) -> bool:
        """See `LabelSource`."""
        return any(is_finished(folder) for folder in self._folders(context))

    def identify(self, context: LabelContext) -> LabelIdentity | None:
        """See `LabelSource`."""
        folder = next(filter(is_finished, self._folders(context)), None)
        if folder is None:
            return None
        try:
            return LabelIdentity(*read_identity(folder))
        except (PredictionsError, OSError):
            return None  # `load` says what is wrong

    def absence(self, context: LabelContext) -> str:
        """See `LabelSource`."""
        return "raters shipped, not asked yet" if are_shipped(context.builder_dir, self.pool) else "not trained yet"

    def predictions(self, context: LabelContext) -> RaterPredictions:
        """See `LabelSource`."""
        return self.stored(context).predictions

    def stored(self, context: LabelContext) -> StoredPredictions:
        """Returns the predictions of the pool, probabilities and all, with their origin.

        Raises: as `load`.
        """
        trained, shipped = self._folders(context)
        if is_finished(trained):
            predictions, folder = read_predictions(trained), trained
            origin = "labelled" if LABELLED_BY in predictions.provenance else "trained"
        elif is_finished(shipped):
            listed = read_checksums(context.builder_dir).get(f"{PREDICTIONS_DIR}/{self.pool}/{MANIFEST}")
            if listed is None:
                raise PredictionsError(f"{shipped / MANIFEST} is not listed in checksums.tsv of its dataset")
            predictions, origin, folder = read_predictions(shipped, expected_sha256=listed.sha256), "shipped", shipped
        else:
            name = f"{context.dataset}/{self.pool}"
            unfinished = " (where an unfinished pool is)" if trained.exists() else ""
            remedy = f"train them with `noisy-labels train {name}`"
            if are_shipped(context.builder_dir, self.pool):
                remedy = f"its raters are shipped: have them label your images with `noisy-labels label {name}`"
            published = f"published_{self.pool}"
            instead = f", or take those of the paper's authors: {context.dataset}/{published}"
            raise MissingLabelsError(
                f"no rater predictions for {name}: looked in {trained}{unfinished} and {shipped}; "
                f"{remedy}{instead if published in context.configs else ''}"
            )
        check_fits(
            folder,
            context,
            self.pool,
            dataset=predictions.dataset,
            level=predictions.level,
            base=predictions.base,
            split_plan=predictions.split_plan,
            class_names=predictions.class_names,
        )
        return StoredPredictions(predictions, origin)

    def _folders(self, context: LabelContext) -> tuple[Any, Any]:
        """Returns where trained and where shipped predictions are looked for."""
        trained = context.data_dir / PREDICTIONS_DIR / context.dataset / self.pool
        return trained, context.builder_dir / PREDICTIONS_DIR / self.pool


def check_fits(
    path: Any,
    context: LabelContext,
    config: str,
    *,
    dataset: str,
    level: str,
    base: Mapping[str, str],
    split_plan: SplitPlan,
    class_names: Sequence[str],
) -> None:
    """Raises PredictionsError where stored labels are not those of a config of a dataset as it is now.

    Args:
      path: of what is stored.
      context: of the dataset.
      config: whose labels they should be.
      dataset, level, base, split_plan, class_names: what they are of.
    """
    for what, given, wanted in (
        ("dataset", dataset, context.dataset),
        ("level", level, config),
        ("base dataset", dict(base), dict(context.base)),
        ("split plan", split_plan, context.split_plan),
        ("class names", tuple(class_names), tuple(context.class_names)),
    ):
        if given != wanted:
            raise PredictionsError(f"{path} is of another {what}: {given}; {context.dataset} has {wanted}")
