"""The configs that a dataset offers: one pool of raters per level of noise, and what is derived from it.

BUILDER_CONFIGS = standard_configs(
    {"low": "Ten raters trained for long.", "medium": ..., "high": ...}, rates=(0.2, 0.3), published=True
)
tfds.builder("cifar10_noisy", config=dial_config(0.37))      # any rate, not only those of the list
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import tensorflow_datasets as tfds

from noisy_label_datasets.labels.cifar_n import CifarN
from noisy_label_datasets.labels.derived_sources import ClassConditionalFlips, Dial, IndependentFlips
from noisy_label_datasets.labels.imbalance import Imbalanced
from noisy_label_datasets.labels.published import Published
from noisy_label_datasets.labels.sources import LabelSource, Raters


@dataclasses.dataclass(kw_only=True)
class NoisyLabelConfig(tfds.core.BuilderConfig):
    """A config of a noisy-label dataset.

    Attributes:
      name: 'low'.
      source: where its labels come from; its own description stands in where none is given.
    """

    source: LabelSource

    def __post_init__(self) -> None:
        self.description: str | None = self.description or _sentence(self.source)


def standard_configs(
    levels: Mapping[str, str],
    *,
    rates: Sequence[float] = (),
    published: bool = False,
    studies: Mapping[str, str] | None = None,
    people: Sequence[str] = (),
    same_raters: Mapping[str, str] | None = None,
) -> list[NoisyLabelConfig]:
    """Returns the configs of a dataset.

    Args:
      levels: level of noise -> what its raters are like, in a sentence or two. For each there are the configs
        `<level>`, `<level>_independent` and `<level>_class_conditional`.
      rates: target error rates r, for each of which there is a config `rate_<r>`, sampled from the raters of the first
        level, which should be the best.
      published: whether the paper's authors released labels of these levels: `published_<level>`.
      studies: name -> description, of raters beyond the levels, which the paper has for one of its studies.
      people: kinds of the labels that people gave to CIFAR (`labels.cifar_n.KINDS`): `human_<kind>`.
      same_raters: study -> level or study whose raters it has, where the paper trained both alike.
    """
    pools = {name: name for name in levels} | dict.fromkeys(studies or {}) | dict(same_raters or {})
    raters, for_studies = (
        [
            NoisyLabelConfig(name=name, description=text, source=Raters(pools[name] or name))
            for name, text in described.items()
        ]
        for described in (levels, studies or {})
    )
    flips = [
        NoisyLabelConfig(name=f"{level}_{name}", source=kind(level))
        for level in levels
        for name, kind in (("independent", IndependentFlips), ("class_conditional", ClassConditionalFlips))
    ]
    released = [NoisyLabelConfig(name=f"published_{level}", source=Published(level)) for level in levels if published]
    dials = [dial_config(rate, of=next(iter(levels))) for rate in rates]
    by_people = [NoisyLabelConfig(name=f"human_{kind}", source=CifarN(kind)) for kind in people]
    return [*raters, *flips, *released, *by_people, *dials, *for_studies]


def dial_config(rate: float, *, of: str = "low", rescaling: str = "error_odds") -> NoisyLabelConfig:
    """Returns the config `rate_<rate>` of labels at any target error rate.

    Args:
      rate: target share of wrong labels.
      of: the config whose raters' probabilities are sampled; unless it is 'low', the config's name begins with it.
      rescaling: of `dial.RESCALINGS`; unless it is 'error_odds', the config's name ends with it.
    """
    shown = f"rate_{rate:.2f}" if rate == round(rate, 2) else f"rate_{rate}"
    return NoisyLabelConfig(
        name=("" if of == "low" else f"{of}_") + shown + ("" if rescaling == "error_odds" else f"_{rescaling}"),
        source=Dial(rate, of=of, rescaling=rescaling),
    )


def imbalanced_config(
    config: NoisyLabelConfig, fraction: float, *, seed: int = 0, majority: int = 0
) -> NoisyLabelConfig:
    """Returns the config `<name>_majority_<fraction>`: the labels of another on a part of the examples.

        builder = tfds.builder("cats_vs_dogs_noisy/high")
        imbalanced = tfds.builder("cats_vs_dogs_noisy", config=imbalanced_config(builder.builder_config, 0.9))

    Args:
      config: of a binary task.
      fraction: share of the larger class in the noisy splits and in `test`.
      seed: another seed keeps other examples; unless it is 0, the config's name ends with it.
      majority: which class is the larger one; unless it is 0, the config's name says so.
    """
    shown = f"{fraction:.2f}" if fraction == round(fraction, 2) else f"{fraction}"
    of_class = "" if majority == 0 else f"_of_{majority}"
    with_seed = "" if seed == 0 else f"_seed_{seed}"
    return NoisyLabelConfig(
        name=f"{config.name}_majority{of_class}_{shown}{with_seed}",
        source=Imbalanced(config.source, fraction, seed=seed, majority=majority),
    )


def _sentence(source: LabelSource) -> str:
    """Returns a source's description as a sentence."""
    text = source.describe()
    return text[:1].upper() + text[1:].removesuffix(".") + "."
