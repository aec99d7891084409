"""A dataset that is not of this package: the page that explains it, followed; and bases whose examples have no id."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets.base.bases import TfdsBase, encode_png
from noisy_label_datasets.base.splits import SPLITS, SplitPlan
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import standard_configs
from tests.made_up import write_pool

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "your-own-dataset.md"
COMMAND = (sys.executable, "-m", "noisy_label_datasets", "--imports", "shapes_noisy.shapes_noisy_dataset_builder")


@pytest.fixture
def folder(tmp_path):
    """The files of the page, under the names that it gives them."""
    for name, code in re.findall(r"^`(\S+\.py)`\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)
    assert len(list(tmp_path.rglob("*.py"))) == 2
    return tmp_path


def run(folder, *command) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_knows_an_imported_dataset(folder):
    process = run(folder, *COMMAND, "verify", "shapes_noisy", "--data-dir", "data")
    assert process.returncode == 0, process.stderr
    assert "-      shapes_noisy/low, labels: not trained yet" in process.stdout


def test_a_module_that_is_not_there(tmp_path):
    process = run(tmp_path, *COMMAND, "verify", "shapes_noisy")
    assert process.returncode == 2
    assert (
        "error: --imports shapes_noisy.shapes_noisy_dataset_builder: No module named 'shapes_noisy'" in process.stderr
    )


@pytest.mark.slow
def test_the_page_followed(folder):
    made = run(folder, *COMMAND, "make", "shapes_noisy/low", "--pool", "shapes_pool:POOL", "--data-dir", "data")
    assert made.returncode == 0, made.stderr
    assert "import shapes_noisy.shapes_noisy_dataset_builder, tensorflow_datasets as tfds" in made.stdout
    use = """
import shapes_noisy.shapes_noisy_dataset_builder
import tensorflow_datasets as tfds
dataset, info = tfds.load("shapes_noisy/low", split="noisy_label_train", data_dir="data", with_info=True)
assert {len(example["noisy_labels"]) for example in tfds.as_numpy(dataset)} == {4}
assert 0 < info.metadata["noise"]["rater_error_rate"] < 0.5
"""
    used = run(folder, sys.executable, "-c", use)
    assert used.returncode == 0, used.stderr
    verified = run(folder, *COMMAND, "verify", "shapes_noisy/low", "--data-dir", "data")
    assert verified.stdout.count("ok ") == 2, verified.stdout


@pytest.mark.slow
def test_a_pool_that_is_not_there(folder):
    process = run(folder, *COMMAND, "train", "shapes_noisy/low", "--pool", "shapes_pool:RATERS", "--data-dir", "data")
    assert process.returncode == 2
    assert "no pool 'shapes_pool:RATERS': module 'shapes_pool' has no attribute 'RATERS'" in process.stderr


RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (150, 28, 28, 1), dtype=np.uint8)
IMAGES[[20, 30]] = IMAGES[10]  # three of one image, the third with another label
IMAGES[140] = IMAGES[11]  # one image in both splits
LABELS = np.arange(150) % 10
LABELS[[20, 30]] = 0, 7


class MadeUpMnist(tfds.image_classification.MNIST, skip_registration=True):
    """Its examples have no id, as the real ones; the order of the files is the order here."""

    name = "mnist"
    order = range(150)

    def _split_generators(self, dl_manager):
        return {"train": self._examples(range(120)), "test": self._examples(range(120, 150))}

    def _examples(self, places):
        for key, i in enumerate(i for i in self.order if i in places):
            yield key, {"image": encode_png(IMAGES[i]), "label": LABELS[i]}


class ShuffledMnist(MadeUpMnist, skip_registration=True):
    name = "mnist"
    order = RNG.permutation(150).tolist()


class MnistNoisy(NoisyLabelBuilder, skip_registration=True):
    """As the page says for a dataset of TFDS without ids."""

    name = "mnist_noisy"
    pkg_dir_path = PAGE.parent
    VERSION = tfds.core.Version("1.0.0")
    BASE = TfdsBase(
        name="mnist", version="3.0.1", class_names=tuple("0123456789"), image_shape=(28, 28, 1), id_key=None
    )
    SPLIT_PLAN = SplitPlan(
        {
            "train": {
                "clean_label_train": 0.4,
                "clean_label_valid": 0.1,
                "noisy_label_train": 0.4,
                "noisy_label_valid": 0.1,
            },
            "test": {"test": 1.0},
        }
    )
    BUILDER_CONFIGS = standard_configs({"low": "Made up."})


def test_examples_without_ids_get_ids_of_their_content(tmp_path):
    """Raters label them on one machine, the dataset is built on another, where TFDS has them in another order."""
    MadeUpMnist(data_dir=tmp_path / "a", file_format="array_record").download_and_prepare()
    ShuffledMnist(data_dir=tmp_path / "b", file_format="array_record").download_and_prepare()
    clean = MnistNoisy(config="low", data_dir=tmp_path / "a").clean_dataset()
    assert sum(len(clean.splits[split]) for split in SPLITS) == 150
    assert {id_.partition("_")[0] for id_ in clean.splits["test"].ids.tolist()} == {"test"}
    ids = np.concatenate([clean.splits[split].ids for split in SPLITS])
    assert sum(id_.endswith("-2") for id_ in ids) == 1  # the one true copy
    write_pool(tmp_path / "b", clean)
    builder = MnistNoisy(config="low", data_dir=tmp_path / "b", file_format="array_record")
    builder.download_and_prepare()
    by_id = {
        id_: (image, label)
        for examples in clean.splits.values()
        for id_, image, label in zip(examples.ids.tolist(), examples.images, examples.labels, strict=True)
    }
    for split in SPLITS:
        for example in builder.as_data_source(split):
            image, label = by_id.pop(example["id"].decode())
            np.testing.assert_array_equal(example["image"], image)
            assert example["label"] == label
    assert not by_id
