"""Downloads of this package: bounded in size and time, tried again, checked before they are stored.

    download(url, path, most_bytes=1_000_000, check=parse)       # `path` is there afterwards, whole and checked
    data = fetch(url, most_bytes=1_000_000, check=parse)         # or in memory

A server may break off, answer nonsense, send without end or hardly at all, or be a portal that sends a page of its own:
each is a DownloadError that names the URL (and the file), after as many tries as `Patience` grants.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import pathlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from noisy_label_datasets import files
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.output import printable
from noisy_label_datasets.version import __version__

if TYPE_CHECKING:  # slow to import, and seldom is anything downloaded
    import http.client
    import urllib.request

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": f"noisy-label-datasets/{__version__}"}
_PIECE = 2**18
_FINAL = frozenset(range(400, 500)) - {408, 425, 429}  # answers that another try does not change


class DownloadError(NoisyLabelsError):
    """Something that cannot be had from its URL."""


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long a download may take.

    Attributes:
      silence: seconds to connect, and between two pieces of an answer.
      total: seconds of one try.
      tries: how often it is tried.
      pause: seconds before the second try; before each further one twice as many.
    """

    silence: float = 20
    total: float = 900
    tries: int = 3
    pause: float = 1


PATIENCE = Patience()


def fetch(
    url: str, *, most_bytes: int, check: Callable[[bytes], Any] = lambda data: None, patience: Patience = PATIENCE
) -> bytes:
    """Returns what a URL gives.

    Args:
      url: of HTTP or HTTPS; proxies are those of the environment.
      most_bytes: that it may give.
      check: raises ValueError where that is not what is wanted.
      patience: how long it may take.

    Raises:
      DownloadError: it cannot be had, is larger, or is something else; names the URL.
    """

    def once() -> bytes:
        buffer = io.BytesIO()
        _copy(url, buffer, most_bytes, patience)
        data = buffer.getvalue()
        check(data)
        return data

    return _tried(url, once, patience)


def download(
    url: str,
    path: pathlib.Path,
    *,
    most_bytes: int,
    check: Callable[[pathlib.Path], Any] = lambda path: None,
    patience: Patience = PATIENCE,
    on_bytes: Callable[[int], Any] = lambda count: None,
) -> None:
    """Writes what a URL gives to a local file, once it is whole and checked; until then the file stays as it is.

    Args:
      url, most_bytes, patience: as for `fetch`.
      path: of the file; its folder is made.
      check: raises ValueError where the file of the path that it is given is not what is wanted.
      on_bytes: is told of each piece that comes how many bytes it has.

    Raises:
      DownloadError: as `fetch`.
      OSError: the disk is full, or the folder cannot be written.
    """

    def once() -> None:
        with files.writing_atomically(path) as file:
            _copy(url, file, most_bytes, patience, on_bytes)
            file.flush()
            check(pathlib.Path(file.name))

    _tried(url, once, patience)


def _tried(url: str, once: Callable[[], Any], patience: Patience) -> Any:
    for tries in range(1, patience.tries + 1):
        try:
            return once()
        except _Failed as error:
            failed = error
        except ValueError as error:
            failed = _Failed(f"it gives something else: {error}")
        if failed.final or tries == patience.tries:
            times = "" if tries == 1 else f", in {tries} tries"
            raise DownloadError(f"cannot fetch {url}{times}: {failed}") from failed
        time.sleep(patience.pause * 2 ** (tries - 1))
    raise ValueError(f"a download is tried once or more, given {patience}")


class _Failed(Exception):
    """A try that failed; `final`: another would not change it."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(" ".join(printable(why)[:500].split()))  # which quotes what a server said
        self.final = final


def _copy(
    url: str,
    file: BinaryIO,
    most_bytes: int,
    patience: Patience,
    on_bytes: Callable[[int], Any] = lambda count: None,
) -> None:
    """Copies what a URL gives to a file; raises _Failed, and OSError only for the file."""
    deadline = time.monotonic() + patience.total
    with _translated():
        answer = _open(url, patience)
    copied, stated = 0, answer.length
    with contextlib.closing(answer):
        if stated is not None and stated > most_bytes:
            raise _Failed(f"it would be {stated:,} bytes; at most {most_bytes:,} are expected", final=True)
        while True:
            with _translated():
                piece = answer.read1(_PIECE)
            if not piece:
                break
            copied += len(piece)
            if copied > most_bytes:
                raise _Failed(f"it gives more than the {most_bytes:,} bytes that are expected", final=True)
            if time.monotonic() > deadline:
                raise _Failed(f"after {patience.total:g} seconds only {copied:,} bytes had come")
            file.write(piece)
            on_bytes(len(piece))
    if stated is not None and copied < stated:
        raise _Failed(f"it broke off after {copied:,} of {stated:,} bytes")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turns what urllib and http.client raise into _Failed."""
    import http.client
    import urllib.error

    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise _Failed(f"the server answers {error.code} {error.reason}", final=error.code in _FINAL) from error
    except (http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _Failed(str(reason) if isinstance(reason, str) else f"{type(reason).__name__}: {reason}") from error


def _open(url: str, patience: Patience) -> http.client.HTTPResponse:
    """Returns the answer to a request, its body unread; one whose head trickles in without end is cut off."""
    import http.client
    import urllib.request

    connections: list[http.client.HTTPConnection] = []

    def remembered(kind: type[http.client.HTTPConnection]) -> Any:
        def connect(*arguments: Any, **options: Any) -> http.client.HTTPConnection:
            connections.append(kind(*arguments, **options))
            return connections[-1]

        return connect

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(remembered(http.client.HTTPConnection), req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(remembered(http.client.HTTPSConnection), req)

    def cut_off() -> None:
        for connection in connections:
            if (open_socket := connection.sock) is not None:
                with contextlib.suppress(OSError):
                    open_socket.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(patience.total, cut_off)
    watch.daemon = True
    watch.start()
    try:
        request = urllib.request.Request(url, headers=_HEADERS)
        return urllib.request.build_opener(Http, Https).open(request, timeout=patience.silence)
    finally:
        watch.cancel()
