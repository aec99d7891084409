"""Verifying labels and built datasets: files against their hashes, datasets against their labels and figures.

for finding in verify_dataset("digits_noisy", data_dir): print(finding.verdict, finding.subject, finding.note)
for finding in verify_config(builder): ...
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.build.outdated import why_outdated
from noisy_label_datasets.build.own_configs import config_names
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.info import full_name, missing_from_base
from noisy_label_datasets.labels.checksums import CHECKSUMS, verify_shipped_files
from noisy_label_datasets.labels.sources import NOISY_SPLITS, MissingLabelsError, NoisyLabels
from noisy_label_datasets.noise import metrics
from noisy_label_datasets.noise.figures import noise_figures
from noisy_label_datasets.reading import UnreadableError, read_labels
from noisy_label_datasets.registration import builder_class, own_names

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder

OK, FAULT, ABSENT = "ok", "FAULT", "-"


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Attributes:
      verdict: OK, FAULT or ABSENT.
      subject: what was verified: 'digits_noisy/low, labels'.
      note: what was found, or what is wrong.
    """

    verdict: str
    subject: str
    note: str


def verify_dataset(dataset: str, data_dir: str | os.PathLike | None = None) -> Iterator[Finding]:
    """Yields what is found of a dataset: of the files shipped with it, and of every config.

    Of a config whose labels are derived from others when it is built there is nothing to verify until it is built.

    Args:
      dataset: 'digits_noisy'.
      data_dir: the folder that holds all TFDS datasets; None: TFDS's own default.
    """
    subject = f"{dataset}, shipped files"
    builder_type = builder_class(dataset)
    folder = builder_type.code_path.parent
    try:
        if dataset in own_names() or (folder / CHECKSUMS).exists():
            yield Finding(OK, subject, f"{len(verify_shipped_files(folder))} files as listed in {CHECKSUMS}")
    except (NoisyLabelsError, OSError) as error:
        yield Finding(FAULT, subject, str(error))
    for config in config_names(builder_type, data_dir):
        try:
            builder = builder_type(config=config, data_dir=data_dir)
        except (NoisyLabelsError, OSError) as error:
            yield Finding(FAULT, f"{dataset}/{config}, dataset", str(error))
            continue
        if not builder.builder_config.source.depends_on() or builder.is_prepared():
            yield from verify_config(builder)


def verify_config(builder: NoisyLabelBuilder) -> Iterator[Finding]:
    """Yields what is found of a config: of its labels, and of the dataset if it is built. Downloads nothing."""
    subject = f"{full_name(builder)}, labels"
    labels = None
    source, context = builder.builder_config.source, builder.label_context()
    try:
        if not source.is_at_hand(context):
            raise MissingLabelsError(source.absence(context))
        labels = source.load(context)
        yield Finding(OK, subject, f"{labels.origin}, {len(labels.raters)} raters, SHA-256 {labels.sha256}")
    except MissingLabelsError:
        yield Finding(ABSENT, subject, source.absence(context))
    except (NoisyLabelsError, OSError) as error:
        yield Finding(FAULT, subject, str(error))
    subject = f"{full_name(builder)} {builder.version}, dataset"
    if not builder.is_prepared():
        yield Finding(ABSENT, subject, f"not built in {builder.data_dir_root}")
        return
    outdated = None if labels is None else why_outdated(builder, labels)
    faults = [] if outdated is None else [f"built {outdated}: `noisy-labels build {full_name(builder)}` builds it anew"]
    if faults := faults + list(faults_of_built(builder, labels if outdated is None else None)):
        yield Finding(FAULT, subject, "; ".join(faults))
        return
    examples = sum(split.num_examples for split in builder.info.splits.values())
    notes = [f"{examples:,} examples and all figures", missing_from_base(builder)]
    if labels is None:
        notes.append("the labels that it was built from are not at hand")
    yield Finding(OK, subject, ", ".join(filter(None, notes)))


@dataclasses.dataclass(frozen=True)
class _Read:
    """Labels read back from a dataset, in the form of which `noise_figures` computes figures."""

    ids: dict[str, np.ndarray]
    clean_labels: dict[str, np.ndarray]
    noisy_labels: dict[str, np.ndarray]


