"""The modules as functions: normalisation, dtypes, forms for the training loop."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rater_training import architectures
from rater_training.architectures import layers, specs
from rater_training.architectures.network import FeedForward, Network


def create(name: str, *, seed: int = 0, size: int = 32, dtype=jnp.float32, width: float = 0.25):
    return architectures.create(
        name, num_classes=3, image_shape=(size, size, 3), width=width, dtype=dtype, rngs=nnx.Rngs(seed)
    )


def images(count: int, size: int = 32) -> jax.Array:
    # Of NumPy, since each shape that JAX draws is compiled.
    return jnp.asarray(np.random.default_rng(0).normal(size=(count, size, size, 3)), jnp.float32)


SMALL = Network(
    (
        *specs.conv(8, 3),
        specs.Branches(specs.conv(4), specs.conv(4, (1, 3), bias=True)),
        specs.Residual(specs.conv(8, 3, activation=None)),
        specs.Depthwise((5, 5), 2),
        specs.NORM,
    )
)


def create_small(seed: int = 0, dtype=jnp.float32) -> FeedForward:
    return FeedForward(SMALL, num_classes=3, image_shape=(8, 8, 3), dtype=dtype, rngs=nnx.Rngs(seed))


@pytest.mark.parametrize("scale", [True, False])
def test_normalisation_equals_that_of_flax(scale):
    x = jnp.asarray(np.random.default_rng(0).normal(3, 2, (4, 5, 5, 6)), jnp.float32)
    norm = layers.NormModule(specs.Norm(epsilon=1e-3, scale=scale), (5, 5, 6), layers.Kernels(jnp.float32))
    flax_norm = nnx.BatchNorm(6, momentum=layers.BATCH_NORM_MOMENTUM, epsilon=1e-3, use_scale=scale, rngs=nnx.Rngs(0))
    for train in (True, True, False):
        with jax.numpy_rank_promotion("allow"):
            wanted = flax_norm(x, use_running_average=not train)
        np.testing.assert_allclose(norm(x, train), wanted, atol=1e-5)
    np.testing.assert_allclose(norm.mean[...], flax_norm.mean[...], rtol=1e-5)
    np.testing.assert_allclose(norm.variance[...], flax_norm.var[...], rtol=1e-5)


def test_padding_of_pools_counts_as_nothing_or_as_zeros():
    x = -jnp.ones((1, 2, 2, 1))
    kernels = layers.Kernels(jnp.float32)

    def corner(**arguments):
        layer = specs.Pool(window=3, stride=1, **arguments)
        return layers.PoolModule(layer, (2, 2, 1), kernels)(x, False)[0, 0, 0, 0].item()

    assert corner(kind="max") == -1
    assert corner(kind="max", zeros=True) == 0
    assert corner(kind="mean") == -1
    assert corner(kind="mean", zeros=True) == pytest.approx(-4 / 9)


@pytest.mark.parametrize("size", [4, 5])
def test_subsampling(size):
    """Keras' pooling of size 1 and stride 2, the second time of the image shifted by a pixel."""
    x = jnp.arange(size * size, dtype=jnp.float32).reshape(1, size, size, 1)
    shifted = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))[:, 1:, 1:]
    for offset, wanted in ((0, x[:, ::2, ::2]), (1, shifted[:, ::2, ::2])):
        layer = specs.Subsample(offset)
        got = layers.SubsampleModule(layer, (size, size, 1), layers.Kernels(jnp.float32))(x, False)
        np.testing.assert_array_equal(got, wanted)
        assert got.shape[1:] == layer.trace((size, size, 1))[0]


def test_kernels_are_drawn_as_he_et_al_have_it():
    kernels = layers.Kernels(jnp.float32)
    module, _ = layers.build((*specs.conv(64, 3), specs.Depthwise((5, 5))), (8, 8, 256), kernels)
    kernels.draw(jax.random.key(0))
    conv, depthwise = module.modules[0].kernel[...], module.modules[3].kernel[...]
    assert np.std(conv) == pytest.approx(np.sqrt(2 / (9 * 256)), rel=0.02)
    assert np.std(depthwise) == pytest.approx(np.sqrt(2 / 25), rel=0.05)


