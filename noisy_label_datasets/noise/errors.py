"""What is wrong with what a measure or a model of noise is given."""

from __future__ import annotations

from noisy_label_datasets.errors import NoisyLabelsError


class NoiseError(NoisyLabelsError, ValueError):
    """Arrays or numbers from which nothing can be computed; the message says what was given and what is allowed."""
