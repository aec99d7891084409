"""Checkpoints of raters that are trained beside one another."""

import concurrent.futures

import jax.numpy as jnp
import numpy as np

from rater_training.engine.checkpoints import Checkpoints


def test_raters_beside_one_another_keep_their_checkpoints_apart(tmp_path):
    def state(rater: int, step: int) -> dict:
        return {f"leaf{i}": jnp.full((20, 20), 1000 * rater + step, jnp.float32) for i in range(40)}

    def train(rater: int) -> np.ndarray:
        checkpoints = Checkpoints(tmp_path / str(rater), f"fingerprint {rater}")
        for step in range(8):
            checkpoints.save(state(rater, step), step=step, history=[(step, 0.5)])
        saved = checkpoints.restore(state(rater, 0))
        assert saved.history == ((7, 0.5),)
        return np.asarray(saved.state["leaf39"])

    with concurrent.futures.ThreadPoolExecutor(4) as raters:
        for rater, leaf in enumerate(raters.map(train, range(4))):
            np.testing.assert_array_equal(leaf, np.full((20, 20), 1000 * rater + 7))
