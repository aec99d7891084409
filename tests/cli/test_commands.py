"""The subcommands on `digits_noisy`, with labels of raters that guess."""

import contextlib
import io
import json
import resource
import shutil

import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets import cli
from noisy_label_datasets.base.splits import SPLITS
from noisy_label_datasets.cli.targets import find_builder
from noisy_label_datasets.labels.predictions import read_predictions
from tests.made_up import write_pool

NAME = "digits_noisy/medium"


def write_labels(data_dir, seed: int, num_raters: int = 3):
    """Writes the labels of raters that guess for `digits_noisy/medium`, where `noisy-labels train` writes it."""
    builder = find_builder(NAME, data_dir=str(data_dir))
    return write_pool(data_dir, builder.clean_dataset(), "medium", num_raters=num_raters, error=0.9, seed=seed)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made_once")
    write_labels(folder, seed=1)
    assert cli.main(["build", NAME, "--data-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def data_dir(made_once, tmp_path):
    """A TFDS folder with labels from which the dataset is not built yet."""
    return shutil.copytree(made_once / "rater_predictions", tmp_path / "rater_predictions").parent


@pytest.fixture
def built(made_once, tmp_path):
    """A TFDS folder with labels and the dataset that was built from them."""
    return shutil.copytree(made_once, tmp_path, dirs_exist_ok=True)


def run(capsys, *arguments, exit_code: int = 0) -> tuple[str, str]:
    assert cli.main([str(argument) for argument in arguments]) == exit_code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.out, captured.err


def noisy_labels_by_id(data_dir, split: str) -> dict[str, list[int]]:
    dataset = tfds.load(NAME, split=split, data_dir=data_dir)
    return {example["id"].decode(): example["noisy_labels"].tolist() for example in tfds.as_numpy(dataset)}


def test_build_gives_what_it_prints_to_load(data_dir, capsys):
    out, _ = run(capsys, "build", NAME, "--data-dir", data_dir)
    line = next(line.strip() for line in out.splitlines() if "tfds.load(" in line)
    names = {"tfds": tfds}
    exec(line, names)
    assert {label for _, label in tfds.as_numpy(names["dataset"])} == set(range(10))
    for split in SPLITS:
        assert sum(line.startswith(f"{split} ") for line in out.splitlines()) == 1


def test_build_again_only_when_labels_changed(built, capsys):
    out, _ = run(capsys, "build", NAME, "--data-dir", built)
    assert "Built already" in out

    folder = write_labels(built, seed=2, num_raters=4)
    out, _ = run(capsys, "build", NAME, "--data-dir", built)
    assert "It was built from labels with SHA-256" in out
    labels = read_predictions(folder)
    expected = dict(zip(labels.ids["test"].tolist(), labels.noisy_labels["test"].tolist(), strict=True))
    assert noisy_labels_by_id(built, "test") == expected


def test_build_anew_in_another_file_format(built, capsys):
    out, _ = run(capsys, "build", NAME, "--data-dir", built, "--file-format", "array_record")
    assert "built anew as array_record" in out
    assert "tfds.data_source(" in out
    source = tfds.data_source(NAME, split="noisy_label_valid", data_dir=built)
    assert {len(example["noisy_labels"]) for example in source} == {3}


def test_interrupted_removal_of_an_old_build_is_not_taken_for_a_dataset(built, capsys):
    folder = built / NAME / "2.0.0"
    (folder / "dataset_info.json").unlink()
    run(capsys, "build", NAME, "--data-dir", built)
    assert len(noisy_labels_by_id(built, "test")) > 0


@pytest.fixture
def short_list(monkeypatch):
    """`list` with one dataset, and without the pools, which another process lists."""
    monkeypatch.setattr("noisy_label_datasets.cli.list.dataset_names", lambda: ("digits_noisy",))
    monkeypatch.setattr("noisy_label_datasets.cli.list.training_is_installed", lambda: False)


def test_list_says_where_labels_are_from_and_what_is_built(data_dir, capsys, monkeypatch):
    """Of all datasets and pools, once; what is built of one of them."""

    def row() -> list[str]:
        out, _ = run(capsys, "list", "--data-dir", data_dir)
        return next(line.split() for line in out.splitlines() if line.startswith(NAME))

    before = row()
    assert before[1:3] == ["trained", "3"]
    assert float(before[3]) == pytest.approx(0.9, abs=0.05)  # three raters who guess among ten classes
    assert before[-1] == "-"
    monkeypatch.setattr("noisy_label_datasets.cli.list.dataset_names", lambda: ("digits_noisy",))
    monkeypatch.setattr("noisy_label_datasets.cli.list.training_is_installed", lambda: False)
    run(capsys, "build", NAME, "--data-dir", data_dir)
    assert row()[-1] == "tfrecord"


def test_verify_accepts_what_was_built(built, capsys):
    out, _ = run(capsys, "verify", NAME, "--data-dir", built)
    assert [line.split()[0] for line in out.splitlines()] == ["ok", "ok"]
    assert "1,797 examples and all figures" in out


def test_verify_finds_an_altered_figure(built, capsys):
    path = built / NAME / "2.0.0" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["noise"]["splits"]["test"]["rater_error_rate"] -= 0.01
    path.write_text(json.dumps(metadata))
    out, _ = run(capsys, "verify", NAME, "--data-dir", built, exit_code=2)
    assert "FAULT" in out
    assert "splits.test.rater_error_rate" in out


def test_verify_finds_an_altered_feature_of_a_rater(built, capsys):
    path = find_builder(NAME, data_dir=str(built)).data_path / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["raters"][1]["accuracy"] = "high"
    path.write_text(json.dumps(metadata))
    out, _ = run(capsys, "verify", NAME, "--data-dir", built, exit_code=2)
    assert "raters[1].accuracy in its metadata is not what the labels come with" in out


def test_the_list_continues_after_a_damaged_dataset(built, capsys, short_list):
    run(capsys, "build", "digits_noisy/rate_0.30", "--data-dir", built)
    for name in (NAME, "digits_noisy/rate_0.30"):
        (find_builder(name, data_dir=str(built)).data_path / "metadata.json").write_text("null")
    out, _ = run(capsys, "list", "--data-dir", built)
    (row,) = (line for line in out.splitlines() if line.startswith(NAME))
    assert row.endswith("damaged, see `noisy-labels verify`")
    assert "rate_0.30 (damaged)" in out
    assert "digits_noisy/high" in out


def test_verify_finds_labels_that_are_not_those_of_the_raters(built, capsys):
    folder = write_labels(built, seed=2)
    path = built / NAME / "2.0.0" / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["labels_sha256"] = read_predictions(folder).sha256  # as if it had been built from the second labels
    path.write_text(json.dumps(metadata))
    out, _ = run(capsys, "verify", NAME, "--data-dir", built, exit_code=2)
    assert "noisy labels of noisy_label_train differ" in out


def test_verify_finds_an_altered_rater(data_dir, capsys):
    path = data_dir / "rater_predictions" / NAME / "raters" / "00-made_up.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    out, _ = run(capsys, "verify", NAME, "--data-dir", data_dir, exit_code=2)
    assert "00-made_up.npz was altered" in out
    _, err = run(capsys, "build", NAME, "--data-dir", data_dir, exit_code=2)
    assert "00-made_up.npz was altered" in err


def test_card_of_what_was_built(built, capsys):
    out, _ = run(capsys, "card", NAME, "--data-dir", built)
    assert NAME in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build", "digit_noisy/medium"], "no dataset 'digit_noisy'. Did you mean 'digits_noisy'?"),
        (["build", "digits_noisy/meduim"], "'meduim'. Did you mean 'medium'? There are: low, medium, high"),
        (["train", "digits_noisy"], "without a config, such as digits_noisy/low"),
        (["verify", "imagenet"], "no dataset 'imagenet'. There are: "),
        (["make", "digits_noisy/"], "without a config"),
    ],
)
def test_unknown_names_are_answered_with_those_there_are(capsys, arguments, said):
    _, err = run(capsys, *arguments, exit_code=2)
    assert said in err


