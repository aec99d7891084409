"""Writes the folder of a builder for data of one's own: an ordinary one, to be kept and edited.

    photos_noisy/
        photos_noisy_dataset_builder.py     base, split plan, configs
        pools.py                            the raters of each config (written by `rater_training`)
        README.md, CITATIONS.bib, TAGS.txt, __init__.py
        made_from.json                      which data it was made of, and the hashes of the files as they were written

    folder = BuilderFolder(pathlib.Path("photos_noisy"))
    folder.claim(origin)                    # an error where it was made of other data
    folder.write(Declared(base, plan, image_size, pools))

Files that have been edited since they were written are not written again.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import shlex
import textwrap
from collections.abc import Mapping

from noisy_label_datasets import schema
from noisy_label_datasets.base.bases import Base
from noisy_label_datasets.base.own_data import Origin
from noisy_label_datasets.base.splits import SplitPlan
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.files import sha256, to_json, write_atomically
from noisy_label_datasets.source_text import python_of

PAPER = "https://arxiv.org/abs/2107.11413"
CITATION = """\
@article{gu2023instance,
  title   = {An instance-dependent simulation framework for learning with label noise},
  author  = {Gu, Keren and Masotto, Xander and Bachani, Vandana and Lakshminarayanan, Balaji and Nikodem, Jack and Yin, Dong},
  journal = {Machine Learning},
  volume  = {112},
  number  = {6},
  pages   = {1871--1896},
  year    = {2023},
  doi     = {10.1007/s10994-022-06207-7},
  note    = {arXiv:2107.11413}
}
"""  # noqa: E501
TAGS = """\
content.data-type.image # Contains image data.
ml.task.image-classification # Relates to Image Classification, a machine learning task.
"""
MADE_FROM, POOLS_FILE = "made_from.json", "pools.py"
_FORMAT = "noisy_label_datasets/made_from"
_RECORD = schema.Record(
    {
        "format": schema.Exactly(_FORMAT),
        "format_version": schema.Exactly(1),
        "kind": schema.OneOf(("folder", "npz", "tfds")),
        "source": schema.Text(),
        "contents": schema.Text(),
        "files": schema.MapOf(schema.Text("[0-9a-f]{64}")),
    }
)


class NameTakenError(NoisyLabelsError):
    """A dataset of this name, made of other data, is there already."""


class EditedError(NoisyLabelsError):
    """A file that would have to be written again has been edited."""


@dataclasses.dataclass(frozen=True)
class Declared:
    """What a builder declares.

    Attributes:
      base: where images and clean labels come from.
      split_plan: how the base is divided.
      image_size: (height, width) at which raters see the images; None: as they are.
      pools: config -> (variable in `pools.py`, what its raters are like).
      further_rates: of the dial, beside those of the pools.
    """

    base: Base
    split_plan: SplitPlan
    image_size: tuple[int, int] | None
    pools: Mapping[str, tuple[str, str]]
    further_rates: tuple[float, ...] = ()


class BuilderFolder:
    """The folder of a builder that `make --from` writes."""

    def __init__(self, path: pathlib.Path, pilots: pathlib.Path | None = None) -> None:
        """Takes the path, whose last part is the name of the dataset, and where its pilots are kept.

        That is in a folder which data of other places share, so what it was made of is recorded there, too.
        """
        self.path, self.dataset, self.pilots = path, path.name, pilots

    @property
    def builder(self) -> pathlib.Path:
        """The builder's module."""
        return self.path / f"{self.dataset}_dataset_builder.py"

    @property
    def pools(self) -> pathlib.Path:
        """The module of the pools."""
        return self.path / POOLS_FILE

    def check(self, origin: Origin) -> None:
        """Raises NameTakenError where the folder or pilots of its name are there and were not made of these data."""
        other = f"name the new dataset otherwise: `noisy-labels make OTHER_noisy --from {shlex.quote(origin.source)}`"
        if self._is_there():
            self._check_folder(origin, other)
        kept = self._kept
        if kept is not None and kept.exists():
            record = _record(kept)
            if (record["kind"], record["contents"]) != (origin.kind, origin.contents):
                raise NameTakenError(
                    f"{kept.parent} is of a {self.dataset} that was made of {record['source']}; {other}"
                )

    def _check_folder(self, origin: Origin, other: str) -> None:
        if not (self.path / MADE_FROM).exists():
            raise NameTakenError(f"{self.path} is there already and was not written by `make --from`; {other}")
        record = _record(self.path / MADE_FROM)
        if (record["kind"], record["source"]) != (origin.kind, origin.source):
            raise NameTakenError(f"{self.path} was made of {record['source']}; {other}")
        if record["contents"] != origin.contents:
            raise NameTakenError(
                f"{origin.source} has changed since {self.path} was made of it, and labels belong to what was; {other}"
            )

    def claim(self, origin: Origin) -> None:
        """Makes the folder of these data, where it is not there yet; raises as `check`."""
        self.check(origin)
        if not self._is_there():
            _write_record(self.path / MADE_FROM, origin, {})
        if self._kept is not None and not self._kept.exists():
            _write_record(self._kept, origin, {})

    @property
    def _kept(self) -> pathlib.Path | None:
        return None if self.pilots is None else self.pilots / MADE_FROM

    def write(self, declared: Declared) -> None:
        """Writes what is not there, and what has not been edited and would be written otherwise now.

        Raises:
          EditedError: the builder has been edited and lacks a config.
          OSError: a file cannot be written.
        """
        record = _record(self.path / MADE_FROM)
        files = {
            "__init__.py": "",
            self.builder.name: builder_source(self.dataset, record["source"], declared),
            "README.md": readme_text(self.dataset, record["source"], declared),
            "CITATIONS.bib": CITATION,
            "TAGS.txt": TAGS,
        }
        written = dict(record["files"])
        for name, text in files.items():
            path, data = self.path / name, text.encode()
            if path.exists() and sha256(path.read_bytes()) != written.get(name, sha256(data)):
                there = path.read_text(encoding="utf-8")
                missing = [config for config in declared.pools if f'"{config}"' not in there]
                if path == self.builder and missing:
                    raise EditedError(
                        f"{path} has been edited and has no {', '.join(missing)}: add it to POOLS and BUILDER_CONFIGS, "
                        "as its pool is in pools.py"
                    )
                continue
            if not path.exists() or path.read_bytes() != data:
                write_atomically(path, data)
            written[name] = sha256(data)
        if written != record["files"]:
            of = Origin(record["kind"], record["source"], record["contents"])
            _write_record(self.path / MADE_FROM, of, written)

    def _is_there(self) -> bool:
        """Returns whether the folder holds anything but what a killed process may have left."""
        return self.path.exists() and not (
            self.path.is_dir() and all(path.name.startswith(".") for path in self.path.iterdir())
        )


