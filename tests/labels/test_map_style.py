import hashlib
import pickle

import numpy as np
import pytest

from noisy_label_datasets import NoisyLabelDataset, load_labels
from noisy_label_datasets.labels.loading import LabelsError


class Official:
    """As torchvision's datasets are: items (image, clean label) in official order, and `targets`."""

    def __init__(self, targets, *, with_targets=True):
        self._targets = targets
        if with_targets:
            self.targets = targets

    def __len__(self):
        return len(self._targets)

    def __getitem__(self, index):
        return np.full((2, 2, 3), index % 251, np.uint8), self._targets[index]


@pytest.fixture(scope="module")
def labels():
    return load_labels("cifar10_noisy/low")


@pytest.fixture(scope="module")
def targets(labels):
    of_train = labels.select("noisy_label_train", "noisy_label_valid", "clean_label_valid")
    targets = [0] * 50_000
    for index, label in zip(of_train.index.tolist(), of_train.labels.tolist(), strict=True):
        targets[index] = label
    return targets


@pytest.mark.parametrize("with_targets", [True, False])
def test_items(labels, targets, with_targets):
    some = labels.select("noisy_label_train")
    train = NoisyLabelDataset(Official(targets, with_targets=with_targets), some, transform=lambda image: image + 1)
    assert len(train) == len(some)
    for row in (0, 17, -1):
        item = train[row]
        assert item["id"] == f"train_{some.index[row]:05}"
        assert item["image"][0, 0, 0] == some.index[row] % 251 + 1
        assert item["label"] == some.labels[row]
        assert item["noisy_label"] == some.noisy_label[row]
        np.testing.assert_array_equal(item["noisy_labels"], some.noisy_labels[row])
    with pytest.raises(IndexError):
        train[len(some)]


def test_workers_get_it_by_pickle(labels, targets):
    train = NoisyLabelDataset(Official(targets), labels.select("noisy_label_valid"))
    assert pickle.loads(pickle.dumps(train))[3]["id"] == train[3]["id"]


def test_another_order_is_noticed(labels, targets):
    for dataset in (Official(targets[::-1]), Official(targets[::-1], with_targets=False)):
        with pytest.raises(LabelsError, match=r"in another order: \d+ of \d+ clean labels differ, first number"):
            NoisyLabelDataset(dataset, labels.select("noisy_label_train"))


def test_several_files_have_to_be_told_apart(labels, targets):
    with pytest.raises(LabelsError, match="of the files test, train: say which the dataset is"):
        NoisyLabelDataset(Official(targets), labels)
    train = NoisyLabelDataset(Official(targets), labels, file="train")
    assert set(train.labels.split.tolist()) == {"clean_label_valid", "noisy_label_train", "noisy_label_valid"}
    with pytest.raises(LabelsError, match="no labels are of the file 'valid'; there are test, train"):
        NoisyLabelDataset(Official(targets), labels, file="valid")


def test_a_dataset_too_short(labels, targets):
    with pytest.raises(LabelsError, match=r"has 100 examples; cifar10_noisy/low has labels up to number 49"):
        NoisyLabelDataset(Official(targets[:100]), labels.select("noisy_label_train"))


def test_pytorch_collates_it_as_batches_of_raters(labels, targets):
    torch = pytest.importorskip("torch")
    train = NoisyLabelDataset(Official(targets), labels.select("noisy_label_train"))
    batch = next(iter(torch.utils.data.DataLoader(train, batch_size=9)))
    assert batch["noisy_labels"].shape == (9, len(labels.raters))
    np.testing.assert_array_equal(batch["noisy_labels"].numpy(), train.labels.noisy_labels[:9])


@pytest.fixture
def torchvisions_cifar10(labels, targets, tmp_path):
    """torchvision's own class on files in the published form; of the first batch alone, whose images are blank."""
    datasets = pytest.importorskip("torchvision.datasets")
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    batch = {"data": np.zeros((10_000, 3072), np.uint8), "labels": targets[:10_000]}
    contents = {"data_batch_1": pickle.dumps(batch), "batches.meta": pickle.dumps({"label_names": labels.class_names})}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    md5 = {name: hashlib.md5(data).hexdigest() for name, data in contents.items()}

    class FirstBatch(datasets.CIFAR10):
        train_list = (("data_batch_1", md5["data_batch_1"]),)
        test_list = ()
        meta = {"filename": "batches.meta", "key": "label_names", "md5": md5["batches.meta"]}  # noqa: RUF012

    return FirstBatch(tmp_path, train=True)


def test_torchvisions_own_class(labels, targets, torchvisions_cifar10):
    torch = pytest.importorskip("torch")
    some = labels.select("noisy_label_train")
    first = some.rows(np.flatnonzero(some.index < 10_000))
    train = NoisyLabelDataset(torchvisions_cifar10, first, transform=lambda image: np.asarray(image))
    batch = next(iter(torch.utils.data.DataLoader(train, batch_size=9, num_workers=2)))
    assert batch["image"].shape == (9, 32, 32, 3)
    assert batch["noisy_labels"].shape == (9, len(labels.raters))
    np.testing.assert_array_equal(batch["noisy_label"].numpy(), first.noisy_label[:9])
    assert batch["id"] == first.ids[:9].tolist()
    torchvisions_cifar10.targets = torchvisions_cifar10.targets[::-1]
    with pytest.raises(LabelsError, match="in another order"):
        NoisyLabelDataset(torchvisions_cifar10, first)
