"""Of many classes the five most probable: known values, nothing lost of them, and the artifact that is written so."""

import json

import numpy as np
import pytest

from noisy_label_datasets import files
from noisy_label_datasets.base.splits import LABELLED_SPLITS, SplitPlan
from noisy_label_datasets.labels import prediction_files
from noisy_label_datasets.labels.kept_codes import KEPT, codes_of, keep_most_probable
from noisy_label_datasets.labels.predictions import PredictionsError, PredictionsWriter, read_predictions
from noisy_label_datasets.labels.probability_codes import decode_probabilities, encode_probabilities
from noisy_label_datasets.maintenance import kept_probabilities, upgrade_predictions

PLAN = SplitPlan(
    {"all": dict(zip(("clean_label_train", *LABELLED_SPLITS), (0.4, 0.1, 0.2, 0.1, 0.2), strict=True))},
)
COUNTS = dict(zip(LABELLED_SPLITS, (40, 300, 20, 70), strict=True))


def probabilities(seed, num_classes, scale=3.0):
    rng = np.random.default_rng(seed)
    logits = {split: rng.normal(size=(n, num_classes)) * scale for split, n in COUNTS.items()}
    return {split: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True) for split, x in logits.items()}


def writer(folder, num_classes, **changes):
    arguments = {
        "dataset": "animals_noisy",
        "level": "low",
        "base": {"name": "animals", "version": "1.2.3"},
        "split_plan": PLAN,
        "class_names": [f"class {k}" for k in range(num_classes)],
        "examples": {
            split: (np.array([f"{split}-{i}" for i in range(n)]), np.arange(n) % 2) for split, n in COUNTS.items()
        },
    }
    return PredictionsWriter(folder, **{**arguments, **changes})


def write_pool(folder, num_classes=30, raters=("a", "b"), **changes):
    to = writer(folder, num_classes, **changes)
    for seed, rater_id in enumerate(raters):
        to.write_rater(
            rater_id, fingerprint="f", probabilities=probabilities(seed, num_classes), features={"accuracy": 0.5}
        )
    to.finish(raters, failures={"c": "diverged"}, provenance={"device": "cpu"})
    return folder


def all_codes(labels, others, codes, num_classes):
    return codes_of(labels, others, codes, num_classes=num_classes).dense()[:, 0]


def test_known_values():
    """One row by hand: codes 8 apart are a factor of two, so the others' 1/8, 1/16, 1/16 have the mean 1/12."""
    codes = np.array([[24, 0, 8, 32, 32, 16]], dtype=np.uint8)
    others, kept = keep_most_probable(codes, np.array([1]), kept=3)
    assert others.tolist() == [[2, 5]]
    assert kept.tolist() == [[8, 16, 29]]  # 8 * log2(12) = 28.7
    assert all_codes(np.array([1]), others, kept, num_classes=6).tolist() == [[29, 0, 8, 29, 29, 16]]


def test_label_first_among_equals_and_the_others_in_the_order_of_the_classes():
    others, kept = keep_most_probable(np.zeros((1, 8), np.uint8), np.array([6]))
    assert (others.tolist(), kept.tolist()) == ([[0, 1, 2, 3]], [[0, 0, 0, 0, 0]])


@pytest.mark.parametrize("scale", [0.3, 3.0, 9.0])
def test_the_most_probable_keep_their_probabilities_and_the_others_theirs_together(scale):
    p = probabilities(0, 100, scale)["noisy_label_train"]
    labels, codes = p.argmax(axis=-1), encode_probabilities(p.astype(np.float32))
    others, kept = keep_most_probable(codes, labels)
    dense = all_codes(labels, others, kept, num_classes=100)
    assert dense.dtype == np.uint8
    top = np.concatenate([labels[:, None], others], axis=-1)
    assert (np.take_along_axis(codes, top, -1) == np.sort(codes, axis=-1)[:, :KEPT]).all()
    assert (np.take_along_axis(dense, top, -1) == np.take_along_axis(codes, top, -1)).all()
    decoded, before = decode_probabilities(dense), decode_probabilities(codes)
    error = np.abs(np.take_along_axis(decoded, top, -1) - np.take_along_axis(before, top, -1))
    assert error.max() < 0.0145  # as much as a code itself may be off: the share left is rounded as a code is
    np.testing.assert_allclose(decoded.sum(axis=-1), 1, atol=1e-5)


