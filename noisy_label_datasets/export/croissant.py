"""Croissant metadata (https://mlcommons.org/croissant) of a folder of Parquet files, one a split."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder

URL = "https://arxiv.org/abs/2107.11413"


def croissant_metadata(builder: NoisyLabelBuilder, paths: Mapping[str, pathlib.Path]) -> dict[str, Any]:
    """Returns croissant.json as a JSON value: a record set a split, and one of the classes.

    Args:
      builder: of a dataset that is prepared.
      paths: split -> its Parquet file, in the folder `data` beside the croissant.json to be.
    """
    import mlcroissant as mlc

    info = builder.info
    distribution, record_sets = [], []
    for split, path in paths.items():
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        distribution.append(
            mlc.FileObject(
                id=path.name,
                name=path.name,
                content_url=f"data/{path.name}",
                content_size=f"{path.stat().st_size} B",
                encoding_formats=["application/x-parquet"],
                sha256=digest,
            )
        )
        fields = [
            _field(split, name, path.name, class_names=getattr(feature, "names", None), shape=feature.shape)
            for name, feature in info.features.items()
        ]
        record_sets.append(mlc.RecordSet(id=split, name=split, description=_DESCRIPTIONS[split], fields=fields))
    classes = [
        {"classes/index": index, "classes/name": name} for index, name in enumerate(info.features["label"].names)
    ]
    record_sets.append(
        mlc.RecordSet(
            id="classes",
            name="classes",
            description="The classes of label, noisy_label and noisy_labels.",
            key=["classes/index"],
            fields=[
                mlc.Field(id="classes/index", name="index", data_types=[mlc.DataType.INTEGER]),
                mlc.Field(id="classes/name", name="name", data_types=[mlc.DataType.TEXT]),
            ],
            data=classes,
        )
    )
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
        annotations_per_item=str(len(info.metadata["raters"])),
        machine_annotation_tools=sorted({str(r.get("architecture", r["id"])) for r in info.metadata["raters"]}),
        distribution=distribution,
        record_sets=record_sets,
    )
    return metadata.to_json()


_DESCRIPTIONS = {
    "clean_label_train": "What the raters were trained on; no noisy labels.",
    "clean_label_valid": "Where the raters were measured.",
    "noisy_label_train": "For training a learner on noisy labels.",
    "noisy_label_valid": "For validating a learner on noisy labels.",
    "test": "For testing a learner.",
}


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
        description="One class a rater; -1: this rater has not labelled the example." if of_raters else description,
        data_types=[types.get(name, mlc.DataType.INTEGER)],
        source=mlc.Source(file_object=file, extract=mlc.Extract(column=name), transforms=transforms),
        **repeated,
    )
