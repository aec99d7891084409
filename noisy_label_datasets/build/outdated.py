"""Datasets that were built from other labels than those that would be used now.

why = why_outdated(builder)      # None, or a clause: "from labels with SHA-256 ..., and ..."
warn_if_outdated(builder)        # what every read of a dataset does

A version that is built stays as it is when raters are trained anew, when a newer package ships other labels, or when a
config of one's own gets another source under its name: TFDS looks at names and versions alone.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any

from noisy_label_datasets.build.own_configs import config_names
from noisy_label_datasets.info import full_name

if TYPE_CHECKING:
    from noisy_label_datasets.labels.sources import LabelSource, NoisyLabels


class OutdatedWarning(UserWarning):
    """A dataset that was built from other labels than those that would be used now."""


def source_text(source: LabelSource) -> str:
    """Returns what the metadata of a dataset calls the source of its labels: "Dial(rate=0.3, of='low', ...)"."""
    return repr(source) if dataclasses.is_dataclass(source) else type(source).__qualname__


def why_outdated(builder: Any, labels: NoisyLabels | None = None) -> str | None:
    """Returns from what a dataset was built and what would be used now, as a clause, where these differ.

    Args:
      builder: of the dataset.
      labels: those that would be used now; None: the source is asked for no more than their hash.

    Returns:
      None where it is up to date or not built, and where there is nothing to compare: labels that are not at hand.
    """
    if not builder.is_prepared():
        return None
    source, metadata = builder.builder_config.source, builder.info.metadata
    identity = labels or source.identify(builder.label_context())
    if identity is None:
        return None
    built_from, now = metadata.get("labels_sha256"), identity.sha256
    built_source, source_now = metadata.get("source"), source_text(source)
    if built_source not in (None, source_now):
        return (
            f"from {built_source} (labels with SHA-256 {built_from}), and its config is {source_now} now "
            f"(labels with SHA-256 {now})"
        )
    if built_from != now:
        return f"from labels with SHA-256 {built_from}, and those that would be used now have {now}"
    if builder.info.features["noisy_labels"].shape[0] is None:
        return "by an earlier release, in which `noisy_labels` is an empty list where nobody labelled an example"
    return None


def warn_if_outdated(builder: Any) -> None:
    """Warns, with an `OutdatedWarning`, if a dataset was built from other labels than those that would be used now."""
    if (why := why_outdated(builder)) is not None:
        warnings.warn(
            f"{full_name(builder)} {builder.version} in {builder.data_dir_root} was built {why}; {_remedy(builder)}",
            OutdatedWarning,
            stacklevel=3,
        )


def _remedy(builder: Any) -> str:
    if builder.builder_config.name in config_names(builder, builder.data_dir_root):
        return f"`noisy-labels build {full_name(builder)}` builds it anew"
    return (
        "builder.download_and_prepare(download_config=tfds.download.DownloadConfig("
        "download_mode=tfds.GenerateMode.REUSE_CACHE_IF_EXISTS)) builds it anew"
    )
