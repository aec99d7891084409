"""Our networks with Keras' weights against Keras' own, by way of the files that Keras writes."""

import functools
import gc
import os
import pathlib

import h5py
import jax
import numpy as np
import pytest
from flax import nnx

from rater_training import architectures
from rater_training.config import KerasWeights, RaterConfig
from rater_training.engine import raters
from rater_training.pretrained.keras_weights import (
    PretrainedWeightsError,
    input_statistics,
    load_keras_weights,
    read_keras_weights,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:keras")


@pytest.fixture(scope="module", autouse=True)
def _keras():
    """Keras takes more than a second to import, and every process imports this file."""
    global keras
    # Unlike JAX TensorFlow compiles nothing, and it is no code that our networks run on.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras


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


IMAGENET_CLASSES = 1000


def ours(name: str, size: int, num_classes: int = IMAGENET_CLASSES, **arguments):
    return architectures.ARCHITECTURES[name](
        num_classes=num_classes, image_shape=(size, size, 3), rngs=nnx.Rngs(0), **arguments
    )


def without_weights(name: str, *shape: int, **arguments):
    """The same without a number in it, which takes no time: whatever is not read from a file is missed."""
    return nnx.eval_shape(lambda: ours(name, *shape, **arguments))


@nnx.jit
def logits(module, images):
    return module(images, train=False)


def keras_logits(model, name: str, images: np.ndarray) -> np.ndarray:
    """Returns the Keras model's logits of images with red first."""
    return np.asarray(model(images[..., ::-1] if name in BLUE_FIRST else images, training=False))


@pytest.mark.parametrize(
    ("name", "suffix", "smaller"),
    [
        ("resnet50", ".weights.h5", {"input_shape": (64, 64, 3), "classes": 10}),  # the same layers and widths
        *(
            pytest.param(name, suffix, {}, marks=pytest.mark.slow)
            for name, suffix in {
                "resnet50": ".weights.h5",
                "mobilenet_v1": ".h5",  # narrow below, and its formats
                "mobilenet_v2": ".keras",
                "nasnet_mobile": ".keras",
                "inception_v3": ".weights.h5",
                "inception_resnet_v2": ".h5",
                "resnet101": ".keras",
                "resnet152": ".weights.h5",
                "vgg16": ".weights.h5",
                "vgg19": ".weights.h5",
            }.items()
        ),
    ],
)
def test_logits_equal_those_of_keras(name, suffix, smaller, tmp_path):
    """At the size and with the classes of ImageNet if not smaller; weights, biases and statistics at random."""
    model = randomised(name, **smaller)
    size = model.input_shape[1]
    module = without_weights(name, size, model.output_shape[1], form="imagenet")
    assert load_keras_weights(module, name, save(model, tmp_path, suffix)) == ()
    images = np.random.default_rng(0).uniform(-1, 1, (1, size, size, 3)).astype(np.float32)
    wanted = keras_logits(model, name, images)
    assert wanted.std() > 0.1  # or agreement would say little
    np.testing.assert_allclose(logits(module, images), wanted, atol=1e-4)
    keras.backend.clear_session()
    del model, module
    jax.clear_caches()
    gc.collect()


@pytest.fixture(scope="module")
def mobilenet():
    return randomised("mobilenet_v1", input_shape=(64, 64, 3), alpha=0.25)


@pytest.fixture(scope="module")
def mobilenet_file(mobilenet, tmp_path_factory):
    return save(mobilenet, tmp_path_factory.mktemp("keras"), ".weights.h5")


def test_a_narrow_network_equals_that_of_keras(mobilenet, mobilenet_file):
    """Width 0.25 is Keras' alpha=0.25."""
    module = without_weights("mobilenet_v1", 64, width=0.25, form="imagenet")
    load_keras_weights(module, "mobilenet_v1", mobilenet_file)
    images = np.random.default_rng(1).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(logits(module, images), keras_logits(mobilenet, "mobilenet_v1", images), atol=1e-4)


def test_all_formats_hold_the_same(mobilenet, mobilenet_file, tmp_path):
    wanted = read_keras_weights(mobilenet_file)
    assert len(wanted) == 55  # 27 convolutions, 27 normalisations, the logits
    for suffix in (".h5", ".keras"):
        found = read_keras_weights(save(mobilenet, tmp_path, suffix))
        assert found.keys() == wanted.keys()
        for layer, arrays in found.items():
            for array, other in zip(arrays, wanted[layer], strict=True):
                np.testing.assert_array_equal(array, other)


def test_another_number_of_classes_and_small_images_leave_only_the_logits_fresh(mobilenet_file):
    make = functools.partial(ours, "mobilenet_v1", 32, num_classes=10, width=0.25)
    module, untouched = make(), make()
    assert load_keras_weights(module, "mobilenet_v1", mobilenet_file) == ("conv_preds",)
    np.testing.assert_array_equal(module.head.kernel[...], untouched.head.kernel[...])
    first = read_keras_weights(mobilenet_file)["conv1"][0]
    np.testing.assert_array_equal(module.body.modules[0].kernel[...], first)
    assert logits(module, np.zeros((1, 32, 32, 3), np.float32)).shape == (1, 10)


def test_a_file_without_top(tmp_path):
    model = randomised("mobilenet_v1", input_shape=(32, 32, 3), alpha=0.25, include_top=False)
    module = without_weights("mobilenet_v1", 32, width=0.25)
    assert load_keras_weights(module, "mobilenet_v1", save(model, tmp_path, ".h5")) == ("conv_preds",)


def test_layers_that_keras_numbers_are_counted_from_the_first_of_the_file(tmp_path):
    def two_convolutions():
        inputs = keras.Input((4, 4, 1))
        hidden = keras.layers.Conv2D(2, 1)(inputs)
        return keras.Model(inputs, keras.layers.Conv2D(3, 1)(hidden))

    models = [two_convolutions() for _ in range(6)]  # the last one's layers are conv2d_10 and conv2d_11 at least
    assert models[-1].layers[-1].name not in ("conv2d", "conv2d_1")
    for suffix in (".h5", ".weights.h5"):
        weights = read_keras_weights(save(models[-1], tmp_path, suffix))
        assert {layer: arrays[0].shape for layer, arrays in weights.items()} == {
            "conv2d_0": (1, 1, 1, 2),
            "conv2d_1": (1, 1, 2, 3),
        }


def test_input_statistics_are_keras_preprocessing():
    """Up to the order of the channels, in which ours have red first."""
    images = np.random.default_rng(0).integers(0, 256, (1, 2, 2, 3)).astype(np.float32)
    applications = keras.applications
    for name, preprocess in (
        ("resnet50", applications.resnet.preprocess_input),
        ("vgg16", applications.vgg16.preprocess_input),
        ("mobilenet_v1", applications.mobilenet.preprocess_input),
        ("inception_v3", applications.inception_v3.preprocess_input),
        ("nasnet_mobile", applications.nasnet.preprocess_input),
    ):
        mean, std = input_statistics(name)
        order = slice(None, None, -1) if name in BLUE_FIRST else slice(None)
        got = (images - mean.reshape(1, 1, 1, 3)) / std.reshape(1, 1, 1, 3)
        np.testing.assert_allclose(got, preprocess(images.copy())[..., order], atol=1e-4)


@pytest.mark.slow
def test_a_rater_starts_from_a_file_of_keras(tmp_path):
    """All but the last layer, and images normalized as Keras does."""
    path = save(randomised("mobilenet_v1", input_shape=(32, 32, 3)), tmp_path, ".weights.h5")
    images, labels = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8), np.arange(8) % 2
    rater = RaterConfig("a", "mobilenet_v1", 1, 4, 1e-9, pretrained=KerasWeights.of(path))
    trained = raters.train(rater, images, labels, num_classes=2)
    np.testing.assert_array_equal(trained.normalization.mean, np.full(3, 127.5, np.float32))
    module = nnx.merge(trained.graphdef, trained.params, trained.statistics)
    np.testing.assert_allclose(module.body.modules[0].kernel[...], read_keras_weights(path)["conv1"][0], atol=1e-5)


