"""Training a network on targets with the engine's loop: what runs, auxiliary classifiers and first networks share.

learner = Learner(data, network, schedule, algorithm, steps=600)
result = learner.train(learner.start(seed=0, targets, constants))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from noisy_label_learning.algorithms import CrossEntropy
from noisy_label_learning.algorithms.base import Algorithm, Networks
from noisy_label_learning.runs.config import Network, Schedule, training_config
from noisy_label_learning.runs.evaluating import Evaluator
from noisy_label_learning.runs.step import Kept, LearnerNumbers, LearnerState, LearnerStep
from rater_training.engine import loop
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.compiled import Program
from rater_training.engine.examples import Examples, Normalization
from rater_training.engine.optimizers import OPTIMIZERS
from rater_training.engine.rater_step import hyperparameters
from rater_training.engine.raters import initial_state
from rater_training.pretrained import start


@dataclasses.dataclass(frozen=True)
class Learner:
    """How an algorithm is trained on some images.

    Attributes:
      images: [n, h, w, c] uint8.
      num_classes: K.
      network, schedule, algorithm: what is trained, and how.
      normalization: of the images.
      keeps_best: whether the network that is best on validation is kept beside the last.
      resamples: whether targets are probabilities of labels, of which one is drawn whenever its image is seen.
    """

    images: np.ndarray
    num_classes: int
    network: Network
    schedule: Schedule
    algorithm: Algorithm
    normalization: Normalization
    keeps_best: bool = False
    resamples: bool = False

    @property
    def batch_size(self) -> int:
        """Examples per step; all of them where they are fewer than the schedule's."""
        return min(self.schedule.batch_size, len(self.images))

    def run(
        self,
        name: str,
        targets: np.ndarray,
        constants: Any,
        *,
        steps: int,
        seed: int,
        checkpoints: Checkpoints | None,
        starts_from: Sequence[np.ndarray] | None = None,
    ) -> tuple[Any, loop.Run]:
        """Returns the network's graph definition and the run that the engine's loop takes.

        Args:
          name: in messages.
          targets: [n, K].
          constants: of the algorithm's `prepare`.
          steps: of the training.
          seed: of everything; the networks of a run start from seeds of their own.
          checkpoints: where the state is kept.
          starts_from: `leaves_of` the one network that this one starts from; None: its initial weights.
        """
        examples = Examples((), self.images, self.normalization)
        schedule = dataclasses.replace(self.schedule, batch_size=self.batch_size)
        configs = [
            training_config(self.network, schedule, steps, seed=2 * seed + i) for i in range(self.algorithm.networks)
        ]
        graphdef: Any = None
        params, statistics = [], []
        for config in configs:
            outputs = self.algorithm.outputs(self.num_classes)
            graphdef, of_network = initial_state(config, examples, num_classes=outputs)
            params.append(of_network.params)
            statistics.append(of_network.statistics)
        networks = Networks(tuple(params), tuple(statistics))
        if starts_from is not None:
            networks = jax.tree.unflatten(jax.tree.structure(networks), [jax.device_put(leaf) for leaf in starts_from])
        kept: Any = ()
        if self.keeps_best:
            kept = Kept(jnp.float32(-np.inf), jnp.int32(0), networks.params[0], networks.statistics[0])
        state = LearnerState(
            networks=networks,
            opt_state=OPTIMIZERS[self.schedule.optimizer].init(networks.params),
            memory=self.algorithm.memory(len(self.images), self.num_classes),
            loss=jnp.zeros((), jnp.float32),
            kept=kept,
        )
        numbers = LearnerNumbers(hyperparameters(configs[0]), constants, np.asarray(targets, np.float32))
        return graphdef, loop.Run(name, state, steps, configs[0].seed, numbers, checkpoints)

    def program(self, graphdef: Any) -> Program:
        """Returns what the loop is compiled for."""
        config = training_config(self.network, self.schedule, 1, seed=0)
        step = LearnerStep(graphdef, self.algorithm, self.schedule.optimizer, self.resamples)
        return Program(step, self.batch_size, config.augmentation)

    def examples(self) -> Examples:
        """Returns what the loop draws from; targets are numbers of the run."""
        return Examples((), self.images, self.normalization)


