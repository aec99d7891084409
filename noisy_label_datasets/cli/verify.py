"""Verify labels and built datasets: files against their hashes, datasets against their labels and figures.

Shipped labels are compared with the SHA-256 values in checksums.tsv, labels trained on this machine with those in
their manifest. Of a built dataset every example is read, compared with the labels by id, and the figures of the noise
card are computed anew and compared with those in its metadata.
"""

import argparse
import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from noisy_label_datasets.cli.targets import add_data_dir, check_dataset, find_builder, full_name, levels
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.registration import builder_class, dataset_names, own_names

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder
    from noisy_label_datasets.labels.sources import NoisyLabels


OK, FAULT, NOT_THERE = "ok", "FAULT", "-"


class VerificationError(NoisyLabelsError):
    """Something that is not what it should be."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `verify` takes."""
    parser.add_argument("target", nargs="?", metavar="DATASET[/LEVEL]", help="what to verify (default: everything)")
    add_data_dir(parser)


def run(args: argparse.Namespace) -> None:
    """Verifies, a line a thing, and ends with an error if one is not right."""
    verdicts = []
    for verdict, what, note in _verify(args.target, args.data_dir):
        print(f"{verdict:5}  {what}: {note}", flush=True)
        verdicts.append(verdict)
    if FAULT in verdicts:
        raise VerificationError(f"{verdicts.count(FAULT)} things are not what they should be (see above)")


def _verify(target: str | None, data_dir: str | None) -> Iterator[tuple[str, str, str]]:
    """Yields a verdict, on what, and a note."""
    from noisy_label_datasets.labels.checksums import CHECKSUMS, verify_shipped_files
    from noisy_label_datasets.labels.published import Published
    from noisy_label_datasets.labels.sources import Raters

    if target and "/" in target:
        yield from _verify_config(find_builder(target, data_dir=data_dir))
        return
    if target:
        check_dataset(target)
    for dataset in [target] if target else dataset_names():
        what = f"{dataset}, shipped files"
        folder = builder_class(dataset).code_path.parent
        try:
            if dataset in own_names() or (folder / CHECKSUMS).exists():
                yield OK, what, f"{len(verify_shipped_files(folder))} files as listed in {CHECKSUMS}"
        except NoisyLabelsError as error:
            yield FAULT, what, str(error)
        for level in levels(dataset):
            builder = find_builder(f"{dataset}/{level}", data_dir=data_dir)
            # What is made of raters' labels when it is built is no file that could be damaged before.
            if isinstance(builder.builder_config.source, (Raters, Published)) or builder.is_prepared():
                yield from _verify_config(builder)


def _verify_config(builder: "NoisyLabelBuilder") -> Iterator[tuple[str, str, str]]:
    from noisy_label_datasets.labels.published import Published
    from noisy_label_datasets.labels.sources import MissingLabelsError

    what = f"{full_name(builder)}, labels"
    labels = None
    source, context = builder.builder_config.source, builder.label_context()
    try:
        if isinstance(source, Published) and not source.at_hand(context):
            raise MissingLabelsError("to verify is not to download")
        labels = source.load(context)
        yield OK, what, f"{labels.origin}, {len(labels.raters)} raters, SHA-256 {labels.sha256}"
    except MissingLabelsError:
        yield NOT_THERE, what, "not fetched" if isinstance(source, Published) else "not trained yet"
    except NoisyLabelsError as error:
        yield FAULT, what, str(error)
    what = f"{full_name(builder)} {builder.version}, dataset"
    if not builder.is_prepared():
        yield NOT_THERE, what, f"not built in {builder.data_dir_root}"
        return
    if labels is not None and builder.info.metadata["labels_sha256"] != labels.sha256:
        labels = None
    if faults := list(faults_of_built(builder, labels)):
        yield FAULT, what, "; ".join(faults)
        return
    examples = sum(split.num_examples for split in builder.info.splits.values())
    other = "" if labels is not None else ", built from other labels than those that would be used now"
    yield OK, what, f"{examples:,} examples and all figures{other}"


@dataclasses.dataclass(frozen=True)
class _Read:
    """Labels read back from a dataset, in the form of which `noise_figures` computes figures."""

    ids: dict[str, np.ndarray]
    clean_labels: dict[str, np.ndarray]
    noisy_labels: dict[str, np.ndarray]


def faults_of_built(builder: "NoisyLabelBuilder", labels: "NoisyLabels | None") -> Iterator[str]:
    """Yields what is wrong with a built dataset.

    Args:
      builder: of a prepared dataset.
      labels: what it was built from, or None if that is not at hand: then its own metadata is all it is compared with.
    """
    from noisy_label_datasets.cli.reading import read_labels
    from noisy_label_datasets.labels.sources import NOISY_SPLITS
    from noisy_label_datasets.noise import metrics
    from noisy_label_datasets.noise.figures import noise_figures

    read, stated = _Read({}, {}, {}), builder.info.metadata["noise"]
    for split, info in builder.info.splits.items():
        built = read_labels(builder, split)
        if len(built.ids) != info.num_examples or len(set(built.ids)) != len(built.ids):
            yield f"{split} has {len(set(built.ids))} ids in {len(built.ids)} examples, and claims {info.num_examples}"
            return
        one_label = _one_noisy_label(built.noisy_labels, built.noisy_label_rater, built.labels)
        if split not in NOISY_SPLITS and (built.noisy_label_rater != -1).any():
            yield f"{split} has examples whose noisy_label is a rater's"
        if wrong := int((one_label != built.noisy_label).sum()):
            yield f"noisy_label of {wrong} examples of {split} is not what its rater said"
        if split not in stated["splits"] and not metrics.is_labelled(built.noisy_labels).any():
            continue
        order = np.argsort(np.array(built.ids))
        read.ids[split] = np.array(built.ids)[order]
        read.clean_labels[split] = built.labels[order]
        read.noisy_labels[split] = built.noisy_labels[order]
    if labels is not None:
        yield from _differences_by_id(read, labels)
    for where in _differing(noise_figures(read, builder.info.features["label"].names), stated):
        yield f"the figure {where} in its metadata is not what its examples give"


def _one_noisy_label(noisy_labels: np.ndarray, raters: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns [n]: the label of the rater that an example names, or its clean label where it names none."""
    named = (raters >= 0) & (raters < noisy_labels.shape[1])
    return np.where(named, noisy_labels[np.arange(len(labels)), np.where(named, raters, 0)], labels)


def _differences_by_id(read: _Read, labels: "NoisyLabels") -> Iterator[str]:
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
