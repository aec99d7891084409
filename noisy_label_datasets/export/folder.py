"""A built dataset as a folder of Parquet files, for those who do not use TFDS.

    export(builder, "digits", "huggingface")    # then datasets.load_dataset("digits")
    export(builder, "digits", "croissant")      # then mlcroissant.Dataset("digits/croissant.json").records("test")

Images are written as they are stored, not decoded. Beside the Parquet files lie, for Hugging Face, a dataset card
(README.md), for Croissant, its metadata (croissant.json); and in both cases the raters' features (raters.json).
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from noisy_label_datasets import files
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.folders import replacing
from noisy_label_datasets.info import full_name
from noisy_label_datasets.lease import taking_turns

if TYPE_CHECKING:
    import datasets

    from noisy_label_datasets.build.builder import NoisyLabelBuilder

FORMATS = ("huggingface", "croissant")
NEEDED = ("datasets", "pyarrow")
INSTALL = "pip install 'noisy-label-datasets[export]' (in a clone of the repository: pip install '.[export]')"
SHARD_BYTES = 400 * 2**20  # of a Parquet file for Hugging Face, which advises 500 MB
ROW_GROUP = 1000  # examples


class ExportError(NoisyLabelsError):
    """A dataset that cannot be exported as it was asked for."""


def export(builder: NoisyLabelBuilder, folder: str | os.PathLike, export_format: str) -> pathlib.Path:
    """Writes a built dataset to a folder; the folder is whole or not there.

    Args:
      builder: of a dataset that is prepared, in whatever file format.
      folder: made; it must not hold anything yet.
      export_format: 'huggingface' or 'croissant'.

    Returns:
      The folder.

    Raises:
      ExportError: it is not built, the folder holds something, the format is unknown, or the [export] extra is missing.
      OSError: the folder, which the error names, cannot be written or the disk is full.
    """
    from noisy_label_datasets.export.card import dataset_card
    from noisy_label_datasets.export.croissant import croissant_metadata

    folder = pathlib.Path(folder)
    name = full_name(builder)
    if export_format not in FORMATS:
        raise ExportError(f"no export format {export_format!r}; there are {', '.join(FORMATS)}")
    if missing := [package for package in NEEDED if importlib.util.find_spec(package) is None]:
        raise ExportError(f"export needs {', '.join(missing)}, not installed here: {INSTALL}")
    if not builder.is_prepared():
        raise ExportError(f"{name} is not built in {builder.data_dir_root}: `noisy-labels build {name}` builds it")
    with taking_turns(folder):
        if folder.exists() and any(folder.iterdir()):
            raise ExportError(f"{folder} is not empty; name another folder")
        with replacing(folder, name) as temporary:
            # mlcroissant reads a split from a single file.
            written = _write_splits(
                builder, temporary / "data", SHARD_BYTES if export_format == "huggingface" else None
            )
            (temporary / "raters.json").write_bytes(files.to_json(list(builder.info.metadata["raters"])))
            if export_format == "huggingface":
                (temporary / "README.md").write_text(dataset_card(builder), encoding="utf-8")
            else:
                paths = {split: path for split, (path,) in written.items()}
                (temporary / "croissant.json").write_bytes(files.to_json(croissant_metadata(builder, paths)))
    return folder


def _write_splits(
    builder: NoisyLabelBuilder, folder: pathlib.Path, shard_bytes: int | None
) -> dict[str, list[pathlib.Path]]:
    """Writes Parquet files that carry Hugging Face's features in their metadata; returns split -> files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    features = _features(builder)
    schema = features.arrow_schema
    written = {}
    for split, info in builder.info.splits.items():
        num_shards = max(1, math.ceil(info.num_bytes / shard_bytes)) if shard_bytes else 1
        rows = _rows(builder, split, features)
        paths = [folder / f"{split}-{i:05d}-of-{num_shards:05d}.parquet" for i in range(num_shards)]
        for path in paths:
            with pq.ParquetWriter(path, schema) as writer:
                shard = itertools.islice(rows, math.ceil(info.num_examples / num_shards))
                while group := list(itertools.islice(shard, ROW_GROUP)):
                    writer.write_table(pa.Table.from_pylist(group, schema=schema))
        written[split] = paths
    return written


def _features(builder: NoisyLabelBuilder) -> datasets.Features:
    """Returns the features of a dataset in Hugging Face's terms."""
    import datasets

    names = builder.info.features["label"].names
    return datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=names),
            "noisy_labels": datasets.Sequence(
                datasets.ClassLabel(names=names), length=builder.info.features["noisy_labels"].shape[0]
            ),
            "noisy_label": datasets.ClassLabel(names=names),
            "noisy_label_rater": datasets.Value("int32"),
            **{name: datasets.ClassLabel(names=list(names)) for name, names in builder.BASE.extra_labels.items()},
        }
    )


def _rows(builder: NoisyLabelBuilder, split: str, features: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    from noisy_label_datasets.reading import stored_examples

    numbers = [name for name in features if name not in ("id", "image", "noisy_labels")]
    for example in stored_examples(builder, split):
        yield {
            "id": example["id"].decode(),
            "image": {"bytes": example["image"], "path": None},
            "noisy_labels": [int(label) for label in example["noisy_labels"]],
            **{name: int(example[name]) for name in numbers},
        }
