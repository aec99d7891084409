"""Croissant metadata (https://mlcommons.org/croissant) of a folder of Parquet files, one per split."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder

URL = "https://arxiv.org/abs/2107.11413"


_DESCRIPTIONS = {
    "clean_label_train": "For training the raters; no noisy labels.",
    "clean_label_valid": "For measuring the raters.",
    "noisy_label_train": "For training a learner on noisy labels.",
    "noisy_label_valid": "For validating a learner on noisy labels.",
    "test": "For testing a learner.",
}


def croissant_metadata(builder: NoisyLabelBuilder, paths: Mapping[str, pathlib.Path]) -> dict[str, Any]:
    """Returns croissant.json as a JSON value: a record set per split, and one of the classes.

    Args:
      builder: of a dataset that is prepared.
      paths: split -> its Parquet file, which lies in the folder `data` beside croissant.json.
    """
    import mlcroissant as mlc

    info = builder.info
    raters = info.metadata["raters"]
    metadata = mlc.Metadata(
        name=f"{builder.name}_{builder.builder_config.name}",
        description=info.description,
        version=str(builder.version),
        url=URL,
        cite_as=info.citation,
        license=[
            "Noisy labels and rater features: https://creativecommons.org/publicdomain/zero/1.0/",
            f"Images and clean labels: the terms of {info.metadata['base']['name']}",
        ],
        annotations_per_item=str(len(raters)),
        machine_annotation_tools=sorted({str(rater.get("architecture", rater["id"])) for rater in raters}),
        distribution=[_file(path) for path in paths.values()],
        record_sets=[
            *(_records(split, path.name, info.features) for split, path in paths.items()),
            _classes(info.features["label"].names),
        ],
    )
    return metadata.to_json()


def _file(path: pathlib.Path) -> Any:
    """Returns a Parquet file as a Croissant resource."""
    import mlcroissant as mlc

    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return mlc.FileObject(
        id=path.name,
        name=path.name,
        content_url=f"data/{path.name}",
        content_size=f"{path.stat().st_size} B",
        encoding_formats=["application/x-parquet"],
        sha256=digest,
    )


def _records(split: str, file: str, features: Mapping[str, Any]) -> Any:
    """Returns the record set of a split, from the file of this name."""
    import mlcroissant as mlc

    fields = [
        _field(split, name, file, class_names=getattr(feature, "names", None), shape=feature.shape)
        for name, feature in features.items()
    ]
    return mlc.RecordSet(id=split, name=split, description=_DESCRIPTIONS[split], fields=fields)


def _classes(names: Sequence[str]) -> Any:
    """Returns the record set of the classes."""
    import mlcroissant as mlc

    return mlc.RecordSet(
        id="classes",
        name="classes",
        description="The classes of label, noisy_label and noisy_labels.",
        key=["classes/index"],
        fields=[
            mlc.Field(id="classes/index", name="index", data_types=[mlc.DataType.INTEGER]),
            mlc.Field(id="classes/name", name="name", data_types=[mlc.DataType.TEXT]),
        ],
        data=[{"classes/index": index, "classes/name": name} for index, name in enumerate(names)],
    )


def _field(split: str, name: str, file: str, class_names: list[str] | None, shape: tuple[int, ...]) -> Any:
    import mlcroissant as mlc

    types = {"id": mlc.DataType.TEXT, "image": mlc.DataType.IMAGE_OBJECT}
    of_raters = name == "noisy_labels"
    repeated = {"is_array": True, "array_shape": str(shape[0])} if of_raters else {}
    description = f"One of {len(class_names)} classes." if class_names else None
    transforms = [mlc.Transform(json_path="bytes")] if name == "image" else []
    return mlc.Field(
        id=f"{split}/{name}",
        name=name,
        description="One class per rater; -1: this rater has not labelled the example." if of_raters else description,
        data_types=[types.get(name, mlc.DataType.INTEGER)],
        source=mlc.Source(file_object=file, extract=mlc.Extract(column=name), transforms=transforms),
        **repeated,
    )
