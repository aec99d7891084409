"""The configs that a dataset offers, of one pool of raters a level.

BUILDER_CONFIGS = standard_configs(
    {"low": "Ten raters trained for long.", "medium": ..., "high": ...}, rates=(0.2, 0.3), published=True
)
tfds.builder("cifar10_noisy", config=dial_config(0.37))      # any rate, not only those of the list
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import tensorflow_datasets as tfds

from noisy_label_datasets.labels.derived_sources import ClassConditionalFlips, Dial, IndependentFlips
from noisy_label_datasets.labels.published import Published
from noisy_label_datasets.labels.sources import LabelSource, Raters


@dataclasses.dataclass(kw_only=True)
class NoisyLabelConfig(tfds.core.BuilderConfig):
    """A config of a noisy-label dataset.

    Attributes:
      name: 'low'.
      source: where its labels come from.
    """

    source: LabelSource


def standard_configs(
    levels: Mapping[str, str],
    *,
    rates: Sequence[float] = (),
    published: bool = False,
    studies: Mapping[str, str] | None = None,
) -> list[NoisyLabelConfig]:
    """Returns the configs of a dataset.

    Args:
      levels: level -> what its raters are like, in a sentence or two. For each there are the configs `<level>`,
        `<level>_independent` and `<level>_class_conditional`.
      rates: rater error rates r, for each of which there is a config `rate_<r>`, sampled from the raters of the first
        level, which should be the best.
      published: whether the paper's authors released labels of these levels: `published_<level>`.
      studies: name -> description, of raters beyond the levels, which the paper has for one of its studies.
    """
    raters, for_studies = (
        [NoisyLabelConfig(name=name, description=text, source=Raters(name)) for name, text in described.items()]
        for described in (levels, studies or {})
    )
    flips = [
        NoisyLabelConfig(
            name=f"{level}_{name}", description=f"{text}, as often as by raters {level}.", source=source(level)
        )
        for level in levels
        for name, text, source in (
            ("independent", "Labels flipped to any other class alike", IndependentFlips),
            ("class_conditional", "Labels flipped with the raters' confusion matrices", ClassConditionalFlips),
        )
    ]
    released = [
        NoisyLabelConfig(
            name=f"published_{level}",
            description=f"The labels {level} that the paper's authors released.",
            source=Published(level),
        )
        for level in levels
        if published
    ]
    dials = [dial_config(rate, of=next(iter(levels))) for rate in rates]
    return [*raters, *flips, *released, *dials, *for_studies]


def dial_config(rate: float, *, of: str = "low", knob: str = "error_odds") -> NoisyLabelConfig:
    """Returns the config `rate_<rate>` of labels of any rater error rate.

    Args:
      rate: wanted share of wrong labels.
      of: the level whose raters' probabilities are sampled; unless it is 'low', the config's name begins with it.
      knob: of `dial.KNOBS`; unless it is 'error_odds', the config's name ends with it.
    """
    shown = f"rate_{rate:.2f}" if rate == round(rate, 2) else f"rate_{rate}"
    return NoisyLabelConfig(
        name=("" if of == "low" else f"{of}_") + shown + ("" if knob == "error_odds" else f"_{knob}"),
        description=f"Labels sampled from the probabilities of raters {of} so that {100 * rate:g} % are wrong"
        + ("." if knob == "error_odds" else f", by {knob}."),
        source=Dial(rate, of=of, knob=knob),
    )
