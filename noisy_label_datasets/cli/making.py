"""What `noisy-labels make --from` does: from a folder, a file or a dataset of TFDS to datasets with noisy labels."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import pathlib
import re
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from noisy_label_datasets import fitting_options, training_options
from noisy_label_datasets.base import own_data
from noisy_label_datasets.cli.build import build, print_load_line
from noisy_label_datasets.cli.card import show_card
from noisy_label_datasets.cli.tables import print_table
from noisy_label_datasets.cli.targets import default_data_dir, find_builder, import_datasets
from noisy_label_datasets.cli.training_process import fit_pools
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.predictions import PREDICTIONS_DIR
from noisy_label_datasets.registration import own_names

if TYPE_CHECKING:
    from noisy_label_datasets.base.arrays import CleanDataset
    from noisy_label_datasets.build.builder import NoisyLabelBuilder
    from noisy_label_datasets.build.builder_folder import BuilderFolder, Declared

PILOTS_DIR = "rater_pilots"
VERSION = "1.0.0"


class DatasetNameError(NoisyLabelsError):
    """A name that a dataset cannot have, or that another has."""


class UnreachedRatesError(NoisyLabelsError):
    """Error rates that the raters at hand do not have at any time of their training."""


def make_from(args: argparse.Namespace) -> None:
    """Makes datasets of the data that `args.source` names; see `cli.make`.

    Raises:
      UnreachedRatesError: a wanted rate cannot be had; datasets of the others are made.
      NoisyLabelsError: anything else that is wrong with what was asked for.
    """
    from noisy_label_datasets.build.builder_folder import BuilderFolder

    origin = own_data.origin_of(args.source)
    dataset = dataset_name(args.target, origin)
    data_dir = pathlib.Path(default_data_dir() if args.data_dir is None else args.data_dir)
    folder = BuilderFolder(pathlib.Path.cwd() / dataset, data_dir / PILOTS_DIR / dataset)
    folder.check(origin)

    print(f"\n1/4 data\n{dataset}: {origin.source}", flush=True)
    declared = _declared(folder, origin, args, data_dir)
    arrays = data_dir / "clean_arrays" / dataset / VERSION
    _write_arrays(declared, dataset, arrays, args.rates, data_dir)
    folder.claim(origin)

    print("\n2/4 raters", flush=True)
    report = _fit(folder, arrays, data_dir, args)
    if not report["pools"]:
        raise UnreachedRatesError(_advice(dataset, report["unreached"], declared, (), args))

    print("\n3/4 datasets", flush=True)
    levels = _write_folder(folder, declared, report)
    made = [level for level in levels if level not in {_level(entry["rate"]) for entry in report["unreached"]}]
    asked_for = [level for level in made if level in set(map(_level, args.rates))]
    builders = [
        build(find_builder(f"{dataset}/{level}", data_dir=args.data_dir), args.file_format) for level in asked_for
    ]

    print("\n4/4 noise cards", flush=True)
    for builder in builders:
        show_card(builder)
    _print_summary(builders)
    print(f"\nThe builder is in {folder.path}: keep it, edit it. Its commands from here:")
    print(f"    noisy-labels make {dataset}/{made[0]}")
    if builders:
        print_load_line(builders[0], args.data_dir)
    if report["unreached"]:
        raise UnreachedRatesError(_advice(dataset, report["unreached"], declared, levels, args))


def dataset_name(given: str | None, origin: own_data.Origin) -> str:
    """Returns the name of the dataset, the one given or one made of its origin.

    Raises:
      DatasetNameError: it is not of the form NAME_noisy, or one of this package's datasets has it.
    """
    name = given or f"{origin.name}_noisy"
    if not re.fullmatch(r"[a-z][a-z0-9_]*_noisy", name):
        raise DatasetNameError(
            f"{name!r} is no name for a dataset: small letters, digits and _, a letter first, and _noisy at the end: "
            f"`noisy-labels make photos_noisy --from {shlex.quote(origin.source)}`"
        )
    if name in own_names():
        raise DatasetNameError(
            f"{name} is a dataset of this package: name yours otherwise, as in `noisy-labels make my_{name} --from "
            f"{shlex.quote(origin.source)}`"
        )
    return name


def _declared(
    folder: BuilderFolder, origin: own_data.Origin, args: argparse.Namespace, data_dir: pathlib.Path
) -> Declared:
    """Returns what the builder declares: the one that is there, or one for the data."""
    from noisy_label_datasets.build.builder_folder import Declared

    wanted = args.rater_image_size
    if folder.builder.exists():
        builder = _class_in(folder)
        if wanted and wanted != (builder.RATER_IMAGE_SIZE or builder.BASE.image_shape[:2]):
            raise NoisyLabelsError(
                f"{folder.dataset} was made with another --rater-image-size; for this one name the dataset otherwise"
            )
        return Declared(builder.BASE, builder.SPLIT_PLAN, builder.RATER_IMAGE_SIZE, {})
    name = folder.dataset.removesuffix("_noisy")
    described = own_data.describe(
        origin, name, data_dir, skip_corrupt=args.corrupt == "skip", report=lambda line: print(line, flush=True)
    )
    plan, unused = own_data.plan_for(described.splits)
    if unused:
        print(f"Not used: {', '.join(unused)} (used: {', '.join(plan.fractions)})")
    size = wanted or own_data.suited_size(described.base.image_shape, pretrained=args.pretrained)
    return Declared(described.base, plan, size, {})


def _class_in(folder: BuilderFolder) -> type[NoisyLabelBuilder]:
    """Returns the builder that is there, without registering it: it may be written again in this process."""
    import tensorflow_datasets as tfds

    module = _module_of(folder.dataset)
    with tfds.core.registered.skip_registration():
        import_datasets(module)
    return sys.modules.pop(module).Builder


def _write_arrays(
    declared: Declared, dataset: str, arrays: pathlib.Path, rates: Sequence[float], data_dir: pathlib.Path
) -> None:
    """Writes the clean arrays and prints what they are; raises where there are too few images or a rate is chance."""
    from noisy_label_datasets.base.clean_arrays import write_clean_dataset

    base = declared.base
    fitting_options.check_rates(rates, len(base.class_names))
    clean = write_clean_dataset(
        arrays,
        base,
        declared.split_plan,
        name=dataset,
        version=VERSION,
        data_dir=data_dir,
        size=declared.image_size,
    )
    own_data.check_sizes(clean)
    _print_data(clean, base.image_shape)


def _print_data(clean: CleanDataset, image_shape: Sequence[int | None]) -> None:
    height, width, channels = clean.splits["test"].images.shape[1:]
    own_size = "x".join("?" if side is None else str(side) for side in image_shape[:2])
    kind = "grey" if channels == 1 else "colour"
    sizes = ", ".join(f"{split} {len(examples):,}" for split, examples in clean.splits.items())
    print(
        f"{len(clean.class_names)} classes, {kind} images of {own_size} pixels, which raters see at {height}x{width}\n"
        f"{sizes}",
        flush=True,
    )


def _fit(
    folder: BuilderFolder, arrays: pathlib.Path, data_dir: pathlib.Path, args: argparse.Namespace
) -> Mapping[str, Any]:
    """Has raters found and trained by a process of its own; returns its report."""
    with tempfile.TemporaryDirectory() as temporary:
        report = pathlib.Path(temporary) / "report.json"
        fit_pools(
            arrays=arrays,
            pools=folder.pools,
            pilots=data_dir / PILOTS_DIR / folder.dataset,
            out=data_dir / PREDICTIONS_DIR / folder.dataset,
            report=report,
            options=[*fitting_options.to_arguments(args), *training_options.to_arguments(args)],
        )
        return json.loads(report.read_text(encoding="utf-8"))


def _write_folder(folder: BuilderFolder, declared: Declared, report: Mapping[str, Any]) -> list[str]:
    """Writes the builder and makes it known; returns its configs of raters."""
    pools = {
        pool["level"]: (pool["variable"], f"{pool['raters']} raters: {pool['source']}.") for pool in report["pools"]
    }
    rates = tuple(entry["rate"] for entry in report["unreached"])
    folder.write(dataclasses.replace(declared, pools=pools, further_rates=rates))
    importlib.invalidate_caches()
    import_datasets(_module_of(folder.dataset))
    return list(pools)


def _print_summary(builders: Sequence[NoisyLabelBuilder]) -> None:
    rows = []
    for builder in builders:
        noise = builder.info.metadata["noise"]
        errors = noise["error_rate_by_rater"]
        rows.append(
            (
                f"{builder.name}/{builder.builder_config.name}",
                str(noise["num_raters"]),
                f"{noise['rater_error_rate']:.3f}",
                f"{min(errors):.3f} to {max(errors):.3f}",
                f"{noise['krippendorff_alpha']:.3f}",
            )
        )
    if rows:
        print_table(("on noisy_label_train", "raters", "error rate", "best to worst", "alpha"), rows)


def _level(rate: float) -> str:
    return fitting_options.level_of(rate)


def _module_of(dataset: str) -> str:
    return f"{dataset}.{dataset}_dataset_builder"


def _advice(
    dataset: str,
    unreached: Sequence[Mapping[str, Any]],
    declared: Declared,
    levels: Sequence[str],
    args: argparse.Namespace,
) -> str:
    """Returns, in a line, which rates are not reached, the nearest ones, and how they could be had."""
    said = []
    for entry in unreached:
        rate, nearest = entry["rate"], entry["nearest"]
        if nearest > rate:
            ways = [f"--max-steps {4 * args.max_steps}"]
            if declared.image_size is not None and not args.pretrained:
                ways.append(f"--rater-image-size {2 * max(declared.image_size)} under another name")
            if declared.base.image_shape[-1] == 3 and not args.pretrained:
                # Such raters see larger images, and a builder that is there has a size.
                ways.append("--pretrained" + (" under another name" if levels else ""))
        else:
            ways = [f"--max-steps {4 * args.max_steps} (they learn too fast)"]
        if levels:
            ways.append(f"the dial: {dataset}/{levels[0]}_rate_{_level(rate).removeprefix('error_')}")
        if entry["instead"] is not None:
            ways.insert(0, f"--rates {entry['instead']:g}, which they come to")
        said.append(f"no {_level(rate)}: the raters' nearest error rate is {nearest:.3f}; try " + ", or ".join(ways))
    return "; ".join(said)


def image_size(text: str) -> tuple[int, int]:
    """Returns (height, width) of '64' or '48x64': a `type` of argparse."""
    found = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", text)
    if found is None or min(int(found[1]), int(found[2] or found[1])) < 4:
        raise argparse.ArgumentTypeError(f"{text!r} is given; a size is 64 or 48x64 (height x width), 4 or more pixels")
    return int(found[1]), int(found[2] or found[1])


def check_alone(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Raises NoisyLabelsError for options of `--from` that were given without it."""
    names = [*fitting_options.OPTIONS, "--rater-image-size", "--corrupt"]
    given = [
        name
        for name in names
        if getattr(args, key := name.removeprefix("--").replace("-", "_")) != parser.get_default(key)
    ]
    if given:
        raise NoisyLabelsError(f"{', '.join(given)} go with --from, which makes raters for data of your own")
