"""The one noisy label of an example, which a learner trains on.

Section 3 of the paper: the label of one rater, drawn uniformly and independently for each example. The draw is a hash
of the example's id, so that it is the same in any order, on any machine, and for every kind of labels of a dataset.
"""

from collections.abc import Sequence

import numpy as np

from noisy_label_datasets.noise.noise_models import uniforms_of_ids

SEED = "noisy_label"
"""The seed of the draw: another value would change the noisy label of every example."""


def sample_raters(ids: Sequence[str], num_raters: int) -> np.ndarray:
    """Returns the rater whose label each example gets: [n] int32 in 0..num_raters-1."""
    return (uniforms_of_ids(ids, 1, seed=SEED)[:, 0] * num_raters).astype(np.int32)
