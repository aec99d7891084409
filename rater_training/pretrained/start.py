"""What `RaterConfig.pretrained` asks for: the weights that a network starts from.

check_available(rater)                      # before anything is trained
start(module, rater)                        # all but the last layer, which is new
"""

from __future__ import annotations

import pathlib

import numpy as np

from rater_training.architectures.network import FeedForward
from rater_training.config import KerasWeights, RaterConfig, sha256_of
from rater_training.pretrained.imagenet import PretrainedError, start_from_imagenet, weights_path
from rater_training.pretrained.keras_weights import input_statistics, load_keras_weights


def check_available(rater: RaterConfig) -> None:
    """Raises PretrainedError if the weights that a rater starts from are not there, or are others than configured."""
    weights = rater.pretrained
    if isinstance(weights, KerasWeights):
        if not pathlib.Path(weights.path).exists():
            raise PretrainedError(f"rater {rater.id} starts from Keras' weights in {weights.path}, which is not there")
        found = sha256_of(weights.path)
        if found != weights.sha256:
            raise PretrainedError(
                f"{weights.path} has the SHA-256 {found}; rater {rater.id} is to start from {weights.sha256}"
            )
    elif weights:
        weights_path(rater.architecture)


def start(module: FeedForward, rater: RaterConfig) -> None:
    """Sets parameters and batch statistics to the published ones; the layer of the logits keeps its initial values.

    Args:
      module: as `architectures.create(rater.architecture, ...)` gives it; unchanged where `rater.pretrained` is false.
      rater: whose network it is.

    Raises:
      PretrainedError: see `check_available`.
      PretrainedWeightsError: a file that does not hold this network.
    """
    check_available(rater)
    if isinstance(rater.pretrained, KerasWeights):
        load_keras_weights(module, rater.architecture, rater.pretrained.path)
    elif rater.pretrained:
        start_from_imagenet(module, rater.architecture)


def expected_statistics(rater: RaterConfig) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns the mean and standard deviation [3] of pixels that the weights expect; None: those of the data."""
    return input_statistics(rater.architecture) if isinstance(rater.pretrained, KerasWeights) else None
