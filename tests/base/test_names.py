"""Which text can be an example's id or a class's name."""

import numpy as np
import pytest

from noisy_label_datasets.base.names import LONGEST_CLASS_NAME, LONGEST_ID, NamesError, check_class_names, check_ids


@pytest.mark.parametrize(
    "ids",
    [
        ["train_00001", "PetImages/Cat/0.jpg", r"PetImages\Cat\0.jpg", "é", "漢字", "a b", "\U0001f600"],
        ["x" * LONGEST_ID],
        [],
    ],
)
def test_ids(ids):
    check_ids(np.array(ids, dtype=np.str_))
    check_ids(np.array(ids, dtype=np.str_).astype(">U"))


@pytest.mark.parametrize(
    ("id_", "shown"),
    [
        ("", "''"),
        ("a\0b", r"a\\x00b"),
        ("a\nb", r"a\\nb"),
        ("\x1b[31m", r"x1b"),
        ("\x85", "x85"),
        ("\ud800", "ud800"),
        ("x" * (LONGEST_ID + 1), "'xxx"),
    ],
)
def test_faulty_ids(id_, shown):
    with pytest.raises(NamesError, match=rf"1 ids are empty, .* row 2 is .*{shown}") as caught:
        check_ids(np.array(["fine", "longer than the faulty", id_, "fine too"]))
    assert len(str(caught.value)) < 250


def test_a_number_that_is_no_character():
    ids = np.array([0x110000], np.uint32).view("<U1")
    with pytest.raises(NamesError, match="row 0 is"):
        check_ids(ids)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("abc", "a list of texts, given the text 'abc'"),
        (("a\nb", "c", "d"), r"class 0 has the name 'a\\nb': with a control character or line break"),
        (("", "b", "c"), "class 0 has the name '': empty"),
        (("a", " b"), "class 1 has the name ' b': empty, or with spaces around it"),
        (("a", "b", "a"), "classes 0 and 2 have the same name 'a'"),
        (("a", None), "class 1 has the name None, which is not text"),
        (("a", 3), "class 1 has the name 3, which is not text"),
        (("a", b"b"), "not text"),
        (("a", "x\x1b[31mb"), "control character"),
        (("a", "b\u2028c"), "line break"),
        (("a", "b\0c"), "control character"),
        (("a", "b\ud800c"), "control character"),
        (("a", "x" * (LONGEST_CLASS_NAME + 1)), "257 characters; 256 are the most"),
    ],
)
def test_class_names_that_would_not_survive(names, message):
    with pytest.raises(NamesError, match=message):
        check_class_names(names)


def test_class_names():
    check_class_names(("airplane", "maple tree", "large_man-made_outdoor_things", "été", "漢字", "1"))
