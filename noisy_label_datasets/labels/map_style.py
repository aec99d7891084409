"""Noisy labels on top of a map-style dataset in official order, such as torchvision's.

    labels = noisy_label_datasets.load_labels("cifar10_noisy/medium").select("noisy_label_train")
    train = NoisyLabelDataset(torchvision.datasets.CIFAR10("data", train=True), labels)
    train[0]["image"], train[0]["noisy_label"], train[0]["noisy_labels"]

Nothing here imports PyTorch: anything with `__len__` and `__getitem__` will do, and so will what comes of it, in
`torch.utils.data.DataLoader` for one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from noisy_label_datasets.labels.loading import NO_INDEX, Labels, LabelsError


class MapStyleDataset(Protocol):
    """What PyTorch calls a map-style dataset; its items are (image, clean label) pairs or images."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


class NoisyLabelDataset:
    """The examples of a map-style dataset that have noisy labels, with these labels.

    An item is a dictionary, which PyTorch's default collate and grain's `batch` turn into one of batches:

        image         what the dataset has there, transformed
        label         the clean label, a Python int
        noisy_label   the one label to train on
        noisy_labels  [R] int32: a label per rater; -1: this rater did not label it
        id            of the example

    Attributes:
      labels: those of the examples, in the order of the items.
    """

    def __init__(
        self,
        dataset: MapStyleDataset,
        labels: Labels,
        *,
        file: str | None = None,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        """Finds the examples in the dataset by their position in the dataset's own files, and checks the clean labels.

        Args:
          dataset: in the order of the published files, as torchvision and Keras have it; its items are (image, clean
            label) pairs, or images alone.
          labels: of examples that all lie in one of the dataset's own files (`Labels.file`); those of the file that is
            named where there are several.
          file: which of the files `dataset` is: 'train' or 'test'; None: the one that all labels are of.
          transform: of an image.

        Raises:
          LabelsError: labels of several files, or of none; a dataset too short for them, or whose clean labels are
            others: it is another dataset or in another order.
        """
        files = sorted(set(labels.file.tolist()))
        if file is None and len(files) > 1:
            raise LabelsError(f"the labels are of the files {', '.join(files)}: say which the dataset is, file=")
        if file is not None and file not in files:
            raise LabelsError(f"no labels are of the file {file!r}; there are {', '.join(files)}")
        labels = labels.rows(np.flatnonzero(labels.file == (files[0] if file is None else file)))
        if (labels.index == NO_INDEX).any():
            raise LabelsError(f"the ids of {labels.name} do not say where an example is in the dataset's own files")
        if len(labels) and int(labels.index.max()) >= len(dataset):
            raise LabelsError(
                f"the dataset has {len(dataset)} examples; {labels.name} has labels up to number {labels.index.max()}"
            )
        self.labels = labels
        self._dataset, self._transform = dataset, transform
        self._check_clean_labels()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, item: int) -> dict[str, Any]:
        """Returns an example; see the class."""
        row = range(len(self.labels))[item]  # negative ones count from the end, and those beyond it are an IndexError
        found = self._dataset[int(self.labels.index[row])]
        image = found[0] if isinstance(found, tuple | list) else found
        return {
            "image": image if self._transform is None else self._transform(image),
            "label": int(self.labels.labels[row]),
            "noisy_label": int(self.labels.noisy_label[row]),
            "noisy_labels": self.labels.noisy_labels[row],
            "id": str(self.labels.ids[row]),
        }

    def _check_clean_labels(self) -> None:
        """Raises LabelsError where the dataset has other clean labels, which `targets` holds or else its items do."""
        targets: Sequence[int] | None = getattr(self._dataset, "targets", None)
        if targets is not None:
            self._compare(np.asarray(targets)[self.labels.index], self.labels)
        else:
            # Items are decoded to look at their labels; a few hundred show an order that is not the official one.
            looked_at = np.unique(np.linspace(0, len(self.labels) - 1, num=min(200, len(self.labels)), dtype=int))
            items = [self._dataset[int(self.labels.index[row])] for row in looked_at]
            if not all(isinstance(item, tuple | list) for item in items):
                return  # images alone
            labels = self.labels.rows(looked_at)
            self._compare(np.asarray([int(item[1]) for item in items]), labels)

    def _compare(self, given: np.ndarray, labels: Labels) -> None:
        differing = np.flatnonzero(given != labels.labels)
        if len(differing):
            row = differing[0]
            raise LabelsError(
                f"the dataset is another one than {labels.name} is about, or in another order: {len(differing)} of"
                f" {len(labels)} clean labels differ, first number {labels.index[row]} ({labels.ids[row]}), which is"
                f" {labels.class_names[labels.labels[row]]!r} there and {int(given[row])} in the dataset"
            )
