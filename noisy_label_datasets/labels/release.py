"""The labels that the paper's authors released: where their files lie, fetching them, reading their records.

    folder = at_hand("cifar10", "low", context) or fetch("cifar10", "low", context)
    for record in read_records(folder, "train"): record.features["noisy_labels"].int64_list.value

The public bucket gs://noisy_label_synthetic_datasets holds `public/<task>/<level>/`, and in it `train-*-of-*` and
`valid-*-of-*` (TFRecords) and `rater_features.json`. A copy is looked for in the folder of what was fetched by hand,
then where `fetch` keeps its own, under the same names.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from noisy_label_datasets import files
from noisy_label_datasets.download import PATIENCE, DownloadError, download
from noisy_label_datasets.download import fetch as fetch_bytes
from noisy_label_datasets.labels.prediction_schema import PUBLISHED_FEATURES
from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.labels.sources import LabelContext, MissingLabelsError
from noisy_label_datasets.schema import ListOf, Record, Text, read_json

BUCKET = "noisy_label_synthetic_datasets"
HOST = "https://storage.googleapis.com"
RATER_FEATURES = "rater_features.json"
PARTS = ("train", "valid")
LISTING = "listing.json"  # what the bucket said it holds; written last
MOST_BYTES = 4 * 2**30  # of a file
MOST_PAGES, MOST_PAGE_BYTES = 100, 16 * 2**20  # of the listing of a level

_PAGE = Record({}, optional={"items": ListOf(Record({"name": Text()})), "nextPageToken": Text()})
_MD5 = re.compile(r"[A-Za-z0-9+/]{22}==")
_SHARD = re.compile(r"(train|valid)-(\d{5})-of-(\d{5})")


def at_hand(task: str, level: str, context: LabelContext) -> Any:
    """Returns the folder of a copy on this machine (path object), or None."""
    by_hand = context.manual_dir / BUCKET / "public" / task / level
    if by_hand.exists():
        return by_hand
    fetched = _fetched(task, level, context)
    return fetched if (fetched / LISTING).exists() else None


def fetch(task: str, level: str, context: LabelContext) -> Any:
    """Downloads the files of a level, those that are not there yet, and returns their folder.

    Every file is compared with the MD5 sum that the bucket states. Of the objects that it lists, those that have the
    names of the release are fetched, and no others.

    Raises:
      MissingLabelsError: the bucket cannot be reached or has no such files; says where a copy would be found.
      OSError: the disk is full, or the folder cannot be written.
    """
    from tqdm import auto as tqdm

    folder, prefix = _fetched(task, level, context), f"public/{task}/{level}/"
    try:
        listed = _list(prefix)
        for name, md5 in tqdm.tqdm(listed.items(), desc=f"gs://{BUCKET}/{prefix}", unit=" files", disable=None):
            path = folder / name
            if not path.exists() or _md5(path) != md5:
                url = f"{HOST}/{BUCKET}/{prefix}{name}"
                download(url, path, most_bytes=MOST_BYTES, check=functools.partial(_check_md5, md5), patience=PATIENCE)
    except DownloadError as error:
        raise MissingLabelsError(
            f"the published labels of {task}/{level} are not on this machine and cannot be fetched: {error}. "
            f"Where there is a network, `gsutil -m cp -r gs://{BUCKET}/{prefix.rstrip('/')} FOLDER` fetches them; here "
            f"they are looked for in {context.manual_dir / BUCKET / prefix}"
        ) from error
    files.write_atomically(folder / LISTING, files.to_json(listed))
    return folder


def was_fetched(folder: Any) -> bool:
    """Returns whether a folder is one that `fetch` has filled."""
    return (folder / LISTING).exists()


def _list(prefix: str) -> dict[str, str]:
    """Returns the files of the release under a prefix: name without it -> MD5 sum.

    Raises:
      DownloadError: the bucket does not answer, or with something that is no listing of these files.
    """
    listed: dict[str, str] = {}
    parameters = {"prefix": prefix, "fields": "items(name,md5Hash),nextPageToken"}
    for _ in range(MOST_PAGES):
        url = f"{HOST}/storage/v1/b/{BUCKET}/o?{urllib.parse.urlencode(parameters)}"
        parse = functools.partial(read_json, schema=_PAGE)
        page = parse(fetch_bytes(url, most_bytes=MOST_PAGE_BYTES, check=parse, patience=PATIENCE))
        for item in page.get("items", []):
            name = item["name"].removeprefix(prefix)
            if name != RATER_FEATURES and not _SHARD.fullmatch(name):
                continue
            md5 = item.get("md5Hash")
            if not isinstance(md5, str) or not _MD5.fullmatch(md5) or name in listed:
                fault = "twice" if name in listed else f"with the MD5 sum {md5!r:.100}"
                raise DownloadError(f"{url} lists {name} {fault}")
            listed[name] = md5
        if "nextPageToken" not in page:
            break
        if parameters.get("pageToken") == page["nextPageToken"]:
            raise DownloadError(f"{url} is followed by itself")
        parameters["pageToken"] = page["nextPageToken"]
    else:
        raise DownloadError(f"the listing of gs://{BUCKET}/{prefix} has more than {MOST_PAGES} pages")
    if RATER_FEATURES not in listed or not all(_complete(listed, part) for part in PARTS):
        raise DownloadError(
            f"gs://{BUCKET}/{prefix} does not hold all files of the release: {sorted(listed) or 'none'}"
        )
    return listed


def _complete(names: Iterable[str], part: str) -> dict[int, str]:
    """Returns number -> name of the TFRecord files of a part; nothing where some are not there, or of two divisions."""
    found = [match for name in names if (match := _SHARD.fullmatch(name)) and match[1] == part]
    totals, numbers = {int(match[3]) for match in found}, {int(match[2]): match[0] for match in found}
    return numbers if len(totals) == 1 and set(numbers) == set(range(*totals)) else {}


def shards(folder: Any, part: str) -> list[Any]:
    """Returns the TFRecord files of a part, 'train' or 'valid', in order.

    Raises:
      PredictionsError: some are not there, or all.
    """
    names = [path.name for path in folder.iterdir()]
    if not (numbers := _complete(names, part)):
        found = sorted(name for name in names if name.startswith(f"{part}-"))
        raise PredictionsError(f"{folder} does not hold all files {part}-*-of-*; it holds {found or 'none'}")
    return [folder / numbers[i] for i in sorted(numbers)]


def read_records(folder: Any, part: str) -> Iterator[Mapping[str, Any]]:
    """Yields the features of the records of a part: name -> `Feature` protobuf message.

    Raises:
      PredictionsError: a file is altered, cut short or missing; names it.
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow_datasets.proto import tf_example_pb2

    for path in shards(folder, part):
        try:
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                yield tf_example_pb2.Example.FromString(record).features.feature
        except (tf.errors.OpError, DecodeError) as error:
            what = getattr(error, "message", None) or f"no record of examples: {error}"
            raise PredictionsError(f"{path} was altered or cut short: {what}") from error


