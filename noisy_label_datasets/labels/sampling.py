"""The one noisy label of an example, which a learner trains on.

Section 3 of the paper: the label of one rater, drawn uniformly and independently for each example. The draw is a hash
of the example's id, so that it is the same in any order, on any machine, and for every kind of labels of a dataset.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.noise.metrics import MISSING
from noisy_label_datasets.noise.noise_models import uniforms_of_ids

NO_RATER = -1
"""Stands for the rater where the one noisy label is the clean label."""

SEED = "noisy_label"
"""The seed of the draw: another value would change the noisy label of every example."""


def sample_raters(ids: Sequence[str], noisy_labels: np.ndarray) -> np.ndarray:
    """Returns the rater whose label each example gets: [n] int32, a column of `noisy_labels`.

    Args:
      ids: [n] of the examples.
      noisy_labels: [n, R]; a rater with MISSING has not labelled the example and is not drawn.

    Raises:
      PredictionsError: an example that no rater has labelled.
    """
    given = noisy_labels != MISSING
    if not given.any(axis=1).all():
        unlabelled = [id_ for id_, labelled in zip(ids, given.any(axis=1).tolist(), strict=True) if not labelled]
        raise PredictionsError(f"{len(unlabelled)} examples have no label of any rater, such as {unlabelled[0]}")
    drawn = (uniforms_of_ids(ids, 1, seed=SEED)[:, 0] * given.sum(axis=1)).astype(np.int32)
    # The drawn-th of those who labelled it: where all did, the rater of this number.
    return (given.cumsum(axis=1) > drawn[:, None]).argmax(axis=1).astype(np.int32)
