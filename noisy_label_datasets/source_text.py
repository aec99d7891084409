"""Values as Python source that gives them back: configuration that a command writes and a user may edit.

python_of(SplitPlan({"all": {...}}))        # 'SplitPlan(\n    fractions={...},\n)'
"""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from collections.abc import Mapping
from typing import Any

_INDENT = "    "
_WIDTH = 120


def python_of(value: Any, level: int = 0, taken: int = 40) -> str:
    """Returns a value as Python, laid out as `ruff format` does.

    Args:
      value: text, numbers, None, tuples and mappings of such; dataclasses, of which the fields that have their default
        are left out; partial functions of a module.
      level: how many indents its first line has.
      taken: how many characters of its first line are something else's.

    Raises:
      TypeError: a value of another kind.
    """
    inner = _INDENT * (level + 1)
    if isinstance(value, str):
        # A string of JSON is also one of Python, in double quotes.
        return repr(value) if '"' in value else json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, pathlib.PurePath):
        return python_of(str(value))
    if callable(value) and not isinstance(value, functools.partial):
        return value.__name__
    if isinstance(value, tuple):
        opening, closing, parts = "(", ")", [("", each) for each in value]
    elif isinstance(value, Mapping):
        opening, closing, parts = "{", "}", [(f"{python_of(key)}: ", each) for key, each in value.items()]
    elif isinstance(value, functools.partial):
        parts = [("", value.func), *(("", each) for each in value.args)]
        parts += [(f"{name}=", each) for name, each in value.keywords.items()]
        opening, closing = "functools.partial(", ")"
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = [field for field in dataclasses.fields(value) if not _has_default(value, field)]
        opening, closing = f"{type(value).__name__}(", ")"
        parts = [(f"{field.name}=", getattr(value, field.name)) for field in given]
    else:
        raise TypeError(f"{value!r} cannot be written as Python")
    texts = [start + python_of(each, level + 1, len(start) + 1) for start, each in parts]
    line = opening + ", ".join(texts) + ("," if isinstance(value, tuple) and len(texts) == 1 else "") + closing
    if (
        "\n" not in line
        and len(_INDENT) * level + taken + len(line) <= _WIDTH
        and (len(parts) <= 2 or not dataclasses.is_dataclass(value))
    ):
        return line
    return opening + "\n" + "".join(f"{inner}{text},\n" for text in texts) + _INDENT * level + closing


def _has_default(value: Any, field: dataclasses.Field) -> bool:
    if field.name == "seed":  # which is to be seen
        return False
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    return default is not dataclasses.MISSING and getattr(value, field.name) == default
