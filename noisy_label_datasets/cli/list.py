"""List datasets and their configs: where labels are from, what is built; and the rater pools.

Labels are "trained" (by `noisy-labels train`, on this machine), "labelled" on it by shipped raters, "shipped" with the
package, "at hand" (a copy of those that the paper's authors published), "annotated" (of a table that was given to
`noisy-labels build --annotations`), or missing; those of the other configs are derived from them. The base dataset is
where the images are from; one that is not prepared is downloaded by TFDS when it is needed. A dataset that is built but
outdated was built from other labels than those that the line names; `build` builds it anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from noisy_label_datasets.cli.tables import NOTHING, print_table
from noisy_label_datasets.cli.targets import add_data_dir, config_names, datasets_here, find_builder
from noisy_label_datasets.cli.training_process import INSTALL, list_pools, training_is_installed
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.info import full_name
from noisy_label_datasets.registration import builder_class, dataset_names

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `list` takes."""
    add_data_dir(parser)
    parser.add_argument(
        "--cost", action="store_true", help="also what training each rater pool costs, which takes a while to count"
    )


def run(args: argparse.Namespace) -> None:
    """Prints the tables."""
    print_table(
        ("dataset", "labels", "raters", "error rate", "base dataset", "built"),
        [_row(target, args.data_dir) for target in _targets(args.data_dir, derived=False)],
    )
    if others := [name for name in datasets_here() if name not in dataset_names()]:
        modules = ",".join(f"{name}.{name}_dataset_builder" for name in others)
        print(f"\nIn this folder lies also {', '.join(others)}: `noisy-labels --imports {modules} list`")
    print()
    names: dict[str, list[str]] = {dataset: [] for dataset in dataset_names()}
    for target in _targets(args.data_dir, derived=True):
        dataset, _, config = target.partition("/")
        builder = _opened(target, args.data_dir)
        names[dataset].append(config + (" (damaged)" if builder is None else _mark(builder)))
    print_table(
        ("dataset", "configs derived from its raters' labels"),
        [(dataset, " ".join(configs)) for dataset, configs in names.items() if configs],
    )
    print()
    if not training_is_installed():
        print(f"Rater pools are listed where the training extra is installed: {INSTALL}")
        return
    print_table(
        ("rater pool", "labels", "raters", "steps", "examples seen", *(["FLOPs"] if args.cost else [])),
        [
            (
                pool["name"],
                f"{pool['dataset']}/{pool['level']}",
                str(pool["raters"]),
                "–".join(str(steps) for steps in sorted({min(pool["steps"]), max(pool["steps"])})),
                f"{pool['examples_seen']:,}",
                *([f"{pool['training_flops']:.1e}"] if args.cost else []),
            )
            for pool in list_pools(cost=args.cost)
        ],
    )


def _targets(data_dir: str | None, *, derived: bool) -> list[str]:
    """Returns 'digits_noisy/low', ...: configs whose labels are derived from other ones, or the rest."""
    targets = []
    for dataset in dataset_names():
        declared = builder_class(dataset).builder_configs
        for config in config_names(dataset, data_dir):
            # What is stored under a name of the user's is not derived from anything.
            made_of = declared[config].source.depends_on() if config in declared else ()
            if bool(made_of) == derived:
                targets.append(f"{dataset}/{config}")
    return targets


def _opened(target: str, data_dir: str | None) -> NoisyLabelBuilder | None:
    """Returns the builder of a config; None: what is built of it is damaged."""
    from noisy_label_datasets.build.builder import BuildError

    try:
        return find_builder(target, data_dir=data_dir)
    except BuildError:
        return None


def _row(target: str, data_dir: str | None) -> Sequence[str]:
    builder = _opened(target, data_dir)
    if builder is None:
        return target, NOTHING, NOTHING, NOTHING, NOTHING, "damaged, see `noisy-labels verify`"
    built = builder.info.file_format.value + _mark(builder) if builder.is_prepared() else NOTHING
    base = f"{builder.BASE.name}, {builder.BASE.availability(builder.data_dir_root)}"
    return full_name(builder), *_labels(builder), base, built


def _mark(builder: NoisyLabelBuilder) -> str:
    from noisy_label_datasets.build.outdated import why_outdated

    return "" if why_outdated(builder) is None else " (outdated)"


def _labels(builder: NoisyLabelBuilder) -> tuple[str, str, str]:
    """Returns origin, number of raters and rater error rate of a config's labels."""
    from noisy_label_datasets.labels.sources import NOISY_SPLITS, MissingLabelsError
    from noisy_label_datasets.noise import metrics

    source, context = builder.builder_config.source, builder.label_context()
    if not source.is_at_hand(context):
        return source.absence(context), NOTHING, NOTHING
    if source.reads_base():  # which takes longer than a list may
        return "at hand", NOTHING, NOTHING
    try:
        labels = source.load(context)
    except MissingLabelsError:
        return source.absence(context), NOTHING, NOTHING
    except NoisyLabelsError:
        return "damaged, see `noisy-labels verify`", NOTHING, NOTHING
    measured = NOISY_SPLITS[0]
    error_rate = metrics.rater_error_rate(labels.noisy_labels[measured], labels.clean_labels[measured])
    return labels.origin, str(len(labels.raters)), f"{error_rate:.3f}"
