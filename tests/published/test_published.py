"""The authors' release, written here in the form of its four tasks, matched with bases and built."""

import base64
import collections
import dataclasses
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import threading
import urllib.parse

# Progress bars of TFDS fill the log of a failed test.
os.environ.setdefault("TQDM_DISABLE", "1")

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import noisy_label_datasets
from noisy_label_datasets import release
from noisy_label_datasets.base import encode_png
from noisy_label_datasets.cli.verify import faults_of_built
from noisy_label_datasets.join import ExampleBatch
from noisy_label_datasets.predictions import PredictionsError
from noisy_label_datasets.published import Published, ReleaseDivision
from noisy_label_datasets.registration import builder_class
from noisy_label_datasets.sources import LabelContext, MissingLabelsError
from noisy_label_datasets.splits import SPLITS

RATERS = ("rater_0", "rater_1", "rater_2")
RNG = np.random.default_rng(0)
# The same image five times, once in the test split, with two clean labels.
ALIKE = {"train_00007": 3, "train_00011": 3, "train_00019": 5, "train_00040": 3, "test_00004": 3}
NOISE = RNG.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)


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


def test_cifar_records_are_matched_by_their_pixels(tmp_path):
    examples = cifar_like()
    train, valid = examples[20:45], examples[:20]
    orders = ((0, 1, 2), (2, 0, 1))
    write(
        by_hand(tmp_path),
        {
            "train": [record("cifar10", e, orders[i % 2]) for i, e in enumerate(reversed(train))],
            "valid": [record("cifar10", e) for e in valid],
        },
    )
    labels = Published("low").load(context_of(tmp_path, examples=examples))
    order = [RATERS.index(rater["id"]) for rater in labels.raters]
    for split, expected in (("noisy_label_train", train), ("noisy_label_valid", valid)):
        said = dict(zip(labels.ids[split].tolist(), labels.noisy_labels[split].tolist(), strict=True))
        clean = dict(zip(labels.ids[split].tolist(), labels.clean_labels[split].tolist(), strict=True))
        assert len(said) == len(expected)
        for example in expected:
            if example.id not in ALIKE:
                assert said[example.id] == [votes(example)[r] for r in order]
                assert clean[example.id] == example.label
        assert labels.ids[split].tolist() == sorted(said)
    assert labels.origin == "published"
    assert {rater["accuracy"] for rater in labels.raters} == {0.9}


def test_an_image_that_occurs_more_than_once(tmp_path):
    """Each record gets an id of its own with its clean label; in the order of the ids, the same every time."""
    examples = cifar_like()
    by_id = {example.id: example for example in examples}
    train = [by_id[id_] for id_ in ("train_00040", "train_00019", "train_00001")]
    valid = [by_id[id_] for id_ in ("train_00007", "train_00002")]
    write(
        by_hand(tmp_path),
        {"train": [record("cifar10", e) for e in train], "valid": [record("cifar10", e) for e in valid]},
    )
    for base in (examples, examples[::-1]):
        labels = Published("low").load(context_of(tmp_path, examples=base))
        ids = {
            split: dict(zip(labels.ids[split].tolist(), labels.clean_labels[split].tolist(), strict=True))
            for split in labels.ids
        }
        # Of the three examples with label 3, train_00007, _00011 and _00040, the two records take the first two.
        assert ids["noisy_label_train"] == {"train_00007": 3, "train_00019": 5, "train_00001": 1}
        assert ids["noisy_label_valid"] == {"train_00011": 3, "train_00002": 2}


def test_more_records_of_an_image_than_examples(tmp_path):
    examples = cifar_like()
    five = next(example for example in examples if example.id == "train_00019")
    parts = {"train": [record("cifar10", five)] * 2, "valid": [record("cifar10", examples[0])]}
    write(by_hand(tmp_path), parts)
    with pytest.raises(PredictionsError, match=r"1 of 3 images are not in cifar10 3\.0\.2 with that clean label"):
        Published("low").load(context_of(tmp_path, examples=examples))