def test_lossy_file_format_is_refused(capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(["build", NAME, "--file-format", "parquet"])
    assert exit_.value.code == 2
    assert "choose from" in capsys.readouterr().err


def test_folder_that_cannot_be_written(tmp_path, data_dir, capsys):
    (data_dir / "digits_noisy").write_text("a file where TFDS wants a folder")
    _, err = run(capsys, "build", NAME, "--data-dir", data_dir, exit_code=1)
    assert str(data_dir / "digits_noisy") in err


def test_files_that_cannot_grow_leave_nothing_behind(data_dir, capsys):
    """As on a full disk: no file may be larger than 20 kB."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        _, err = run(capsys, "build", NAME, "--data-dir", data_dir, exit_code=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "noisy-labels: error: Failed to finalize writing of split" in err
    assert list((data_dir / NAME).iterdir()) == []
    run(capsys, "build", NAME, "--data-dir", data_dir)


HOSTILE = "\x1b[2Jcat\r\x9b31m\u202e家"


def output_of(encoding: str, *arguments) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with contextlib.redirect_stdout(stream):
        assert cli.main([str(argument) for argument in arguments]) == 0
        stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_reach_the_terminal_as_text_whatever_its_encoding(built, encoding, short_list):
    folder = find_builder(NAME, data_dir=str(built)).data_path
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["raters"][0]["id"] = HOSTILE + "[/] rater"
    (folder / "metadata.json").write_text(json.dumps(metadata))
    card = output_of(encoding, "card", NAME, "--data-dir", built)
    assert "\\x1b[2Jcat" in card
    for command in ("list", f"build {NAME}"):
        card += output_of(encoding, *command.split(), "--data-dir", built)
    assert not set("\x1b\r\x9b\u202e") & set(card)


def test_verify_continues_after_what_it_cannot_read(built, capsys):
    folder = find_builder(NAME, data_dir=str(built)).data_path
    for split in ("test", "noisy_label_valid"):
        path = next(folder.glob(f"*-{split}.tfrecord*"))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    (built / "digits_noisy" / "low" / folder.name).mkdir(parents=True)
    (built / "digits_noisy" / "low" / folder.name / "dataset_info.json").write_text("[")
    out, err = run(capsys, "verify", "digits_noisy", "--data-dir", built, exit_code=2)
    faults = [line for line in out.splitlines() if line.startswith("FAULT")]
    assert len(faults) == 2
    assert "digits_noisy/low, dataset" in faults[0]
    assert str(built / "digits_noisy" / "low") in faults[0]
    assert f"test of {NAME} in {folder} cannot be read (DataLossError" in faults[1]
    assert "noisy_label_valid of" in faults[1]
    assert "digits_noisy/rate_0.30" in out or "digits_noisy/high" in out  # what comes after
    assert "2 things are not what they should be" in err


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("metadata.json", '"num_raters": 3', '"num_raters": null', "noise.num_raters is None, not"),
        ("metadata.json", '"confusion_matrix": [[', '"confusion_matrix": [[-1, ', "noise.confusion_matrix[0] is"),
        ("metadata.json", '"origin"', '"orijin"', "origin is missing"),
        ("label.labels.txt", "3\n", "3\n3\n", "label.labels.txt does not hold the names of the classes"),
        ("features.json", "{", "", "cannot be opened"),
        ("features.json", '"noisy_label_rater"', '"x"', "features.json does not have the features noisy_label_rater"),
    ],
)
def test_what_is_written_beside_the_examples_is_checked(built, capsys, file, old, new, said):
    path = find_builder(NAME, data_dir=str(built)).data_path / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    for command in ("card", "build"):
        _, err = run(capsys, command, NAME, "--data-dir", built, exit_code=2)
        assert said in err
        assert f"the dataset in {path.parent} cannot be opened" in err
