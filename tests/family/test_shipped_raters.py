"""The raters that come with datasets: whole, those of the pools, and saying what was recorded of them."""

import numpy as np
import pytest

from noisy_label_datasets.base.bases import decode_image
from noisy_label_datasets.base.tfds_base import find_prepared
from noisy_label_datasets.build.builder import load_clean_dataset
from noisy_label_datasets.labels.predictions import PREDICTIONS_DIR, read_predictions
from noisy_label_datasets.labels.shipped_raters import DESCRIPTION, FOLDER, LABELLED_BY, RECORDED, read_shipped_pool
from noisy_label_datasets.registration import builder_class, builders_dir
from rater_training.pools import POOLS
from rater_training.training.labelling import label_images
from rater_training.training.shipped import ShippedWeights

FOLDERS = sorted(path.parent for path in builders_dir().glob(f"*/{FOLDER}/*/{DESCRIPTION}"))
BEGUN = sorted(path for path in builders_dir().glob(f"*/{FOLDER}/*") if not (path / DESCRIPTION).exists())
RECORDED_FOLDERS = [folder for folder in FOLDERS if (folder / RECORDED).exists()]
RELABELLED = 60  # images


def name(folder) -> str:
    return f"{folder.parents[1].name}/{folder.name}"


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_shipped_raters_are_whole_and_those_of_a_pool(folder):
    weights = ShippedWeights(folder)
    pool = weights.pool()  # compares every file with its hash
    builder = builder_class(pool.dataset)
    assert name(folder) == f"{pool.dataset}/{pool.level}"
    assert pool.class_names == builder.BASE.class_names
    assert pool.base == {"name": builder.BASE.name, "version": builder.BASE.version}
    assert pool.split_plan == builder.SPLIT_PLAN
    configs = [tuple(known.raters) for known in POOLS.values() if known.dataset == pool.dataset]
    assert tuple(weights.rater(rater_id).config for rater_id in pool.rater_ids) in configs
    for rater_id in pool.rater_ids:
        compared = weights.rater(rater_id).compared
        assert compared["same"] > 0.97 * compared["examples"] > 0


def test_raters_of_the_digits_label_them_nearly_as_is_shipped(tmp_path):
    """The shipped labels are those of the full weights."""
    folder = builders_dir() / "digits_noisy" / FOLDER / "medium"
    shipped = read_predictions(folder.parents[1] / PREDICTIONS_DIR / "medium")
    images = load_clean_dataset("digits_noisy", tmp_path).splits["test"].images
    said = label_images(ShippedWeights(folder), images)
    assert said.rater_ids == tuple(rater["id"] for rater in shipped.raters)
    assert 0.98 < (said.labels == shipped.noisy_labels["test"]).mean() < 1


@pytest.mark.parametrize("folder", BEGUN, ids=name)
def test_raters_of_unfinished_pools_are_whole(folder):
    rater_ids = [path.stem for path in (folder / "raters").glob("*.npz")]
    assert all(ShippedWeights(folder).rater(rater_id).config.id == rater_id for rater_id in rater_ids)


@pytest.mark.parametrize("folder", RECORDED_FOLDERS, ids=name)
def test_what_was_recorded_is_of_these_raters(folder):
    recorded = read_predictions(folder / RECORDED)
    pool = read_shipped_pool(folder)
    assert recorded.provenance[LABELLED_BY] == {"shipped_raters_sha256": pool.sha256}
    assert tuple(rater["id"] for rater in recorded.raters) == pool.rater_ids


@pytest.mark.parametrize("folder", RECORDED_FOLDERS, ids=name)
def test_some_of_what_was_recorded_is_said_again(folder, tmp_path):
    """Where the base is prepared on this machine. On another kind of machine a label or two may differ."""
    recorded, pool = read_predictions(folder / RECORDED), read_shipped_pool(folder)
    base = builder_class(pool.dataset).BASE
    if find_prepared(base.name, base.version, tmp_path) is None:
        pytest.skip(f"{base.name} is not prepared here")
    row = {id_: i for i, id_ in enumerate(recorded.ids["test"].tolist())}
    rows, images = [], []
    for batch in base.batches(tmp_path, ["test"]):
        for id_, image in zip(batch.ids, batch.images, strict=True):
            if id_ in row and len(rows) < RELABELLED:
                rows.append(row[id_])
                images.append(decode_image(image, base.image_shape[-1], pool.image_shape[:2]))
    said = label_images(ShippedWeights(folder), np.stack(images))
    assert (said.labels == recorded.noisy_labels["test"][rows]).mean() > 0.995