def test_bfloat16_computes_near_float32_and_gives_float32():
    x = images(4, size=8)
    exact, rounded = (create_small(dtype=dtype) for dtype in (jnp.float32, jnp.bfloat16))
    assert {leaf.dtype for leaf in jax.tree.leaves(nnx.state(rounded))} == {jnp.dtype("float32")}
    forward = nnx.jit(lambda module, x: module(x, False))
    wanted, got = forward(exact, x), forward(rounded, x)
    assert got.dtype == jnp.float32
    assert not np.array_equal(got, wanted)
    np.testing.assert_allclose(got, wanted, atol=0.1 * np.abs(wanted).max())


def test_one_structure_serves_all_seeds():
    """So that raters of one architecture share one compiled loop."""
    first, second = (
        nnx.split(nnx.eval_shape(lambda seed=seed: create("mobilenet_v2", seed=seed)))[0] for seed in (0, 1)
    )
    assert first == second
    assert hash(first) == hash(second)


def test_stacked_networks_are_each_alone():
    """The way in which members of a pool are trained together: parameters stacked, and the step under `jax.vmap`.

    Statistics are compared as training updates them, gradients as they are with fixed statistics: with those of a small
    batch, rounding alone moves a gradient by percents.
    """
    x = images(4, size=8)
    members = [nnx.split(create_small(seed), nnx.Param, nnx.BatchStat) for seed in range(2)]
    graphdef = members[0][0]

    @jax.jit
    def step(params, statistics):
        def loss(params):
            return jnp.mean(nnx.merge(graphdef, params, statistics, copy=True)(x, False) ** 2)

        module = nnx.merge(graphdef, params, statistics, copy=True)
        logits = module(x, True)
        return logits, nnx.split(module, nnx.Param, nnx.BatchStat)[2], jax.grad(loss)(params)

    stacked = [jax.tree.map(lambda *leaves: jnp.stack(leaves), *(member[i] for member in members)) for i in (1, 2)]
    together = jax.jit(jax.vmap(step))(*stacked)
    for i, (_, params, statistics) in enumerate(members):
        alone = step(params, statistics)
        for mine, wanted in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(mine[i], wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max() + 1e-6)
        unmoved = jax.tree.map(np.array_equal, statistics, alone[1])
        assert not any(jax.tree.leaves(unmoved))


def train_on_one_batch(name: str, *, dtype=jnp.float32, width=0.25, rate: float, momentum: float, steps: int):
    """Returns the losses of steps on the same eight random images, and the parameters before and after."""
    x, labels = images(8), jnp.arange(8) % 3
    graphdef, params, statistics = nnx.split(create(name, dtype=dtype, width=width), nnx.Param, ...)
    optimizer = optax.sgd(rate, momentum=momentum or None, nesterov=bool(momentum))

    @jax.jit
    def step(params, statistics, state):
        def loss(params):
            module = nnx.merge(graphdef, params, statistics, copy=True)
            logits = module(x, True)
            value = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
            return value, nnx.split(module, nnx.Param, ...)[2]

        (value, statistics), gradients = jax.value_and_grad(loss, has_aux=True)(params)
        updates, state = optimizer.update(gradients, state)
        return value, optax.apply_updates(params, updates), statistics, state

    losses, before, state = [], params, optimizer.init(params)
    for _ in range(steps):
        loss, params, statistics, state = step(params, statistics, state)
        losses.append(loss.item())
    return losses, before, params


@pytest.mark.slow
@pytest.mark.parametrize("name", architectures.NETWORKS)
def test_every_network_learns_a_batch_by_heart(name):
    """At the paper's rate, 0.01, and with the engine's momentum: the loss goes to nearly nothing."""
    steps = 600 if name.startswith("vgg") else 100  # without batch normalisation they take long to begin
    losses, _, _ = train_on_one_batch(name, rate=0.01, momentum=0.9, steps=steps)
    assert losses[0] > 0.5
    assert max(losses[-5:]) < 0.05, losses


@pytest.mark.slow
@pytest.mark.parametrize("name", architectures.NETWORKS)
def test_a_step_of_every_network_in_bfloat16(name):
    """The loss is near that of float32, and every parameter is float32, finite and has moved."""
    exact, _, _ = train_on_one_batch(name, rate=0.01, momentum=0.0, steps=1)
    rounded, before, after = train_on_one_batch(name, dtype=jnp.bfloat16, rate=0.01, momentum=0.0, steps=1)
    assert rounded[0] == pytest.approx(exact[0], rel=0.1)
    for new in jax.tree.leaves(after):
        assert new.dtype == jnp.float32
        assert np.isfinite(new).all()
    moved = [not np.array_equal(*pair) for pair in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)]
    assert np.mean(moved) > 0.5  # a bias before batch normalisation has no gradient but for rounding
