"""Label images with trained raters that come with a dataset: the images of the dataset, or images of yours.

Of a dataset, its base is read from where TFDS has it, the raters label every split that they were not trained on, and
their predictions go to <data dir>/rater_predictions/DATASET/CONFIG, where building the dataset looks for them first.
Every rater is stored as soon as it is done: the same command resumes with the next. With --beam blocks of 500 images
are labelled by the workers of an Apache Beam runner, whose options follow after `--`:

  noisy-labels label pcam_noisy/high
  noisy-labels label pcam_noisy/high --beam -- --runner=FnApiRunner --direct_num_workers=2 \\
      --direct_running_mode=multi_processing

Images of your own are an .npy file [n, height, width, channels] uint8, or a folder of image files; they have the size
of the dataset's images, or that at which its raters see them. The predictions are an .npz file: `ids`, `labels`
[n, R], `codes` [n, R, K] (probabilities: `probability_codes.decode_probabilities`), `rater_ids` and `class_names`:

  noisy-labels label pcam_noisy/high --images slides/ --out slides.npz
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from noisy_label_datasets import training_options
from noisy_label_datasets.cli.targets import add_data_dir, add_target, find_builder
from noisy_label_datasets.cli.training_process import label_with_pool
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.info import full_name
from noisy_label_datasets.registration import builder_class, dataset_names

if TYPE_CHECKING:
    from noisy_label_datasets.base.arrays import CleanDataset
    from noisy_label_datasets.build.builder import NoisyLabelBuilder
    from noisy_label_datasets.labels.shipped_raters import ShippedPool


class NoRatersError(NoisyLabelsError):
    """A config whose raters are not shipped."""


@dataclasses.dataclass(frozen=True)
class ShippedRaters:
    """The raters that come with a config.

    Attributes:
      folder: of their weights.
      pool: what is said of them.
    """

    folder: Any
    pool: ShippedPool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what `label` takes."""
    add_target(parser)
    add_data_dir(parser)
    parser.add_argument("--images", type=pathlib.Path, metavar="PATH", help="images of your own: .npy file or folder")
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        metavar="PATH",
        help="store the predictions elsewhere; with --images the .npz file (default: labels.npz)",
    )
    parser.add_argument(
        "--beam", action="store_true", help=training_options.beam_help("500 images are an element; not with --images")
    )


def run(args: argparse.Namespace) -> None:
    """Labels."""
    training_options.check_beam(args, args.for_beam, not_with_beam=("--images",))
    builder = find_builder(args.target, data_dir=args.data_dir)
    raters = shipped_raters_of(builder)
    if args.images is not None:
        out = args.out or pathlib.Path("labels.npz")
        label_images(builder, raters, args.images, out)
        print(f"The labels are in {out}")
        return
    folder = label(builder, raters, out=args.out, beam=args.for_beam if args.beam else None)
    print(f"\nThe labels are in {folder}")
    if args.out is None:
        print(f"Next: noisy-labels build {args.target}")


def shipped_raters_of(builder: NoisyLabelBuilder) -> ShippedRaters:
    """Returns the raters on whose predictions the labels of a config depend.

    Raises:
      NoRatersError: no raters stand behind the labels, or they are not shipped; names those that are.
      WeightsError: what is said of them was altered.
    """
    from noisy_label_datasets.labels import shipped_raters
    from noisy_label_datasets.labels.checksums import read_checksums

    builder_dir = builder.code_path.parent
    config = builder.builder_config.source.pool_to_train()
    if config is None or not shipped_raters.are_shipped(builder_dir, config):
        raise NoRatersError(
            f"the raters of {full_name(builder)} do not come with the package; "
            f"those of {', '.join(all_shipped()) or 'no dataset'} do"
        )
    name = f"{shipped_raters.FOLDER}/{config}"
    listed = read_checksums(builder_dir).get(f"{name}/{shipped_raters.DESCRIPTION}")
    if listed is None:
        raise shipped_raters.WeightsError(f"{builder_dir / name} is not listed in checksums.tsv of its dataset")
    folder = builder_dir / shipped_raters.FOLDER / config
    return ShippedRaters(folder, shipped_raters.read_shipped_pool(folder, expected_sha256=listed.sha256))


def all_shipped() -> list[str]:
    """Returns 'pcam_noisy/low', ...: the pools whose raters are shipped."""
    from noisy_label_datasets.labels.shipped_raters import are_shipped

    return [
        f"{dataset}/{config}"
        for dataset in dataset_names()
        for config in builder_class(dataset).builder_configs
        if are_shipped(builder_class(dataset).code_path.parent, config)
    ]