def test_kept_twice_is_kept_once():
    p = probabilities(0, 100)["noisy_label_train"]
    labels, codes = p.argmax(axis=-1), encode_probabilities(p)
    once = all_codes(labels, *keep_most_probable(codes, labels), num_classes=100)
    assert (all_codes(labels, *keep_most_probable(once, labels), num_classes=100) == once).all()


def test_of_two_hundred_and_fifty_seven_classes_the_numbers_take_two_bytes():
    p = probabilities(0, 257)["test"]
    others, _ = keep_most_probable(encode_probabilities(p), p.argmax(axis=-1))
    assert others.dtype == np.uint16
    assert others[0].tolist() == np.argsort(-p[0])[1:KEPT].tolist()


@pytest.mark.parametrize(
    ("labels", "others", "codes", "message"),
    [
        ([1], [[1, 2]], [[3, 4, 5]], "different ones"),
        ([1], [[2, 2]], [[3, 4, 5]], "different ones"),
        ([1], [[2, 9]], [[3, 4, 5]], r"0\.\.8"),
        ([1], [[2, 2**56 + 3]], [[3, 4, 5]], r"0\.\.8"),
        ([1], [[2, 3]], [[4, 3, 5]], "do not ascend"),
        ([1], [[2, 3]], [[3, 4, 2]], "do not ascend"),
        ([1], [[2]], [[3, 4, 5]], r"other classes \[n, k - 1\]"),
        ([1, 2], [[2, 3]], [[3, 4, 5]], r"labels \[n\]"),
    ],
)
def test_what_does_not_fit_is_refused(labels, others, codes, message):
    with pytest.raises(ValueError, match=message):
        codes_of(np.array(labels), np.array(others), np.array(codes, np.uint8), num_classes=9)


def test_an_artifact_of_many_classes_keeps_five(tmp_path):
    read = read_predictions(write_pool(tmp_path))
    assert json.loads((tmp_path / "manifest.json").read_text())["format_version"] == 2
    for split in LABELLED_SPLITS:
        for rater in range(2):
            p = probabilities(rater, 30)[split]
            assert read.noisy_labels[split][:, rater].tolist() == p.argmax(axis=-1).tolist()
            found, given = (np.sort(q, axis=-1) for q in (read.probabilities(split)[:, rater], p))
            np.testing.assert_allclose(found[:, -KEPT:], given[:, -KEPT:], atol=0.0145)
            left = found[:, :-KEPT]
            np.testing.assert_allclose(left, np.broadcast_to(left[:, :1], left.shape))


@pytest.mark.parametrize(("num_classes", "version"), [(12, 1), (13, 2)])
def test_more_than_twelve_classes_are_many(tmp_path, num_classes, version):
    write_pool(tmp_path, num_classes)
    assert json.loads((tmp_path / "manifest.json").read_text())["format_version"] == version
    with np.load(tmp_path / "raters" / "a.npz") as archive:
        assert ("test.codes" in archive.files) == (version == 1)
    assert len(read_predictions(tmp_path).raters) == 2


def test_a_rater_of_a_hundred_classes_and_as_many_images_as_cifar100s_takes_half_a_megabyte(monkeypatch):
    """Random logits, so nothing that compression could win; real raters' take less."""
    counts = dict(zip(LABELLED_SPLITS, (5_000, 20_000, 5_000, 10_000), strict=True))
    monkeypatch.setitem(globals(), "COUNTS", counts)
    said = {split: p.astype(np.float32) for split, p in probabilities(0, 100).items()}
    rater = prediction_files.RaterFile.of_probabilities(said, fingerprint="f", features={"id": "a"})
    assert len(rater.to_bytes(2)) < 450_000
    assert rater.to_bytes(2) == rater.to_bytes(2)


