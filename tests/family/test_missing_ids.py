"""A base that lacks some of the labelled ids, as TFDS's Cats vs Dogs does, and one that was prepared on Windows."""

import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets import cli
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.build.join import JoinError
from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.noise import metrics
from noisy_label_datasets.registration import builder_class
from tests.made_up import write_pool

NAME = "cats_vs_dogs_noisy"


@pytest.fixture
def data_dir(bases, tmp_path):
    """A user's folder with labels for all 120 ids of the made-up base, and no base yet."""
    builder = builder_class(NAME)(config="low", data_dir=bases)
    write_pool(tmp_path, builder.clean_dataset())
    return tmp_path


def prepare(examples, data_dir, made_up_cats_vs_dogs, *, separator="/"):
    """Prepares a base of these examples, its ids as a system with this separator of paths writes them."""

    class Base(made_up_cats_vs_dogs, skip_registration=True):
        name = "cats_vs_dogs"

        def _examples(self, prefix):
            for id_, example in examples.items():
                yield id_, {"image/filename": id_.replace("/", separator), **example}

    shutil.rmtree(data_dir / "cats_vs_dogs", ignore_errors=True)
    Base(data_dir=data_dir, file_format="array_record").download_and_prepare()


def build(data_dir, **arguments):
    builder = tfds.builder(f"{NAME}/low", data_dir=data_dir, file_format="array_record", **arguments)
    builder.download_and_prepare()
    return builder


def ids_of(predictions, split, number):
    return predictions.ids[split][:number].tolist()


@pytest.mark.parametrize("beam", [False, True])
def test_missing_ids_are_counted_and_the_figures_go_without_them(
    data_dir, base_examples, made_up_cats_vs_dogs, capsys, beam
):
    predictions = read_predictions(data_dir / "rater_predictions" / NAME / "low")
    lost = [*ids_of(predictions, "noisy_label_train", 3), *ids_of(predictions, "test", 2)]
    examples = {id_: example for id_, example in base_examples["cats_vs_dogs"].items() if id_ not in lost}
    prepare(examples, data_dir, made_up_cats_vs_dogs)
    metadata = build(data_dir, beam=beam).info.metadata
    assert metadata["missing_from_base"] == {
        "clean_label_valid": 0,
        "noisy_label_train": 3,
        "noisy_label_valid": 0,
        "test": 2,
    }
    kept = slice(3, None)
    expected = metrics.rater_error_rate(
        predictions.noisy_labels["noisy_label_train"][kept], predictions.clean_labels["noisy_label_train"][kept]
    )
    assert metadata["noise"]["splits"]["noisy_label_train"]["rater_error_rate"] == pytest.approx(expected)
    assert cli.main(["verify", f"{NAME}/low", "--data-dir", str(data_dir)]) == 0
    said = capsys.readouterr().out
    assert "115 examples and all figures, 5 labelled ids are not in the base (at most 1,738 may be)" in said


def test_more_missing_ids_than_a_dataset_allows_are_an_error(
    data_dir, base_examples, made_up_cats_vs_dogs, monkeypatch
):
    monkeypatch.setattr(builder_class(NAME), "MAY_LACK", 2)
    predictions = read_predictions(data_dir / "rater_predictions" / NAME / "low")
    lost = ids_of(predictions, "noisy_label_train", 3)
    examples = {id_: example for id_, example in base_examples["cats_vs_dogs"].items() if id_ not in lost}
    prepare(examples, data_dir, made_up_cats_vs_dogs)
    with pytest.raises(JoinError, match=r"3 labelled ids are not in the base .*\(at most 2 may be missing\)"):
        build(data_dir)


def test_an_id_without_labels_is_an_error_all_the_same(data_dir, base_examples, made_up_cats_vs_dogs):
    plan = builder_class(NAME).SPLIT_PLAN
    names = [f"PetImages/Cat/{i}.jpg" for i in range(900, 920)]
    new = next(n for n in names if plan.assign("train", [n])[0] in LABELLED_SPLITS)
    some = next(iter(base_examples["cats_vs_dogs"].values()))
    prepare({**base_examples["cats_vs_dogs"], new: some}, data_dir, made_up_cats_vs_dogs)
    with pytest.raises(JoinError, match=f"1 examples of the base dataset have no noisy labels, such as {new}"):
        build(data_dir)


def test_verify_does_not_believe_metadata_that_count_otherwise(data_dir, base_examples, made_up_cats_vs_dogs, capsys):
    predictions = read_predictions(data_dir / "rater_predictions" / NAME / "low")
    lost = ids_of(predictions, "test", 1)
    examples = {id_: example for id_, example in base_examples["cats_vs_dogs"].items() if id_ not in lost}
    prepare(examples, data_dir, made_up_cats_vs_dogs)
    path = build(data_dir).data_path / "metadata.json"
    path.write_text(path.read_text().replace('"test": 1', '"test": 0'))
    assert cli.main(["verify", f"{NAME}/low", "--data-dir", str(data_dir)]) == 2
    assert "the ids of test are not those of the labels" in capsys.readouterr().out


def test_a_base_that_was_prepared_on_windows_has_the_same_ids(data_dir, base_examples, made_up_cats_vs_dogs):
    """There TFDS writes PetImages\\Cat\\0.jpg."""
    prepare(base_examples["cats_vs_dogs"], data_dir, made_up_cats_vs_dogs, separator="\\")
    base = tfds.builder_from_directory(data_dir / "cats_vs_dogs" / "4.0.1").as_data_source("train")
    assert b"\\" in base[0]["image/filename"]
    builder = build(data_dir)
    ids = np.concatenate([[e["id"] for e in builder.as_data_source(split)] for split in builder.info.splits])
    assert sorted(id_.decode() for id_ in ids) == sorted(base_examples["cats_vs_dogs"])
    assert builder.info.metadata["missing_from_base"] == dict.fromkeys(LABELLED_SPLITS, 0)
