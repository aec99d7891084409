"""Examples as a base dataset hands them on: some at a time, images encoded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class ExampleBatch:
    """Some examples of a split of the base dataset.

    Attributes:
      base_split: its name.
      ids: [n] ids.
      images: [n] encoded images (PNG, JPEG).
      labels: [n] clean labels.
      extra_labels: name -> [n], for each of the base's further class labels, in the base's order.
    """

    base_split: str
    ids: Sequence[str]
    images: Sequence[bytes]
    labels: Sequence[int]
    extra_labels: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)
