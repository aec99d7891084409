"""Text on its way out of a command: whatever names it holds, and whatever the terminal can show.

    with guarded_output():              # sys.stdout can take any text
        print(class_name)
    console().print(table)              # rich, whose own colours get through

Names of classes and raters come from files. One that holds control characters could move the cursor, rename the window
or hide what follows, so they are written as `\\x1b`. Characters that the output's encoding does not have are written
by the nearest that it has, or as `\\u5bb6`.
"""

from __future__ import annotations

import codecs
import contextlib
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# Control characters but the end of a line and the tab; what turns the direction of text; halves of characters.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NEAREST = str.maketrans("–—’‘“”→×±·█▉▊▋▌▍▎▏─━│┃\N{NO-BREAK SPACE}", "--''\"\">x~.#####   --|| ")


def printable(text: str) -> str:
    """Returns a text with control characters written out, as in Python's literals: `\\x1b`."""
    return _CONTROL.sub(lambda found: _escaped(found[0]), text)


def encodable(text: str, encoding: str | None) -> str:
    """Returns a text that an encoding can write (None: any)."""
    if encoding is None:
        return text
    try:
        text.encode(encoding)
        return text
    except (UnicodeEncodeError, LookupError):
        codecs.register_error("nearest", _nearest)
        return text.encode(encoding, "nearest").decode(encoding)


@contextlib.contextmanager
def guarded_output() -> Iterator[None]:
    """Lets `sys.stdout` take any text while it lasts."""
    stdout = sys.stdout
    sys.stdout = Guarded(stdout)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout = stdout


class Guarded:
    """A stream that writes what it is given as `printable` and `encodable` make it; in all else the stream it is of.

    Attributes:
      styled: the same but for control characters, which it lets through: for what writes colours itself.
    """

    def __init__(self, stream: Any, *, escape: bool = True) -> None:
        """Guards a text stream."""
        self._stream, self._escape = stream, escape
        self.styled = Guarded(stream, escape=False) if escape else self

    def write(self, text: str) -> int:
        """Writes a text."""
        self._stream.write(encodable(printable(text) if self._escape else text, self._stream.encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes several."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def console(**options: Any) -> Console:
    """Returns a console of rich on the standard output, in whose tables and texts control characters are written out.

    Args:
      **options: see `rich.console.Console`.
    """
    from rich.console import Console
    from rich.segment import Segment

    class SafeConsole(Console):
        def render(self, *args: Any, **kwargs: Any) -> Iterable[Segment]:
            for segment in super().render(*args, **kwargs):
                yield segment if segment.control else Segment(printable(segment.text), segment.style)

    return SafeConsole(file=getattr(sys.stdout, "styled", sys.stdout), **options)


@contextlib.contextmanager
def errors_held_back() -> Iterator[list[logging.LogRecord]]:
    """Keeps back what libraries log as errors while it lasts, and gives it; see `log_again`.

    Apache Beam logs the traceback of an error that it raises as well, and that its caller reports in one line.
    """
    held: list[logging.LogRecord] = []

    def hold(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR and record not in held[-1:]:  # which each handler asks about
            held.append(record)
        return record.levelno < logging.ERROR

    logging.basicConfig()  # so that there is a handler
    handlers = list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(hold)
    try:
        yield held
    finally:
        for handler in handlers:
            handler.removeFilter(hold)


def log_again(held: Iterable[logging.LogRecord]) -> None:
    """Logs what was held back."""
    for record in held:
        logging.getLogger(record.name).handle(record)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    known = text.translate(_NEAREST)
    return "".join(c if c.isascii() else _escaped(c) for c in known), error.end
