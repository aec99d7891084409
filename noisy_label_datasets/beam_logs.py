"""What Apache Beam logs of an error, which the command that runs the pipeline reports in one line itself."""

from __future__ import annotations

from typing import Any


def with_quiet_workers(options: Any) -> Any:
    """Returns Beam's options, so that worker processes of this machine log warnings only, and no tracebacks.

    They share the command's standard error. What went wrong is raised where the pipeline was started. Log levels that
    are among the options stay, and workers on other machines log as they do.
    """
    from apache_beam.options.pipeline_options import DirectOptions, WorkerOptions

    of_workers = options.view_as(WorkerOptions)
    if options.view_as(DirectOptions).direct_running_mode == "multi_processing":
        if of_workers.default_sdk_harness_log_level is None:
            of_workers.default_sdk_harness_log_level = "WARNING"
        if of_workers.sdk_harness_log_level_overrides is None:
            of_workers.sdk_harness_log_level_overrides = {"apache_beam": "CRITICAL", "__main__": "CRITICAL"}
    return options
