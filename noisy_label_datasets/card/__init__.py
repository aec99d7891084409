"""The noise card of a dataset: what its labels are like, in figures and pictures."""

from __future__ import annotations

from noisy_label_datasets.noise.figures import noise_figures

__all__ = ["noise_figures"]
