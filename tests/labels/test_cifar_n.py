import io
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest

from noisy_label_datasets import remote_files
from noisy_label_datasets.labels import cifar_n
from noisy_label_datasets.labels.catalog import entry_of
from noisy_label_datasets.labels.cifar_n import CifarN
from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.labels.sources import LabelContext, MissingLabelsError
from noisy_label_datasets.labels.torch_arrays import read_torch_arrays


def saved(value: object, module: bytes = b"numpy.core.multiarray") -> bytes:
    """As `torch.save` writes it: a ZIP archive of a pickle, with NumPy 1's names of modules."""
    pickled = pickle.dumps(value, protocol=2).replace(b"numpy._core.multiarray", module)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


@pytest.fixture
def cifar10_context():
    entry = entry_of("cifar10_noisy")
    return LabelContext(
        dataset=entry.dataset,
        base=entry.base,
        class_names=entry.class_names,
        split_plan=entry.split_plan,
        data_dir=None,
        builder_dir=None,
    )


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A made-up file of the authors' form in the cache folder: random_label1 errs on class 0, the others never."""
    clean = np.arange(50_000) % 10
    arrays = {
        name: clean.copy() for name in ("clean_label", "aggre_label", "worse_label", "random_label2", "random_label3")
    }
    arrays["random_label1"] = np.where(clean == 0, 1, clean)
    data = saved(arrays)
    of_cifar10 = cifar_n.PUBLISHED["cifar10"]
    file = remote_files.RemoteFile(of_cifar10.file.url, remote_files.files.sha256(data))
    monkeypatch.setitem(cifar_n.PUBLISHED, "cifar10", of_cifar10._replace(file=file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "noisy_label_datasets" / file.name
    path.parent.mkdir()
    path.write_bytes(data)
    return clean


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_arrays_come_back(dtype, module):
    arrays = {"a": np.arange(300).astype(dtype), "b": np.zeros((2, 3), dtype)}
    back = read_torch_arrays(saved({**arrays, "beside": [1, 2]}, module))
    assert list(back) == ["a", "b"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == dtype


class Evil:
    def __reduce__(self):
        return os.system, ("echo run > /tmp/was_run",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (saved({"a": Evil()}), r"system is no part of a dictionary of arrays"),
        (saved([1, 2]), "something else was saved"),
        (saved({"a": np.zeros(2)}), "no dictionary of arrays"),  # not whole numbers
        (b"PK no more", "no dictionary of arrays"),
        (b"", "no dictionary of arrays"),
        (saved({"a": np.arange(3)})[:-30], "no dictionary of arrays"),
    ],
)
def test_nothing_else_is_read_and_nothing_is_run(data, message):
    with pytest.raises(ValueError, match=message):
        read_torch_arrays(data)
    assert not pathlib.Path("/tmp/was_run").exists()


def test_a_pickle_that_would_inflate_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))
    with pytest.raises(ValueError, match="1,000,000 bytes; at most 1,000 are expected"):
        read_torch_arrays(buffer.getvalue(), most_bytes=1000)


def archive_of(pickled: bytes, **of_entry: int) -> bytes:
    """A compressed ZIP archive of a pickle; of_entry: what its directory says of it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, value in of_entry.items():
            setattr(archive.infolist()[0], name, value)
    return buffer.getvalue()


def altered_in_the_middle(data: bytes) -> bytes:
    return data[:60] + bytes([data[60] ^ 255]) + data[61:]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (altered_in_the_middle(archive_of(pickle.dumps({"a": np.arange(3000)}, protocol=2))), "decompressing"),
        (archive_of(b"\x80\x02}.", flag_bits=1), "is encrypted"),
        (archive_of(b"\x80\x02}r\xff\xff\xff\x0f."), "place 268435455 of the memo"),  # would be 4 GB of memory
    ],
)
def test_archives_that_are_damaged_or_made_up(data, message):
    with pytest.raises(ValueError, match=f"it is no dictionary of arrays .*{message}"):
        read_torch_arrays(data)


def test_labels_are_joined_to_ids_of_torchvisions_order(published, cifar10_context):
    labels = CifarN("random").load(cifar10_context)
    assert [rater["id"] for rater in labels.raters] == ["random_label1", "random_label2", "random_label3"]
    assert "test" not in labels.ids
    assert sum(map(len, labels.ids.values())) == 50_000
    train = labels.ids["noisy_label_train"]
    positions = np.asarray([int(id_.removeprefix("train_")) for id_ in train.tolist()])
    np.testing.assert_array_equal(labels.clean_labels["noisy_label_train"], published[positions])
    first = labels.noisy_labels["noisy_label_train"][:, 0]
    np.testing.assert_array_equal(first, np.where(published[positions] == 0, 1, published[positions]))
    assert labels.raters[1]["accuracy"] == 1.0
    assert 0.85 < labels.raters[0]["accuracy"] < 0.95
    assert labels.provenance["licence"] == "CC BY-NC 4.0"


def test_one_kind_of_label(published, cifar10_context):
    assert CifarN("worst").load(cifar10_context).noisy_labels["noisy_label_valid"].shape[1] == 1


def test_a_file_that_is_another_is_refused(published, cifar10_context, tmp_path):
    path = tmp_path / "other.pt"
    path.write_bytes(saved({"clean_label": np.zeros(50_000, int)}))
    with pytest.raises(MissingLabelsError, match=r"is not CIFAR-10_human\.pt as published: its SHA-256 is not"):
        CifarN("worst", path=str(path)).load(cifar10_context)


def test_what_there_is_not(cifar10_context, tmp_path):
    with pytest.raises(PredictionsError, match="no human labels 'best'; there are random, worst, aggregate"):
        CifarN("best")
    with pytest.raises(MissingLabelsError, match=r"nowhere\.pt is not there"):
        CifarN("worst", path=str(tmp_path / "nowhere.pt")).load(cifar10_context)


# Published error rates: Table 1 of Wei et al. 2022, with the copies of the files that these variables name.
@pytest.mark.slow
@pytest.mark.skipif("CIFAR10N_FILE" not in os.environ, reason="CIFAR10N_FILE is the authors' CIFAR-10_human.pt")
@pytest.mark.parametrize(
    ("kind", "rates"), [("random", (0.1723, 0.1812, 0.1764)), ("worst", (0.4021,)), ("aggregate", (0.0903,))]
)
def test_published_error_rates(kind, rates, cifar10_context):
    labels = CifarN(kind, path=os.environ["CIFAR10N_FILE"]).load(cifar10_context)
    noisy = np.concatenate(list(labels.noisy_labels.values()))
    clean = np.concatenate(list(labels.clean_labels.values()))
    assert tuple((noisy != clean[:, None]).mean(axis=0)) == pytest.approx(rates, abs=0.0003)
