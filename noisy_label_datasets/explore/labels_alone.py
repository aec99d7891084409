"""Examples to explore without their images, of labels that need none: nothing has to be built or downloaded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from noisy_label_datasets.base.splits import SPLITS
from noisy_label_datasets.explore.model import Choice, Example, Explored
from noisy_label_datasets.labels.loading import Labels, LabelsError


def explore_labels(labels: Labels, choice: Choice, *, version: str = "") -> Explored:
    """Returns examples of a config without their images.

    Args:
      labels: of the config, as `load_labels` gives them.
      choice: which of its examples.
      version: of the dataset.

    Raises:
      ExploreError: the labels are not of that split.
    """
    there = set(labels.split.tolist())
    choice.check_split([split for split in SPLITS if split in there], f"the labels of {labels.name}")
    examples, total = choice.take(_examples(labels, choice.split))
    order = np.argsort(labels.ids)
    rows = order[np.searchsorted(labels.ids, [example.id for example in examples], sorter=order)]
    probabilities, why_none = None, ""
    try:
        probabilities = labels.rows(rows).probabilities()
    except LabelsError:
        why_none = "These labels are not the raters' own answers, so there are no probabilities."
    return Explored(
        name=labels.name,
        version=version,
        split=choice.split,
        num_examples=total,
        seed=choice.seed,
        class_names=labels.class_names,
        rater_ids=labels.rater_ids,
        examples=examples,
        probabilities=probabilities,
        no_probabilities=why_none,
    )


def _examples(labels: Labels, split: str) -> Iterator[Example]:
    for row in np.flatnonzero(labels.split == split):
        yield Example(
            id=str(labels.ids[row]),
            image=None,
            label=int(labels.labels[row]),
            noisy_labels=labels.noisy_labels[row],
            noisy_label=int(labels.noisy_label[row]),
            noisy_label_rater=int(labels.noisy_label_rater[row]),
        )
