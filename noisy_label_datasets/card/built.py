"""The noise card of a built dataset."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from noisy_label_datasets.base.bases import decode_image
from noisy_label_datasets.card.model import NoiseCard
from noisy_label_datasets.human.same_images import SameImages
from noisy_label_datasets.human.table1 import Table1
from noisy_label_datasets.info import NotBuiltError, full_name
from noisy_label_datasets.noise.figures import MEASURED_SPLIT


def noise_card(builder: Any, table1: Table1 | None = None, people: Sequence[SameImages] = ()) -> NoiseCard:
    """Returns the noise card of a dataset that is built.

    Args:
      builder: of one of this package's datasets, prepared.
      table1: the comparison with human labels, where there is one.
      people: raters beside human annotators on the same images.

    Raises:
      NotBuiltError: it is not prepared.
    """
    info = builder.info
    metadata = info.metadata or {}
    name = full_name(builder)
    if "noise" not in metadata:
        raise NotBuiltError(f"{name} is not built in {builder.data_dir_root}: `noisy-labels build {name}` builds it")
    shown = {example["id"] for examples in metadata["noise"]["examples"].values() for example in examples}
    return card_of(
        builder,
        metadata,
        class_names=info.features["label"].names,
        splits={split: info.splits[split].num_examples for split in info.splits},
        images=read_images(builder, MEASURED_SPLIT, shown),
        table1=table1,
        people=people,
    )


def card_of(
    builder: Any,
    metadata: Mapping[str, Any],
    *,
    class_names: Sequence[str],
    splits: Mapping[str, int],
    images: Mapping[str, np.ndarray],
    table1: Table1 | None = None,
    people: Sequence[SameImages] = (),
) -> NoiseCard:
    """Returns the noise card of a config, built or not, from the metadata that it has or would have.

    Args:
      builder: of the config.
      metadata: see `noisy_label_datasets.build.features`.
      class_names: of the K classes.
      splits: split -> number of examples.
      images: id -> [h, w, c] uint8.
      table1: the comparison with human labels, where there is one.
      people: raters beside human annotators on the same images.
    """
    return NoiseCard(
        name=full_name(builder),
        version=str(builder.version),
        summary=f"{_summary(builder.info.description)} {builder.builder_config.description or ''}".strip(),
        class_names=class_names,
        splits=splits,
        raters=metadata["raters"],
        noise=metadata["noise"],
        provenance=_provenance(metadata),
        images=images,
        table1=table1,
        people=people,
    )


def read_images(builder: Any, split: str, ids: Collection[str]) -> dict[str, np.ndarray]:
    """Reads some images of a split of a built dataset: id -> [h, w, c] uint8."""
    from noisy_label_datasets.reading import stored_examples

    channels = builder.info.features["image"].shape[-1]
    wanted = {id_.encode() for id_ in ids}
    return {
        example["id"].decode(): decode_image(example["image"], channels)
        for example in stored_examples(builder, split, ("id", "image"))
        if example["id"] in wanted
    }


def _summary(description: str) -> str:
    """The first paragraph of a description in Markdown, as plain text."""
    paragraph = " ".join(description.strip().partition("\n\n")[0].split())
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", paragraph).replace("`", "")


def _provenance(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The provenance in a few lines; the whole stands in the dataset's metadata."""
    base, rater = metadata["base"], metadata["raters"][0]
    facts = {
        "base dataset": f"{base['name']} {base['version']}, split seed {metadata['split_plan']['seed']}",
        "labels": f"{metadata['origin']}, SHA-256 {metadata['labels_sha256']}",
    }
    trained = {key: rater[key] for key in ("software", "device", "platform") if rater.get(key)}
    return facts | _lines(metadata["provenance"]) | _lines(trained)


def _lines(provenance: Mapping[str, Any]) -> dict[str, str]:
    """What is a text or a number, a short table of such, or has a name; the rest is left out."""
    lines = {}
    for key, value in provenance.items():
        name = key.replace("_", " ")
        if isinstance(value, str | int | float):
            lines[f"{name} are" if name == "labels" else name] = str(value)
        elif isinstance(value, Mapping) and key == "of":
            lines |= {f"of: {inner}": text for inner, text in _lines(value).items()}
        elif isinstance(value, Mapping) and "name" in value:
            lines[name] = str(value["name"])
        elif isinstance(value, Mapping) and all(isinstance(item, str | int | float) for item in value.values()):
            numbers = ((k, f"{v:.4g}" if isinstance(v, float) else v) for k, v in value.items())
            lines[name] = ", ".join(f"{k} {v}" for k, v in numbers)
    return lines
