"""How the training of a pool is coming along, as lines of text: a `rater_training.training.pool.Listener`.

train_pool(dataset, pool, out, ProgressLines(pool))
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from rater_training.config import PoolConfig, RaterConfig

_EVERY = 5.0  # seconds between two lines of labelling


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


class LabellingLines:
    """Prints how raters that are trained already get on with their images, a line every few seconds."""

    def __init__(self, rater_ids: Sequence[str], images: int, *, quiet: bool = False) -> None:
        """Starts the clock.

        Args:
          rater_ids: who labels, in order.
          images: how many each of them labels.
          quiet: print nothing.
        """
        self._heads = {id_: f"[{i + 1}/{len(rater_ids)}] {id_}" for i, id_ in enumerate(rater_ids)}
        self._images, self._raters, self._quiet = images, len(rater_ids), quiet
        self._began = self._printed = time.monotonic()
        self._labelled: dict[str, int] = {}
        self._stored_before = 0

    def labelled(self, rater_id: str, number: int) -> None:
        """Counts images that a rater has labelled; prints where it is and what is left, unless it did so just now."""
        self._labelled[rater_id] = self._labelled.get(rater_id, 0) + number
        now = time.monotonic()
        if self._quiet or now - self._printed < _EVERY:
            return
        self._printed = now
        done = sum(self._labelled.values())
        wanted = self._images * (self._raters - self._stored_before)
        left = (now - self._began) * (wanted - done) / done
        print(
            f"{self._heads[rater_id]}  {self._labelled[rater_id]:,} of {self._images:,} images  "
            f"about {left / 60:.0f} min left for all raters",
            flush=True,
        )

    def finished(self, rater_id: str, message: str) -> None:
        """Prints how it ended for a rater."""
        if rater_id not in self._labelled:
            self._stored_before += 1
        if not self._quiet:
            print(f"{self._heads[rater_id]}  {message}", flush=True)


class PilotLines:
    """Prints what pilots measure, a line every few seconds per rater: a `rater_training.training.pilot.Listener`."""

    def __init__(self, raters: int) -> None:
        """Takes the number of raters."""
        self._raters = raters
        self._printed: dict[str, float] = {}

    def measured(self, rater: RaterConfig, value: float, error: float) -> None:
        """Prints an error rate, unless it printed one just now."""
        now = time.monotonic()
        if now - self._printed.get(rater.id, -_EVERY) >= _EVERY:
            self._printed[rater.id] = now
            after = f"share {value:g} of the features" if rater.frozen else f"step {value:g}/{rater.steps}"
            print(f"{self._head(rater)}  {after}  error rate {error:.3f} on clean_label_valid", flush=True)

    def finished(self, rater: RaterConfig, message: str) -> None:
        """Prints how it ended."""
        print(f"{self._head(rater)}  {message}", flush=True)

    def _head(self, rater: RaterConfig) -> str:
        return f"[pilot {int(rater.id[:2]) + 1}/{self._raters}] {rater.id}"
