"""A pool spread over many workers: an Apache Beam pipeline whose elements are raters.

    train_pool_on_workers("clean/cifar10_noisy", get_pool("cifar10/high"), "predictions/cifar10_noisy/high",
               options=["--runner=FnApiRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2"])

Two folders have to be the same on every worker: the clean arrays, from which each worker reads (memory-mapped), and the
artifact, to which each writes the raters that it has trained, and their checkpoints before. So an attempt at a rater
costs no more than the time it took:

*   A rater that is stored is not trained again, whoever is given it.
*   A worker that dies costs its rater the steps since the last checkpoint. The runner gives the rater to another
    worker, or, if the runner has given up, the same command does when it is given again.
*   Runners may try one rater twice at the same time. The second attempt waits for the first
    (`noisy_label_datasets.lease`), and finds the rater stored, or resumes from the checkpoint of an attempt that shows
    no sign of life.

At the end one worker finishes the artifact as `rater_training.training.pool.train_pool` does.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import logging
import os
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.beam_logs import keep_quiet, quiet_workers
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.predictions import MANIFEST
from noisy_label_datasets.lease import Lease
from noisy_label_datasets.output import errors_held_back, log_again
from rater_training.config import PoolConfig, RaterConfig
from rater_training.engine.checkpoints import Checkpoints
from rater_training.engine.loop import Diverged
from rater_training.training import one_rater
from rater_training.training.pool_folder import PoolFolder, check_pool, open_writer
from rater_training.training.progress import ProgressLines

INSTALL = "pip install 'apache-beam>=2.65'"
# Beam's own default runner starts by downloading another one.
LOCAL_OPTIONS = ("--runner=FnApiRunner", "--direct_running_mode=multi_processing")


class PipelineError(NoisyLabelsError):
    """Apache Beam is not installed, or does not take the options."""


@dataclasses.dataclass(frozen=True)
class Work:
    """What every worker has to know.

    Attributes:
      arrays: folder of the clean arrays, the same on every worker.
      pool: which raters.
      out: folder of the artifact, the same on every worker.
      note: a note for the provenance.
      save_weights: store the trained networks too.
      checkpoint_seconds: how long after a checkpoint the next one is due.
      patience: seconds without a sign of life after which a worker's rater is taken over.
    """

    arrays: str
    pool: PoolConfig
    out: str
    note: str = ""
    save_weights: bool = False
    checkpoint_seconds: float = 60.0
    patience: float = 60.0


def train_pool_on_workers(work: Work, *, only: tuple[str, ...] = (), options: Sequence[str] = ()) -> bool:
    """Trains what is missing of a pool on the workers of a Beam runner, and finishes the artifact.

    Args:
      work: what to train.
      only: ids of the raters to train in this run; all where empty.
      options: Beam's, as on its command line; without a runner among them, worker processes on this machine.

    Returns:
      Whether the artifact is finished.

    Raises:
      PipelineError: Beam is not installed, does not take an option, or the pipeline failed.
      PoolError, PredictionsError, ConfigError: as `rater_training.training.pool.train_pool`.
    """
    beam = import_beam()
    prepared = pipeline_options(options, workers=len(only or work.pool.raters))
    dataset = load_arrays(work.arrays)
    check_pool(dataset, work.pool)
    raters = list(work.pool.select(only) if only else work.pool.raters)
    open_writer(dataset, work.pool.level, work.out)  # writes the examples once, and not once per worker
    run(
        prepared,
        lambda pipeline: (
            pipeline
            | "Raters" >> beam.Create(raters, reshuffle=False)
            # One bundle per rater: raters that share one are trained one after the other, by one worker.
            | "One per bundle" >> beam.Reshuffle()
            | "Train" >> beam.Map(functools.partial(train_element, work=work))
            | "All" >> beam.combiners.ToList()
            | "Finish" >> beam.Map(functools.partial(finish, work=work))
        ),
    )
    return (pathlib.Path(work.out) / MANIFEST).exists()


def train_element(rater: RaterConfig, work: Work) -> tuple[str, str | None]:
    """Trains and stores a rater, unless it is stored; returns its id and why it failed, if it did.

    Raises:
      LeaseLost: another worker has taken over the rater, having seen no sign of life of this one.
    """
    keep_quiet()
    silence_orbax()
    dataset = load_arrays(work.arrays)
    folder = _open_folder(work)
    if folder.has_rater(rater):
        print(f"{rater.id}  stored already", flush=True)
        return rater.id, None
    with Lease(folder.checkpoints / f"{rater.id}.lease", heartbeat=work.patience / 6, patience=work.patience) as lease:
        lines = _Watch(work.pool, lease)
        lines.started(rater, work.pool.raters.index(rater))
        if folder.has_rater(rater):  # by whoever had the lease before
            lines.finished(rater, "stored by another worker", trained=False)
            return rater.id, None
        attempts = _attempts(folder.checkpoints / f"{rater.id}.attempts", lease.worker)
        checkpoints = Checkpoints(
            folder.checkpoints / rater.id,
            rater.fingerprint(fingerprint_of(work.arrays)),
            every_seconds=work.checkpoint_seconds,
        )
        try:
            result = one_rater.train_rater(
                dataset,
                rater,
                on_progress=lambda step, loss: lines.progressed(rater, step, loss),
                checkpoints=checkpoints,
            )
        except Diverged as error:
            lines.finished(rater, f"FAILED: {error}", trained=True)
            return rater.id, str(error)
        log = {**result.features["training_log"], "attempts": attempts}
        result = dataclasses.replace(result, features={**result.features, "training_log": log})
        lease.check()  # by now the rater may be stored by another, and the artifact finished
        folder.write_rater(rater, result)
        checkpoints.remove()
        lines.finished(rater, f"stored, attempt {len(attempts)}", trained=True)
    return rater.id, None


def finish(outcomes: Iterable[tuple[str, str | None]], work: Work) -> bool:
    """Writes the manifest, if no rater is missing; returns whether that is so."""
    failures = {rater_id: reason for rater_id, reason in outcomes if reason is not None}
    return _open_folder(work).finish(failures, note=work.note)


def import_beam() -> Any:
    """Returns the module apache_beam.

    Raises:
      PipelineError: it is not installed.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # of what it finds not installed and does without
    try:
        import apache_beam
    except ImportError as error:
        raise PipelineError(
            f"a pipeline needs Apache Beam, which is not installed here ({error}): {INSTALL}"
        ) from error
    finally:
        logging.disable(before)
    return apache_beam


