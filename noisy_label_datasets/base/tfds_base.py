"""A dataset of TFDS as a base: find it, or get it, and read it without decoding its images."""

from __future__ import annotations

import errno
import pathlib
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests
import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core.download import download_manager, extractor, util
from tensorflow_datasets.core.utils import file_utils

from noisy_label_datasets.base.errors import BaseDatasetError
from noisy_label_datasets.base.tfds_downloads import damaged_downloads, downloaded, with_bounded_downloads
from noisy_label_datasets.download import PATIENCE, DownloadError
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.folders import remove_leftovers
from noisy_label_datasets.lease import taking_turns

CONNECT_SECONDS = 20
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
_TFDS_DOWNLOAD_ERRORS = (
    util.DownloadError,
    download_manager.NonMatchingChecksumError,
    extractor.UnsafeArchiveError,
)


def find_prepared(name: str, version: str, data_dir: Any) -> Any:
    """Returns the folder (path object) of a prepared dataset; None where there is none. See `prepared_builder`."""
    folders = [root / name / version for root in _roots(data_dir)]
    return next((folder for folder in folders if (folder / "dataset_info.json").exists()), None)


def _roots(data_dir: Any) -> list[Any]:
    """Returns the folders in which datasets are looked for: `data_dir`, and where TFDS looks by itself."""
    return list(dict.fromkeys(epath.Path(root) for root in (data_dir, *file_utils.list_data_dirs())))


def prepared_builder(name: str, version: str, data_dir: Any) -> Any:
    """Returns a TFDS builder of a prepared dataset.

    It is looked for in `data_dir` and in the folders where TFDS looks by itself, in whatever file format; if it is in
    none, TFDS downloads and prepares it in `data_dir`.

    Raises:
      BaseDatasetError: it is nowhere and cannot be downloaded, TFDS has another version of it, or it is damaged.
    """
    if (folder := find_prepared(name, version, data_dir)) is not None:
        try:
            return tfds.builder_from_directory(folder)
        except Exception as error:  # of a damaged description any
            what = f"{type(error).__name__}: {_first_line(error)}"
            raise BaseDatasetError(
                f"the base dataset in {folder} cannot be read ({what}); remove that folder, and it is prepared anew"
            ) from error
    roots = _roots(data_dir)
    others = [
        f"{folder.name} (in {root})"
        for root in roots
        if (root / name).exists()
        for folder in sorted((root / name).iterdir())
        if (folder / "dataset_info.json").exists()
    ]
    found = f"prepared are only the versions {', '.join(others)}" if others else "no version of it is prepared"
    wanted = f"the base dataset {name} {version} is not prepared: looked in {', '.join(map(str, roots))}; {found}"
    return _prepare(name, version, roots[0], wanted)


def _prepare(name: str, version: str, data_dir: Any, wanted: str) -> Any:
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise BaseDatasetError(f"{wanted}. TFDS {tfds.__version__} does not have {name}") from error
    if str(builder.version) != version:
        raise BaseDatasetError(f"{wanted}. TFDS {tfds.__version__} can only prepare version {builder.version}")
    remedy = f"where there is a network, run `tfds build {name} --data_dir {data_dir}`, or copy {name}/{version} there"
    if unreachable := _unreachable_hosts(builder):
        raise BaseDatasetError(f"{wanted}. It cannot be downloaded: no answer from {', '.join(unreachable)}; {remedy}")
    try:
        with taking_turns(builder.data_path):  # who comes second finds it prepared
            remove_leftovers(pathlib.Path(builder.data_path))
            with_bounded_downloads(builder, PATIENCE).download_and_prepare()
    except (requests.RequestException, DownloadError, *_TFDS_DOWNLOAD_ERRORS) as error:
        raise BaseDatasetError(f"{wanted}. Its download failed ({_first_line(error)}); {remedy}") from error
    except NoisyLabelsError:
        raise
    except Exception as error:  # of a file that is not what a dataset's own code expects, any
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            raise
        if damaged := damaged_downloads(builder):
            remedy = f"remove {', '.join(map(str, damaged))}, damaged since it was downloaded, and try again"
        what = f"{type(error).__name__}: {_first_line(error)}"
        raise BaseDatasetError(f"{wanted}. TFDS cannot prepare it ({what}); {remedy}") from error
    return tfds.builder_from_directory(builder.data_path)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _unreachable_hosts(builder: Any) -> list[str]:
    """Returns the hosts of a builder's downloads that do not answer.

    TFDS tries an unreachable host for over three minutes before it says so; here it is one connection a host. What was
    downloaded before is not asked for. Any answer, be it an error, counts as one, as does a slow one.
    """
    urls = {
        urllib.parse.urlsplit(url).netloc: url
        for url in builder.url_infos or {}
        if url.startswith("http") and downloaded(builder, url) is None
    }
    unreachable = []
    for host, url in urls.items():
        try:
            requests.head(url, timeout=CONNECT_SECONDS)
        except requests.ReadTimeout:
            continue
        except (requests.ConnectionError, requests.Timeout):
            unreachable.append(host)
        except requests.RequestException:  # an answer, though not one of HTTP
            continue
    return unreachable


def pieces_of_shards(split_info: Any, size: int) -> list[str]:
    """Returns TFDS's names of slices of a split, such as "train[0:4096]": at most `size` examples of one shard each."""
    slices, start = [], 0
    for shard_length in split_info.shard_lengths:
        ends = range(start, start + shard_length, size)
        slices += [(first, min(first + size, start + shard_length)) for first in ends]
        start += shard_length
    return [f"{split_info.name}[{first}:{end}]" for first, end in slices]


def read_batches(
    folder: str, split: str, keys: Sequence[str], image_key: str, batch_size: int
) -> Iterator[Mapping[str, Sequence[Any]]]:
    """Yields features of a split, a batch at a time: feature -> [n] values; images stay encoded.

    Args:
      folder: of a prepared dataset; tfrecord is read with tf.data, array_record without TensorFlow.
      split: one of its splits, or a slice.
      keys: names of the features, without whose others an example is read.
      image_key: the one that is an image.
      batch_size: the last batch may be smaller.

    Raises:
      BaseDatasetError: its files are damaged, or some are not there.
    """
    try:
        yield from _read_batches(folder, split, keys, image_key, batch_size)
    except Exception as error:  # each format has half a dozen of its own
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise BaseDatasetError(f"{split} of the base dataset in {folder} cannot be read: {what}") from error


def _read_batches(
    folder: str, split: str, keys: Sequence[str], image_key: str, batch_size: int
) -> Iterator[Mapping[str, Sequence[Any]]]:
    builder = tfds.builder_from_directory(folder)
    as_stored = {image_key: tfds.decode.SkipDecoding()}
    if builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD:
        source = builder.as_data_source(split, decoders=as_stored)
        for start in range(0, len(source), batch_size):
            examples = source.__getitems__(range(start, min(start + batch_size, len(source))))
            yield {key: [example[key] for example in examples] for key in keys}
    else:
        dataset = builder.as_dataset(
            split=split,
            decoders=tfds.decode.PartialDecoding(dict.fromkeys(keys, True), decoders=as_stored),
            read_config=tfds.ReadConfig(try_autocache=False),
        )
        for batch in tfds.as_numpy(dataset.batch(batch_size)):
            yield {key: batch[key].tolist() for key in keys}
