"""What TFDS downloads for a base dataset, fetched by this package's own bounds; and what is wrong where that fails.

    with_bounded_downloads(builder)             # a TFDS builder; before its download_and_prepare
    damaged_downloads(builder)                  # files that were downloaded before and are damaged since

TFDS by itself reads a file as long as the server sends, tries a failing one for minutes, and finds out at the end that
it was another. Here the size and the SHA-256 that TFDS knows of a file are held against what comes (`download`).
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Mapping
from typing import Any

from etils import epath
from tensorflow_datasets.core.download import checksums, downloader, resource

from noisy_label_datasets.download import PATIENCE, Patience, download

_SLOWEST = 50_000  # bytes a second
_BY_TFDS = ("https://drive.google.com/",)  # where a page has to be confirmed first


class BoundedDownloader(downloader._Downloader):
    """TFDS's downloader, with `download` for every file whose size and checksum are known.

    The hook is a private one of TFDS, for want of a public; where TFDS renames it, its own downloads come back.
    """

    def __init__(self, url_infos: Mapping[str, Any], patience: Patience) -> None:
        super().__init__()
        self._url_infos, self._patience = url_infos, patience

    def _sync_download(self, url: str, destination_path: epath.Path, verify: bool = True) -> Any:
        info = self._url_infos.get(url)
        if info is None or not verify or not url.startswith("http") or url.startswith(_BY_TFDS):
            return super()._sync_download(url, destination_path, verify)
        path = destination_path / (info.filename or downloader._basename_from_url(url))
        self._pbar_dl_size.update_total(info.size // 2**20)
        try:
            download(
                url,
                path,
                most_bytes=info.size,
                check=functools.partial(_check_sha256, info.checksum),
                patience=_for_size(self._patience, info.size),
                on_bytes=_MebibytesTo(self._pbar_dl_size).add,
            )
        except BaseException:
            shutil.rmtree(destination_path, ignore_errors=True)  # a folder of this download alone
            raise
        self._pbar_url.update(1)
        return downloader.DownloadResult(path, checksums.UrlInfo(info.size, info.checksum, path.name))


class _MebibytesTo:
    """Tells a progress bar of TFDS, which counts whole mebibytes, of bytes."""

    def __init__(self, bar: Any) -> None:
        self._bar, self._rest = bar, 0

    def add(self, count: int) -> None:
        mebibytes, self._rest = divmod(self._rest + count, 2**20)
        if mebibytes:
            self._bar.update(mebibytes)


def with_bounded_downloads(builder: Any, patience: Patience = PATIENCE) -> Any:
    """Returns a TFDS builder, having seen to it that it downloads within bounds."""
    make = builder._make_download_manager

    def make_bounded(**options: Any) -> Any:
        manager = make(**options)
        manager._DownloadManager__downloader = BoundedDownloader(manager._url_infos, patience)
        return manager

    builder._make_download_manager = make_bounded
    return builder


def downloaded(builder: Any, url: str) -> Any:
    """Returns the file (path object) that TFDS keeps of a URL whose checksum it knows; None: it was not downloaded."""
    folder, name = builder.data_dir_root / "downloads", resource.get_dl_fname(url, builder.url_infos[url].checksum)
    return next((path for path in (folder / builder.name / name, folder / name) if path.exists()), None)


def damaged_downloads(builder: Any) -> list[Any]:
    """Returns the files that TFDS has downloaded for a builder and that are no longer what they were.

    TFDS checks a file once, when it comes, and then takes it as it is.
    """
    kept = {url: downloaded(builder, url) for url in builder.url_infos or {}}
    return [path for url, path in kept.items() if path and _sha256(path) != builder.url_infos[url].checksum]


def _for_size(patience: Patience, size: int) -> Patience:
    return Patience(patience.silence, patience.total + size / _SLOWEST, patience.tries, patience.pause)


def _check_sha256(expected: str, path: Any) -> None:
    if _sha256(path) != expected:
        with path.open("rb") as file:
            start = file.read(200).lstrip().lower()
        page = ", and it begins as a web page does" if start.startswith((b"<!doctype", b"<html")) else ""
        raise ValueError(f"its SHA-256 is not {expected}{page}")


def _sha256(path: Any) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
