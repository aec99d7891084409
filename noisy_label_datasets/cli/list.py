"""List datasets and their configs: where labels are from, what is built; and the rater pools.

Labels are "trained" (by `noisy-labels train`, on this machine), "shipped" with the package, "published" by the paper's
authors, or missing; other configs are made of what raters said. The base dataset is where the images are from; one that
is not prepared is downloaded by TFDS when it is needed.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from noisy_label_datasets.cli.tables import NOTHING, print_table
from noisy_label_datasets.cli.targets import add_data_dir, find_builder, full_name
from noisy_label_datasets.cli.training_process import INSTALL, list_pools, training_is_installed
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.registration import builder_class, dataset_names

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `list` takes."""
    add_data_dir(parser)


def run(args: argparse.Namespace) -> None:
    """Prints the tables."""
    print_table(
        ("dataset", "labels", "raters", "error rate", "base dataset", "built"),
        [_row(find_builder(target, data_dir=args.data_dir)) for target in _targets(of_raters=True)],
    )
    print()
    made = [target.split("/") for target in _targets(of_raters=False)]
    print_table(
        ("dataset", "configs made of its raters' labels"),
        [(dataset, " ".join(of)) for dataset in dataset_names() if (of := [c for d, c in made if d == dataset])],
    )
    print()
    if not training_is_installed():
        print(f"Rater pools are listed where the training extra is installed: {INSTALL}")
        return
    print_table(
        ("rater pool", "labels", "raters", "steps", "examples seen", "FLOPs"),
        [
            (
                pool["name"],
                f"{pool['dataset']}/{pool['level']}",
                str(pool["raters"]),
                "–".join(str(steps) for steps in sorted({min(pool["steps"]), max(pool["steps"])})),
                f"{pool['examples_seen']:,}",
                f"{pool['training_flops']:.1e}",
            )
            for pool in list_pools(cost=True)
        ],
    )


def _targets(*, of_raters: bool) -> list[str]:
    """Returns 'digits_noisy/low', ...: what raters themselves said, or the rest."""
    from noisy_label_datasets.labels.published import Published
    from noisy_label_datasets.labels.sources import Raters

    return [
        f"{dataset}/{config}"
        for dataset in dataset_names()
        for config, declared in builder_class(dataset).builder_configs.items()
        if isinstance(declared.source, (Raters, Published)) == of_raters
    ]


def _row(builder: "NoisyLabelBuilder") -> Sequence[str]:
    built = builder.info.file_format.value if builder.is_prepared() else NOTHING
    return full_name(builder), *_labels(builder), _base(builder), built


def _labels(builder: "NoisyLabelBuilder") -> tuple[str, str, str]:
    """Returns origin, number of raters and rater error rate of a config's labels."""
    from noisy_label_datasets.labels import sources
    from noisy_label_datasets.labels.published import Published
    from noisy_label_datasets.noise import metrics

    source = builder.builder_config.source
    if isinstance(source, Published):  # matching them with the base takes longer than a list may
        return "published" if source.at_hand(builder.label_context()) else "published, not fetched", NOTHING, NOTHING
    try:
        labels = source.load(builder.label_context())
    except sources.MissingLabelsError:
        return "not trained yet", NOTHING, NOTHING
    except NoisyLabelsError:
        return "damaged, see `noisy-labels verify`", NOTHING, NOTHING
    measured = sources.NOISY_SPLITS[0]
    error_rate = metrics.rater_error_rate(labels.noisy_labels[measured], labels.clean_labels[measured])
    return labels.origin, str(len(labels.raters)), f"{error_rate:.3f}"


def _base(builder: "NoisyLabelBuilder") -> str:
    import tensorflow_datasets as tfds

    from noisy_label_datasets.base.bases import RelabelledBase, TfdsBase

    base = builder.BASE.base if isinstance(builder.BASE, RelabelledBase) else builder.BASE
    if not isinstance(base, TfdsBase):
        return f"{base.name}, in the package"
    for data_dir in (builder.data_dir_root, None):  # None: wherever TFDS looks by itself
        try:
            found = tfds.builder(f"{base.name}:{base.version}", data_dir=data_dir)
        except (tfds.core.DatasetNotFoundError, AssertionError):  # the second: TFDS has another version
            continue
        if found.is_prepared():
            return f"{base.name}, prepared"
    return f"{base.name}, not prepared"
