"""Built datasets: the builders of a target, and the labels of a test split."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from noisy_label_datasets.cli.targets import check_dataset, config_names, find_builder
from noisy_label_datasets.info import NotBuiltError, full_name

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from noisy_label_datasets.build.builder import NoisyLabelBuilder


@dataclasses.dataclass(frozen=True)
class PoolLabels:
    """The labels of a test split, of a built config or of a folder of rater predictions.

    Attributes:
      name: 'cifar10_noisy/low'.
      ids: [n] <U.
      labels: [n] clean labels.
      noisy_labels: [n, R].
      probabilities: returns the calibrated class probabilities of the raters, [n, R, K]; None where the labels were
        not predicted by raters.
    """

    name: str
    ids: np.ndarray
    labels: np.ndarray
    noisy_labels: np.ndarray
    probabilities: Callable[[], np.ndarray] | None


def built(target: str, data_dir: str | None) -> list[NoisyLabelBuilder]:
    """Returns the builder of 'digits_noisy/medium', or those of all configs of 'digits_noisy' that are built.

    Raises:
      UnknownNameError: no such dataset or config.
      NotBuiltError: it is not built, or none of them is.
    """
    dataset, _, config = target.partition("/")
    check_dataset(dataset, data_dir)
    configs = [config] if config else config_names(dataset, data_dir)
    builders = [find_builder(f"{dataset}/{each}", data_dir=data_dir) for each in configs]
    prepared = [builder for builder in builders if builder.is_prepared()]
    if not prepared:
        example = full_name(builders[0])
        raise NotBuiltError(
            f"{target} is not built in {builders[0].data_dir_root}: `noisy-labels build {example}` builds {example}"
        )
    return prepared


def labels_of_test(builder: NoisyLabelBuilder) -> PoolLabels:
    """Returns the test labels of a built dataset."""
    import numpy as np

    from noisy_label_datasets.labels.calibration import calibrated
    from noisy_label_datasets.reading import read_labels

    test = read_labels(builder, "test")
    predictions = builder.builder_config.source.predictions(builder.label_context())

    def probabilities() -> np.ndarray:
        assert predictions is not None  # PoolLabels has this function only where there are predictions
        row = {id_: i for i, id_ in enumerate(predictions.ids["test"].tolist())}
        return calibrated(predictions, "test").dense()[[row[id_] for id_ in test.ids]]

    return PoolLabels(
        name=full_name(builder),
        ids=np.array(test.ids),
        labels=test.labels,
        noisy_labels=test.noisy_labels,
        probabilities=None if predictions is None else probabilities,
    )
