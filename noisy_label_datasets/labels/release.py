"""The labels that the paper's authors released: where their files lie, fetching them, reading their records.

    folder = at_hand("cifar10", "low", context) or fetch("cifar10", "low", context)
    for record in read_records(folder, "train"): record.features["noisy_labels"].int64_list.value

The public bucket gs://noisy_label_synthetic_datasets holds `public/<task>/<level>/`, and in it `train-*-of-*` and
`valid-*-of-*` (TFRecords) and `rater_features.json`. A copy is looked for in the folder of what was fetched by hand,
then where `fetch` keeps its own, under the same names.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from noisy_label_datasets import files
from noisy_label_datasets.labels.predictions import PredictionsError
from noisy_label_datasets.labels.sources import LabelContext, MissingLabelsError

BUCKET = "noisy_label_synthetic_datasets"
HOST = "https://storage.googleapis.com"
RATER_FEATURES = "rater_features.json"
LISTING = "listing.json"  # what the bucket said it holds; written last
TIMEOUT = (20, 120)  # seconds to connect, and between two pieces of an answer

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

    Every file is compared with the MD5 sum that the bucket states.

    Raises:
      MissingLabelsError: the bucket cannot be reached or has no such files; says where a copy would be found.
      OSError: the disk is full, or the folder cannot be written.
    """
    import requests
    from tqdm import auto as tqdm

    folder, prefix = _fetched(task, level, context), f"public/{task}/{level}/"
    try:
        listed = _list(requests, prefix)
        for item in tqdm.tqdm(listed, desc=f"gs://{BUCKET}/{prefix}", unit=" files", disable=None):
            path = folder / item["name"].removeprefix(prefix)
            if path.exists() and _md5(path.read_bytes()) == item["md5Hash"]:
                continue
            answer = requests.get(f"{HOST}/{BUCKET}/{item['name']}", timeout=TIMEOUT)
            answer.raise_for_status()
            if _md5(answer.content) != item["md5Hash"]:
                raise requests.ConnectionError(f"{item['name']} came with another MD5 sum than the bucket states")
            files.write_atomically(path, answer.content)
    except requests.RequestException as error:
        raise MissingLabelsError(
            f"the published labels of {task}/{level} are not on this machine and cannot be fetched: {error}. "
            f"Where there is a network, `gsutil -m cp -r gs://{BUCKET}/{prefix.rstrip('/')} FOLDER` fetches them; here "
            f"they are looked for in {context.manual_dir / BUCKET / prefix}"
        ) from error
    files.write_atomically(folder / LISTING, files.to_json(listed))
    return folder


def _list(requests: Any, prefix: str) -> list[Mapping[str, str]]:
    """Returns what the bucket holds under a prefix: name and MD5 sum of each object."""
    listed: list[Mapping[str, str]] = []
    parameters = {"prefix": prefix, "fields": "items(name,md5Hash),nextPageToken"}
    while True:
        answer = requests.get(f"{HOST}/storage/v1/b/{BUCKET}/o", params=parameters, timeout=TIMEOUT)
        answer.raise_for_status()
        page = answer.json()
        listed += [item for item in page.get("items", []) if not item["name"].endswith("/")]
        if "nextPageToken" not in page:
            break
        parameters["pageToken"] = page["nextPageToken"]
    if not listed:
        raise requests.ConnectionError(f"gs://{BUCKET}/{prefix} is empty")
    return listed


def shards(folder: Any, part: str) -> list[Any]:
    """Returns the TFRecord files of a part, 'train' or 'valid', in order.

    Raises:
      PredictionsError: some are not there, or all.
    """
    found = {
        int(match[2]): path for path in folder.iterdir() if (match := _SHARD.fullmatch(path.name)) and match[1] == part
    }
    totals = {int(_SHARD.fullmatch(path.name)[3]) for path in found.values()}  # type: ignore[index]
    if len(totals) != 1 or set(found) != set(range(*totals)):
        names = sorted(path.name for path in found.values())
        raise PredictionsError(f"{folder} does not hold all files {part}-*-of-*; it holds {names or 'none'}")
    return [found[i] for i in sorted(found)]


def read_records(folder: Any, part: str) -> Iterator[Mapping[str, Any]]:
    """Yields the features of the records of a part: name -> `Feature` protobuf message.

    Raises:
      PredictionsError: a file is altered, cut short or missing; names it.
    """
    import tensorflow as tf
    from tensorflow_datasets.proto import tf_example_pb2

    for path in shards(folder, part):
        try:
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                yield tf_example_pb2.Example.FromString(record).features.feature
        except tf.errors.DataLossError as error:
            raise PredictionsError(f"{path} was altered or cut short: {error.message}") from error


def rater_features(folder: Any, rater_ids: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    """Returns the features of raters, in the order of their ids, from `rater_features.json`: rater id -> features.

    Raises:
      PredictionsError: the file is missing or not of this form, or a rater is not in it.
    """
    path = folder / RATER_FEATURES
    try:
        stated = json.loads(path.read_bytes())
        return tuple({**stated[rater_id], "id": rater_id} for rater_id in rater_ids)
    except FileNotFoundError as error:
        raise PredictionsError(f"{path} is not there") from error
    except (ValueError, KeyError, TypeError) as error:
        raise PredictionsError(f"{path} does not map each rater id to its features: {error!r}") from error


def content_sha256(folder: Any) -> str:
    """Returns a SHA-256 that stands for all label files of a folder."""
    digests = {}
    for path in [*shards(folder, "train"), *shards(folder, "valid"), folder / RATER_FEATURES]:
        with path.open("rb") as file:
            digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return files.sha256(files.to_json(digests))


def _fetched(task: str, level: str, context: LabelContext) -> Any:
    return context.data_dir / "downloads" / BUCKET / "public" / task / level


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
