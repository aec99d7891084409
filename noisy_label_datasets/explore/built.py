"""Examples to explore, of a built dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.explore.model import Choice, Example, Explored
from noisy_label_datasets.info import NotBuiltError, full_name

KEYS = ("id", "image", "label", "noisy_labels", "noisy_label", "noisy_label_rater")


def explore_built(builder: Any, choice: Choice) -> Explored:
    """Returns examples of a built dataset; reads the split once and keeps no more images than are shown.

    Args:
      builder: of one of this package's datasets, prepared.
      choice: which of its examples.

    Raises:
      NotBuiltError: it is not prepared.
      ExploreError: it has no such split, or the split no examples.
      UnreadableError: its files are damaged.
    """
    name = full_name(builder)
    if not builder.is_prepared():
        raise NotBuiltError(f"{name} is not built in {builder.data_dir_root}: `noisy-labels build {name}` builds it")
    choice.check_split(builder.info.splits, name)
    examples, total = choice.take(_examples(builder, choice.split))
    probabilities, why_none = _probabilities(builder, choice.split, [example.id for example in examples])
    return Explored(
        name=name,
        version=str(builder.version),
        split=choice.split,
        num_examples=total,
        seed=choice.seed,
        class_names=tuple(builder.info.features["label"].names),
        rater_ids=tuple(str(rater["id"]) for rater in builder.info.metadata["raters"]),
        examples=examples,
        probabilities=probabilities,
        no_probabilities=why_none,
    )


def _examples(builder: Any, split: str) -> Iterator[Example]:
    from noisy_label_datasets.reading import stored_examples

    for stored in stored_examples(builder, split, KEYS):
        yield Example(
            id=stored["id"].decode(),
            image=stored["image"],
            label=int(stored["label"]),
            noisy_labels=np.asarray(stored["noisy_labels"], dtype=np.int32),
            noisy_label=int(stored["noisy_label"]),
            noisy_label_rater=int(stored["noisy_label_rater"]),
        )


def _probabilities(builder: Any, split: str, ids: Sequence[str]) -> tuple[np.ndarray | None, str]:
    """Returns the raters' probabilities [n, R, K] on some examples, or None and why there are none."""
    try:
        predictions = builder.builder_config.source.predictions(builder.label_context())
    except NoisyLabelsError as error:
        return None, f"The probabilities cannot be read: {error}."
    if predictions is None:
        return None, "These labels are not the raters' own answers, so there are no probabilities."
    if predictions.sha256 != builder.info.metadata["labels_sha256"]:
        return None, "The probabilities at hand are of other labels than those of this dataset."
    if split not in predictions.ids:
        return None, "No rater labelled this split."
    row = {id_: place for place, id_ in enumerate(predictions.ids[split].tolist())}
    if missing := [id_ for id_ in ids if id_ not in row]:
        return None, f"The probabilities at hand lack {len(missing):,} of these examples."
    return predictions.probabilities(split)[[row[id_] for id_ in ids]], ""