@pytest.mark.parametrize(
    "strange",
    [
        Example("train_00000", NOISE[0] // 2, 0),  # no such image
        Example("train_00000", NOISE[0], 1),  # the image, but another clean label
        Example("test_00001", NOISE[51], 1),  # of a base split without noisy splits
    ],
)
def test_an_image_without_a_match(tmp_path, strange):
    examples = cifar_like()
    write(by_hand(tmp_path), {"train": [record("cifar10", strange)], "valid": [record("cifar10", examples[1])]})
    with pytest.raises(PredictionsError, match=r"1 of 2 images are not in cifar10.*such as that of record 0 of train"):
        Published("low").load(context_of(tmp_path, examples=examples))


def test_cifar100_records(tmp_path):
    examples = [dataclasses.replace(e, label=i) for i, e in enumerate(cifar_like()) if e.id not in ALIKE]
    write(
        by_hand(tmp_path, "cifar100", "high"),
        {
            "train": [record("cifar100", e) for e in examples[:9]],
            "valid": [record("cifar100", e) for e in examples[9:12]],
        },
    )
    context = context_of(tmp_path, "cifar100", examples, dataset="cifar100_noisy")
    labels = Published("high").load(context)
    assert sorted(labels.ids["noisy_label_train"].tolist()) == [e.id for e in examples[:9]]
    assert sorted(labels.clean_labels["noisy_label_valid"].tolist()) == [e.label for e in examples[9:12]]


def test_pcam_records_carry_ids(tmp_path):
    examples = [Example(f"{part}_{i}", NOISE[i], i % 2) for part in ("train", "valid") for i in range(6)]
    write(
        by_hand(tmp_path, "patch_camelyon"),
        {
            "train": [record("patch_camelyon", e) for e in examples[:4]],
            "valid": [record("patch_camelyon", e) for e in examples[6:9]],
        },
    )
    context = context_of(tmp_path, "patch_camelyon", dataset="pcam_noisy")
    labels = Published("low").load(context)
    assert sorted(labels.ids["noisy_label_train"].tolist()) == [e.id for e in examples[:4]]
    assert labels.division.assign("train", ["train_0", "train_4"]).tolist() == [
        "noisy_label_train",
        "clean_label_train",
    ]
    assert labels.division.assign("validation", ["valid_5"]).tolist() == ["clean_label_valid"]
    assert labels.division.assign("test", ["test_0"]).tolist() == ["test"]


def cats_and_dogs(count=20) -> list[Example]:
    return [Example(f"PetImages/{('Cat', 'Dog')[i % 2]}/{i}.jpg", NOISE[i], i % 2) for i in range(count)]


def test_cats_vs_dogs_records_have_no_clean_label(tmp_path):
    examples = cats_and_dogs()
    write(
        by_hand(tmp_path, "cats_vs_dogs"),
        {
            "train": [record("cats_vs_dogs", e) for e in examples[:4]],
            "valid": [record("cats_vs_dogs", e) for e in examples[4:6]],
        },
    )
    labels = Published("low").load(context_of(tmp_path, "cats_vs_dogs", examples, dataset="cats_vs_dogs_noisy"))
    clean = dict(
        zip(labels.ids["noisy_label_train"].tolist(), labels.clean_labels["noisy_label_train"].tolist(), strict=True)
    )
    assert clean == {e.id: e.label for e in examples[:4]}
    fewer = context_of(tmp_path, "cats_vs_dogs", examples[1:], dataset="cats_vs_dogs_noisy")
    with pytest.raises(PredictionsError, match=r"1 ids are not in cats_vs_dogs 3\.0\.2, such as PetImages/Cat/0.jpg"):
        Published("low").load(fewer)


def test_what_the_release_does_not_use_is_divided_as_the_plan_divides(tmp_path):
    """Of 23,262 cats and dogs it uses 10,486; the rest goes 40 : 5 : 10 to the other splits."""
    ids = [f"PetImages/Cat/{i}.jpg" for i in range(23_262)]
    used = {id_: ("noisy_label_train" if i < 9_302 else "noisy_label_valid") for i, id_ in enumerate(ids[:10_486])}
    division = ReleaseDivision(used, builder_class("cats_vs_dogs_noisy").SPLIT_PLAN)
    counts = collections.Counter(division.assign("train", ids).tolist())
    assert (counts["noisy_label_train"], counts["noisy_label_valid"]) == (9_302, 1_184)
    left = 23_262 - 10_486
    for split, share in (("clean_label_train", 40 / 55), ("clean_label_valid", 5 / 55), ("test", 10 / 55)):
        assert abs(counts[split] - left * share) < 4 * (left * share * (1 - share)) ** 0.5
    shuffled = RNG.permutation(ids).tolist()
    assert dict(zip(shuffled, division.assign("train", shuffled).tolist(), strict=True)) == dict(
        zip(ids, division.assign("train", ids).tolist(), strict=True)
    )


@pytest.fixture
def small(tmp_path):
    """A release of six records that is in order."""
    examples = [e for e in cifar_like() if e.id not in ALIKE]
    write(
        by_hand(tmp_path),
        {"train": [record("cifar10", e) for e in examples[:4]], "valid": [record("cifar10", e) for e in examples[4:6]]},
    )
    return context_of(tmp_path, examples=examples), by_hand(tmp_path)


def cut_short(folder):
    shard = folder / "train-00001-of-00002"
    shard.write_bytes(shard.read_bytes()[:-100])


def alter(folder):
    shard = folder / "train-00000-of-00002"
    data = bytearray(shard.read_bytes())
    data[500] ^= 1
    shard.write_bytes(data)


def forget_a_rater(folder):
    (folder / "rater_features.json").write_text(json.dumps({RATERS[0]: {}, RATERS[1]: {}}))


def other_form(folder):
    features = {"image": feature(b"..."), "noisy_labels": feature([1, 2, 3]), "rater_ids": feature([b"a", b"b", b"c"])}
    for path in folder.glob("valid-*"):
        path.unlink()
    with tf.io.TFRecordWriter(str(folder / "valid-00000-of-00001")) as writer:
        writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def label_out_of_range(folder):
    examples = cifar_like()
    features = {**record("cifar10", examples[5]), "noisy_labels": feature([0, 1, 10])}
    for path in folder.glob("valid-*"):
        path.unlink()
    with tf.io.TFRecordWriter(str(folder / "valid-00000-of-00001")) as writer:
        writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_short, "train-00001-of-00002 was altered or cut short"),
        (alter, "train-00000-of-00002 was altered or cut short"),
        (
            lambda folder: (folder / "valid-00001-of-00002").unlink(),
            r"does not hold all files valid-\*-of-\*; it holds .*0000",
        ),
        (forget_a_rater, "rater_features.json does not map each rater id to its features: KeyError.*rater_2"),
        (lambda folder: (folder / "rater_features.json").unlink(), "rater_features.json is not there"),
        (other_form, r"a record of valid has no feature \['image/class/label', 'image/raw'\]; it has \['image', "),
        (label_out_of_range, r"valid has no records, or labels that are not 0\.\.9"),
    ],
)
def test_damaged_files(small, damage, message):
    context, folder = small
    damage(folder)
    with pytest.raises(PredictionsError, match=message):
        Published("low").load(context)