def rater_features(folder: Any, rater_ids: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    """Returns the features of raters, in the order of their ids, from `rater_features.json`: rater id -> features.

    Raises:
      PredictionsError: the file is missing or not of this form, or a rater is not in it.
    """
    path = folder / RATER_FEATURES
    try:
        stated = read_json(path.read_bytes(), PUBLISHED_FEATURES)
        return tuple({**stated[rater_id], "id": rater_id} for rater_id in rater_ids)
    except FileNotFoundError as error:
        raise PredictionsError(f"{path} is not there") from error
    except KeyError as error:
        raise PredictionsError(f"{path} has no features of rater {error}") from error
    except ValueError as error:
        raise PredictionsError(f"{path} does not map each rater id to its features: {error}") from error


def content_sha256(folder: Any) -> str:
    """Returns a SHA-256 that stands for all label files of a folder."""
    digests = {}
    for path in [*shards(folder, "train"), *shards(folder, "valid"), folder / RATER_FEATURES]:
        with path.open("rb") as file:
            digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return files.sha256(files.to_json(digests))


def _fetched(task: str, level: str, context: LabelContext) -> Any:
    return context.data_dir / "downloads" / BUCKET / "public" / task / level


def _md5(path: Any) -> str:
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, _new_md5).digest()).decode()


def _new_md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _check_md5(md5: str, path: Any) -> None:
    if _md5(path) != md5:
        raise ValueError("its MD5 sum is not the one that the bucket states")
