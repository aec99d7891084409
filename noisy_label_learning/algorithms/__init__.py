"""The algorithms, by name. One of your own is a class beside these: docs/your-own-algorithm.md."""

from __future__ import annotations

from noisy_label_learning.algorithms.base import Algorithm, Batch, Gradients, Networks, Stage, Trained
from noisy_label_learning.algorithms.co_teaching import CoTeaching
from noisy_label_learning.algorithms.mc_softmax import MCSoftMax
from noisy_label_learning.algorithms.mentor_mix import MentorMix
from noisy_label_learning.algorithms.rog import RoG
from noisy_label_learning.algorithms.single import (
    ELR,
    Bootstrap,
    CrossEntropy,
    ForwardCorrection,
    GeneralizedCrossEntropy,
)

ALGORITHMS: dict[str, type[Algorithm]] = {
    algorithm.name: algorithm
    for algorithm in (
        CrossEntropy,
        Bootstrap,
        CoTeaching,
        MCSoftMax,
        MentorMix,
        GeneralizedCrossEntropy,
        ELR,
        ForwardCorrection,
        RoG,
    )
}

__all__ = [
    "ALGORITHMS",
    "ELR",
    "Algorithm",
    "Batch",
    "Bootstrap",
    "CoTeaching",
    "CrossEntropy",
    "ForwardCorrection",
    "GeneralizedCrossEntropy",
    "Gradients",
    "MCSoftMax",
    "MentorMix",
    "Networks",
    "RoG",
    "Stage",
    "Trained",
]
