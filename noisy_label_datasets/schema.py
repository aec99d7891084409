"""What is read from a file is checked by schema: what is damaged or made up is an error that names the place in it.

    RATER = Record({"id": Text()}, optional={"accuracy": Number(0, 1)})
    value = parse_json(data)                        # bounded: no NaN, no 10**400, no endless nesting, no key twice
    check(value, Record({"raters": ListOf(RATER, least=1)}))
    # SchemaError: raters[3].accuracy is 'high', not a number from 0 to 1

A schema is anything with `check(value, place)`; `str(schema)` completes the sentence "it is not ...".
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import reprlib
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from noisy_label_datasets.errors import NoisyLabelsError

MOST_LEVELS = 64
"""How deep objects and lists may lie in one another."""

_LONGEST_WHOLE = 400  # characters: more than 64 bits take, and quick to read
_LARGEST_WHOLE = 2**63 - 1
_ROUNDING = 1e-9
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


class SchemaError(NoisyLabelsError, ValueError):
    """JSON that cannot be read, or a value in it that is not what it should be; says where."""


class Schema(Protocol):
    """What a value has to be."""

    def check(self, value: Any, place: str) -> None:
        """Raises SchemaError, naming the place, where a value is something else."""
        ...


def check(value: Any, schema: Schema, place: str = "") -> None:
    """Raises SchemaError where a value read from JSON is not what a schema says; place: what its name starts with."""
    schema.check(value, place)


def read_json(data: bytes, schema: Schema) -> Any:
    """Returns the value of a JSON text, parsed by `parse_json` and checked by a schema."""
    value = parse_json(data)
    schema.check(value, "")
    return value


def parse_json(data: bytes) -> Any:
    """Returns the value of a JSON text.

    Raises:
      SchemaError: it is not JSON in UTF-8, or holds NaN, infinity, a whole number beyond 64 bits, a float beyond its
        range, an object with a key twice, text with NUL or half a surrogate pair, or more than `MOST_LEVELS` levels.
    """
    try:
        text = data.decode("utf-8")
        value = _parsed(text)
    except RecursionError as error:
        raise SchemaError(f"more than {MOST_LEVELS} levels of nesting") from error
    except SchemaError:
        raise
    except ValueError as error:
        raise SchemaError(f"not JSON: {error}") from error
    _check_bounds(value)
    return value


def _parsed(text: str) -> Any:
    """Returns the value of a JSON text, of which levels and text are still to be checked."""
    try:
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_each_key_once)
        if _numbers_are_bounded(value):
            return value
    except ValueError:
        pass
    # Numbers are checked one by one, which takes several times as long, only to name the one that is wrong.
    return json.loads(
        text, parse_constant=_no_constant, parse_int=_whole, parse_float=_finite, object_pairs_hook=_each_key_once
    )


@dataclasses.dataclass(frozen=True)
class Anything:
    """Any JSON."""

    def check(self, value: Any, place: str) -> None:
        """See `Schema`."""


@dataclasses.dataclass(frozen=True)
class Exactly:
    """One value and no other of its kind: for 1 neither 1.0 nor true."""

    value: Any

    def check(self, value: Any, place: str) -> None:
        """See `Schema`."""
        if type(value) is not type(self.value) or value != self.value:
            raise _wrong(value, place, self)

    def __str__(self) -> str:
        return repr(self.value)


@dataclasses.dataclass(frozen=True)
class OneOf:
    """Any of several values, each as `Exactly` takes it."""

    values: tuple[Any, ...]

    def check(self, value: Any, place: str) -> None:
        """See `Schema`."""
        if not any(type(value) is type(allowed) and value == allowed for allowed in self.values):
            raise _wrong(value, place, self)

    def __str__(self) -> str:
        return " or ".join(map(repr, self.values))


@dataclasses.dataclass(frozen=True)
class Text:
    """Text of a form.

    Attributes:
      pattern: a regular expression that fits all of it; '': any text.
    """

    pattern: str = ""

    def check(self, value: Any, place: str) -> None:
        """See `Schema`."""
        if not isinstance(value, str) or (self.pattern and not re.fullmatch(self.pattern, value)):
            raise _wrong(value, place, self)

    def __str__(self) -> str:
        return f"text of the form {self.pattern}" if self.pattern else "text"


@dataclasses.dataclass(frozen=True)
class Number:
    """A number, whole or not, in an interval that includes its ends (and what rounding may add to a sum)."""

    least: float = -math.inf
    most: float = math.inf

    def check(self, value: Any, place: str) -> None:
        """See `Schema`."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(value, place, self)
        if not self.least - _ROUNDING <= value <= self.most + _ROUNDING:
            raise _wrong(value, place, self)

    def __str__(self) -> str:
        return f"a number{_interval(self.least, self.most)}"


@dataclasses.dataclass(frozen=True)
class Whole:
    """A whole number, written as one (not 1.0), in an interval that includes its ends."""

    least: int = -_LARGEST_WHOLE - 1
    most: int = _LARGEST_WHOLE

    def check(self, value: Any, place: str) -> None:
        """See `Schema`."""
        if type(value) is not int or not self.least <= value <= self.most:
            raise _wrong(value, place, self)

    def are_all(self, values: list[Any]) -> bool:
        """Returns whether every value is such a number: quick, since a matrix of them is long."""
        return not values or (set(map(type, values)) == {int} and self.least <= min(values) <= max(values) <= self.most)

    def __str__(self) -> str:
        return f"a whole number{_interval(self.least, self.most)}"