def faults_of_built(builder: NoisyLabelBuilder, labels: NoisyLabels | None) -> Iterator[str]:
    """Yields what is wrong with a built dataset.

    Args:
      builder: of a prepared dataset.
      labels: what it was built from, or None if that is not at hand: then its own metadata is all it is compared with.
    """
    read, stated, unreadable = _Read({}, {}, {}), builder.info.metadata["noise"], False
    for split, info in builder.info.splits.items():
        try:
            built = read_labels(builder, split)
        except UnreadableError as error:
            yield str(error)
            unreadable = True
            continue
        if len(built.ids) != info.num_examples or len(set(built.ids)) != len(built.ids):
            yield f"{split} has {len(set(built.ids))} ids in {len(built.ids)} examples, and claims {info.num_examples}"
            return
        one_label = _one_noisy_label(built.noisy_labels, built.noisy_label_rater, built.labels)
        if split not in NOISY_SPLITS and (built.noisy_label_rater != -1).any():
            yield f"{split} has examples whose noisy_label is a rater's"
        if wrong := int((one_label != built.noisy_label).sum()):
            yield f"noisy_label of {wrong} examples of {split} is not that of its rater"
        if split not in stated["splits"] and not metrics.is_labelled(built.noisy_labels).any():
            continue
        order = np.argsort(np.array(built.ids))
        read.ids[split] = np.array(built.ids)[order]
        read.clean_labels[split] = built.labels[order]
        read.noisy_labels[split] = built.noisy_labels[order]
    if unreadable:
        return
    if labels is not None:
        missing = {split: sorted(set(ids.tolist()) - set(read.ids.get(split, ()))) for split, ids in labels.ids.items()}
        counted = builder.info.metadata.get("missing_from_base", {})
        # What the metadata does not count is reported with the ids that differ.
        as_counted = counted and {split: len(ids) for split, ids in missing.items()} == counted
        yield from _differences_by_id(read, labels.without(missing) if as_counted else labels)
        raters = json.loads(files.to_json([dict(rater) for rater in labels.raters]))
        for where in _differing(raters, builder.info.metadata["raters"], "raters"):
            yield f"{where} in its metadata is not what the labels come with"
    for where in _differing(noise_figures(read, builder.info.features["label"].names), stated):
        yield f"the figure {where} in its metadata is not what its examples give"


def _one_noisy_label(noisy_labels: np.ndarray, raters: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns [n]: the label of the rater that an example names, or its clean label where it names none."""
    named = (raters >= 0) & (raters < noisy_labels.shape[1])
    return np.where(named, noisy_labels[np.arange(len(labels)), np.where(named, raters, 0)], labels)


def _differences_by_id(read: _Read, labels: NoisyLabels) -> Iterator[str]:
    if set(read.ids) != set(labels.ids):
        yield f"splits with noisy labels are {sorted(read.ids)}, not {sorted(labels.ids)}"
        return
    for split, ids in labels.ids.items():
        order = np.argsort(ids)
        if not np.array_equal(read.ids[split], ids[order]):
            yield f"the ids of {split} are not those of the labels"
        elif not np.array_equal(read.clean_labels[split], labels.clean_labels[split][order]):
            yield f"clean labels of {split} differ"
        elif not np.array_equal(read.noisy_labels[split], labels.noisy_labels[split][order]):
            yield f"noisy labels of {split} differ"


def _differing(computed: Any, stated: Any, where: str = "") -> Iterator[str]:
    """Yields the paths at which two JSON values differ, floats by more than rounding."""
    if isinstance(computed, dict) and isinstance(stated, dict) and computed.keys() == stated.keys():
        for key in computed:
            yield from _differing(computed[key], stated[key], f"{where}.{key}" if where else key)
    elif isinstance(computed, list) and isinstance(stated, list) and len(computed) == len(stated):
        for i, (a, b) in enumerate(zip(computed, stated, strict=True)):
            yield from _differing(a, b, f"{where}[{i}]")
    elif isinstance(computed, float) and isinstance(stated, (int, float)):
        if not math.isclose(computed, stated, rel_tol=1e-9, abs_tol=1e-12):
            yield where
    elif computed != stated:
        yield where
