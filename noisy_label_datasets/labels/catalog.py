"""What is known of each dataset without TFDS: its base, classes, splits and configs.

    entry = entry_of("cifar10_noisy")
    entry.source("medium")                    # Raters("medium")
    entry.source("rate_0.37")                 # Dial(0.37), although no such config is declared

The builders declare all of it, but importing one imports TFDS. `catalog.json` repeats what they declare; it is written
by `python -m noisy_label_datasets.maintenance.catalog`, and a test compares it with the builders.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from noisy_label_datasets.base.splits import SplitPlan
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels import cifar_n, published  # noqa: F401 (so that their sources are known below)
from noisy_label_datasets.labels.derived_sources import Dial
from noisy_label_datasets.labels.sources import LabelSource
from noisy_label_datasets.noise.dial import RESCALINGS
from noisy_label_datasets.registration import builder_class, dataset_names

CATALOG = pathlib.Path(__file__).with_name("catalog.json")
_DIAL = re.compile(
    rf"(?:(?P<of>[a-z0-9_.]+)_)?rate_(?P<rate>0?\.[0-9]+)(?:_(?P<rescaling>{'|'.join(sorted(RESCALINGS))}))?"
)


class UnknownConfigError(NoisyLabelsError, LookupError):
    """A dataset or config that there is not."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A dataset as its builder declares it.

    Attributes:
      dataset: 'cifar10_noisy'.
      version: of the dataset.
      base: name and version of the dataset that the images are from.
      class_names: of the K classes.
      split_plan: how the base is divided.
      configs: name -> where its labels come from.
    """

    dataset: str
    version: str
    base: Mapping[str, str]
    class_names: tuple[str, ...]
    split_plan: SplitPlan
    configs: Mapping[str, LabelSource]

    def source(self, config: str) -> LabelSource:
        """Returns where the labels of a config come from; `[<config>_]rate_<r>[_<rescaling>]` is the dial at any rate.

        Raises:
          UnknownConfigError: there is no such config.
          DialError: no rate between 0 and 1.
        """
        if config in self.configs:
            return self.configs[config]
        turned = _DIAL.fullmatch(config)
        of = (turned["of"] or "low") if turned else ""
        stored = self.configs.get(of)
        pool = stored.pool_to_train() if stored is not None and not stored.depends_on() else None
        if turned is None or pool is None:
            raise UnknownConfigError(
                f"{self.dataset} has no config {config!r}; there are {', '.join(self.configs)}, and "
                "[CONFIG_]rate_R with any error rate R between 0 and 1"
            )
        return Dial(float(turned["rate"]), of=pool, rescaling=turned["rescaling"] or "error_odds")

    @classmethod
    def of(cls, builder: Any) -> Entry:
        """Returns what a builder class declares."""
        return cls(
            dataset=builder.name,
            version=str(builder.VERSION),
            base={"name": builder.BASE.name, "version": builder.BASE.version},
            class_names=tuple(builder.BASE.class_names),
            split_plan=builder.SPLIT_PLAN,
            configs={name: config.source for name, config in builder.builder_configs.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """Returns this as JSON values."""
        return {
            "version": self.version,
            "base": dict(self.base),
            "class_names": list(self.class_names),
            "split_plan": self.split_plan.to_json(),
            "configs": [  # a list, since their order counts
                {"name": name, "kind": type(source).__name__, "values": vars(source)}
                for name, source in self.configs.items()
            ],
        }

    @classmethod
    def from_json(cls, dataset: str, value: Mapping[str, Any]) -> Entry:
        """Returns what `to_json` was made of."""
        kinds = _kinds(LabelSource)  # type: ignore[type-abstract]
        configs = {stored["name"]: kinds[stored["kind"]](**stored["values"]) for stored in value["configs"]}
        split_plan = SplitPlan.from_json(value["split_plan"])
        return cls(dataset, value["version"], value["base"], tuple(value["class_names"]), split_plan, configs)


def _kinds(base: type[LabelSource]) -> dict[str, Any]:
    """Returns the classes of label sources that have been imported, by name."""
    kinds: dict[str, Any] = {}
    for kind in base.__subclasses__():
        kinds |= {kind.__name__: kind, **_kinds(kind)}
    return kinds


@functools.cache
def entries() -> Mapping[str, Entry]:
    """Returns the datasets of this package, by name."""
    stored = json.loads(CATALOG.read_text(encoding="utf-8"))
    return {dataset: Entry.from_json(dataset, value) for dataset, value in stored.items()}


def entry_of(dataset: str) -> Entry:
    """Returns a dataset of this package, or another one whose builder has been imported.

    Raises:
      UnknownConfigError: there is no such dataset; the message names those there are.
    """
    if dataset in entries():
        return entries()[dataset]
    if dataset not in dataset_names():
        raise UnknownConfigError(
            f"no dataset {dataset!r}; there are {', '.join(dataset_names())} (your own once its builder is imported)"
        )
    return Entry.of(builder_class(dataset))
