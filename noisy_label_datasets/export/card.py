"""The dataset card of a Hugging Face folder: what is in it, for the site and for `datasets.load_dataset`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noisy_label_datasets.card.built import noise_card
from noisy_label_datasets.card.markdown import to_markdown
from noisy_label_datasets.files import to_json
from noisy_label_datasets.info import full_name

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(builder: NoisyLabelBuilder) -> str:
    """Returns README.md for the folder of a built dataset: a YAML header, and prose."""
    info = builder.info
    name = full_name(builder)
    examples = sum(split.num_examples for split in info.splits.values())
    header = {
        "pretty_name": name,
        "license": "other",
        "license_name": "cc0-labels-and-terms-of-the-base-dataset",
        "task_categories": ["image-classification"],
        "annotations_creators": ["machine-generated"],
        "tags": ["label-noise", "noisy-labels", "crowdsourcing"],
        "size_categories": [next((size for limit, size in _SIZES if examples < limit), "1M<n<10M")],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}-*.parquet"} for split in info.splits],
            }
        ],
    }
    splits = "\n".join(f"| `{split}` | {of_split.num_examples:,} |" for split, of_split in info.splits.items())
    # JSON is YAML.
    return f"""---
{to_json(header).decode()}---

# {name} {builder.version}

{info.description.strip()}

Of the base dataset {info.metadata["base"]["name"]} {info.metadata["base"]["version"]}.

```python
import datasets
dataset = datasets.load_dataset("path/of/this/folder", split="noisy_label_train")
```

`noisy_labels` has one label per rater, -1 where a rater has not labelled an example; `dataset.with_format("numpy")` (or
`"torch"`) gives batches of it as [examples, raters]. `raters.json` lists the raters' features, in the same order.

| split | examples |
|---|---:|
{splits}

## Noise

{to_markdown([noise_card(builder)])}

## Citation

```bibtex
{info.citation.strip()}
```
"""
