"""Keras' own networks with weights that leave no parameter without effect: what ours are compared with."""

import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

NAMES = {
    "inception_v3": "InceptionV3",
    "inception_resnet_v2": "InceptionResNetV2",
    "mobilenet_v1": "MobileNet",
    "mobilenet_v2": "MobileNetV2",
    "nasnet_mobile": "NASNetMobile",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet152": "ResNet152",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
}
BLUE_FIRST = {name for name in NAMES if name.startswith(("resnet", "vgg"))}


def randomised(name: str, *, seed: int = 0, **arguments):
    """Returns the Keras model, its logits without softmax, with every kind of weight drawn at random."""
    keras.utils.set_random_seed(seed)
    model = getattr(keras.applications, NAMES[name])(weights=None, classifier_activation=None, **arguments)
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        kind = variable.name
        if kind in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif kind in ("beta", "moving_mean", "bias"):
            variable.assign(rng.normal(0, 0.1, variable.shape))
    return model


def save(model, folder: pathlib.Path, suffix: str) -> pathlib.Path:
    """Writes a model in one of Keras' formats, and returns the path."""
    path = folder / f"weights{suffix}"
    if suffix == ".weights.h5":
        model.save_weights(path)
    else:
        model.save(path)
    return path
