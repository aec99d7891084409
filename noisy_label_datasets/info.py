"""What the metadata of a built dataset hold, from `tfds.load(..., with_info=True)` or `tfds.builder(...).info`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noisy_label_datasets.errors import NoisyLabelsError

if TYPE_CHECKING:
    import pandas as pd
    import tensorflow_datasets as tfds


class NotBuiltError(NoisyLabelsError):
    """A dataset that has no rater features because it is not built, or is no noisy-label dataset."""


def full_name(builder: Any) -> str:
    """Returns the name of a builder's dataset and config: 'digits_noisy/medium'."""
    return f"{builder.name}/{builder.builder_config.name}"


def missing_from_base(builder: Any) -> str:
    """Returns what to say of labelled ids that the base of a built dataset lacks; '' where it lacks none."""
    number = sum(builder.info.metadata.get("missing_from_base", {}).values())
    return f"{number:,} labelled ids are not in the base (at most {builder.MAY_LACK:,} may be)" if number else ""


def rater_features(info: tfds.core.DatasetInfo) -> pd.DataFrame:
    """Returns the raters of a dataset as a table: a row per rater in the order of `noisy_labels`, a column per feature.

    The index is the rater's id. Confusion matrices are nested lists, `[K][K]` counts with rows clean classes.

    Raises:
      NotBuiltError: the dataset is not built yet, or it is not one of this package's.
    """
    import pandas as pd

    raters: list[dict[str, Any]] | None = (info.metadata or {}).get("raters")
    if not raters:
        raise NotBuiltError(
            f"{info.full_name} has no rater features: it is not built yet (call download_and_prepare), or it is not a "
            "noisy-label dataset"
        )
    return pd.DataFrame.from_records(raters).set_index("id")