def test_old_artifacts_of_many_classes_are_read_and_unfinished_ones_resumed(tmp_path):
    to = writer(tmp_path, 30, version=1)  # as every artifact was written once
    to.write_rater("a", fingerprint="f", probabilities=probabilities(0, 30), features={})
    goes_on = writer(tmp_path, 30)
    assert goes_on.format_version == 1
    assert goes_on.has_rater("a", "f")
    goes_on.write_rater("b", fingerprint="f", probabilities=probabilities(1, 30), features={})
    goes_on.finish(["a", "b"], provenance={})
    read = read_predictions(tmp_path)
    for rater in range(2):
        codes = encode_probabilities(probabilities(rater, 30)["test"].astype(np.float32))
        assert (read.codes["test"].dense()[:, rater] == codes).all()


@pytest.mark.parametrize("finished", [True, False])
def test_an_old_artifact_is_rewritten_to_what_would_be_written_now(tmp_path, finished):
    old, new = write_pool(tmp_path / "old", version=1), write_pool(tmp_path / "new")
    if not finished:
        for folder in (old, new):
            (folder / "manifest.json").unlink()
    before = {path: path.read_bytes() for path in old.rglob("*.*")}
    assert upgrade_predictions.main([str(old), str(tmp_path / "upgraded")]) == 0
    assert before == {path: path.read_bytes() for path in old.rglob("*.*")}
    written = {path.relative_to(new): path.read_bytes() for path in new.rglob("*.*")}
    assert written == {
        path.relative_to(tmp_path / "upgraded"): path.read_bytes() for path in (tmp_path / "upgraded").rglob("*.*")
    }
    assert len(written) == (4 if finished else 3)


def test_an_artifact_of_few_classes_stays_as_it_is(tmp_path, capsys):
    write_pool(tmp_path / "old", 3)
    assert upgrade_predictions.main([str(tmp_path / "old"), str(tmp_path / "new")]) == 2
    assert "3 classes" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("member", "change", "message"),
    [
        ("test.others", lambda a: a[:3], r"other classes \[n, k - 1\]"),
        ("test.kept", lambda a: a[1:], r"codes \(70, 4\); they are \[n, 5\]"),
        ("test.kept", lambda a: a[::-1], "do not ascend"),
        ("test.others", lambda a: np.zeros_like(a), "different ones"),
    ],
)
def test_damaged_kept_codes_are_an_error_that_names_the_file(tmp_path, member, change, message):
    write_pool(tmp_path)
    path = tmp_path / "raters" / "b.npz"
    arrays = files.unpack_arrays(path.read_bytes())
    data = files.pack_arrays({**arrays, member: change(arrays[member])})
    path.write_bytes(data)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["files"]["raters/b.npz"] = files.sha256(data)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(PredictionsError, match=rf"b\.npz.*{message}"):
        read_predictions(tmp_path)


def test_what_is_lost_is_measured_against_all_probabilities(tmp_path, capsys):
    """The columns of the table that a few lines compute anew: largest and mean error, distance, realised rate."""
    write_pool(tmp_path, version=1)
    assert kept_probabilities.main([str(tmp_path)]) == 0
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    assert [row[1].strip() for row in rows] == ["3", "5", "8", "12", "20", "all"]
    full = read_predictions(tmp_path).probabilities("noisy_label_train").astype(np.float64)
    kept = np.zeros_like(full)
    for place in np.ndindex(full.shape[:2]):
        order = np.argsort(-full[place], kind="stable")
        kept[place][order[:5]] = full[place][order[:5]]
        kept[place][order[5:]] = (1 - full[place][order[:5]].sum()) / 25
    error = np.abs(kept - full)
    of_five = [float(cell) for cell in rows[1][3:7]]
    np.testing.assert_allclose(of_five[:2], [error.max(), error.mean()], rtol=0.05)
    np.testing.assert_allclose(of_five[3], error.sum(axis=-1).mean() / 2, rtol=0.05)
    assert [float(cell) for cell in rows[-1][3:7]] == [0, 0, 0, 0]
    assert [float(cell.split(",")[0]) for cell in rows[1][7:10]] == pytest.approx([0.3, 0.5, 0.7], abs=0.005)
    assert [cell.split(",")[1].strip() for cell in rows[-1][7:10]] == ["0.0%"] * 3


def test_of_too_few_classes_nothing_is_measured(tmp_path, capsys):
    write_pool(tmp_path, 3)
    assert kept_probabilities.main([str(tmp_path)]) == 2
    assert "has 3 classes; 21 or more" in capsys.readouterr().err
    assert kept_probabilities.main([str(tmp_path / "nowhere")]) == 2