@dataclasses.dataclass(frozen=True)
class ListOf:
    """A list of values of one schema, so many of them."""

    of: Schema
    least: int = 0
    most: int = _LARGEST_WHOLE

    def check(self, value: Any, place: str) -> None:
        """See `Schema`."""
        if not isinstance(value, list) or not self.least <= len(value) <= self.most:
            raise _wrong(value, place, self)
        if isinstance(self.of, Whole) and self.of.are_all(value):
            return
        for i, element in enumerate(value):
            self.of.check(element, f"{place}[{i}]")

    def __str__(self) -> str:
        number = f"{self.least}" if self.least == self.most else f"{self.least} or more" if self.least else ""
        return f"a list of {number}".removesuffix(" of ")


@dataclasses.dataclass(frozen=True)
class MapOf:
    """An object with any keys and values of one schema."""

    of: Schema

    def check(self, value: Any, place: str) -> None:
        """See `Schema`."""
        if not isinstance(value, dict):
            raise _wrong(value, place, self)
        for key, element in value.items():
            self.of.check(element, _member(place, key))

    def __str__(self) -> str:
        return "an object"


@dataclasses.dataclass(frozen=True)
class Record:
    """An object with certain keys, and perhaps others.

    Attributes:
      required: key -> schema, of what has to be there.
      optional: key -> schema, of what may be.
      others: the schema of what else may be there; None: nothing may.
    """

    required: Mapping[str, Schema]
    optional: Mapping[str, Schema] = dataclasses.field(default_factory=dict)
    others: Schema | None = dataclasses.field(default_factory=Anything)

    def check(self, value: Any, place: str) -> None:
        """See `Schema`."""
        if not isinstance(value, dict):
            raise _wrong(value, place, self)
        for key in self.required:
            if key not in value:
                raise SchemaError(f"{_member(place, key)} is missing")
        for key, element in value.items():
            schema = self.required.get(key) or self.optional.get(key) or self.others
            if schema is None:
                raise SchemaError(f"{_member(place, key)} does not belong there")
            schema.check(element, _member(place, key))

    def __str__(self) -> str:
        return f"an object with {', '.join(self.required)}" if self.required else "an object"


def _wrong(value: Any, place: str, schema: Schema) -> SchemaError:
    shown = _SHORT.repr(value)
    if isinstance(value, dict):
        shown = "an object"
    elif isinstance(value, list):
        shown = f"a list of {len(value)}"
    return SchemaError(f"{place or 'it'} is {shown}, not {schema}")


def _member(place: str, key: str) -> str:
    name = key if re.fullmatch(r"[\w-]+", key) else f"[{_SHORT.repr(key)}]"
    return f"{place}{'.' if place and name == key else ''}{name}"


def _interval(least: float, most: float) -> str:
    if abs(least) < _LARGEST_WHOLE and abs(most) < _LARGEST_WHOLE:
        return f" from {least} to {most}"
    if abs(least) < _LARGEST_WHOLE:
        return f" of {least} or more"
    return f" of at most {most}" if abs(most) < _LARGEST_WHOLE else ""


def _no_constant(text: str) -> None:
    raise SchemaError(f"{text}, which is no number of JSON")


def _whole(text: str) -> int:
    if len(text) > _LONGEST_WHOLE or abs(value := int(text)) > _LARGEST_WHOLE:
        raise SchemaError(f"the number {_SHORT.repr_str(text, 0)}, which is beyond 64 bits")
    return value


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise SchemaError(f"the number {_SHORT.repr_str(text, 0)}, which is beyond the range of a float")
    return value


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise SchemaError(f"the key {_SHORT.repr(next(key for key in keys if keys.count(key) > 1))} twice in an object")
    return value


def _numbers_are_bounded(value: Any) -> bool:
    """Returns whether whole numbers have 64 bits and others are finite, whatever they are in."""
    stack = [[value]]
    while stack:
        values = stack.pop()
        kinds = set(map(type, values))
        for kind in kinds:
            if kind is int or kind is float:
                numbers = values if len(kinds) == 1 else [v for v in values if type(v) is kind]
                most = _LARGEST_WHOLE if kind is int else sys.float_info.max
                if not -most <= min(numbers) <= max(numbers) <= most:
                    return False
            elif kind is dict:
                stack += [list(v.values()) for v in values if type(v) is dict]
            elif kind is list:
                stack += [v for v in values if type(v) is list]
    return True


def _check_bounds(value: Any) -> None:
    """Raises SchemaError for too many levels, and for text that is none."""
    level = [value]
    for _ in range(MOST_LEVELS):
        inner: list[Any] = []
        for part in level:
            if isinstance(part, str):
                if _NO_TEXT.search(part):
                    raise SchemaError(f"the text {_SHORT.repr(part)}, with NUL or half a surrogate pair in it")
            elif isinstance(part, dict):
                inner += part.keys()
                inner += part.values()
            elif isinstance(part, list):
                # Of a list of numbers, such as a row of a matrix, one stands for all.
                inner += part[:1] if set(map(type, part)) <= {int, float} else part
        level = inner
        if not level:
            return
    raise SchemaError(f"more than {MOST_LEVELS} levels of nesting")


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