def normalization_of(network: Network, of_images: Normalization) -> Normalization:
    """Returns how images are normalized for a network: as its published weights expect, or by their own statistics."""
    expected = start.expected_statistics(training_config(network, Schedule(), 1, seed=0))
    return of_images if expected is None else Normalization(*expected)


@dataclasses.dataclass(frozen=True)
class TrainedClassifier:
    """A network that was trained by cross-entropy, and what evaluates it.

    Attributes:
      evaluator: of such networks.
      params, statistics: the network's.
    """

    evaluator: Evaluator
    params: Any
    statistics: Any

    def leaves(self) -> tuple[np.ndarray, ...] | None:
        """Returns all arrays of the network: see `leaves_of`."""
        return leaves_of(self.params, self.statistics)

    def log_probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns those of images: [n, K] float32."""
        return self.evaluator.log_probabilities(self.params, self.statistics, images)


def trained_classifier(
    images: np.ndarray,
    targets: np.ndarray,
    network: Network,
    schedule: Schedule,
    *,
    normalization: Normalization,
    steps: int,
    seed: int,
    starts_from: Sequence[np.ndarray] | None = None,
    on_epoch: Callable[[int, TrainedClassifier], float] | None = None,
    checkpoints: Checkpoints | None = None,
) -> TrainedClassifier:
    """Returns a network that was trained by cross-entropy.

    Args:
      images: [n, h, w, c] uint8.
      targets: [n, K].
      network, schedule: what is trained, and how.
      normalization: of the images.
      steps: of the training.
      seed: of everything.
      starts_from: `leaves_of` the network that it starts from; None: its initial weights.
      on_epoch: how often before and now, the network as it is then -> a score, as many times as the schedule has
        epochs; the network of the highest is returned. None: the last one is.
      checkpoints: from which the training resumes; None: it does not.

    Raises:
      Diverged: the loss is no longer finite.
    """
    learner = Learner(
        images,
        targets.shape[1],
        network,
        schedule,
        CrossEntropy(),
        normalization,
        keeps_best=on_epoch is not None,
    )
    graphdef, run = learner.run(
        "a classifier", targets, (), steps=steps, seed=seed, checkpoints=checkpoints, starts_from=starts_from
    )
    evaluator = Evaluator(graphdef, learner.algorithm, learner.normalization)
    evaluation = None
    if on_epoch is not None:
        # As often as in a run, also where the images are few and their epochs many: an evaluation is of all validation.
        score, every = on_epoch, max(1, steps // schedule.epochs)

        def evaluate(step: int, state: LearnerState) -> tuple[LearnerState, Any]:
            done = step // every
            now = TrainedClassifier(evaluator, state.networks.params[0], state.networks.statistics[0])
            return keep_best(state, score(done, now), done), None

        evaluation = loop.Evaluation(every, evaluate)
    state = loop.train(learner.program(graphdef), learner.examples(), run, evaluation=evaluation).state
    if on_epoch is not None:
        return TrainedClassifier(evaluator, state.kept.params, state.kept.statistics)
    return TrainedClassifier(evaluator, state.networks.params[0], state.networks.statistics[0])


def leaves_of(params: Any, statistics: Any) -> tuple[np.ndarray, ...] | None:
    """Returns all arrays of a network, from which another training can start; None where it holds random keys."""
    leaves = jax.tree.leaves((params, statistics))
    if any(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves):
        return None
    return tuple(np.asarray(leaf) for leaf in leaves)


def keep_best(state: LearnerState, score: Any, epoch: int) -> LearnerState:
    """Returns the state with the first network kept where its score is higher than any before.

    Args:
      state: of one run, or of vmapped ones.
      score: [], or [runs].
      epoch: epochs done.
    """
    scores = jnp.asarray(score, jnp.float32)
    better = scores > state.kept.score
    new = Kept(scores, jnp.full_like(state.kept.epoch, epoch), state.networks.params[0], state.networks.statistics[0])
    kept = jax.tree.map(
        lambda a, b: jnp.where(better.reshape(better.shape + (1,) * (a.ndim - better.ndim)), a, b), new, state.kept
    )
    return state._replace(kept=kept)
