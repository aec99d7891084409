"""Files of the release that are damaged, or not of the form that is expected, are refused with what is wrong."""

import json

import pytest
import tensorflow as tf

from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.labels.published import Published
from tests.published.made_up import RATERS, cifar_like, feature, record


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
