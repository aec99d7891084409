"""A dataset built from the release, image by image and label by label."""

import numpy as np
import tensorflow_datasets as tfds

import noisy_label_datasets
from noisy_label_datasets.base.splits import SPLITS
from noisy_label_datasets.build.verification import faults_of_built
from noisy_label_datasets.registration import builder_class
from tests.published.made_up import ALIKE, RATERS, cifar_like, record, votes, write


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
            expected = votes(by_id[example["id"].decode()]) if split.startswith("noisy") else [-1] * len(RATERS)
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
