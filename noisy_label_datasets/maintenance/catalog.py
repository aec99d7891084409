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
    found = {}
    for dataset in own_names():
        builder = builder_class(dataset)
        found[dataset] = Entry(
            dataset=dataset,
            version=str(builder.VERSION),
            base={"name": builder.BASE.name, "version": builder.BASE.version},
            class_names=tuple(builder.BASE.class_names),
            split_plan=builder.SPLIT_PLAN,
            configs={name: config.source for name, config in builder.builder_configs.items()},
        ).to_json()
    return found


def main() -> None:
    """Writes the file."""
    files.write_atomically(CATALOG, files.to_json(declared()))
    print(f"Wrote {CATALOG}")


if __name__ == "__main__":
    main()
