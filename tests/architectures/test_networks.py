"""The thirteen networks against their papers: sizes, costs, tables; and their forms for small images."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rater_training import architectures
from rater_training.architectures import NETWORKS, convolution, specs
from rater_training.architectures.network import fit, multiply_adds
from rater_training.config import ConfigError

NATIVE_SIZE = {
    name: 299 if name in ("inception_v3", "inception_v4", "inception_resnet_v2") else 224 for name in NETWORKS
}


def abstract(name: str, size: int, num_classes: int = 1000, **arguments):
    """Returns a network without any memory for its parameters."""
    return nnx.eval_shape(
        lambda: architectures.ARCHITECTURES[name](
            num_classes=num_classes, image_shape=(size, size, 3), rngs=nnx.Rngs(0), **arguments
        )
    )


def count(module, kind) -> int:
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(module, kind)))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet50", 25_636_712),
        ("resnet101", 44_707_176),
        pytest.param("resnet152", 60_419_944, marks=pytest.mark.slow),
        ("vgg16", 138_357_544),
        ("vgg19", 143_667_240),
        ("inception_v3", 23_851_784),
        ("inception_resnet_v2", 55_873_736),
        ("mobilenet_v1", 4_253_864),
        ("mobilenet_v2", 3_538_984),
        ("nasnet_mobile", 5_326_716),
    ],
)
def test_parameters_are_those_that_keras_documents(name, parameters):
    """Keras counts the statistics of batch normalisation among the parameters."""
    module = abstract(name, NATIVE_SIZE[name])
    assert count(module, nnx.Param) + count(module, nnx.BatchStat) == parameters


@pytest.mark.parametrize(("name", "millions"), [("inception_v1", 6.6), ("inception_v2", 11.3), ("inception_v4", 42.7)])
def test_parameters_are_those_that_are_published(name, millions):
    assert count(abstract(name, NATIVE_SIZE[name]), nnx.Param) == pytest.approx(millions * 1e6, rel=0.02)


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("resnet50", 3.8),  # He et al. 2016, Table 1
        ("resnet101", 7.6),
        ("resnet152", 11.3),
        ("mobilenet_v1", 0.569),  # Howard et al. 2017, Table 4
        ("mobilenet_v2", 0.300),  # Sandler et al. 2018, Table 4
        ("nasnet_mobile", 0.564),  # Zoph et al. 2018, Table 3
        ("inception_v1", 1.5),  # Szegedy et al. 2015, Section 4
        ("vgg16", 15.5),
        ("vgg19", 19.6),
    ],
)
def test_multiply_adds_are_those_that_are_published(name, billions):
    shape = (NATIVE_SIZE[name],) * 2 + (3,)
    assert multiply_adds(fit(NETWORKS[name], shape), shape, 1000) == pytest.approx(billions * 1e9, rel=0.02)


def modules_of(name: str) -> list[specs.Shape]:
    """Returns the output shapes of a network's inception modules."""
    shape, shapes = (NATIVE_SIZE[name],) * 2 + (3,), []
    for layer in NETWORKS[name].layers:
        shape, _ = layer.trace(shape)
        if isinstance(layer, specs.Branches):
            shapes.append(shape)
    return shapes


def test_inception_v1_has_the_output_sizes_of_its_table():
    """Szegedy et al. 2015, Table 1, column "output size"."""
    assert modules_of("inception_v1") == [
        *((28, 28, c) for c in (256, 480)),
        *((14, 14, c) for c in (512, 512, 512, 528, 832)),
        *((7, 7, c) for c in (832, 1024)),
    ]


def test_inception_v2_has_the_output_sizes_of_its_table():
    """Ioffe & Szegedy 2015, Figure 5, column "output size"; the table counts a reduction in with what it leads to."""
    assert modules_of("inception_v2") == [
        *((28, 28, c) for c in (256, 320)),
        *((14, 14, 576),) * 5,
        *((7, 7, 1024),) * 3,
    ]


def test_inception_v4_has_the_output_sizes_of_its_figure():
    """Szegedy et al. 2017, Figures 3 and 9."""
    assert modules_of("inception_v4") == [
        (73, 73, 160),
        (71, 71, 192),
        *((35, 35, 384),) * 5,
        *((17, 17, 1024),) * 8,
        *((8, 8, 1536),) * 4,
    ]


@pytest.mark.parametrize(
    ("name", "size"),
    [("inception_v4", 96), ("mobilenet_v2", 48), ("nasnet_mobile", 32), ("resnet50", 32), ("vgg16", 32)],
)
def test_multiply_adds_are_those_of_the_compiled_operations(name, size, monkeypatch):
    """The arithmetic over the tables against a count over the convolutions and products that JAX is told to do."""
    monkeypatch.setattr(convolution.jax, "default_backend", lambda: "gpu")  # so that depthwise ones are convolutions
    module = abstract(name, size, num_classes=10, width=0.5)
    graphdef, state = nnx.split(module)
    jaxpr = jax.make_jaxpr(lambda state, x: nnx.merge(graphdef, state)(x, False))(
        state, jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    )
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            total += math.prod(equation.outvars[0].aval.shape) * math.prod(kernel[:3])
        elif equation.primitive.name == "dot_general":
            ((contracted, _), _) = equation.params["dimension_numbers"]
            inner = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
            total += math.prod(equation.outvars[0].aval.shape) * inner
    shape = (size, size, 3)
    assert multiply_adds(fit(NETWORKS[name], shape, width=0.5), shape, 10) == total


