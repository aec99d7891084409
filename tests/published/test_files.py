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


def rewrite(folder, **changes):
    """Puts one record in the place of those of valid, some of its features changed."""
    for path in folder.glob("valid-*"):
        path.unlink()
    with tf.io.TFRecordWriter(str(folder / "valid-00000-of-00001")) as writer:
        given = {**record("cifar10", cifar_like()[5]), **{name: feature(value) for name, value in changes.items()}}
        writer.write(tf.train.Example(features=tf.train.Features(feature=given)).SerializeToString())


def a_rater_twice(folder):
    rewrite(folder, rater_ids=[b"rater_0", b"rater_1", b"rater_0"])


def more_labels_than_raters(folder):
    rewrite(folder, noisy_labels=[1, 2, 3, 4])


def a_label_of_64_bits(folder):
    rewrite(folder, noisy_labels=[1, 2, 2**40])


def a_rater_of_no_text(folder):
    rewrite(folder, rater_ids=[b"rater_0", b"rater_1", b"\xff"])


def a_clean_label_out_of_range(folder):
    rewrite(folder, **{"image/class/label": [-1]})


def two_clean_labels(folder):
    rewrite(folder, **{"image/class/label": [1, 2]})


def another_rater(folder):
    rewrite(folder, rater_ids=[b"rater_0", b"rater_1", b"rater_3"])


def no_examples(folder):
    with tf.io.TFRecordWriter(str(folder / "train-00000-of-00002")) as writer:
        writer.write(b"\xff\xff\xff no protocol buffer")


def with_features(text):
    return lambda folder: (folder / "rater_features.json").write_bytes(text)


ALL = b'{"rater_0": {}, "rater_1": {}, "rater_2": %s}'


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (a_rater_twice, r"record 0 of valid .*: raters are there each once, given \['rater_0', 'rater_1', 'rater_0'\]"),
        (more_labels_than_raters, "record 0 of valid is not of the form of the release: zip"),
        (a_label_of_64_bits, r"record 0 of valid .*: labels are 0\.\.9, given 1099511627776"),
        (a_clean_label_out_of_range, r"labels are 0\.\.9, given -1"),
        (two_clean_labels, "too many values"),
        (a_rater_of_no_text, "record 0 of valid .*: 'utf-8' codec"),
        (another_rater, r"train has the raters \('rater_0', 'rater_1', 'rater_2'\), valid .*rater_3"),
        (no_examples, "train-00000-of-00002 was altered or cut short: no record of examples"),
        (with_features(b"null"), r"rater_features\.json does not map .*: it is None, not an object"),
        (with_features(ALL % b"[]"), "rater_2 is a list of 0, not an object"),
        (with_features(ALL % b'{"accuracy": NaN}'), "NaN, which is no number of JSON"),
        (with_features(ALL % b'{"accuracy": "high"}'), "rater_2.accuracy is 'high', not a number from 0 to 1"),
        (with_features(ALL % (b'{"loss": 1' + b"0" * 400 + b"}")), "beyond 64 bits"),
        (with_features(b"[" * 100_000), "more than 64 levels of nesting"),
        (cut_short, "train-00001-of-00002 was altered or cut short"),
        (alter, "train-00000-of-00002 was altered or cut short"),
        (
            lambda folder: (folder / "valid-00001-of-00002").unlink(),
            r"does not hold all files valid-\*-of-\*; it holds .*0000",
        ),
        (forget_a_rater, "rater_features.json has no features of rater 'rater_2'"),
        (lambda folder: (folder / "rater_features.json").unlink(), "rater_features.json is not there"),
        (other_form, r"a record of valid has no feature \['image/class/label', 'image/raw'\]; it has \['image', "),
        (label_out_of_range, r"record 0 of valid is not of the form of the release: labels are 0\.\.9, given 10"),
    ],
)
def test_damaged_files(small, damage, message):
    context, folder = small
    damage(folder)
    with pytest.raises(PredictionsError, match=message):
        Published("low").load(context)
