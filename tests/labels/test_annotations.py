import dataclasses
import types

import numpy as np
import pandas as pd
import pytest

from noisy_label_datasets.base.splits import SplitPlan
from noisy_label_datasets.labels.annotations import Annotations, AnnotationsError
from noisy_label_datasets.labels.sources import LabelContext, MissingLabelsError

NAMES = ("cat", "dog", "bird")
PLAN = SplitPlan(
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
TRAIN, TEST = [f"train_{i}" for i in range(200)], [f"test_{i}" for i in range(20)]
CLEAN = {id_: i % 3 for i, id_ in enumerate([*TRAIN, *TEST])}


def context() -> LabelContext:
    batches = [
        types.SimpleNamespace(base_split=name, ids=ids, labels=[CLEAN[id_] for id_ in ids])
        for name, ids in (("train", TRAIN), ("test", TEST))
    ]
    return LabelContext(
        dataset="pets_noisy",
        base={"name": "pets", "version": "1.0.0"},
        class_names=NAMES,
        split_plan=PLAN,
        data_dir=None,
        builder_dir=None,
        examples=lambda: batches,
    )


def rows(ids, annotators=("ann", "bob"), label=lambda id_, annotator: CLEAN[id_]):
    return pd.DataFrame(
        [(id_, annotator, label(id_, annotator)) for id_ in ids for annotator in annotators],
        columns=["id", "annotator", "label"],
    )


@pytest.fixture
def table(tmp_path):
    def write(frame: pd.DataFrame, name: str = "labels.csv") -> str:
        path = tmp_path / name
        frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
        return str(path)

    return write


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
@pytest.mark.parametrize("as_names", [False, True])
def test_every_annotator_is_a_rater(table, name, as_names):
    def label(id_, annotator):
        number = CLEAN[id_] if annotator == "ann" else (CLEAN[id_] + 1) % 3
        return NAMES[number] if as_names else number

    frame = rows(TRAIN, label=label).sample(frac=1, random_state=0)  # in any order
    labels = Annotations(table(frame, name)).load(context())
    assert [rater["id"] for rater in labels.raters] == ["ann", "bob"]
    assert [rater["accuracy"] for rater in labels.raters] == [1.0, 0.0]
    assert labels.division == PLAN  # all that the plan wants labelled is labelled
    assert sum(map(len, labels.ids.values())) == len(TRAIN)
    assert "test" not in labels.ids
    for split, noisy in labels.noisy_labels.items():
        clean = np.asarray([CLEAN[id_] for id_ in labels.ids[split].tolist()])
        np.testing.assert_array_equal(labels.clean_labels[split], clean)
        np.testing.assert_array_equal(noisy, np.stack([clean, (clean + 1) % 3], axis=1))


def test_missing_labels_are_minus_one(table):
    frame = rows(TRAIN, annotators=("ann", "bob", "eve")).astype({"label": object})
    frame.loc[frame["annotator"] == "eve", "label"] = -1
    frame.loc[(frame["annotator"] == "bob") & (frame["id"] == "train_3"), "label"] = None
    labels = Annotations(table(frame)).load(context())
    assert [rater["id"] for rater in labels.raters] == ["ann", "bob"]  # eve has given none
    (split,) = (split for split, ids in labels.ids.items() if "train_3" in ids)
    assert labels.noisy_labels[split][labels.ids[split].tolist().index("train_3")].tolist() == [0, -1]
    assert labels.provenance["labels"] == 2 * len(TRAIN) - 1


def test_where_some_are_labelled_these_are_the_noisy_splits(table):
    labelled = TRAIN[:60]
    labels = Annotations(table(rows(labelled))).load(context())
    assert set(labels.ids) == {"noisy_label_train", "noisy_label_valid"}
    assert sorted(np.concatenate(list(labels.ids.values())).tolist()) == sorted(labelled)
    assigned = labels.division.assign("train", TRAIN)
    assert set(assigned[60:].tolist()) == {"clean_label_train", "clean_label_valid"}
    assert set(assigned[:60].tolist()) == {"noisy_label_train", "noisy_label_valid"}
    # In the proportions of the plan, 4 : 1 (48 of 60, give or take 3.1).
    assert abs(len(labels.ids["noisy_label_train"]) - 48) < 13


def test_labels_of_the_test_split_are_kept(table):
    labels = Annotations(table(rows([*TRAIN, *TEST[:5]]))).load(context())
    assert len(labels.ids["test"]) == len(TEST)
    assert (labels.noisy_labels["test"] != -1).all(axis=1).sum() == 5


def test_other_columns(table):
    frame = rows(TRAIN).rename(columns={"id": "task", "annotator": "worker", "label": "answer"})
    labels = Annotations(table(frame), example="task", annotator="worker", label="answer").load(context())
    assert len(labels.raters) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.replace({"id": {"train_0": "trian_0"}}), r"2 ids|1 ids are not in pets 1\.0\.0, such as trian_0"),
        (lambda f: f.replace({"label": {2: 3}}), r"labels are no class, such as '3'; there are the classes 0 to 2"),
        (lambda f: f.replace({"label": {2: 0.5}}), r"labels are no class, such as '0\.5'"),
        (
            lambda f: f.astype({"label": str}).replace({"label": {"2": "cow"}}),
            r"such as 'cow'; .*by name cat, dog, bird",
        ),
        (lambda f: f.replace({"label": {2: -2}}), r"labels are no class, such as '-2'"),
        (
            lambda f: pd.concat([f, f.iloc[:1]]),
            r"1 labels are by an annotator who has .* already, such as 'ann' 'train_0'",
        ),
        (lambda f: f.drop(columns="annotator"), r"has no column \['annotator'\]; it has \['id', 'label'\]"),
        (lambda f: f.assign(label=-1), r"has no label: label is empty or -1 in every row"),
        (lambda f: f.assign(annotator=None), r"400 rows have no annotator"),
        (lambda f: f.iloc[:0], r"has no label: label is empty or -1 in every row"),
        (lambda f: f.assign(extra=1).set_axis([*f.columns, "label"], axis="columns"), "several columns called label"),
        (lambda f: f.replace({"annotator": {"ann": "a\nnn"}}), r"annotator: 1 ids .* have control characters"),
        (lambda f: f.replace({"annotator": {"ann": " "}}), r"annotator: 1 ids are empty"),
        (lambda f: f.iloc[:2], r"labels too few examples: none of them falls into \['noisy_label_"),
        (
            lambda f: f.assign(annotator=[str(i) for i in range(len(f))]).pipe(
                lambda g: pd.concat([g.assign(annotator=g["annotator"] + suffix) for suffix in "abc"])
            ),
            r"by 1200 annotators; .* can be 1000",
        ),
    ],
)
def test_bad_tables_are_refused_by_name(table, change, message):
    with pytest.raises(AnnotationsError, match=message):
        Annotations(table(change(rows(TRAIN)))).load(context())


