"""The explorer: that its page holds the dataset's own examples, and what it says to bad input."""

import base64
import io
import json
import os
import pathlib
import re
import shutil

import numpy as np
import pytest
from PIL import Image

os.environ.setdefault("TQDM_DISABLE", "1")

import tensorflow_datasets as tfds

import noisy_label_datasets
from noisy_label_datasets import cli
from noisy_label_datasets.explore.model import Choice, ExploreError
from noisy_label_datasets.explore.page import to_html
from noisy_label_datasets.explore.sheets import COLUMNS, make_sheets
from noisy_label_datasets.export.folder import export
from tests.explore.made import HOSTILE, encoded, explored


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    """`digits_noisy/medium`, built from the labels that come with the package."""
    builder = tfds.builder("digits_noisy/medium", data_dir=tmp_path_factory.mktemp("data"))
    builder.download_and_prepare()
    return builder


@pytest.fixture(scope="module")
def exported(builder, tmp_path_factory):
    """It, in both formats."""
    folder = tmp_path_factory.mktemp("exported")
    return {kind: export(builder, folder / kind, kind) for kind in ("huggingface", "croissant")}


def data_of(page: str) -> dict:
    """What the script of a page reads."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def array(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def picture(data: dict, i: int) -> np.ndarray:
    """The thumbnail of an example, cut from its sheet."""
    sheets = data["sheets"]
    uri = sheets["uris"][i // sheets["perSheet"]]
    place, cell = i % sheets["perSheet"], sheets["cell"]
    x, y = place % sheets["columns"] * cell, place // sheets["columns"] * cell
    width, height = array(sheets["sizes"], "u1").reshape(-1, 2)[i].tolist()
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    return np.asarray(image.crop((x, y, x + width, y + height)))


def explore(*arguments) -> int:
    return cli.main(["explore", *map(str, arguments)])


def test_the_page_holds_the_examples_of_the_dataset(builder, tmp_path, capsys):
    out = tmp_path / "new" / "page.html"
    data_dir = builder.data_dir_root
    assert explore("digits_noisy/medium", "--data-dir", data_dir, "--max-images", 300, "--out", out) == 0
    assert f"Wrote 300 images of digits_noisy/medium, noisy_label_train, to {out}" in capsys.readouterr().out
    page = out.read_text()
    data = data_of(page)
    original = {e["id"].decode(): e for e in tfds.as_numpy(builder.as_dataset(split="noisy_label_train"))}
    assert "300 of 600 images" in page
    assert data["classes"] == list("0123456789")
    assert data["ids"] == sorted(data["ids"])
    assert len(set(data["ids"]) & set(original)) == 300
    noisy_labels = array(data["noisyLabels"], "<i2").reshape(300, 9)
    for i, id_ in enumerate(data["ids"]):
        example = original[id_]
        assert noisy_labels[i].tolist() == example["noisy_labels"].tolist()
        assert array(data["labels"], "<i2")[i] == example["label"]
        assert array(data["noisyLabel"], "<i2")[i] == example["noisy_label"]
        assert array(data["noisyLabelRater"], "<i4")[i] == example["noisy_label_rater"]
    for i in (0, 17, 255, 256, 299):  # of two sheets
        np.testing.assert_array_equal(picture(data, i), original[data["ids"][i]]["image"][..., 0])

    labels = noisy_label_datasets.load_labels("digits_noisy/medium", data_dir=tmp_path)
    rows = [labels.ids.tolist().index(id_) for id_ in data["ids"]]
    values = array(data["probabilities"]["values"], "<u2").reshape(300, 9, 10)
    np.testing.assert_allclose(values / 10_000, labels.probabilities()[rows], atol=5.1e-5)
    assert data["raters"] == list(labels.rater_ids)


def test_labels_alone_need_nothing_built(builder, tmp_path, monkeypatch, capsys):
    """The page of the dataset, without its images."""
    monkeypatch.chdir(tmp_path)
    chosen = ["digits_noisy/medium", "--max-images", 40, "--seed", 5]
    assert explore(*chosen, "--data-dir", builder.data_dir_root, "--out", "built.html") == 0
    assert explore(*chosen, "--data-dir", tmp_path / "empty", "--no-images") == 0
    assert "Wrote 40 examples of digits_noisy/medium, noisy_label_train, to digits_noisy-medium.html" in (
        capsys.readouterr().out
    )
    page = pathlib.Path("digits_noisy-medium.html").read_text()
    assert "40 of 600 examples, drawn with seed 5, of noisy_label_train, with the labels of 9 raters, without" in page
    built, alone = data_of(pathlib.Path("built.html").read_text()), data_of(page)
    assert alone.pop("sheets") is None
    assert {key: built[key] for key in alone} == alone
    assert explore("digits_noisy/rate_0.30", "--max-images", 4, "--no-images", "--out", "dial.html") == 0
    dial = data_of(pathlib.Path("dial.html").read_text())
    assert (dial["probabilities"], "not the raters' own answers" in dial["noProbabilities"]) == (None, True)


@pytest.mark.parametrize("kind", ["huggingface", "croissant"])
def test_an_exported_folder_shows_the_same(builder, exported, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chosen = ["--max-images", 40, "--seed", 5, "--split", "test"]
    assert explore("digits_noisy/medium", "--data-dir", builder.data_dir_root, *chosen) == 0
    assert explore(exported[kind], *chosen, "--out", "exported.html") == 0
    built, read = (data_of(pathlib.Path(name).read_text()) for name in ("digits_noisy-medium.html", "exported.html"))
    assert read.pop("probabilities") is None
    assert "exported folder" in read.pop("noProbabilities")
    assert {key: built[key] for key in read} == read
    assert ("digits_noisy/medium <small>2.0.0" in pathlib.Path("exported.html").read_text()) == (kind == "huggingface")


def test_a_split_that_no_rater_labelled(builder, tmp_path):
    arguments = ["digits_noisy/medium", "--data-dir", builder.data_dir_root, "--split", "clean_label_train"]
    assert explore(*arguments, "--out", tmp_path / "page.html") == 0
    data = data_of((tmp_path / "page.html").read_text())
    assert set(array(data["noisyLabels"], "<i2").tolist()) == {-1}
    assert (data["probabilities"], data["noProbabilities"]) == (None, "No rater labelled this split.")


def test_the_choice_depends_on_ids_and_seed_alone():
    examples = list(explored(200).examples)
    first, total = Choice("test", 50, seed=1).take(examples)
    again, _ = Choice("test", 50, seed=1).take(reversed(examples))
    other, _ = Choice("test", 50, seed=2).take(examples)
    ids = [[example.id for example in chosen] for chosen in (first, again, other)]
    assert total == 200
    assert ids[0] == ids[1] == sorted(ids[0])
    assert len(set(ids[0]) & set(ids[2])) < 25  # 12.5 are expected
    assert len(Choice("test", 500).take(examples)[0]) == 200


def test_names_are_text_wherever_they_stand():
    ids = HOSTILE[0] + "{:04d}"
    page = to_html(explored(class_names=HOSTILE, ids=ids, name=HOSTILE[1]))
    assert page.count("<script") == page.count("</script") == 2
    assert "<img" not in page
    assert "<!--" not in page
    assert "\u202e" not in page
    data = data_of(page)
    assert data["classes"][:4] == list(HOSTILE[:4])
    assert data["classes"][4] == "\\u202eesrever\\u2028 line & \\x1b[31m red"
    assert data["ids"][7] == f"{HOSTILE[0]}0007"


def test_of_many_classes_the_most_probable_are_kept():
    of = explored(class_names=tuple(f"class {k}" for k in range(40)))
    kept = data_of(to_html(of))["probabilities"]
    classes = array(kept["classes"], "<i2").reshape(30, 4, 5)
    values = array(kept["values"], "<u2").reshape(30, 4, 5)
    assert classes[..., 0].tolist() == of.probabilities.argmax(axis=-1).tolist()
    np.testing.assert_allclose(values / 10_000, np.sort(of.probabilities)[..., :-6:-1], atol=5.1e-5)


def test_large_images_become_thumbnails_of_their_own_shape():
    image = encoded((640, 320), (180, 60, 20), "JPEG")
    sheets = make_sheets(explored(20, image=image).examples)
    assert sheets.sizes.tolist() == [[96, 48]] * 20
    assert sheets.originals.tolist() == [[640, 320]] * 20
    (uri,) = sheets.uris
    sheet = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert uri.startswith("data:image/jpeg;")
    assert sheet.size == (COLUMNS * 96, 2 * 96)
    assert np.abs(np.asarray(sheet)[60 + 96 - 60 : 96 + 48, :96].astype(int) - [180, 60, 20]).max() < 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits_noisy/mediun"], "no config of digits_noisy called 'mediun'. Did you mean 'medium'?"),
        (["digits_noisy"], "its configs are low"),
        (["digit_noisy/low"], "no dataset 'digit_noisy'"),
        (["digits_noisy/low"], "`noisy-labels build digits_noisy/low` builds it"),
        (
            ["digits_noisy/medium", "--split", "train"],
            "digits_noisy/medium has no split 'train'; there are clean_label",
        ),
        (["digits_noisy/medium", "--max-images", "0"], "max_images is 0; it has to be from 1 to 5,000"),
        (["digits_noisy/medium", "--out", "."], "--out is ., which is a folder"),
        (["./nowhere"], "./nowhere is no folder, nor is it of the form DATASET/CONFIG"),
        (["empty"], "empty is a folder, but not one that `noisy-labels export` wrote"),
    ],
)
def test_bad_input(builder, arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert explore(*arguments, "--data-dir", builder.data_dir_root) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_place_that_cannot_be_written(builder, tmp_path, capsys):
    (tmp_path / "file").touch()
    arguments = ["digits_noisy/medium", "--data-dir", builder.data_dir_root, "--max-images", "5"]
    assert explore(*arguments, "--out", tmp_path / "file" / "page.html") == 1
    error = capsys.readouterr().err
    assert "cannot write" in error
    assert str(tmp_path / "file" / "page.html") in error


def test_damaged_exports_are_named(exported, tmp_path, capsys):
    folder = shutil.copytree(exported["huggingface"], tmp_path / "copy")
    assert explore(folder, "--split", "train", "--out", tmp_path / "page.html") == 2
    assert f"{folder} has no split 'train'; there are clean_label_train," in capsys.readouterr().err
    (folder / "raters.json").write_text("[{}]")
    (parquet,) = (folder / "data").glob("test-*")
    parquet.write_bytes(parquet.read_bytes()[:-100])
    for split in ("noisy_label_train", "test"):
        assert explore(folder, "--split", split, "--out", tmp_path / "page.html") == 2
        assert f"the export in {folder} cannot be read (" in capsys.readouterr().err
    (folder / "raters.json").write_text('[{"id": "only_one"}]')
    assert explore(folder, "--out", tmp_path / "page.html") == 2
    assert "do not fit 1 raters and 10 classes" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_an_image_that_cannot_be_decoded_is_named():
    with pytest.raises(ExploreError, match=r"the image of 'image_0000' cannot be decoded \(OSError"):
        to_html(explored(image=encoded()[:45]))
