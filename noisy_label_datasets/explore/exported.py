"""Examples to explore, of a folder that `noisy-labels export` wrote, for Hugging Face or with Croissant metadata.

Such a folder holds data/<split>-00000-of-00001.parquet, raters.json, and README.md or croissant.json.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from noisy_label_datasets.explore.model import Choice, Example, Explored, ExploreError

_FILE = re.compile(r"(?P<split>.+)-\d{5}-of-\d{5}\.parquet")
_TITLE = re.compile(r"^# (?P<name>\S+/\S+) (?P<version>\S+)$", re.MULTILINE)
_COLUMNS = ["id", "image", "label", "noisy_labels", "noisy_label", "noisy_label_rater"]
_BATCH = 256  # examples read at a time
_NO_PROBABILITIES = "An exported folder holds the labels alone; the page of the TFDS dataset shows probabilities."


def explore_exported(folder: pathlib.Path, choice: Choice) -> Explored:
    """Returns examples of an exported folder.

    Args:
      folder: what `noisy-labels export` wrote.
      choice: which of its examples.

    Raises:
      ExploreError: it is no such folder, has no such split, or what it holds is damaged.
    """
    files: dict[str, list[pathlib.Path]] = {}
    for path in sorted((folder / "data").glob("*.parquet")):
        if match := _FILE.fullmatch(path.name):
            files.setdefault(match["split"], []).append(path)
    if not files or not (folder / "raters.json").is_file():
        raise ExploreError(
            f"{folder} is a folder, but not one that `noisy-labels export` wrote: it has "
            f"{'no raters.json' if files else 'no data/<split>-00000-of-00001.parquet'}"
        )
    choice.check_split(files, str(folder))
    name, version = _name_and_version(folder)
    try:
        examples, total = choice.take(_examples(files[choice.split]))
        return Explored(
            name=name,
            version=version,
            split=choice.split,
            num_examples=total,
            seed=choice.seed,
            class_names=_class_names(files[choice.split][0]),
            rater_ids=tuple(str(rater["id"]) for rater in json.loads((folder / "raters.json").read_bytes())),
            examples=examples,
            no_probabilities=_NO_PROBABILITIES,
        )
    except ExploreError:
        raise
    except Exception as error:  # pyarrow has a dozen kinds for files that are cut short, altered or of other columns
        said = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        raise ExploreError(f"the export in {folder} cannot be read ({said})") from error


def _examples(paths: list[pathlib.Path]) -> Iterator[Example]:
    import pyarrow.parquet as pq

    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=_COLUMNS):
                yield from map(_example, batch.to_pylist())


def _example(row: dict[str, Any]) -> Example:
    return Example(
        id=str(row["id"]),
        image=bytes(row["image"]["bytes"]),
        label=int(row["label"]),
        noisy_labels=np.array(row["noisy_labels"], dtype=np.int32),
        noisy_label=int(row["noisy_label"]),
        noisy_label_rater=int(row["noisy_label_rater"]),
    )


def _class_names(path: pathlib.Path) -> tuple[str, ...]:
    """Returns the names of the classes, from what Hugging Face's library keeps in the schema of a Parquet file."""
    import pyarrow.parquet as pq

    stored = json.loads(pq.read_schema(path).metadata[b"huggingface"])
    return tuple(str(name) for name in stored["info"]["features"]["label"]["names"])


def _name_and_version(folder: pathlib.Path) -> tuple[str, str]:
    """Returns the name of the dataset that was exported, or of the folder, and the version or ''."""
    readme = folder / "README.md"
    if readme.is_file() and (title := _TITLE.search(readme.read_text(encoding="utf-8", errors="replace"))):
        return title["name"], title["version"]
    return folder.resolve().name, ""
