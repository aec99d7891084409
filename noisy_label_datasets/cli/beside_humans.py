"""Human labels that are at hand for the images of a built dataset, and how its raters compare with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from noisy_label_datasets.cli.built import PoolLabels, labels_of_test
from noisy_label_datasets.cli.targets import config_names
from noisy_label_datasets.human import human_labels
from noisy_label_datasets.human.same_images import SameImages, compare
from noisy_label_datasets.noise import metrics
from noisy_label_datasets.noise.figures import MEASURED_SPLIT
from noisy_label_datasets.reading import read_labels

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder

CIFAR10H = "CIFAR-10H"


@dataclasses.dataclass(frozen=True)
class PeopleOfTest:
    """The test split of a CIFAR-10 dataset, and how often people gave each class to its images.

    Attributes:
      labels: of the dataset.
      counts: [n, K] of the people.
    """

    labels: PoolLabels
    counts: np.ndarray


def cifar10h_of(builder: NoisyLabelBuilder, path: str | None = None) -> PeopleOfTest | None:
    """Returns the labelled test images of a built dataset with CIFAR-10H's labels.

    Args:
      builder: of the dataset.
      path: of CIFAR-10H; None: what was fetched before.

    Returns:
      None where there are no such labels: another dataset, none at hand, a config without labels of its test split.

    Raises:
      RemoteFileError: the file is another, or cannot be read.
    """
    if builder.BASE.name != human_labels.CIFAR10H_BASE or not human_labels.at_hand(path):
        return None
    test = labels_of_test(builder)
    if not metrics.is_labelled(test.noisy_labels).any():
        return None
    return PeopleOfTest(test, human_labels.load_cifar10h(path).of(test.ids))


def people_beside(builder: NoisyLabelBuilder, test: PeopleOfTest | None = None) -> list[SameImages]:
    """Returns how the raters of a built dataset err beside people, by each kind of human labels that is at hand.

    These are the dataset's configs of labels that people gave, whose labels are here or which are built, and CIFAR-10H.

    Args:
      builder: of the dataset; of labels that people gave it is not asked.
      test: what `cifar10h_of` returns.

    Raises:
      NoisyLabelsError: human labels that are damaged.
    """
    if builder.builder_config.source.is_by_humans():
        return []
    found = [compare(name, *labels) for name, labels in _of_configs(builder)]
    if test is not None:
        counts = metrics.vote_counts(test.labels.noisy_labels, test.counts.shape[1])
        found.append(compare(CIFAR10H, test.labels.labels, counts, test.counts))
    return [each for each in found if each is not None]


def _of_configs(builder: NoisyLabelBuilder) -> Sequence[tuple[str, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Returns, by config of people, clean labels [n], counts of the raters and of the people [n, K]."""
    people = {
        name: by_id
        for name in config_names(builder.name, builder.data_dir_root)
        if (by_id := _labels_of_people(type(builder), name, builder.data_dir_root)) is not None
    }
    if not people:
        return []
    num_classes = len(builder.BASE.class_names)
    read = read_labels(builder, MEASURED_SPLIT)
    ids, of_raters = np.array(read.ids), metrics.vote_counts(read.noisy_labels, num_classes)
    pairs = []
    for name, (their_ids, noisy_labels) in people.items():
        order = np.argsort(their_ids)
        place = order[np.minimum(np.searchsorted(their_ids, ids, sorter=order), len(order) - 1)]
        here = their_ids[place] == ids
        counts = metrics.vote_counts(noisy_labels[place[here]], num_classes)
        pairs.append((name, (read.labels[here], of_raters[here], counts)))
    return pairs


def _labels_of_people(
    builder_type: type[NoisyLabelBuilder], config: str, data_dir: object
) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns ids [n] and labels [n, R] of a config of people; None: it is none, or its labels are not here."""
    declared = builder_type.builder_configs.get(config)
    if declared is not None and not declared.source.is_by_humans():
        return None
    builder = builder_type(config=config, data_dir=data_dir)
    source, context = builder.builder_config.source, builder.label_context()
    if source.is_at_hand(context) and not source.reads_base():
        labels = source.load(context)
        return np.concatenate(list(labels.ids.values())), np.concatenate(list(labels.noisy_labels.values()))
    if not builder.is_prepared():
        return None
    splits = [read_labels(builder, split) for split in builder.info.splits]
    return np.concatenate([split.ids for split in splits]), np.concatenate([split.noisy_labels for split in splits])
