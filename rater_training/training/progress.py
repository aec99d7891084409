"""How the training of a pool is coming along, as lines of text: a `rater_training.training.pool.Listener`.

train_pool(dataset, pool, out, ProgressLines(pool))
"""

import time

from rater_training.config import PoolConfig, RaterConfig


class ProgressLines:
    """Prints a line every few seconds that a terminal, a log file and a notebook show alike."""

    def __init__(self, pool: PoolConfig) -> None:
        self._heads = {r.id: f"[{i + 1}/{len(pool.raters)}] {r.id}" for i, r in enumerate(pool.raters)}
        self._began: dict[str, float] = {}
        self._printed: dict[str, float] = {}

    def started(self, rater: RaterConfig, position: int) -> None:
        """Starts the clock of a rater."""
        self._began[rater.id] = self._printed[rater.id] = time.monotonic()

    def progressed(self, rater: RaterConfig, step: int, loss: float) -> None:
        """Prints steps, loss and the time that is left, unless it did so just now."""
        now = time.monotonic()
        if now - self._printed[rater.id] < 2 and step < rater.steps:
            return
        self._printed[rater.id] = now
        left = (now - self._began[rater.id]) * (rater.steps - step) / step
        print(
            f"{self._heads[rater.id]}  step {step}/{rater.steps}  loss {loss:.3f}  about {left:.0f} s left", flush=True
        )

    def finished(self, rater: RaterConfig, message: str, *, trained: bool) -> None:
        """Prints how it ended."""
        spent = f", {time.monotonic() - self._began[rater.id]:.0f} s" if trained else ""
        print(f"{self._heads[rater.id]}  {message}{spent}", flush=True)


class Silent:
    """Says nothing: what the processes beside process 0 have."""

    def started(self, rater: RaterConfig, position: int) -> None:
        pass

    def progressed(self, rater: RaterConfig, step: int, loss: float) -> None:
        pass

    def finished(self, rater: RaterConfig, message: str, *, trained: bool) -> None:
        pass
