"""Optimizers.

    optimizer = OPTIMIZERS["nesterov"]
    opt_state = optimizer.init(params)
    params, opt_state = optimizer.update(params, opt_state, gradients, rate, momentum, weight_decay)

The numbers are arrays, so that raters that differ in them alone share a compilation. Weight decay spares vectors:
biases and the scales of normalization.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax


class Optimizer(NamedTuple):
    """Two functions on trees of arrays.

    Attributes:
      init: params -> the optimizer state before the first step.
      update: params, opt_state, gradients, rate, momentum, weight_decay -> new params, new opt_state.
    """

    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]


def _kernels(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, tree)


def _moved(params: Any, updates: Any, rate: jax.Array) -> Any:
    return jax.tree.map(lambda p, u: p - rate * u, params, updates)


def _nesterov(
    params: Any, trace: Any, gradients: Any, rate: jax.Array, momentum: jax.Array, weight_decay: jax.Array
) -> tuple[Any, Any]:
    """Nesterov's method (as in Sutskever et al. 2013); the decay is part of the gradient."""
    transformation = optax.chain(
        optax.add_decayed_weights(weight_decay, mask=_kernels), optax.trace(decay=momentum, nesterov=True)
    )
    empty, _ = transformation.init(params)
    updates, (_, state) = transformation.update(gradients, (empty, optax.TraceState(trace)), params)
    return _moved(params, updates, rate), state.trace


def _adamw(
    params: Any, state: Any, gradients: Any, rate: jax.Array, momentum: jax.Array, weight_decay: jax.Array
) -> tuple[Any, Any]:
    """AdamW (Loshchilov & Hutter, ICLR 2019) with beta_1 = momentum, beta_2 = 0.999; the decay is apart from it."""
    transformation = optax.chain(
        optax.scale_by_adam(b1=momentum), optax.add_decayed_weights(weight_decay, mask=_kernels)
    )
    _, empty = transformation.init(params)
    updates, (adam, _) = transformation.update(gradients, (optax.ScaleByAdamState(*state), empty), params)
    return _moved(params, updates, rate), tuple(adam)


def _zeros(params: Any) -> Any:
    # From the host: `jnp.zeros_like` would compile a program for each shape.
    return jax.tree.map(lambda param: jax.device_put(np.zeros(param.shape, param.dtype)), params)


OPTIMIZERS = {
    "nesterov": Optimizer(_zeros, _nesterov),
    "adamw": Optimizer(lambda params: (jnp.zeros((), jnp.int32), _zeros(params), _zeros(params)), _adamw),
}