def raters_in_place_of_labels(builder: NoisyLabelBuilder) -> ShippedRaters | None:
    """Returns the raters of a config, if they are shipped and their labels are not; None otherwise."""
    from noisy_label_datasets.labels.predictions import PREDICTIONS_DIR, is_finished
    from noisy_label_datasets.labels.shipped_raters import are_shipped

    builder_dir, config = builder.code_path.parent, builder.builder_config.source.pool_to_train()
    if config is None or is_finished(builder_dir / PREDICTIONS_DIR / config) or not are_shipped(builder_dir, config):
        return None
    return shipped_raters_of(builder)


def label(
    builder: NoisyLabelBuilder,
    raters: ShippedRaters,
    *,
    out: pathlib.Path | None = None,
    beam: Sequence[str] | None = None,
) -> pathlib.Path:
    """Has shipped raters label the base dataset, and returns the folder of their predictions.

    Args:
      builder: of the config.
      raters: who labels.
      out: where the predictions go, if not where building the dataset looks for them.
      beam: Beam's options; None: without Beam.

    Raises:
      BaseDatasetError: the base dataset is not here and cannot be got.
      TrainingError: labelling failed; it has said why.
      OSError: the folder cannot be written or the disk is full.
    """
    from noisy_label_datasets.labels.predictions import PREDICTIONS_DIR, is_finished

    data_dir = pathlib.Path(builder.data_dir_root)
    if out is None:
        out = data_dir / PREDICTIONS_DIR / builder.name / raters.pool.level
        if is_finished(out):
            print(f"Labels are there already, in {out}; remove it to have them given anew")
            return out
    height, width, _ = raters.pool.image_shape
    arrays = data_dir / "clean_arrays" / builder.name / f"{builder.version}-{height}x{width}"
    prepared = prepared_arrays(arrays, builder, raters.pool)
    options = ["--arrays", str(arrays)]
    if beam is not None:
        options += ["--beam", *(["--", *beam] if beam else [])]
    number = sum(len(prepared.splits[split]) for split in prepared.splits if split != "clean_label_train")
    print(f"{len(raters.pool.rater_ids)} raters label {number:,} images, at {height}x{width}", flush=True)
    label_with_pool(weights=raters.folder, out=out, options=options)
    return out


def prepared_arrays(folder: pathlib.Path, builder: NoisyLabelBuilder, pool: ShippedPool) -> CleanDataset:
    """Returns the clean arrays of a dataset as raters see them: those that are there, or else written now."""
    from noisy_label_datasets.base.arrays import CleanDataset, CleanDatasetError

    if (folder / "dataset.json").exists():
        try:
            dataset = CleanDataset.load(folder)
        except CleanDatasetError:
            pass  # they are written anew
        else:
            shape = dataset.splits["test"].images.shape[1:]
            found = (dataset.name, dataset.version, dataset.base_version, dataset.split_plan, tuple(shape))
            wanted = (builder.name, str(builder.version), builder.BASE.version, builder.SPLIT_PLAN, pool.image_shape)
            if found == wanted:
                print(f"The images are in {folder} already; remove it to have them read anew", flush=True)
                return dataset
    print(f"Reading {builder.BASE.name} {builder.BASE.version}", flush=True)
    return builder.clean_dataset(folder, image_size=pool.image_shape[:2])


def label_images(builder: NoisyLabelBuilder, raters: ShippedRaters, images: pathlib.Path, out: pathlib.Path) -> None:
    """Has shipped raters label images of the user's.

    Args:
      builder: of the config.
      raters: who labels.
      images: an .npy file or a folder, see `own_images.write_images`.
      out: the .npz file to write.

    Raises:
      ImagesError: no images, one that cannot be read, or one of another size.
      TrainingError: labelling failed; it has said why.
      OSError: the disk is full.
    """
    import numpy as np

    from noisy_label_datasets.base.own_images import write_images

    with tempfile.TemporaryDirectory() as temporary:
        target, named = pathlib.Path(temporary) / "images.npy", pathlib.Path(temporary) / "ids.npy"
        size = raters.pool.image_shape[:2]
        ids = write_images(images, target, base_shape=builder.BASE.image_shape, size=size)
        np.save(named, np.array(ids, dtype=np.str_), allow_pickle=False)
        options = ["--images", str(target), "--ids", str(named)]
        label_with_pool(weights=raters.folder, out=out, options=options, resumes=False)
