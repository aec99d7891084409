"""Optimisers, against optax's own of the same name."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rater_training.config import OPTIMIZERS as NAMES
from rater_training.config import ConfigError
from rater_training.engine.optimizers import OPTIMIZERS
from tests.training.tiny import rater

PARAMS = {"kernel": jnp.asarray(np.random.default_rng(0).normal(size=(3, 4))), "bias": jnp.ones(4)}
RATES = (0.1, 0.03, 0.2, 0.05)


def mask(tree):
    return jax.tree.map(lambda leaf: leaf.ndim > 1, tree)


PEERS = {
    "nesterov": lambda rate: optax.chain(
        optax.add_decayed_weights(0.01, mask), optax.sgd(rate, momentum=0.9, nesterov=True)
    ),
    "adamw": lambda rate: optax.adamw(rate, b1=0.9, weight_decay=0.01, mask=mask),
}


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_those_of_optax(name):
    ours, state = PARAMS, OPTIMIZERS[name].init(PARAMS)
    theirs, peer = PARAMS, PEERS[name](lambda step: jnp.asarray(RATES)[step])
    peer_state = peer.init(PARAMS)
    step = jax.jit(OPTIMIZERS[name].update)
    for i, rate in enumerate(RATES):
        gradients = jax.tree.map(lambda p, i=i: jnp.sin((i + 1) * p), ours)
        updates, peer_state = peer.update(jax.tree.map(lambda p, i=i: jnp.sin((i + 1) * p), theirs), peer_state, theirs)
        theirs = optax.apply_updates(theirs, updates)
        ours, state = step(ours, state, gradients, jnp.float32(rate), jnp.float32(0.9), jnp.float32(0.01))
    for key in PARAMS:
        np.testing.assert_allclose(ours[key], theirs[key], rtol=2e-5)


def test_every_name_has_an_optimizer_and_others_are_refused():
    assert set(NAMES) == set(OPTIMIZERS)
    with pytest.raises(ConfigError, match="optimizer is 'adam'; it has to be one of nesterov, adamw"):
        rater("a", optimizer="adam")
    with pytest.raises(ConfigError, match="width is 2; it has to be 1 for a pretrained network"):
        rater("a", pretrained=True, width=2)