class Bucket(http.server.BaseHTTPRequestHandler):
    """Answers as Google Cloud Storage does: a listing in pages of two objects, and the objects."""

    root: pathlib.Path
    asked: list[str]
    corrupt: str | None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        parameters = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/storage/v1/b/noisy_label_synthetic_datasets/o":
            names = sorted(path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
            names = [name for name in names if name.startswith(parameters["prefix"])]
            start = int(parameters.get("pageToken", 0))
            page = {"items": [self.item(name) for name in names[start : start + 2]]}
            if start + 2 < len(names):
                page["nextPageToken"] = str(start + 2)
            self.answer(json.dumps(page).encode())
        else:
            name = url.path.removeprefix("/noisy_label_synthetic_datasets/")
            self.asked.append(name)
            data = (self.root / name).read_bytes()
            self.answer(data[:-1] if self.corrupt and name.endswith(self.corrupt) else data)

    def item(self, name):
        digest = hashlib.md5((self.root / name).read_bytes()).digest()
        return {"name": name, "md5Hash": base64.b64encode(digest).decode()}

    def answer(self, data):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def bucket(small, tmp_path, monkeypatch):
    """The release in a bucket, and no copy by hand."""
    context, _ = small
    root = tmp_path / "bucket"
    shutil.move(tmp_path / "manual" / "noisy_label_synthetic_datasets", root)
    handler = type("ThisBucket", (Bucket,), {"root": root, "asked": [], "corrupt": None})
    server = http.server.ThreadingHTTPServer(("localhost", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(release, "HOST", f"http://localhost:{server.server_port}")
    yield context, handler
    server.shutdown()
    server.server_close()


def test_the_bucket_is_downloaded_once(bucket):
    context, handler = bucket
    assert not Published("low").at_hand(context)
    labels = Published("low").load(context)
    assert len(labels.ids["noisy_label_train"]) == 4
    assert len(handler.asked) == 5  # four shards and the features
    assert Published("low").at_hand(context)
    Published("low").load(context)
    assert len(handler.asked) == 5


def test_a_download_that_breaks_off_goes_on(bucket):
    context, handler = bucket
    handler.corrupt = "valid-00000-of-00002"
    with pytest.raises(MissingLabelsError, match="valid-00000-of-00002 came with another MD5 sum"):
        Published("low").load(context)
    assert not Published("low").at_hand(context)
    handler.corrupt = None
    handler.asked.clear()
    Published("low").load(context)
    assert [name.rpartition("/")[2] for name in handler.asked] == ["valid-00000-of-00002", "valid-00001-of-00002"]


def test_no_network(small, tmp_path, monkeypatch):
    context, folder = small
    shutil.rmtree(folder)
    monkeypatch.setattr(release, "HOST", "http://localhost:9")  # nothing listens there
    with pytest.raises(MissingLabelsError) as caught:
        Published("low").load(context)
    said = str(caught.value)
    assert said.startswith("the published labels of cifar10/low are not on this machine and cannot be fetched: ")
    assert f"here they are looked for in {folder}" in said


def test_a_base_of_which_nothing_was_published(tmp_path):
    with pytest.raises(
        MissingLabelsError, match="published no labels for mnist; they did for cifar10, cifar100, patch"
    ):
        Published("low").load(context_of(tmp_path, base="mnist"))


class MadeUpCifar10(tfds.image_classification.Cifar10, skip_registration=True):
    name = "cifar10"

    def _split_generators(self, dl_manager):
        self.info.features["label"].names = builder_class("cifar10_noisy").BASE.class_names
        return {split: self._examples(split) for split in ("train", "test")}

    def _examples(self, split):
        for example in cifar_like():
            if example.id.startswith(split):
                yield example.id, {"id": example.id, "image": example.image, "label": example.label}


def test_built_from_a_folder_of_the_users_own(tmp_path):
    """`manual_dir` is TFDS's word for it."""
    MadeUpCifar10(data_dir=tmp_path, file_format="array_record").download_and_prepare()
    examples = [e for e in cifar_like() if e.id.startswith("train") and e.id not in ALIKE]
    train, valid = examples[:20], examples[20:26]
    folder = tmp_path / "mine" / "noisy_label_synthetic_datasets" / "public" / "cifar10" / "medium"
    write(folder, {"train": [record("cifar10", e) for e in train], "valid": [record("cifar10", e) for e in valid]})
    builder = tfds.builder("cifar10_noisy/published_medium", data_dir=tmp_path, file_format="array_record")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=tmp_path / "mine"))
    built = {split: list(builder.as_data_source(split)) for split in SPLITS}
    ids = {split: {example["id"].decode() for example in of_split} for split, of_split in built.items()}
    assert ids["noisy_label_train"] == {e.id for e in train}
    assert ids["noisy_label_valid"] == {e.id for e in valid}
    assert ids["clean_label_train"] | ids["clean_label_valid"] == {
        e.id for e in cifar_like() if e.id.startswith("train")
    } - {e.id for e in train + valid}
    assert len(ids["test"]) == 10
    by_id = {e.id: e for e in cifar_like()}
    for split, of_split in built.items():
        for example in of_split:
            expected = votes(by_id[example["id"].decode()]) if split.startswith("noisy") else []
            assert list(example["noisy_labels"]) == expected
            np.testing.assert_array_equal(example["image"], by_id[example["id"].decode()].image)
            if split.startswith("noisy"):
                assert example["noisy_label"] == expected[example["noisy_label_rater"]]
    table = noisy_label_datasets.rater_features(builder.info)
    assert list(table.index) == list(RATERS)
    assert set(table.columns) >= {"model_name", "accuracy", "loss", "experience"}
    assert builder.info.metadata["origin"] == "published"
    assert builder.info.metadata["provenance"]["release"].endswith("public/cifar10/medium")
    assert list(faults_of_built(builder, None)) == []  # `noisy-labels verify`, without the release
