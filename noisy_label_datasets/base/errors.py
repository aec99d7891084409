"""What can be wrong with a base dataset."""

from __future__ import annotations

from noisy_label_datasets.errors import NoisyLabelsError


class BaseDatasetError(NoisyLabelsError):
    """A base dataset that is missing, of another version, or not what its declaration says."""
