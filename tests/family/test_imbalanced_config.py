"""An imbalanced config as a TFDS dataset, built plainly and by Beam."""

import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets.base.arrays import LabelledImages
from noisy_label_datasets.base.bases import ArraysBase
from noisy_label_datasets.base.splits import SPLITS, SplitPlan
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import imbalanced_config, standard_configs
from noisy_label_datasets.labels.imbalance import IMBALANCED_SPLITS

NUMBER = 600


def load():
    ids = np.array([f"example_{i}" for i in range(NUMBER)])
    images = np.random.default_rng(0).integers(0, 256, (NUMBER, 4, 4, 1)).astype(np.uint8)
    return {"all": LabelledImages(ids, images, (np.arange(NUMBER) % 2).astype(np.int32))}


class TwoNoisy(NoisyLabelBuilder, skip_registration=True):
    """Two classes, alike in number."""

    name = "two_noisy"
    pkg_dir_path = pathlib.Path(__file__).parent
    VERSION = tfds.core.Version("1.0.0")
    BASE = ArraysBase(name="two", version="1.0.0", class_names=("a", "b"), image_shape=(4, 4, 1), load=load)
    SPLIT_PLAN = SplitPlan({"all": dict.fromkeys(SPLITS, 0.2)})
    BUILDER_CONFIGS = standard_configs({"high": "Made up."})


@pytest.mark.slow
def test_an_imbalanced_dataset_is_a_part_of_the_whole_one(tmp_path, write_pool):
    write_pool(TwoNoisy(config="high", data_dir=tmp_path).clean_dataset(), tmp_path, level="high")
    whole = TwoNoisy(config="high", data_dir=tmp_path, file_format="array_record")
    config = imbalanced_config(whole.builder_config, 0.9)
    built = {}
    for name, builder in {
        "whole": whole,
        "part": TwoNoisy(config=config, data_dir=tmp_path, file_format="array_record"),
        "by beam": TwoNoisy(config=config, data_dir=tmp_path / "beam", file_format="array_record", beam=True),
    }.items():
        if name == "by beam":
            write_pool(TwoNoisy(config="high", data_dir=tmp_path).clean_dataset(), tmp_path / "beam", level="high")
        builder.download_and_prepare()
        built[name] = {
            split: {e["id"]: (int(e["label"]), int(e["noisy_label"])) for e in builder.as_data_source(split)}
            for split in SPLITS
        }
    for split in SPLITS:
        assert built["part"][split].items() <= built["whole"][split].items()
        assert built["by beam"][split] == built["part"][split]
        share = np.mean([label == 0 for label, _ in built["part"][split].values()])
        if split in IMBALANCED_SPLITS:
            assert share == pytest.approx(0.9, abs=0.01)
        else:
            assert built["part"][split] == built["whole"][split]
