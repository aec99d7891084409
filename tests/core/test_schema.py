"""The validator of what is read: each fault is named with its place, and no input takes it down."""

import json
import math

import pytest

from noisy_label_datasets.schema import (
    MOST_LEVELS,
    Exactly,
    ListOf,
    MapOf,
    Number,
    OneOf,
    Record,
    SchemaError,
    Text,
    Whole,
    check,
    parse_json,
    read_json,
)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b'{"a"', "not JSON"),
        (b"\xff", "not JSON: 'utf-8'"),
        (b"[1, NaN]", "NaN, which is no number of JSON"),
        (b"-Infinity", "-Infinity"),
        (b"1" + b"0" * 400, "beyond 64 bits"),
        (b"9223372036854775808", "the number '9223372036854775808', which is beyond 64 bits"),
        (b"9" * 100_000, "beyond 64 bits"),
        (b"1e400", "'1e400', which is beyond the range of a float"),
        (b"[" * 100_000 + b"]" * 100_000, "more than 64 levels"),
        (b'{"a":' * 100_000, "more than 64 levels"),
        (b"[" * (MOST_LEVELS + 1) + b"]" * (MOST_LEVELS + 1), "more than 64 levels"),
        (b'{"a": 1, "b": 2, "a": 1}', "the key 'a' twice"),
        (rb'"\ud800"', "half a surrogate pair"),
        (rb'["a\u0000b"]', r"'a\\x00b', with NUL"),
        (rb'{"a\u0000b": 1}', "NUL"),
    ],
)
def test_what_is_no_json_or_goes_beyond_its_bounds(data, message):
    with pytest.raises(SchemaError, match=message) as caught:
        parse_json(data)
    assert len(str(caught.value)) < 300


def test_what_python_writes_is_read():
    value = {
        "floats": [0.1, -1e-300, 1.7976931348623157e308, 5e-324],
        "whole": [2**63 - 1, -(2**63) + 1, 0],
        "text": "é \U0001f600 \n",
        "deep": json.loads("[" * 60 + "]" * 60),
        "others": [None, True, False, {}],
    }
    for ensure_ascii in (True, False):
        assert parse_json(json.dumps(value, ensure_ascii=ensure_ascii).encode()) == value


RATER = Record({"id": Text("[a-z]+")}, optional={"accuracy": Number(0, 1), "seed": Whole()})
POOL = Record({"raters": ListOf(RATER, least=1), "version": OneOf((1, 2))}, others=None)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "it is None, not an object with raters, version"),
        ([], "it is a list of 0, not an object"),
        ({"version": 1}, "raters is missing"),
        ({"raters": [], "version": 1}, "raters is a list of 0, not a list of 1 or more"),
        ({"raters": {}, "version": 1}, "raters is an object, not a list of 1 or more"),
        ({"raters": [{"id": "a"}, 3], "version": 1}, r"raters\[1\] is 3, not an object with id"),
        ({"raters": [{"id": "A"}], "version": 1}, r"raters\[0\]\.id is 'A', not text of the form \[a-z\]\+"),
        (
            {"raters": [{"id": "a", "accuracy": "high"}], "version": 1},
            r"raters\[0\]\.accuracy is 'high', not a number from 0 to 1",
        ),
        ({"raters": [{"id": "a", "accuracy": 1.1}], "version": 1}, "not a number from 0 to 1"),
        ({"raters": [{"id": "a", "accuracy": True}], "version": 1}, "is True, not a number"),
        ({"raters": [{"id": "a", "accuracy": math.nan}], "version": 1}, "is nan, not a number"),
        ({"raters": [{"id": "a", "seed": 1.0}], "version": 1}, r"seed is 1\.0, not a whole number"),
        ({"raters": [{"id": "a"}], "version": 1.0}, r"version is 1\.0, not 1 or 2"),
        ({"raters": [{"id": "a"}], "version": True}, "version is True, not 1 or 2"),
        ({"raters": [{"id": "a"}], "version": 1, "x\n": 1}, r"\['x\\n'\] does not belong there"),
    ],
)
def test_a_fault_is_named_with_its_place(value, message):
    with pytest.raises(SchemaError, match=message):
        check(value, POOL)


def test_what_is_right_is_read():
    assert read_json(b'{"raters": [{"id": "a", "accuracy": 1, "mood": "good"}], "version": 2}', POOL)["version"] == 2
    check({"a": 1, "b": 1}, MapOf(Exactly(1)))
    check(1 + 1e-12, Number(0, 1))  # a mean of ones


def test_maps_and_exact_values():
    with pytest.raises(SchemaError, match=r"pool\.b\.c is True, not 1"):
        check({"a": {}, "b": {"c": True}}, MapOf(MapOf(Exactly(1))), "pool")
    with pytest.raises(SchemaError, match="it is 3, not an object"):
        check(3, MapOf(Whole()))
    with pytest.raises(SchemaError, match="it is 3, not a whole number of 4 or more"):
        check(3, Whole(4))


def test_a_long_value_is_not_repeated_in_full():
    with pytest.raises(SchemaError) as caught:
        check("x" * 10**6, Whole())
    assert len(str(caught.value)) < 200
