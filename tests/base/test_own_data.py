"""Data of one's own as base datasets: image folders, .npz files, what is wrong with them, and how they are divided."""

import contextlib
import os
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from noisy_label_datasets.base import own_data
from noisy_label_datasets.base.arrays import CleanDataset, LabelledImages
from noisy_label_datasets.base.bases import decode_image
from noisy_label_datasets.base.errors import BaseDatasetError
from noisy_label_datasets.base.image_folder import describe_image_folder
from noisy_label_datasets.base.npz_file import describe_npz
from noisy_label_datasets.base.own_data import check_sizes, origin_of, plan_for, suited_size
from noisy_label_datasets.base.splits import SPLITS, SplitPlan

RNG = np.random.default_rng(0)


def save(path: pathlib.Path, size=(12, 10), mode="RGB", **kwargs) -> np.ndarray:
    """Writes an image file of random pixels, and returns them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (*size[::-1], *((3,) if mode == "RGB" else ())), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **kwargs)
    return pixels


@pytest.fixture
def photos(tmp_path):
    """Two classes of two files each."""
    for name in ("cat/1.png", "cat/more/2.png", "dog/1.png", "dog/2.JPG"):
        save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "photos" / ".hidden").mkdir()
    return tmp_path / "photos"


def read(base, split="all"):
    """Returns id -> (image, class name) of a split of a base."""
    return {
        id_: (decode_image(image, base.image_shape[-1]), base.class_names[label])
        for batch in base.batches(None, [split])
        for id_, image, label in zip(batch.ids, batch.images, batch.labels, strict=True)
    }


def refuse(folder, said, **kwargs):
    with pytest.raises(BaseDatasetError, match=said) as raised:
        describe_image_folder(folder, "photos", **{"skip_corrupt": False, **kwargs})
    assert "\n" not in str(raised.value)


def test_a_folder_per_class(photos):
    pixels = save(photos / "dog" / "3.png")
    base = describe_image_folder(photos, "photos", skip_corrupt=False)
    assert base.class_names == ("cat", "dog")
    assert base.image_shape == (10, 12, 3)
    examples = read(base)
    assert sorted(examples) == ["cat/1.png", "cat/more/2.png", "dog/1.png", "dog/2.JPG", "dog/3.png"]
    assert examples["cat/more/2.png"][1] == "cat"
    np.testing.assert_array_equal(examples["dog/3.png"][0], pixels)
    (batch,) = base.batches(None, ["all"])
    assert batch.images[batch.ids.index("dog/2.JPG")] == (photos / "dog" / "2.JPG").read_bytes()  # as it is


@pytest.mark.slow
def test_keras_reads_the_same_classes_and_files(photos):
    keras = pytest.importorskip("keras")
    theirs = keras.utils.image_dataset_from_directory(photos, verbose=False, shuffle=False)
    base = describe_image_folder(photos, "photos", skip_corrupt=False)
    assert theirs.class_names == list(base.class_names)
    assert sorted(pathlib.Path(path).relative_to(photos).as_posix() for path in theirs.file_paths) == sorted(read(base))


def test_folders_that_are_splits(tmp_path):
    for split, number in (("train", 3), ("test", 1)):
        for name in ("a", "b"):
            for i in range(number):
                save(tmp_path / split / name / f"{i}.png")
    base = describe_image_folder(tmp_path, "own", skip_corrupt=False)
    assert base.class_names == ("a", "b")
    assert len(read(base, "train")) == 6
    assert read(base, "test")["test/b/0.png"][1] == "b"
    with pytest.raises(BaseDatasetError, match=r"has no split all; it has test, train"):
        read(base, "all")


def test_splits_in_capital_letters(tmp_path):
    for name in ("Train", "Testing"):
        for of_class in ("cat", "dog"):
            save(tmp_path / name / of_class / "1.png")
    base = describe_image_folder(tmp_path, "own", skip_corrupt=False)
    assert base.class_names == ("cat", "dog")
    assert list(read(base, "testing")) == ["Testing/cat/1.png", "Testing/dog/1.png"]
    plan, unused = plan_for(("train", "testing"))
    assert (plan.fractions["testing"], unused) == ({"test": 1.0}, ())
    save(tmp_path / "train" / "cat" / "1.png")
    refuse(tmp_path, "has a split twice: .*Train, train|train, Train")


def test_a_class_may_be_called_train_beside_others(tmp_path):
    for name in ("train/fast/1.png", "bus/1.png"):
        save(tmp_path / name)
    assert describe_image_folder(tmp_path, "own", skip_corrupt=False).class_names == ("bus", "train")


@pytest.mark.parametrize(
    ("mode", "kwargs", "ending"),
    [
        ("RGBA", {}, "png"),
        ("P", {}, "png"),
        ("CMYK", {}, "jpg"),
        ("RGB", {}, "bmp"),
        ("RGB", {"lossless": True}, "webp"),
    ],
)
def test_what_a_dataset_cannot_hold_becomes_png(photos, mode, kwargs, ending):
    path = photos / "dog" / f"other.{ending}"
    Image.fromarray(RNG.integers(0, 256, (10, 12, 3), dtype=np.uint8)).convert(mode).save(path, **kwargs)
    base = describe_image_folder(photos, "photos", skip_corrupt=False)
    (batch,) = base.batches(None, ["all"])
    stored = batch.images[batch.ids.index(f"dog/other.{ending}")]
    assert stored.startswith(b"\x89PNG")
    np.testing.assert_array_equal(decode_image(stored, 3), np.asarray(Image.open(path).convert("RGB")))


def test_grey_images_have_one_channel_and_among_colours_three(tmp_path):
    for i in range(2):
        for name in ("a", "b"):
            save(tmp_path / "grey" / name / f"{i}.png", mode="L")
    deep = RNG.integers(0, 2**16, (10, 12)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "grey" / "a" / "deep.png")
    base = describe_image_folder(tmp_path / "grey", "grey", skip_corrupt=False)
    assert base.image_shape == (10, 12, 1)
    np.testing.assert_array_equal(read(base)["a/deep.png"][0][..., 0], deep >> 8)
    pixels = save(tmp_path / "grey" / "b" / "colour.png", size=(9, 9))
    base = describe_image_folder(tmp_path / "grey", "grey", skip_corrupt=False)
    assert base.image_shape == (None, None, 3)
    np.testing.assert_array_equal(read(base)["b/colour.png"][0], pixels)
    assert read(base)["a/0.png"][0].shape == (10, 12, 3)


def test_of_16_bits_the_upper_eight_are_kept_and_32_are_refused(tmp_path):
    deep = np.linspace(0, 2**16 - 1, 120).reshape(10, 12).astype(np.uint16)
    for ending in ("png", "pgm", "tif"):
        Image.fromarray(deep).save(path := tmp_path / f"deep.{ending}")
        np.testing.assert_array_equal(decode_image(path.read_bytes(), 1)[..., 0], deep >> 8)
    for kind in (np.int32, np.float32):
        for name in ("a", "b"):
            save(tmp_path / kind.__name__ / name / "0.png", mode="L")
        Image.fromarray(deep.astype(kind)).save(tmp_path / kind.__name__ / "a" / "scan.tif")
        refuse(tmp_path / kind.__name__, r"cannot be read as images: a/scan.tif \(its pixels are 32-bit numbers")


def test_hidden_folders_in_a_class_are_left_out(photos):
    before = describe_image_folder(photos, "photos", skip_corrupt=False)
    save(photos / "cat" / ".ipynb_checkpoints" / "1-checkpoint.png")
    (photos / "cat" / ".DS_Store").write_bytes(b"no image")
    (photos / "cat" / "._1.png").write_bytes(b"no image")
    assert describe_image_folder(photos, "photos", skip_corrupt=False) == before


@pytest.mark.parametrize("target", ["nowhere.png", "link.png"])
def test_files_that_cannot_be_opened_are_named_and_skipped(photos, target):
    (photos / "dog" / "link.png").symlink_to(photos / "dog" / target)
    os.mkfifo(photos / "dog" / "pipe.png")
    assert origin_of(f"{photos}/").kind == "folder"
    refuse(photos, r"2 of 6 files in .* cannot be read as images: dog/link.png, dog/pipe.png \(link.png is no file\)")
    base = describe_image_folder(photos, "photos", skip_corrupt=True)
    assert sorted(read(base)) == ["cat/1.png", "cat/more/2.png", "dog/1.png", "dog/2.JPG"]


@pytest.mark.parametrize(
    ("link", "target", "said"),
    [
        ("bird", ".", "bird is a link to .*photos, which has all the others in it"),
        ("bird", "..", "bird is a link to .*, which has all the others in it"),
        ("bird", "cat", "bird is a link to images of .*cat"),
        ("bird", "cat/more", "bird is a link to images of .*cat"),
    ],
)
def test_links_that_would_give_images_two_classes(photos, link, target, said):
    (photos / link).symlink_to(photos / target)
    refuse(photos, said)


def test_links_to_classes_elsewhere_are_followed(tmp_path, photos):
    save(tmp_path / "elsewhere" / "1.png")
    (photos / "bird").symlink_to(tmp_path / "elsewhere")
    assert read(describe_image_folder(photos, "photos", skip_corrupt=False))["bird/1.png"][1] == "bird"


def test_corrupt_files_are_named_and_refused_or_skipped(photos):
    data = (photos / "cat" / "1.png").read_bytes()
    (photos / "cat" / "cut.png").write_bytes(data[: len(data) // 2])
    (photos / "dog" / "text.jpg").write_text("no image")
    refuse(photos, r"2 of 6 files in .* cannot be read as images: cat/cut.png, dog/text.jpg \(.*--corrupt skip leaves")
    lines = []
    base = describe_image_folder(photos, "photos", skip_corrupt=True, report=lines.append)
    assert base.skipped == ("cat/cut.png", "dog/text.jpg")
    assert sorted(read(base)) == ["cat/1.png", "cat/more/2.png", "dog/1.png", "dog/2.JPG"]
    assert "cat/cut.png" in lines[0]


def test_folders_that_are_no_dataset(tmp_path, photos):
    refuse(tmp_path / "nothing", "there is no folder")
    refuse(photos / "cat" / "1.png", "1.png is no folder")
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "there are no images in .*: looked for .jpg, .*in a folder per class")
    save(tmp_path / "flat" / "1.png")
    refuse(tmp_path / "flat", "there are no images in")
    save(tmp_path / "one" / "cat" / "1.png")
    refuse(tmp_path / "one", "has images of one class, cat; a dataset has two or more")
    (photos / "bird").mkdir()
    refuse(photos, r"the folder .*bird has no images; each folder in .* is a class")


@pytest.mark.parametrize("name", ["two\nlines", " spaced", "bell\a"])
def test_folders_whose_names_cannot_be_classes(photos, name):
    save(photos / name / "1.png")
    refuse(photos, "has the name .*; a class is called as its folder")


def test_files_that_have_changed_since_are_an_error(photos):
    base = describe_image_folder(photos, "photos", skip_corrupt=False)
    save(photos / "dog" / "9.png")
    with pytest.raises(BaseDatasetError, match="are not those that photos was made of"):
        read(base)


IDS = np.array([f"x{i}" for i in range(60)])


def arrays(n=60, k=3, channels=()):
    return {
        "images": RNG.integers(0, 256, (n, 8, 6, *channels), dtype=np.uint8),
        "labels": (np.arange(n) % k).astype(np.int64),
    }


@pytest.mark.parametrize(
    ("members", "splits"),
    [
        (("images", "labels"), ("all",)),
        (("x", "y"), ("all",)),
        (("x_train", "y_train", "x_test", "y_test"), ("train", "test")),
        (("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"), None),
    ],
)
def test_the_layouts_of_an_npz_file(tmp_path, members, splits):
    given = arrays()
    stored = {name: given["images" if re.search(r"x|images", name) else "labels"] for name in members}
    if splits is None:  # MedMNIST has labels in columns
        stored = {name: array[:, None] if "labels" in name else array for name, array in stored.items()}
    np.savez(tmp_path / "own.npz", **stored)
    base = describe_npz(tmp_path / "own.npz", "own")
    assert base.class_names == ("0", "1", "2")
    assert base.image_shape == (8, 6, 1)
    for split in splits or ("train", "val", "test"):
        examples = read(base, split)
        assert len(examples) == 60
        np.testing.assert_array_equal(examples[f"{split}_00017"][0][..., 0], given["images"][17])
        assert examples[f"{split}_00017"][1] == str(17 % 3)


def test_names_and_ids_of_an_npz_file(tmp_path):
    given = arrays(n=4, k=2, channels=(3,))
    np.savez(tmp_path / "own.npz", **given, class_names=np.array(["cat", "dog"]), ids=np.array(list("wxyz")))
    base = describe_npz(tmp_path / "own.npz", "own")
    assert base.class_names == ("cat", "dog")
    assert read(base)["z"][1] == "dog"
    np.savez(tmp_path / "own.npz", **arrays(n=4, k=2))
    with pytest.raises(BaseDatasetError, match=r"own.npz is not the file that the dataset was made of"):
        read(base)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": None}, "has the members labels; expected are images and labels, x_train and y_train"),
        ({"labels": None, "targets": np.arange(60) % 3}, r"has the members images, targets; expected are"),
        ({"images": np.zeros((60, 8, 6), np.float32)}, r"images are \[60, 8, 6\] float32; they have to be \[n, height"),
        ({"images": np.zeros((60, 48), np.uint8)}, r"images are \[60, 48\] uint8; they have to be"),
        ({"images": np.zeros((60, 8, 6, 4), np.uint8)}, r"images are \[60, 8, 6, 4\] uint8"),
        ({"labels": np.arange(50) % 3}, r"labels are \[50\] int64; they have to be \[60\] integers"),
        ({"labels": np.eye(3)[np.arange(60) % 3]}, r"labels are \[60, 3\] float64; they have to be \[60\] integers"),
        ({"labels": np.arange(60) % 3 - 1}, "labels are -1 to 1; they have to be 0 or more"),
        ({"labels": np.arange(60) % 3 * 2}, r"class 1 \(1\) has no image"),
        ({"labels": np.arange(60) % 3 * 10**6}, "a label is 2000000, beyond the 60 images; labels are 0 to K - 1"),
        ({"labels": np.zeros(60, int)}, "has images of one class"),
        ({"class_names": np.array(["a", "b"])}, "a label is 2; with 2 class_names labels are 0 to 1"),
        ({"class_names": np.array(["a", "b", "a"])}, "classes 0 and 2 have the same name 'a'"),
        ({"class_names": np.array(["a", "b\n", "c"])}, "class 1 has the name"),
        ({"ids": np.array(["a"] * 60)}, r"ids are \[60\] <U1; they have to be \[60\] texts, no two alike"),
        ({"images": np.zeros((60, 0, 6), np.uint8)}, r"images are \[60, 0, 6\] uint8, without a pixel"),
        ({"x": np.zeros((60, 8, 6), np.uint8)}, "has the images of split all twice: it has images, labels, x"),
        (
            {f"{part}_{what}": array for part in ("train", "test") for what, array in (*arrays().items(), ("ids", IDS))}
            | {"images": None, "labels": None},
            "60 ids are in several splits, such as 'x0'",
        ),
        ({"labels": np.array([None] * 60)}, "it holds Python objects"),
    ],
)
def test_npz_files_that_are_no_dataset(tmp_path, changes, said):
    members = {name: array for name, array in {**arrays(), **changes}.items() if array is not None}
    np.savez(tmp_path / "own.npz", **members)
    with pytest.raises(BaseDatasetError, match=said) as raised:
        describe_npz(tmp_path / "own.npz", "own")
    assert "\n" not in str(raised.value)


def test_files_that_are_no_npz_files(tmp_path):
    with pytest.raises(BaseDatasetError, match=r"nowhere.npz cannot be read: No such file"):
        origin_of(str(tmp_path / "nowhere.npz"))
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(BaseDatasetError, match=r"text.npz cannot be read as an .npz file"):
        describe_npz(tmp_path / "text.npz", "own")
    np.savez_compressed(tmp_path / "bits.npz", **arrays())
    whole = (tmp_path / "bits.npz").read_bytes()
    for place in np.random.default_rng(0).integers(0, len(whole), 100).tolist():
        (tmp_path / "bits.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with contextlib.suppress(BaseDatasetError):  # another error fails the test; some bits are of no consequence
            describe_npz(tmp_path / "bits.npz", "own")
    with open(tmp_path / "one.npz", "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(BaseDatasetError, match=r"one.npz is no .npz file, but one array"):
        describe_npz(tmp_path / "one.npz", "own")


@pytest.mark.parametrize(
    ("splits", "test_of", "unused"),
    [
        (("all",), "all", ()),
        (("train",), "train", ()),
        (("train", "test"), "test", ()),
        (("train", "validation"), "validation", ()),
        (("train", "val", "test"), "test", ()),
        (("train", "test", "unlabelled"), "test", ("unlabelled",)),
        (("train", "extra"), "train", ("extra",)),
        (("fold_1", "fold_2"), "fold_2", ()),
    ],
)
def test_a_plan_for_the_splits_that_there_are(splits, test_of, unused):
    plan, left = plan_for(splits)  # a plan checks itself that all five splits come about
    assert "test" in plan.fractions[test_of]
    assert left == unused
    assert set(plan.fractions) == set(splits) - set(unused)


@pytest.mark.parametrize(
    ("shape", "pretrained", "size"),
    [
        ((28, 28, 1), False, None),
        ((48, 40, 3), False, None),
        ((96, 96, 3), False, (32, 32)),
        ((None, None, 3), False, (32, 32)),
        ((None, 32, 3), False, (32, 32)),
        ((96, 96, 3), True, None),
        ((32, 32, 3), True, (96, 96)),
    ],
)
def test_the_size_at_which_raters_see_images(shape, pretrained, size):
    assert suited_size(shape, pretrained=pretrained) == size


def dataset_of(counts):
    """A dataset with so many images a split, of three classes in turn."""
    splits = {}
    for split in SPLITS:
        n = counts.get(split, 60)
        ids = np.array([f"{split}_{i}" for i in range(n)])
        splits[split] = LabelledImages(ids, np.zeros((n, 4, 4, 1), np.uint8), np.arange(n, dtype=np.int32) % 3)
    plan = SplitPlan({"all": dict.fromkeys(SPLITS, 0.2)})
    return CleanDataset("own_noisy", "1.0.0", "own", "1.0.0", ("a", "b", "c"), plan, splits)


def test_too_few_images():
    check_sizes(dataset_of({}))
    with pytest.raises(BaseDatasetError, match="clean_label_valid has 19 images; 20 or more are needed to measure"):
        check_sizes(dataset_of({"clean_label_valid": 19}))
    with pytest.raises(BaseDatasetError, match="class 'c' has 3 images in clean_label_train; 4 or more are needed"):
        check_sizes(dataset_of({"clean_label_train": 11}))


def test_the_name_of_an_origin():
    assert own_data.Origin("folder", "/data/My Photos (2)", "").name == "my_photos_2"
    assert own_data.Origin("npz", "/data/labels.v2.npz", "").name == "labels_v2"
    assert own_data.Origin("tfds", "imagenet_resized/32x32", "").name == "imagenet_resized_32x32"
