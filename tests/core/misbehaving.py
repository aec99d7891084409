"""A server on this machine that answers in the ways in which servers misbehave."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator


def body(data: bytes, status="200 OK", length=None, **headers) -> bytes:
    """Returns an answer; length: what it says of its length, None: the truth, '': nothing."""
    stated = {} if length == "" else {"Content-Length": len(data) if length is None else length}
    lines = [f"HTTP/1.1 {status}", *(f"{k.replace('_', '-')}: {v}" for k, v in {**stated, **headers}.items())]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + data


def endless(connection: socket.socket, start: bytes, piece: bytes, seconds: float) -> None:
    """Sends without end, a piece every so many seconds, until nobody listens."""
    connection.sendall(start)
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(piece)
            time.sleep(seconds)


@contextlib.contextmanager
def serving(answer: Callable[[str, int, socket.socket], None]) -> Iterator[tuple[str, list[str]]]:
    """Gives the URL of a server, and the paths that it was asked for.

    answer: is given the path, how often it was asked for before, and the connection to answer on.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    asked: list[str] = []

    def handle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, IndexError), connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += (received := connection.recv(65536))
                if not received:
                    return
            path = head.split()[1].decode()
            asked.append(path)
            answer(path, asked.count(path) - 1, connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=handle, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
    finally:
        listening.close()
