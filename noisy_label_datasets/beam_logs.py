"""What Apache Beam logs of an error, which the command that runs the pipeline reports in one line itself.

    with quiet_workers(): ...       # where a pipeline is run
    keep_quiet()                    # first thing in what a worker does

Worker processes of Beam's local runner share the command's standard error, and pipeline options do not reach them; the
environment does. Workers on other machines log as they do.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

_QUIET = "NOISY_LABELS_QUIET_WORKERS"
_WORKER = "apache_beam.runners.worker.sdk_worker_main"


@contextlib.contextmanager
def quiet_workers() -> Iterator[None]:
    """Has worker processes that are started on this machine meanwhile log no error that reaches this process anyway."""
    before = os.environ.get(_QUIET)
    os.environ[_QUIET] = "1"
    try:
        yield
    finally:
        del os.environ[_QUIET]
        if before is not None:
            os.environ[_QUIET] = before


def keep_quiet() -> None:
    """In a worker process that `quiet_workers` has started: logs what Beam has to say no more, of others warnings."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if _QUIET in os.environ and spec is not None and spec.name == _WORKER:
        logging.getLogger().setLevel(logging.WARNING)
        for name in ("apache_beam", "__main__"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        # It prints the traceback of each error besides, for want of a log: the name hides Python's own in its module.
        if (printing := sys.modules.get("apache_beam.runners.worker.sdk_worker")) is not None:
            printing.print = lambda *args, **kwargs: None  # type: ignore[attr-defined]
