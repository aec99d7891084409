"""The step of learning with noisy labels, as the engine's loop takes it: any algorithm, one network or several.

step = LearnerStep(graphdef, CoTeaching(), optimizer="nesterov")
state, loss = step(state, batch, LearnerNumbers(hyperparameters(training), constants, targets))
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from noisy_label_learning.algorithms.base import Algorithm, Batch, Networks
from rater_training.engine import batches
from rater_training.engine.optimizers import OPTIMIZERS
from rater_training.engine.rater_step import Hyperparameters, learning_rate

_OF_TARGETS = 1  # folded into a step's key, so that algorithms draw what they would without


class Kept(NamedTuple):
    """The first network as it was at its best on validation.

    Attributes:
      score: [] float32, higher is better; -inf before the first evaluation.
      epoch: [] int32.
      params, statistics: of the network.
    """

    score: jax.Array
    epoch: jax.Array
    params: Any
    statistics: Any


class LearnerState(NamedTuple):
    """What changes of a run while it is trained.

    Attributes:
      networks: their parameters and statistics.
      opt_state: of all parameters.
      memory: of the algorithm.
      loss: [] float32, sum over the steps since the last evaluation.
      kept: the best network so far, or () where nobody asks for it.
    """

    networks: Networks
    opt_state: Any
    memory: Any
    loss: jax.Array
    kept: Any


class LearnerNumbers(NamedTuple):
    """What differs between runs that share a compilation.

    Attributes:
      training: learning rate and the like.
      constants: of the algorithm's `prepare`.
      targets: [n, K] float32, of all training examples.
    """

    training: Hyperparameters
    constants: Any
    targets: Any


@dataclasses.dataclass(frozen=True)
class LearnerStep:
    """One step of an algorithm.

    Attributes:
      graphdef: of the Flax NNX module; all networks of a run are of one architecture.
      algorithm: what makes gradients of a batch.
      optimizer: a key of `OPTIMIZERS`.
      resamples: whether the algorithm is given a label that is drawn from an example's targets, anew in each step.
    """

    graphdef: Any
    algorithm: Algorithm
    optimizer: str = "nesterov"
    resamples: bool = False

    def __call__(
        self, state: LearnerState, batch: batches.Batch, numbers: LearnerNumbers
    ) -> tuple[LearnerState, jax.Array]:
        """Runs one step; returns the new state and the mean loss."""

        def apply(params: Any, statistics: Any, inputs: jax.Array) -> tuple[jax.Array, Any]:
            module = nnx.merge(self.graphdef, params, statistics, copy=True)
            outputs = module(inputs, train=True)
            return outputs, nnx.split(module, nnx.Param, ...)[2]

        step = batch.step.astype(jnp.float32)
        targets = numbers.targets[batch.indices]
        if self.resamples:
            drawn = jax.random.categorical(jax.random.fold_in(batch.key, _OF_TARGETS), jnp.log(targets), axis=-1)
            targets = jax.nn.one_hot(drawn, targets.shape[-1])
        seen = Batch(
            inputs=batch.images,
            targets=targets,
            rows=batch.indices,
            epoch=batch.epoch.astype(jnp.float32),
            progress=step / numbers.training.total_steps,
            key=batch.key,
        )
        made = self.algorithm.gradients(apply, state.networks, seen, state.memory, numbers.constants)
        params, opt_state = OPTIMIZERS[self.optimizer].update(
            state.networks.params,
            state.opt_state,
            made.gradients,
            learning_rate(step, numbers.training),
            numbers.training.momentum,
            numbers.training.weight_decay,
        )
        networks = Networks(params, made.statistics)
        return LearnerState(networks, opt_state, made.memory, state.loss + made.loss, state.kept), made.loss