def given(source, names=NAMES):
    """What was given, as a set of (id, annotator, class name)."""
    labels = source.load(dataclasses.replace(context(), class_names=names))
    annotators = [rater["id"] for rater in labels.raters]
    return {
        (id_, annotator, names[label])
        for split, ids in labels.ids.items()
        for id_, row in zip(ids.tolist(), labels.noisy_labels[split].tolist(), strict=True)
        for annotator, label in zip(annotators, row, strict=True)
        if label >= 0
    }


@pytest.mark.parametrize(
    "written",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", ",\n").replace("label,", "label"),  # a comma after each row
        lambda text: "id,annotator,label\n" + text.partition("\n")[2].replace(",", ", "),
        lambda text: text.replace("0\n", "0.0\n"),
    ],
)
def test_forms_of_csv(tmp_path, written):
    path = tmp_path / "labels.csv"
    path.write_bytes(written(rows(TRAIN).to_csv(index=False)).encode())
    assert given(Annotations(path)) == {
        (id_, annotator, NAMES[CLEAN[id_]]) for id_ in TRAIN for annotator in ("ann", "bob")
    }


@pytest.mark.parametrize("name", ["labels.csv", "labels.PARQUET"])
def test_words_that_pandas_takes_for_nothing(tmp_path, name):
    names = ("NA", "None", "nan")
    frame = rows(TRAIN, annotators=("null", "ann"), label=lambda id_, annotator: names[CLEAN[id_]])
    frame.to_parquet(tmp_path / name) if "PARQUET" in name else frame.to_csv(tmp_path / name, index=False)
    assert given(Annotations(tmp_path / name), names) == {
        (id_, annotator, names[CLEAN[id_]]) for id_ in TRAIN for annotator in ("null", "ann")
    }


@pytest.mark.parametrize("form", [str, int, float])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_classes_that_are_called_by_numbers_of_their_own(table, form, suffix):
    names = ("1", "2", "3")
    frame = rows(TRAIN, annotators=("ann",), label=lambda id_, annotator: form(names[CLEAN[id_]]))
    path = table(frame, f"labels.{suffix}")
    assert given(Annotations(path), names) == {(id_, "ann", names[CLEAN[id_]]) for id_ in TRAIN}
    path = table(frame.replace({"label": {form("3"): form("0")}}), f"labels.{suffix}")
    with pytest.raises(AnnotationsError, match=r"no class, such as '0(\.0)?'; there are the classes called 1, 2, 3"):
        Annotations(path).load(dataclasses.replace(context(), class_names=names))


def test_truth_values_are_no_classes_in_either_form(table):
    for name in ("labels.csv", "labels.parquet"):
        path = table(rows(TRAIN, label=lambda id_, annotator: CLEAN[id_] > 0), name)
        with pytest.raises(AnnotationsError, match="labels are no class, such as 'False', 'True'"):
            Annotations(path).load(context())


def test_no_table(tmp_path):
    source = Annotations(str(tmp_path / "nothing.csv"))
    assert not source.is_at_hand(context())
    with pytest.raises(MissingLabelsError, match=r"there is no table .*nothing\.csv"):
        source.load(context())


def test_no_table_but_something_else(tmp_path):
    path = tmp_path / "labels.parquet"
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(AnnotationsError, match="cannot be read as a table"):
        Annotations(str(path)).load(context())


@pytest.mark.parametrize(
    ("place", "value"),
    [(b"fourth", b"four\xffh"), (b"\x15\x00\x15", b"\x0e\x0e\x0e")],  # text that is none; a page's head
)
def test_a_damaged_table_is_one_line(tmp_path, place, value):
    path = tmp_path / "labels.parquet"
    pd.DataFrame({"id": ["fourth"], "annotator": ["x"], "label": ["a"]}).to_parquet(path, compression=None)
    assert place in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(place, value))
    with pytest.raises(AnnotationsError, match=r"labels\.parquet cannot be read as a table") as raised:
        Annotations(str(path)).load(context())
    assert "\n" not in str(raised.value)


def test_it_is_a_source_like_any_other():
    source = Annotations("labels.csv")
    assert dataclasses.is_dataclass(source)
    assert source.reads_base()
    assert source.pool_to_train() is None
    assert "labels.csv" in source.describe()