def pipeline_options(options: Sequence[str], *, workers: int) -> Any:
    """Returns Beam's options; without a runner among them, at most so many worker processes on this machine.

    Raises:
      SystemExit: an option has a value that Beam does not take; Beam has printed which. (It warns of options that it
        does not know: a runner may.)
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    if not any(option.partition("=")[0] == "--runner" for option in options):
        options = [*LOCAL_OPTIONS, f"--direct_num_workers={min(workers, os.cpu_count() or 1)}", *options]
    return PipelineOptions(list(options))


def run(options: Any, build: Callable[[Any], Any]) -> None:
    """Runs a pipeline to its end.

    Args:
      options: of `pipeline_options`.
      build: adds the steps to a new pipeline.

    Raises:
      PipelineError: it failed.
    """
    import apache_beam as beam

    with errors_held_back() as held, quiet_workers():
        try:
            with beam.Pipeline(options=options) as pipeline:
                build(pipeline)
            return
        except Exception as caught:  # every runner has kinds of its own
            error = caught
    lines = str(error).strip().splitlines() or [type(error).__name__]
    reason = lines[-1].removeprefix("RuntimeError: ")  # which Beam makes of what it cannot make anew in this process
    if not _is_plain(reason):
        log_again(held)
        if len(lines) > 1:
            logging.getLogger(__name__).error("%s", error)
    raise PipelineError(
        f"the pipeline failed: {reason}; what is finished is stored, and the same command resumes"
    ) from error


def _is_plain(reason: str) -> bool:
    """Returns whether an error is one of those that need no traceback: of the disk, or of what a user gave."""
    kinds: list[type] = [OSError, NoisyLabelsError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return reason.partition(":")[0].rpartition(".")[2] in {kind.__name__ for kind in kinds}


def silence_orbax() -> None:
    """Keeps the log of a worker, which also shows what is no warning, free of thirty lines per checkpoint."""
    logging.getLogger("absl").setLevel(logging.WARNING)


@functools.cache
def load_arrays(folder: str) -> CleanDataset:
    """Returns a clean dataset, read once per process."""
    return CleanDataset.load(folder)


@functools.cache
def fingerprint_of(folder: str) -> str:
    """Returns the fingerprint of a clean dataset, computed once per process."""
    return load_arrays(folder).fingerprint()


def _open_folder(work: Work) -> PoolFolder:
    return PoolFolder(
        load_arrays(work.arrays),
        work.pool,
        work.out,
        data_fingerprint=fingerprint_of(work.arrays),
        save_weights=work.save_weights,
    )


def _attempts(path: pathlib.Path, worker: str) -> list[str]:
    """Records that a worker begins or resumes a rater; returns all that did, in order."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with open(path, "a") as file:
        file.write(f"{worker} {now}\n")
    return path.read_text().splitlines()


class _Watch(ProgressLines):
    """Prints progress in the worker's log; stops the training when another worker has taken over."""

    def __init__(self, config: PoolConfig, lease: Lease) -> None:
        super().__init__(config)
        self._lease = lease

    def progressed(self, rater: RaterConfig, step: int, loss: float) -> None:
        self._lease.check()
        super().progressed(rater, step, loss)
