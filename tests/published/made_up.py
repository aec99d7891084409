"""The authors' release written in the form of its four tasks, and bases whose images are in it."""

import collections
import dataclasses
import json
import pathlib

import numpy as np
import tensorflow as tf

from noisy_label_datasets.base.bases import encode_png
from noisy_label_datasets.base.examples import ExampleBatch
from noisy_label_datasets.labels.sources import LabelContext
from noisy_label_datasets.registration import builder_class

RATERS = ("rater_0", "rater_1", "rater_2")
# The same image five times, once in the test split, with two clean labels.
ALIKE = {"train_00007": 3, "train_00011": 3, "train_00019": 5, "train_00040": 3, "test_00004": 3}
NOISE = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)


@dataclasses.dataclass(frozen=True)
class Example:
    id: str
    image: np.ndarray
    label: int


def cifar_like(num_classes=10) -> list[Example]:
    """50 training and 10 test images, some of them alike (see ALIKE)."""
    examples = []
    for i, image in enumerate(NOISE):
        id_ = f"train_{i:05d}" if i < 50 else f"test_{i - 50:05d}"
        examples.append(Example(id_, NOISE[7] if id_ in ALIKE else image, ALIKE.get(id_, i % num_classes)))
    return examples


def votes(example: Example, num_classes=10) -> list[int]:
    """What the three raters say: no two examples alike, so that a label in the wrong place is seen."""
    number = int(example.id[-5:]) if example.id[-5:].isdigit() else len(example.id)
    return [number % num_classes, number // num_classes % num_classes, example.label]


def feature(value) -> tf.train.Feature:
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    if isinstance(value[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=value))


def record(task: str, example: Example, order=(0, 1, 2)) -> dict:
    """The features of a record; order: that in which its raters stand."""
    said = votes(example, {"cifar100": 100, "cifar10": 10}.get(task, 2))
    labels = {
        "noisy_labels": feature([said[r] for r in order]),
        "rater_ids": feature([RATERS[r].encode() for r in order]),
    }
    if task == "cifar10":
        return {"image/raw": feature(example.image.tobytes()), "image/class/label": feature([example.label]), **labels}
    if task == "cifar100":
        return {
            "image/encoded": feature(example.image.tobytes()),
            "image/class/fine_label": feature([example.label]),
            "image/class/coarse_label": feature([example.label // 5]),
            **labels,
        }
    if task == "patch_camelyon":
        png = feature(encode_png(example.image))
        return {"image": png, "label": feature([example.label]), "id": feature(example.id.encode()), **labels}
    return {"image/filename": feature(example.id.encode()), **labels}


def write(folder: pathlib.Path, parts: dict[str, list[dict]], shards=2) -> pathlib.Path:
    """Writes `train-*-of-*`, `valid-*-of-*` and `rater_features.json`."""
    folder.mkdir(parents=True)
    for part, records in parts.items():
        for shard in range(shards):
            with tf.io.TFRecordWriter(str(folder / f"{part}-{shard:05d}-of-{shards:05d}")) as writer:
                for features in records[shard::shards]:
                    writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    features = {
        rater_id: {"model_name": "resnet", "accuracy": 0.9, "loss": 0.5, "experience": 1e6, "mAP": 0.8}
        for rater_id in RATERS
    }
    (folder / "rater_features.json").write_text(json.dumps(features))
    return folder


def context_of(tmp_path, base="cifar10", examples=(), dataset="cifar10_noisy") -> LabelContext:
    builder = builder_class(dataset)
    batches = collections.defaultdict(list)
    for example in examples:
        prefix = example.id.partition("_")[0]
        batches[{"valid": "validation"}.get(prefix, prefix if prefix in ("train", "test") else "train")].append(example)
    return LabelContext(
        dataset=dataset,
        base={"name": base, "version": "3.0.2"},
        class_names=builder.BASE.class_names,
        split_plan=builder.SPLIT_PLAN,
        data_dir=tmp_path / "data",
        builder_dir=tmp_path,
        manual_dir=tmp_path / "manual",
        examples=lambda: (
            ExampleBatch(
                split, [e.id for e in of_split], [encode_png(e.image) for e in of_split], [e.label for e in of_split]
            )
            for split, of_split in batches.items()
        ),
    )


def by_hand(tmp_path, task="cifar10", level="low") -> pathlib.Path:
    return tmp_path / "manual" / "noisy_label_synthetic_datasets" / "public" / task / level
