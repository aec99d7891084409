"""The features and the metadata of a dataset, as TFDS declares and stores them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from noisy_label_datasets.base.bases import Base
from noisy_label_datasets.base.splits import SplitPlan
from noisy_label_datasets.build.outdated import source_text
from noisy_label_datasets.labels.sources import LabelSource, NoisyLabels
from noisy_label_datasets.noise.figures import noise_figures


def declared_features(base: Base, num_raters: int | None) -> tfds.features.FeaturesDict:
    """Returns the features of a dataset on a base; num_raters: R, None where the labels are not at hand yet."""
    label = tfds.features.ClassLabel(names=base.class_names)
    # A tensor and no sequence of class labels: TFDS batches sequences of unknown length by padding them with zeros,
    # a class here, gives them as lists, which loaders transpose, and needs twice as long to write them.
    noisy_labels = tfds.features.Tensor(
        shape=(num_raters,),
        dtype=np.int64,
        doc=tfds.features.Documentation(
            desc="One label per rater, in the order of the raters; the classes are those of `label`. "
            "-1: this rater has not labelled the example.",
            value_range=f"-1..{len(base.class_names) - 1}",
        ),
    )
    return tfds.features.FeaturesDict(
        {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(shape=base.image_shape),
            "label": label,
            "noisy_labels": noisy_labels,
            "noisy_label": label,
            "noisy_label_rater": np.int32,
            **{name: tfds.features.ClassLabel(names=class_names) for name, class_names in base.extra_labels.items()},
        }
    )


def metadata_of(base: Base, split_plan: SplitPlan, source: LabelSource, labels: NoisyLabels) -> dict[str, Any]:
    """Returns what `info.metadata` holds of a dataset with these labels; JSON."""
    return {
        "base": name_and_version(base),
        "split_plan": split_plan.to_json(),
        "raters": [dict(rater) for rater in labels.raters],
        "noise": noise_figures(labels, base.class_names),
        "origin": labels.origin,
        "labels_sha256": labels.sha256,
        "source": source_text(source),
        "provenance": dict(labels.provenance),
    }


def name_and_version(base: Base) -> Mapping[str, str]:
    """Returns the name and the version of a base, as labels and metadata name it."""
    return {"name": base.name, "version": base.version}
