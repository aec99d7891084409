"""Damage to files: seeded, of the kinds that disks, editors, copies and ill will do.

what = damage(path, random.Random(7))      # 'raters/a.npz: bit 3 of byte 1041 flipped'
"""

import io
import json
import pathlib
import random
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>\n"
ODD_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        2**63,
        10**400,
        0.5,
        float("nan"),
        float("inf"),
        "",
        "x",
        "\0",
        "\ud800",
        "\x1b[2J",
        "../../x",
    ),
    *([], {}, [[]], [None], {"": None}, "a" * 100_000),
)


def damage(path: pathlib.Path, rng: random.Random) -> str:
    """Damages a file; returns what was done."""
    by_kind: dict[str, list[Callable[[bytes, random.Random], tuple[bytes, str]]]] = {
        ".json": [_json, _json, _json],
        ".npz": [_npz, _npz],
        ".npy": [_npy, _npy],
        ".tsv": [_lines, _lines],
        ".txt": [_lines],
    }
    if rng.random() < 0.04:
        path.unlink()
        return f"{path.name}: removed"
    data = path.read_bytes()
    for _ in range(20):
        damaged, what = rng.choice([_bytes, *by_kind.get(path.suffix, [_bytes])])(data, rng)
        if damaged != data:
            path.write_bytes(damaged)
            return f"{path.name}: {what}"
    path.write_bytes(b"")
    return f"{path.name}: emptied"


def _bytes(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 4, 64, 512))
    match rng.randrange(9):
        case 0:
            return data[:at], f"cut to {at} of {len(data)} bytes"
        case 1:
            bit = rng.randrange(8)
            at = min(at, len(data) - 1)
            return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :], f"bit {bit} of byte {at} flipped"
        case 2:
            return data[:at] + bytes(len(data[at : at + size])) + data[at + size :], f"{size} zeros from byte {at}"
        case 3:
            return data[:at] + rng.randbytes(len(data[at : at + size])) + data[at + size :], f"{size} random from {at}"
        case 4:
            return data[:at] + data[at + size :], f"{size} bytes missing at {at}"
        case 5:
            return data[:at] + rng.randbytes(size) + data[at:], f"{size} bytes put in at {at}"
        case 6:
            return data + rng.choice((b"\n", b"\0" * size, data, PAGE)), "something appended"
        case 7:
            return rng.choice((b"", PAGE, b"null", rng.randbytes(size))), "replaced as a whole"
        case _:
            return data.replace(data[at : at + 1], b"\xff", 1), f"byte at {at} is 255"


def _json(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    try:
        value = json.loads(data)
    except ValueError:
        return data, ""
    if rng.random() < 0.05:
        return b"[" * 100_000 + b"]" * 100_000, "100,000 levels of nesting"
    places = _places(value)
    if not places:
        return json.dumps(rng.choice(ODD_VALUES)).encode(), "another value"
    holder, key = rng.choice(places)
    match rng.randrange(5):
        case 0 if isinstance(holder, dict):
            del holder[key]
            what = f"{key!r} left out"
        case 1 if isinstance(holder, dict):
            holder[rng.choice(("", "x", f"{key} ", "\ud800"))] = holder.pop(key)
            what = f"{key!r} renamed"
        case 2 if isinstance(holder, list):
            holder.insert(key, holder[key])
            what = f"item {key} stands twice"
        case 3 if isinstance(holder, list):
            del holder[key]
            what = f"item {key} left out"
        case _:
            holder[key] = rng.choice(ODD_VALUES)
            what = f"{key!r} is {str(holder[key])[:20]!r}"
    return json.dumps(value).encode("utf-8", "surrogatepass"), f"JSON, {what}"


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Returns (holder, key) of everything inside a JSON value, so that each depth is as likely."""
    found: list[tuple[Any, Any]] = []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))[:20] if isinstance(value, list) else []
    for key in keys:
        found.append((value, key))
        found += _places(value[key])
    return found


def _npz(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError):
        return data, ""
    at = rng.randrange(len(members))
    name, content = members[at]
    match rng.randrange(6):
        case 0:
            del members[at]
            what = f"{name} left out"
        case 1:
            members.append((name, content))
            what = f"{name} stands twice"
        case 2:
            members[at] = (rng.choice(("x.npy", f"../{name}", name.upper())), content)
            what = f"{name} renamed"
        case 3:
            members[at] = (name, content + bytes(100 * 2**20))
            what = f"{name} inflates to 100 MB"
        case _:
            changed, what = _npy(content, rng)
            members[at] = (name, changed)
            what = f"{name}, {what}"
    written = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of names that stand twice
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return written.getvalue(), what


def _npy(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    try:
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except ValueError:
        return data, ""
    match rng.randrange(7):
        case 0:
            array, what = array[: len(array) // 2], "half of the rows"
        case 1:
            array, what = np.concatenate([array, array[:1]]), "a row more"
        case 2:
            kind = rng.choice(("f8", "i8", "U3", "S2", "?", "c16", "u1"))
            try:
                array, what = array.astype(kind), f"as {kind}"
            except ValueError:
                array, what = array.view(np.uint8), "as bytes"
        case 3:
            array, what = array[None], "an axis more"
        case 4:
            array, what = np.full_like(array, array.flat[0] if array.size else 0), "one value everywhere"
        case 5:
            header = io.BytesIO()
            shape = (2**31, *array.shape[1:])
            np.lib.format.write_array_header_1_0(
                header, {"descr": array.dtype.str, "fortran_order": False, "shape": shape}
            )
            return header.getvalue() + array.tobytes(), "says that it has 2**31 rows"
        case _:
            pickled = io.BytesIO()
            np.lib.format.write_array(pickled, np.array([print], dtype=object), allow_pickle=True)
            return pickled.getvalue(), "a pickled function"
    written = io.BytesIO()
    np.lib.format.write_array(written, array, allow_pickle=False)
    return written.getvalue(), what


def _lines(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data, ""
    at = rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            del lines[at]
            what = f"line {at} left out"
        case 1:
            lines.insert(at, lines[at])
            what = f"line {at} stands twice"
        case 2:
            lines[at] = rng.choice((b"\n", b"\t\t\n", b"x\n", b"\xff\xfe\n", b"\x1b[2J\n"))
            what = f"line {at} is another"
        case _:
            rng.shuffle(lines)
            what = "lines in another order"
    return b"".join(lines), what
