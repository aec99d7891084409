"""Trials with what TFDS downloads for a base dataset, from a server of this machine that misbehaves."""

import hashlib
import os
import pathlib
import random
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterable
from unittest import mock

from noisy_label_datasets.download import Patience
from tests.core.misbehaving import body, serving
from tests.faults.served import HASTE, TIME, misbehave
from tests.faults.trials import CLEAR, FAILED, SAME, Tally, judge

os.environ.setdefault("TQDM_DISABLE", "1")
NAME = "server: the base's downloads"


def try_base(seeds: Iterable[int]) -> Tally:
    """Has TFDS get a base from a server that answers wrongly, always or at first, or whose archive is another."""
    import tensorflow  # noqa: F401  # else the first trial has to wait for it

    from tests.base.downloaded import ARCHIVE

    tally = Tally(NAME)
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        outcome, why = _got(root / "right", ARCHIVE, _good, TIME)
        assert outcome == SAME, why
        places = {path.name for path in root.iterdir()} | {str(seed) for seed in seeds}
        for seed in seeds:
            rng, said = random.Random(f"{NAME} {seed}"), []
            content, answer = _wrong(rng, said)
            outcome, why = _got(root / str(seed), content, answer)
            if outcome == CLEAR and not ("tiny 1.0.0 is not prepared" in why and "tfds build tiny" in why):
                outcome, why = FAILED, f"an error without the remedy: {why}"
            if stray := {path.name for path in root.iterdir()} - places:
                outcome, why = FAILED, f"wrote outside its folder: {stray}"
            if outcome == CLEAR:
                again, why = _got(root / str(seed), ARCHIVE, _good, TIME)
                if again != SAME:
                    outcome, why = FAILED, f"then, from a good server: {again}, {why}"
            tally.add(outcome, f"seed {seed}: {said}: {why}")
            shutil.rmtree(root / str(seed), ignore_errors=True)
    return tally


def _good(path: str, times: int, connection: socket.socket) -> None:
    from tests.base.downloaded import ARCHIVE

    connection.sendall(body(ARCHIVE))


def _wrong(rng: random.Random, said: list[str]) -> tuple[bytes, Callable[[str, int, socket.socket], None]]:
    """Returns an archive, whose checksum is known to TFDS, and a server's answers to requests for it."""
    from tests.base.downloaded import ARCHIVE, IMAGES, archive_of

    if rng.random() < 0.3:  # right by its checksum, and yet not what TFDS expects
        others = {
            "no archive": b"no archive at all",
            "a cut archive": ARCHIVE[: rng.randrange(1, len(ARCHIVE))],
            "an archive of another file": archive_of(pictures=IMAGES.tobytes()),
            "an archive of half a file": archive_of(images=IMAGES.tobytes()[:50]),
            "an archive that leaves its folder": archive_of(**{"..__..__..__..__x": b"x", "images": b""}),
            "an archive of an absolute path": archive_of(__tmp__noisy_label_faults=b"x"),
            "an empty archive": archive_of(),
        }
        said.append(way := rng.choice(sorted(others)))
        return others[way], lambda path, times, connection: connection.sendall(body(others[way]))
    recovers = rng.random() < 0.3

    def answer(path: str, times: int, connection: socket.socket) -> None:
        if said and recovers:
            connection.sendall(body(ARCHIVE))
        else:
            said.append(misbehave(ARCHIVE, rng, connection))

    return ARCHIVE, answer


def _got(
    folder: pathlib.Path,
    content: bytes,
    answer: Callable[[str, int, socket.socket], None],
    patience: Patience = HASTE,
) -> tuple[str, str]:
    """Has TFDS get the base into a folder; returns what came of it."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.utils import file_utils

    from noisy_label_datasets.base import tfds_base
    from tests.base.downloaded import IMAGES, Tiny, infos, read

    expected = frozenset({_digest(IMAGES)})
    with (
        serving(answer) as (url, _),
        mock.patch.object(file_utils, "list_data_dirs", list),
        mock.patch.object(tfds_base, "PATIENCE", patience),
        mock.patch.object(Tiny, "url_infos", infos(f"{url}/tiny.tar.gz", content)),
        mock.patch.object(tfds, "builder", lambda name, data_dir: Tiny(data_dir=data_dir)),
    ):
        return judge(lambda: _digest(read(folder)), expected, hashed=True)


def _digest(images: Iterable) -> bytes:
    return hashlib.sha256(b"".join(sorted(image.tobytes() for image in images))).digest()


BASE_SERVED = {NAME: try_base}
