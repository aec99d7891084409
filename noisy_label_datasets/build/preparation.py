"""Building a dataset where it is not built yet, or was built from other labels or in another file format.

builder = prepare(builder, "array_record", report=print)
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow_datasets as tfds

from noisy_label_datasets.build.outdated import why_outdated
from noisy_label_datasets.folders import set_aside
from noisy_label_datasets.labels.sources import NoisyLabels
from noisy_label_datasets.lease import taking_turns

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder


def prepare(
    builder: NoisyLabelBuilder,
    file_format: str | None = None,
    *,
    beam: bool | None = None,
    beam_options: str | None = None,
    report: Callable[[str], None] = lambda message: None,
) -> NoisyLabelBuilder:
    """Builds a dataset if it is not built yet, or not like this; returns its builder.

    Args:
      builder: of the dataset.
      file_format: 'tfrecord', 'array_record'; None: TFDS's default.
      beam: see `NoisyLabelBuilder`.
      beam_options: Beam's pipeline options: 'runner=FlinkRunner,flink_master=localhost:8081'.
      report: is told what is done, and why.

    Raises:
      NoisyLabelsError: labels or base dataset are missing, damaged or do not fit each other.
      OSError: the folder cannot be written or the disk is full.
    """
    labels = builder.builder_config.source.load(builder.label_context())
    if _is_as_wanted(builder, labels, file_format):
        report(f"Built already: {builder.data_dir}")
        return builder
    root, config = builder.data_dir_root, builder.builder_config
    with taking_turns(builder.data_path):
        builder = type(builder)(config=config, data_dir=root)  # by now another process may have built it
        if builder.is_prepared():
            built_format = builder.info.file_format.value
            file_format = file_format or built_format
            if _is_as_wanted(builder, labels, file_format):
                report(f"Built by another process meanwhile: {builder.data_dir}")
                return builder
            if (why := why_outdated(builder, labels)) is not None:
                report(f"It was built {why}: it is built anew")
            else:
                report(f"It was built as {built_format}: it is built anew as {file_format}")
            set_aside(pathlib.Path(builder.data_path))
        builder = type(builder)(config=config, data_dir=root, file_format=file_format, beam=beam)
        builder.download_and_prepare(download_config=_download_config(beam_options))
    return builder


def _is_as_wanted(builder: NoisyLabelBuilder, labels: NoisyLabels, file_format: str | None) -> bool:
    """Returns whether a dataset is built, from these labels and in this file format (None: whichever)."""
    return (
        builder.is_prepared()
        and why_outdated(builder, labels) is None
        and file_format in (None, builder.info.file_format.value)
    )


def _download_config(beam_options: str | None) -> tfds.download.DownloadConfig:
    """Returns TFDS's configuration of a build with these pipeline options of Beam."""
    download_config = tfds.download.DownloadConfig()
    if beam_options:
        from apache_beam.options.pipeline_options import PipelineOptions

        download_config.beam_options = PipelineOptions([f"--{option}" for option in beam_options.split(",")])
    return download_config
