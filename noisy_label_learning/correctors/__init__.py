"""Label correctors, by name: each makes of what a learner may see better targets to train on."""

from __future__ import annotations

from noisy_label_learning.correctors.aggregate import DawidSkene, Majority
from noisy_label_learning.correctors.base import Corrected, Corrector, Tools
from noisy_label_learning.correctors.lqm import LQM
from noisy_label_learning.correctors.simple import CleanSubset, NoCorrector

CORRECTORS: dict[str, type[Corrector]] = {
    corrector.name: corrector for corrector in (NoCorrector, CleanSubset, Majority, DawidSkene, LQM)
}

__all__ = [
    "CORRECTORS",
    "LQM",
    "CleanSubset",
    "Corrected",
    "Corrector",
    "DawidSkene",
    "Majority",
    "NoCorrector",
    "Tools",
]
