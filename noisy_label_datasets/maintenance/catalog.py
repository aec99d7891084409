"""Writes `noisy_label_datasets/labels/catalog.json`, what the builders declare in a form that is read without TFDS.

python -m noisy_label_datasets.maintenance.catalog
"""

from __future__ import annotations

from typing import Any

from noisy_label_datasets import files
from noisy_label_datasets.labels.catalog import CATALOG, Entry
from noisy_label_datasets.registration import builder_class, own_names


def declared() -> dict[str, Any]:
    """Returns dataset -> its entry as JSON, from the builders."""
    return {dataset: Entry.of(builder_class(dataset)).to_json() for dataset in own_names()}


def main() -> None:
    """Writes the file."""
    files.write_atomically(CATALOG, files.to_json(declared()))
    print(f"Wrote {CATALOG}")


if __name__ == "__main__":
    main()