@pytest.mark.parametrize("name", NETWORKS)
def test_small_images_leave_a_map_to_look_at(name):
    """Last sides: CIFAR 4, PatchCamelyon 3, Cats vs Dogs 5 or 7; only VGG goes down to a pixel."""
    sides = [specs.trace(fit(NETWORKS[name], (s, s, 3)).layers, (s, s, 3))[0][0] for s in (32, 96, 224)]
    unpadded = name in ("inception_v3", "inception_v4", "inception_resnet_v2")
    assert sides == [1 if name.startswith("vgg") else 4, 3, 5 if unpadded else 7]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_any_size_number_of_classes_width_and_dtype(name):
    """Traced, without arithmetic: float32 logits of every combination."""
    for size, num_classes, width, dtype in (
        (32, 2, 0.25, jnp.bfloat16),
        (33, 7, 0.5, jnp.float32),
        (96, 10, 1.0, jnp.bfloat16),
        (224, 100, 1.5, jnp.float32),
    ):
        module = abstract(name, size, num_classes, width=width, dtype=dtype)
        batch = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
        logits = nnx.eval_shape(lambda module, batch: module(batch, train=True), module, batch)
        assert (logits.shape, logits.dtype) == ((2, num_classes), jnp.float32)


@pytest.mark.parametrize("name", [name for name in NETWORKS if not name.startswith("vgg")])
def test_the_small_form_has_the_same_parameters(name):
    """So weights from ImageNet fit it."""

    def parameters(form):
        layers = fit(NETWORKS[name], (32, 32, 3), form="small").layers if form == "small" else NETWORKS[name].layers
        found = []

        def note(layer):
            if not isinstance(layer, (specs.Pool, specs.Relu, specs.Subsample)):
                found.append(tuple(getattr(layer, field, None) for field in ("kernel", "features", "bias", "scale")))
            return layer

        specs.map_layers(layers, note)
        return found

    assert parameters("small") == parameters("imagenet")


def test_the_imagenet_form_can_be_asked_for_and_refuses_what_is_too_small():
    shape = (64, 64, 3)
    assert specs.trace(fit(NETWORKS["resnet50"], shape, form="imagenet").layers, shape)[0][:2] == (2, 2)
    with pytest.raises(ConfigError, match="32x32 are too small for the imagenet form"):
        fit(NETWORKS["inception_v3"], (32, 32, 3), form="imagenet")
    with pytest.raises(ConfigError, match="auto, imagenet, small"):
        fit(NETWORKS["resnet50"], shape, form="cifar")


@pytest.mark.parametrize(
    "name", [pytest.param("inception_resnet_v2", marks=pytest.mark.slow), "mobilenet_v2", "resnet50", "vgg16"]
)
def test_width_scales_the_parameters_as_its_square(name):
    whole, half = (count(abstract(name, 32, num_classes=2, width=width), nnx.Param) for width in (1.0, 0.5))
    assert 0.23 < half / whole < 0.36


@pytest.mark.parametrize(("features", "width", "expected"), [(64, 0.5, 32), (24, 0.5, 16), (16, 0.25, 8), (11, 1, 11)])
def test_scaled_features_are_multiples_of_eight(features, width, expected):
    assert specs.scaled(features, width) == expected


def test_non_square_and_grey_images():
    module = nnx.eval_shape(
        lambda: architectures.create(
            "mobilenet_v2", num_classes=3, image_shape=(40, 33, 1), width=0.25, rngs=nnx.Rngs(0)
        )
    )
    images = jax.ShapeDtypeStruct((2, 40, 33, 1), jnp.float32)
    assert nnx.eval_shape(lambda module, images: module(images, train=False), module, images).shape == (2, 3)


def test_branches_and_sums_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="different sizes"):
        specs.trace((specs.Branches(specs.conv(8), specs.conv(8, stride=2)),), (8, 8, 3))
    with pytest.raises(ValueError, match="adds"):
        specs.trace((specs.Residual(specs.conv(8)),), (8, 8, 3))


def test_seeds():
    def kernels(seed):
        module = architectures.create(
            "compact_vgg", num_classes=3, image_shape=(8, 8, 3), width=0.25, rngs=nnx.Rngs(seed)
        )
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(nnx.state(module, nnx.Param))])

    np.testing.assert_array_equal(kernels(1), kernels(1))
    assert not np.array_equal(kernels(1), kernels(2))