def test_a_file_of_another_network_changes_nothing(mobilenet_file):
    module = ours("mobilenet_v2", 32, width=0.25)
    before = jax.tree.map(np.asarray, nnx.state(module))
    with pytest.raises(PretrainedWeightsError, match="has layers that mobilenet_v2 has not"):
        load_keras_weights(module, "mobilenet_v2", mobilenet_file)
    jax.tree.map(np.testing.assert_array_equal, before, nnx.state(module))


def test_a_file_of_another_width_or_with_a_layer_missing(mobilenet_file, tmp_path):
    module = without_weights("mobilenet_v1", 32, width=0.5)
    with pytest.raises(PretrainedWeightsError, match=r"layer conv1 .*\(3, 3, 3, 8\).* wanted .*\(3, 3, 3, 16\)"):
        load_keras_weights(module, "mobilenet_v1", mobilenet_file)
    damaged = tmp_path / "damaged.weights.h5"
    damaged.write_bytes(mobilenet_file.read_bytes())
    with h5py.File(damaged, "a") as file:
        del file["layers/depthwise_conv2d_3"]
    with pytest.raises(PretrainedWeightsError, match="conv_dw_4 of mobilenet_v1 has nothing"):
        load_keras_weights(without_weights("mobilenet_v1", 32, width=0.25), "mobilenet_v1", damaged)


@pytest.mark.parametrize("name", ["text.h5", "text.keras", "text.weights.h5"])
def test_what_is_no_keras_file(name, tmp_path):
    path = tmp_path / name
    path.write_text("not weights")
    with pytest.raises(PretrainedWeightsError, match=name):
        read_keras_weights(path)


def test_an_hdf5_file_of_something_else_and_none_at_all(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["numbers"] = np.arange(3)
    with pytest.raises(PretrainedWeightsError, match="not of Keras weights"):
        read_keras_weights(tmp_path / "other.h5")
    for name in ("none.h5", "none.keras"):
        with pytest.raises(FileNotFoundError, match=name):
            read_keras_weights(tmp_path / name)


def test_a_network_that_keras_has_not(mobilenet_file):
    with pytest.raises(PretrainedWeightsError, match="Keras has no 'inception_v1'; it has: inception_resnet_v2"):
        load_keras_weights(without_weights("mobilenet_v1", 32, width=0.25), "inception_v1", mobilenet_file)
