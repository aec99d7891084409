"""Runs: a problem, a corrector, an algorithm, a network, a schedule and a seed go in, a record comes out.

    session = Session(problem, "runs/digits")
    record = session.run(RunConfig(CoTeaching(), NoCorrector()))            # trains, or reads the record that is there
    records = session.run_seeds([dataclasses.replace(config, seed=s) for s in range(3)])     # one vmapped loop

    runs/digits/
      digits_noisy-high-none-co_teaching-0-1f2e3d4c5b6a.json                # written when the run is done
      checkpoints/<key>/                                                    # of a run in training, removed at its end
      prior_networks/                                                       # what runs share, see `PriorNetworks`

A killed run resumes from its checkpoint and comes to the same record, bit for bit on a CPU.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from noisy_label_datasets.lease import taking_turns
from noisy_label_learning import ranking
from noisy_label_learning.algorithms import noise_rate
from noisy_label_learning.algorithms.base import Stage
from noisy_label_learning.correctors import Corrected, Tools
from noisy_label_learning.correctors.base import one_hot
from noisy_label_learning.errors import LearningError
from noisy_label_learning.problem import Problem
from noisy_label_learning.runs.config import RunConfig
from noisy_label_learning.runs.cost import PeakMemory
from noisy_label_learning.runs.evaluating import Evaluator, LabelledChunks, chunks_of_beliefs
from noisy_label_learning.runs.prior_networks import OnPriorEpoch, PriorNetworks
from noisy_label_learning.runs.reclassified import has_classifier, reclassified
from noisy_label_learning.runs.record import (
    DIVERGED,
    DONE,
    Epoch,
    Record,
    by_class,
    record_path,
    select,
    stored_record,
)
from noisy_label_learning.runs.step import LearnerState
from noisy_label_learning.runs.training import Learner, keep_best, normalization_of
from rater_training.engine import loop
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.examples import Normalization

_SOFTWARE = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn")
# config, epochs done, of how many, the curve's last point
OnEpoch = Callable[[RunConfig, int, int, Epoch], None]


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """A run that is ready to be trained."""

    config: RunConfig
    key: str
    corrected: Corrected
    targets: np.ndarray
    constants: Any
    details: dict[str, Any]
    wall: float
    cpu: float


class Session:
    """Runs on one problem. Corrected targets and networks that are trained beforehand are shared by the runs."""

    def __init__(
        self,
        problem: Problem,
        folder: str | os.PathLike | None = None,
        *,
        on_epoch: OnEpoch = lambda config, epoch, epochs, point: None,
        on_prior_epoch: OnPriorEpoch = lambda config, what, epoch, epochs: None,
        checkpoint_seconds: float = 60.0,
    ) -> None:
        """Opens a session.

        Args:
          problem: what is learned from and measured by.
          folder: where records and checkpoints are; None: nowhere, and nothing is resumed.
          on_epoch: is told of each run's progress.
          on_prior_epoch: is told of that of networks that are trained for a run beforehand.
          checkpoint_seconds: how long after a checkpoint the next one is due.
        """
        self.problem = problem
        self.folder = None if folder is None else pathlib.Path(folder)
        self._on_epoch = on_epoch
        self._checkpoint_seconds = checkpoint_seconds
        data, answers = problem.data, problem.answers
        self._of_images = Normalization.of(data.train.images)
        self._valid = LabelledChunks.of(np.asarray(data.valid.images), data.valid.noisy_label)
        self._test = LabelledChunks.of(np.asarray(answers.test_images), answers.test_labels)
        self._corrected: dict[Any, Corrected] = {}
        self._prior_networks = PriorNetworks(
            problem,
            folder,
            of_images=self._of_images,
            on_epoch=on_prior_epoch,
            checkpoint_seconds=checkpoint_seconds,
        )

    def run(self, config: RunConfig) -> Record:
        """Returns the record of a run; trains it unless there is one."""
        return self.run_seeds([config])[0]

    def stored(self, config: RunConfig) -> Record | None:
        """Returns the record of a run that is done, or None."""
        if self.folder is None:
            return None
        return stored_record(self.folder, config.to_json(), self.problem.data.name, config.key(self.problem))

    def run_seeds(self, configs: Sequence[RunConfig]) -> list[Record]:
        """Returns the records of runs that differ in their seeds; several that are missing are trained in one loop.

        Each is the run that it is alone but for rounding. Those that have a record keep their places in the loop, for
        how many runs are computed together decides how numbers are rounded: so what is resumed is bit-identical.
        A process that trains one of them in the same folder is waited for.

        Raises:
          LearningError: settings or data that cannot be learned with.
          CheckpointError: a checkpoint is damaged.
        """
        if len({dataclasses.replace(config, seed=0) for config in configs}) > 1:
            raise LearningError("runs of one loop differ in their seeds only")
        records: dict[int, Record] = {}
        with contextlib.ExitStack() as claims:
            for config in sorted(configs, key=lambda config: config.seed):  # in one order, so that no two wait in turn
                if self.folder is not None and self.stored(config) is None:
                    claims.enter_context(taking_turns(self.folder / "checkpoints" / config.key(self.problem)))
                if (record := self.stored(config)) is not None:  # perhaps by whoever had the lease before
                    records[config.seed] = record
            missing = [config.seed for config in configs if config.seed not in records]
            if missing:
                records |= {config.seed: record for config, record in self._train(configs, missing)}
        return [records[config.seed] for config in configs]

    def corrected(self, config: RunConfig) -> Corrected:
        """Returns the targets that a run's corrector makes."""
        key = (config.corrector, config.seed, config.network, config.schedule)
        if key not in self._corrected:
            tools = Tools(partial(self._prior_networks.classifier_logits, config))
            found = config.corrector.correct(self.problem.data, config.seed, tools)
            data = self.problem.data
            for what, given, examples in (
                ("probabilities", found.probabilities, data.train),
                ("valid", found.valid, data.valid),
            ):
                shape = (len(examples), data.num_classes)
                if given is not None and (given.shape != shape or not np.allclose(given.sum(axis=1), 1, atol=1e-5)):
                    raise LearningError(
                        f"corrector {config.corrector.name} returned {what} {list(given.shape)}; wanted {list(shape)} "
                        "with rows that sum to 1"
                    )
            self._corrected[key] = found
        return self._corrected[key]

    # -----------------------------------------------------------------------------------------------------------------

    def _train(self, configs: Sequence[RunConfig], missing: Sequence[int]) -> list[tuple[RunConfig, Record]]:
        first, peak = configs[0], PeakMemory()
        data = self.problem.data
        steps_per_epoch = first.schedule.steps_per_epoch(len(data.train))
        steps = first.schedule.epochs * steps_per_epoch
        prepared = [self._prepare(config) for config in configs]
        learner = Learner(
            np.asarray(data.train.images),
            data.num_classes,
            first.network,
            first.schedule,
            first.algorithm,
            normalization_of(first.network, self._of_images),
            keeps_best=has_classifier(first.algorithm),
            resamples=first.targets == "resampled" and any((each.targets < 1).all(axis=1).any() for each in prepared),
        )
        runs: dict[str, _Prepared] = {}
        loop_runs, graphdef = [], None
        resumed = {}
        for each in prepared:
            checkpoints = None
            if self.folder is not None and each.config.seed in missing:
                checkpoints = Checkpoints(
                    self.folder / "checkpoints" / each.key, each.key, every_seconds=self._checkpoint_seconds
                )
            name = f"{each.config.algorithm.name}, seed {each.config.seed}"
            graphdef, run = learner.run(
                name, each.targets, each.constants, steps=steps, seed=each.config.seed, checkpoints=checkpoints
            )
            runs[name] = each
            resumed[name] = int(checkpoints is not None and bool(checkpoints.steps()))
            loop_runs.append(run)
        evaluator = Evaluator(graphdef, first.algorithm, learner.normalization)
        vmapped = len(configs) > 1
        evaluation = loop.Evaluation(
            steps_per_epoch,
            self._evaluation(prepared, missing, evaluator, steps_per_epoch, vmapped),
        )
        started, started_cpu = time.monotonic(), time.process_time()
        program, examples = learner.program(graphdef), learner.examples()
        outcomes: list[tuple[str, loop.Result | loop.Diverged]] = []
        if vmapped:
            active = [run.name for run in loop_runs if runs[run.name].config.seed in missing]
            found = loop.train_vmapped(program, examples, loop_runs, active=active, evaluation=evaluation)
            outcomes = [(run.name, outcome) for run, outcome in found]
        else:
            try:
                outcomes = [(name, loop.train(program, examples, loop_runs[0], evaluation=evaluation))]
            except loop.Diverged as error:
                outcomes = [(name, error)]
        shared = {
            "wall": (time.monotonic() - started) / len(outcomes),
            "cpu": (time.process_time() - started_cpu) / len(outcomes),
        }
        finished = []
        for name, outcome in outcomes:
            record = self._record(runs[name], outcome, evaluator, shared, len(configs), resumed[name])
            record = dataclasses.replace(record, peak_memory_mib=peak.mebibytes())
            if self.folder is not None:
                record.write(record_path(self.folder, record.config, record.problem, record.key))
                Checkpoints(self.folder / "checkpoints" / record.key, record.key).remove()
            finished.append((runs[name].config, record))
        return finished

    def _prepare(self, config: RunConfig) -> _Prepared:
        started, started_cpu = time.monotonic(), time.process_time()
        data = self.problem.data
        corrected = self.corrected(config)
        targets = corrected.probabilities.astype(np.float32)  # labels that are drawn anew are drawn by the step
        if config.targets == "sampled":
            targets = corrected.sampled(data.train.ids, config.seed)
        stage = Stage(
            data,
            corrected,
            noise_rate=lambda setting: noise_rate.resolved(setting, data, corrected),
            first_network=lambda: self._prior_networks.first_network(config, targets),
        )
        constants, details = config.algorithm.prepare(stage)
        return _Prepared(
            config=config,
            key=config.key(self.problem),
            corrected=corrected,
            targets=targets,
            constants=constants,
            details=dict(details),
            wall=time.monotonic() - started,
            cpu=time.process_time() - started_cpu,
        )

    def _evaluation(
        self, prepared: Sequence[_Prepared], missing: Sequence[int], evaluator: Evaluator, every: int, vmapped: bool
    ) -> Callable[[int, LearnerState], tuple[LearnerState, Any]]:
        keeps_best = has_classifier(prepared[0].config.algorithm)
        beliefs = self._beliefs([each.corrected.valid for each in prepared], vmapped=vmapped)

        def evaluate(step: int, state: LearnerState) -> tuple[LearnerState, Any]:
            params, statistics = state.networks.params[0], state.networks.statistics[0]
            valid = evaluator.measure(params, statistics, self._valid, beliefs, vmapped=vmapped)
            test = self._of_test(evaluator, params, statistics, vmapped=vmapped)
            losses = np.atleast_1d(np.asarray(state.loss, np.float64)) / every
            epoch = step // every
            points = [
                Epoch(epoch=epoch, train_loss=float(loss), **_of_valid(each.corrected, of_valid), **of_test)
                for each, loss, of_valid, of_test in zip(prepared, losses, np.atleast_2d(valid), test, strict=True)
            ]
            for config, point in zip((each.config for each in prepared), points, strict=True):
                if config.seed in missing:
                    self._on_epoch(config, epoch, config.schedule.epochs, point)
            if keeps_best:
                state = keep_best(state, valid[..., 0 if beliefs is None else 2], epoch)
            entries = [point.to_json() for point in points]
            return state._replace(loss=jnp.zeros_like(state.loss)), entries if vmapped else entries[0]

        return evaluate

    def _beliefs(self, of_runs: Sequence[np.ndarray | None], *, vmapped: bool) -> jax.Array | None:
        """Returns what correctors say of validation, of vmapped runs stacked; where one says nothing its labels."""
        if all(each is None for each in of_runs):
            return None
        data = self.problem.data
        noisy = one_hot(data.valid.noisy_label, data.num_classes)
        stacked = [chunks_of_beliefs(noisy if each is None else each, self._valid) for each in of_runs]
        return jnp.asarray(np.stack(stacked) if vmapped else stacked[0])

    def _of_test(self, evaluator: Evaluator, params: Any, statistics: Any, *, vmapped: bool) -> list[dict[str, float]]:
        """Returns what the curve says of test, of each of the runs; binary tasks are ranked, too."""
        if self.problem.data.num_classes > 2:
            measured = evaluator.measure(params, statistics, self._test, vmapped=vmapped)
            return [{"test_accuracy": float(row[0])} for row in np.atleast_2d(measured)]
        of_runs = [(params, statistics)]
        if vmapped:
            count = len(jax.tree.leaves(params)[0])
            of_runs = [jax.tree.map(lambda leaf, i=i: leaf[i], (params, statistics)) for i in range(count)]
        found = []
        for of_run in of_runs:
            log_p = evaluator.log_probabilities(of_run[0], of_run[1], self.problem.answers.test_images)
            found.append(ranking.of_binary_task(log_p, self.problem.answers.test_labels))
        return found

    def _record(
        self,
        prepared: _Prepared,
        outcome: loop.Result | loop.Diverged,
        evaluator: Evaluator,
        shared: dict[str, float],
        together: int,
        resumed: int,
    ) -> Record:
        config, corrected, problem = prepared.config, prepared.corrected, self.problem
        truth = problem.answers.train_labels
        details: dict[str, Any] = {
            "corrector": {
                **corrected.details,
                "expected_error": corrected.expected_error,
                "error_basis": corrected.error_basis,
            },
            "algorithm": prepared.details,
            "runs_in_one_loop": together,
        }
        curve: tuple[Epoch, ...] = ()
        selections: dict[str, Epoch] = {}
        status = DIVERGED
        if isinstance(outcome, loop.Diverged):
            details["diverged"] = str(outcome)
        else:
            curve = tuple(Epoch(**entry) for _, entry in outcome.curve)
            trusted = config.algorithm.trusted(outcome.state.memory)
            if trusted is not None:
                details["trusted_by_label"] = by_class(problem.data.class_names, trusted)
            if all(point.is_finite() for point in curve):
                status, selections = DONE, select(curve)
                if has_classifier(config.algorithm):
                    networks, kept = outcome.state.networks, outcome.state.kept
                    features = {
                        curve[-1].epoch: partial(evaluator.features, networks.params[0], networks.statistics[0]),
                        int(kept.epoch): partial(evaluator.features, kept.params, kept.statistics),
                    }
                    selections = reclassified(
                        problem,
                        config,
                        targets=prepared.targets,
                        features=features,
                        curve=curve,
                        beliefs=corrected.valid,
                    )
            else:
                details["diverged"] = "the network's predictions are not finite"
                curve = ()
        used = corrected.clean_labels_used
        if prepared.details.get("noise_rate", {}).get("source") == "paired_subset":
            used = max(used, len(problem.data.paired))
        return Record(
            key=prepared.key,
            problem=problem.data.name,
            config=config.to_json(),
            status=status,
            curve=curve,
            selections=selections,
            label_error={
                "before": float(np.mean(problem.data.train.noisy_label != truth)),
                "after": float(np.mean(corrected.labels != truth)),
                "targets": float(1 - prepared.targets[np.arange(len(truth)), truth].mean()),
            },
            clean_labels_used=used,
            details=details,
            labels_sha256=problem.labels_sha256,
            images_sha256=problem.images_sha256,
            seconds={name: round(getattr(prepared, name) + shared[name], 2) for name in ("wall", "cpu")},
            software={
                "python": platform.python_version(),
                **{name: importlib.metadata.version(name) for name in _SOFTWARE},
                "device": jax.devices()[0].device_kind,
            },
            resumed=resumed,
        )


def _of_valid(corrected: Corrected, measured: np.ndarray) -> dict[str, float]:
    """Returns what a point of the curve says of validation; of corrected labels where the corrector has any."""
    names = ["noisy_valid_accuracy", "noisy_valid_loss"]
    if corrected.valid is not None:
        names += ["corrected_valid_accuracy", "corrected_valid_loss"]
    return {name: float(value) for name, value in zip(names, measured, strict=False)}