def _record(path: pathlib.Path) -> dict:
    try:
        return schema.read_json(path.read_bytes(), _RECORD)
    except schema.SchemaError as error:
        raise NameTakenError(f"{path} cannot be read: {error}") from error


def _write_record(path: pathlib.Path, origin: Origin, files: Mapping[str, str]) -> None:
    record = {"format": _FORMAT, "format_version": 1, **dataclasses.asdict(origin), "files": dict(files)}
    write_atomically(path, to_json(record))


def builder_source(dataset: str, source: str, declared: Declared) -> str:
    """Returns the module of a builder; source: what its data are called in the docstring."""
    loaded = [value for value in vars(declared.base).values() if isinstance(value, functools.partial)]
    names = {type(declared.base).__module__: type(declared.base).__name__}
    names |= {value.func.__module__: value.func.__name__ for value in loaded}
    names |= {
        "noisy_label_datasets.base.splits": "SplitPlan",
        "noisy_label_datasets.build.builder": "NoisyLabelBuilder",
        "noisy_label_datasets.build.configs": "standard_configs",
    }
    own = "\n".join(f"from {module} import {name}" for module, name in sorted(names.items()))
    standard = "import functools\n\n" if loaded else ""
    levels = {config: described for config, (_, described) in declared.pools.items()}
    pools = {config: f"{dataset}.pools:{variable}" for config, (variable, _) in declared.pools.items()}
    rates = tuple(sorted({*declared.further_rates, *filter(None, map(_rate_in, levels))}))
    size = f"    RATER_IMAGE_SIZE = {declared.image_size}\n" if declared.image_size else ""
    return f'''"""{dataset}: labels of simulated raters for {_plain(source)}.

Written by `noisy-labels make --from`; yours to edit. What stands here and in `pools.py` decides the labels: where it
changes, VERSION rises. docs/your-own-dataset.md explains each line.
"""

{standard}import tensorflow_datasets as tfds

{own}


class Builder(NoisyLabelBuilder):
    """Images with noisy labels of raters of several error rates."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {{"1.0.0": "First release."}}  # noqa: RUF012 (as TFDS declares it)

    BASE = {python_of(declared.base, 1, 7)}
    SPLIT_PLAN = {python_of(declared.split_plan, 1, 13)}
{size}    POOLS = {python_of(pools, 1, 8)}
    BUILDER_CONFIGS = standard_configs(
        {python_of(levels, 2, 0)},
        rates={python_of(rates, 2, 7)},
    )
'''


def readme_text(dataset: str, source: str, declared: Declared) -> str:
    """Returns the README beside a builder, which TFDS shows as the dataset's description."""
    splits = "; ".join(
        f"of `{split}` " + ", ".join(f"{100 * share:g} % are `{part}`" for part, share in shares.items())
        for split, shares in declared.split_plan.fractions.items()
    )
    rows = "\n".join(f"| `{config}` | {described} |" for config, (_, described) in declared.pools.items())
    classes = len(declared.base.class_names)
    about = (
        f"The images and clean labels are those of {_plain(source)}: {splits}. The raters are neural networks "
        "that were trained on `clean_label_train` and label the other splits, so that their errors depend on the image "
        f"([Gu et al., 2021]({PAPER}))."
    )
    return f"""Images of {classes} classes with the labels of simulated raters beside the clean ones.

{textwrap.fill(about, width=120, break_long_words=False, break_on_hyphens=False)}

| config | raters |
|---|---|
{rows}

With `_independent` and `_class_conditional` after its name a config has flips at the raters' error rates instead.

<!-- noise cards: begin -->
<!-- noise cards: end -->
"""


def _rate_in(config: str) -> float | None:
    try:
        return float(config.removeprefix("error_"))
    except ValueError:  # a config that a user has called otherwise
        return None


def _plain(source: str) -> str:
    return f"`{source}`" if source.isprintable() and '"' not in source and "\\" not in source else "data of one's own"
