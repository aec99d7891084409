"""Building with Apache Beam: the pipeline of `beam_join`, run by Beam's local runner or one that the user names."""

from __future__ import annotations

import dataclasses
import pydoc
import re
import traceback
from collections.abc import Callable
from typing import Any

import psutil
from absl import logging
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from noisy_label_datasets.beam_logs import quiet_workers
from noisy_label_datasets.build.beam_join import BeamJoin
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.output import errors_held_back, log_again

LOCAL_MEMORY = 7  # bytes that Beam's local runner needs for each byte of the base: cifar10_noisy, one worker


class BeamBuildError(NoisyLabelsError):
    """A pipeline that failed, for a reason that is no error of this package."""


def local_runner_fits(num_bytes: int, dataset: str) -> bool:
    """Returns whether Beam's local runner, which keeps everything in memory, can build of so large a base; logs if not.

    Args:
      num_bytes: of the base.
      dataset: whose base it is.
    """
    needed, free = LOCAL_MEMORY * num_bytes, psutil.virtual_memory().available
    if needed > free:
        logging.warning(
            "%s is built by one process: Beam's local runner would need about %.0f GB of memory, of which %.0f GB are "
            "free. To build with Beam, name a runner (docs/using-the-datasets.md)",
            *(dataset, needed / 1e9, free / 1e9),
        )
    return needed <= free


def with_local_runner(runner: Any, options: PipelineOptions | None) -> tuple[Any, PipelineOptions]:
    """Returns runner and options of a pipeline: the given ones, and where these name no runner the local `FnApiRunner`.

    Beam's own default would try to download a runner first.
    """
    options = options or PipelineOptions([])  # without the list Beam reads the command line
    if runner is None and options.view_as(StandardOptions).runner is None:
        runner = FnApiRunner()
    return runner, options


_RAISED = r"^([A-Za-z_][\w.]*(?:Error|Exception)): "  # as a traceback ends
_OF_WORKER = re.compile(_RAISED + rf"((?:(?!{_RAISED}).)*?) \[while running '", re.MULTILINE | re.DOTALL)


def original_error(error: Exception) -> Exception:
    """Returns the error that a worker raised.

    Out of Beam comes the worker's traceback as text, or, of a worker in the same process, the error with a remark.
    An error of this package comes back as itself, one of the disk as OSError, any other as BeamBuildError.
    """
    found = _OF_WORKER.findall("".join(traceback.format_exception_only(error)))
    if not found:
        if isinstance(error, (NoisyLabelsError, OSError)):
            return error
        return BeamBuildError(f"building with Beam failed: {type(error).__name__}: {error}")
    name, message = found[-1][:2]
    if wrapped := re.match(_RAISED, message):  # Beam makes a RuntimeError of what it cannot make anew
        name, message = wrapped[1], message[wrapped.end() :]
    kind = pydoc.locate(name)
    if isinstance(kind, type) and issubclass(kind, NoisyLabelsError):
        return kind(message)
    if isinstance(kind, type) and issubclass(kind, OSError):
        return OSError(message)
    return BeamBuildError(f"building with Beam failed: {name}: {message}")


def run_pipeline(builder: Any, join: BeamJoin, generate_splits: Callable[[Any], Any], download_config: Any) -> Any:
    """Has TFDS run the pipeline of a join, and raises the error of a worker as if it were raised here.

    Args:
      builder: a TFDS builder, whose own `_split_generators` the pipeline replaces meanwhile.
      join: of the builder's base and labels.
      generate_splits: TFDS's method of the builder, given its configuration.
      download_config: TFDS's configuration, completed here by runner and options.

    Returns:
      What TFDS's method returns.
    """
    runner, options = with_local_runner(download_config.beam_runner, download_config.beam_options)
    # Repeated ids are reported by the join, with everything else that is wrong.
    config = dataclasses.replace(download_config, beam_runner=runner, beam_options=options, ignore_duplicates=True)

    # TFDS makes a pipeline for a builder whose method takes one.
    def split_generators(dl_manager: Any, pipeline: Any) -> dict[str, Any]:
        return join.examples(pipeline)

    builder._split_generators = split_generators
    try:
        with errors_held_back() as held, quiet_workers():
            return generate_splits(config)
    except Exception as error:
        original = original_error(error)
        if not isinstance(original, BeamBuildError):
            raise original from None
        log_again(held)
        if "\n" in str(error).strip():  # with the worker's traceback
            logging.error("%s", error)
        raise original from error
    finally:
        del builder._split_generators
