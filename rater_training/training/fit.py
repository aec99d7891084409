"""Pools of wanted error rates for a dataset that has none: pilots, choice of raters, and the pools as Python source.

    fitted = fit(dataset, Wanted(rates=(0.1, 0.2)), "photos_noisy/pools.py", "pilots/photos_noisy", lines)
    fitted.pools            # to be trained: one per rate that is reached
    fitted.unreached        # Choice: the nearest there is to a rate that is not

The module of the pools is the configuration: what stands there is not chosen again, whoever has written it.
"""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.files import write_atomically
from noisy_label_datasets.fitting_options import check_rates, level_of
from rater_training.config import ConfigError, PoolConfig, RaterConfig
from rater_training.pools.choice import SPREAD, Choice, choose, nearest_reached
from rater_training.pools.source import module_of, pools_of, variable_of
from rater_training.pools.suited import suited_raters
from rater_training.training.pilot import MOST_MEASURED, Pilot, PilotListener, run_pilots

_ENOUGH = 0.7  # times the lowest wanted rate: a pilot that comes to it is stopped


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
      rates: mean error rates of the raters of a pool each.
      num_raters: of each pool, at most.
      max_steps: of each rater.
      flip: whether a flipped image is as good as the image; None: where images have colours.
      pretrained: whether raters start from published networks.
      seed: of the first rater; the next has the next.
    """

    rates: tuple[float, ...]
    num_raters: int = 10
    max_steps: int = 400
    flip: bool | None = None
    pretrained: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.rates or not all(0 < rate < 1 for rate in self.rates):
            raise ConfigError(f"rates are {self.rates}; each has to be above 0 and below 1")
        if self.max_steps < 1:
            raise ConfigError(f"max_steps is {self.max_steps}; it has to be 1 or more")


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What has come of it.

    Attributes:
      pools: one per level, those that were there before among them.
      choices: of the pools that were chosen now, by level.
      unreached: the nearest there is to rates that are not reached.
      instead: of each of these the nearest rate, in hundredths, that is reached; None: there is none.
      measured_on: number of images on which the error rates were measured.
    """

    pools: tuple[PoolConfig, ...]
    choices: dict[str, Choice]
    unreached: tuple[Choice, ...]
    instead: tuple[float | None, ...]
    measured_on: int


def fit(
    dataset: CleanDataset,
    wanted: Wanted,
    pools_file: str | os.PathLike,
    pilots_folder: str | os.PathLike,
    listener: PilotListener,
    *,
    num_parallel: int = 1,
) -> Fitted:
    """Returns pools of the wanted error rates, those of a module and those that are chosen now; writes the module.

    Args:
      dataset: the five clean splits.
      wanted: what is asked for.
      pools_file: the module, new or begun; written where a rate is chosen that it does not have.
      pilots_folder: where pilots are stored.
      listener: informed of the pilots.
      num_parallel: how many pilots are run in parallel.

    Raises:
      RateError: a rate that is chance or above.
      ConfigError: a module that cannot be imported, or was edited and lacks a rate.
      TrainingDataError, PretrainedError: as `pilot.run_pilots`.
      OSError: a file cannot be written.
    """
    path = pathlib.Path(pools_file)
    check_rates(wanted.rates, len(dataset.class_names))
    there = pools_of(path) if path.exists() else ()
    measured_on = min(MOST_MEASURED, len(dataset.splits["clean_label_valid"]))
    missing = [rate for rate in wanted.rates if level_of(rate) not in {pool.level for pool in there}]
    if not missing:
        return Fitted(there, {}, (), (), measured_on)
    if there and path.read_text(encoding="utf-8") != _module(there, dataset.name):
        raise ConfigError(
            f"{path} has been edited and has no {', '.join(map(level_of, missing))}: add it there, in the form of the "
            "others, or ask for the rates that it has"
        )
    clean = dataset.splits["clean_label_train"].images
    raters = suited_raters(
        clean.shape[1:],
        num_images=len(clean),
        count=wanted.num_raters,
        max_steps=wanted.max_steps,
        flip=clean.shape[-1] == 3 if wanted.flip is None else wanted.flip,
        seed=wanted.seed,
        pretrained=wanted.pretrained,
    )
    pilots = run_pilots(
        dataset, raters, pilots_folder, listener, enough=_ENOUGH * min(wanted.rates), num_parallel=num_parallel
    )
    pilots = [pilot for pilot in pilots if pilot.measured]
    if len(pilots) < 2:
        raise ConfigError(f"{len(raters) - len(pilots)} of {len(raters)} raters diverged at their first steps")
    errors = [[error for _, error in pilot.measured] for pilot in pilots]
    chance = 1 - 1 / len(dataset.class_names)
    chosen = [choose(rate, errors, chance=chance) for rate in missing]
    reached = {level_of(choice.rate): choice for choice in chosen if choice.is_reached}
    new = [_pool(dataset, level, choice, pilots, measured_on) for level, choice in reached.items()]
    pools = tuple(sorted((*there, *new), key=lambda pool: _rate_in(pool.level)))
    if new:
        write_atomically(path, _module(pools, dataset.name).encode())
    unreached = tuple(choice for choice in chosen if not choice.is_reached)
    instead = tuple(nearest_reached(choice.rate, errors, chance=chance) for choice in unreached)
    return Fitted(pools, reached, unreached, instead, measured_on)


def report(fitted: Fitted) -> dict[str, Any]:
    """Returns what has come of it as JSON values, for the process that asked."""
    return {
        "pools": [
            {
                "level": pool.level,
                "variable": variable_of(pool.level),
                "raters": len(pool.raters),
                "source": pool.source,
            }
            for pool in fitted.pools
        ],
        "unreached": [
            {"rate": choice.rate, "nearest": choice.mean, "instead": instead}
            for choice, instead in zip(fitted.unreached, fitted.instead, strict=True)
        ],
        "measured_on": fitted.measured_on,
    }


def report_lines(fitted: Fitted) -> list[str]:
    """Returns what has come of it as lines of text."""
    half_width = 0.98 / math.sqrt(fitted.measured_on)  # of a 95 % interval, at most
    lines = []
    if fitted.choices or fitted.unreached:
        lines.append(
            f"Measured on {fitted.measured_on} images of clean_label_valid, a rater's error rate is known to within "
            f"{half_width:.3f} or better"
        )
    for level, choice in fitted.choices.items():
        taken = sum(place is not None for place in choice.places)
        lines.append(f"{level}: {taken} raters, error rate {spread_text(choice)}")
    for choice in fitted.unreached:
        lines.append(f"{level_of(choice.rate)}: not reached; the nearest is {spread_text(choice)}")
    return lines


def _pool(dataset: CleanDataset, level: str, choice: Choice, pilots: Sequence[Pilot], measured_on: int) -> PoolConfig:
    raters: list[RaterConfig] = [
        pilot.candidates[place][0] for pilot, place in zip(pilots, choice.places, strict=True) if place is not None
    ]
    images = dataset.splits["clean_label_train"].images
    return PoolConfig(
        name=f"{dataset.base_name}/{level}",
        dataset=dataset.name,
        level=level,
        raters=tuple(raters),
        image_shape=(images.shape[1], images.shape[2], images.shape[3]),
        num_classes=len(dataset.class_names),
        source=f"error rate {spread_text(choice)} on {measured_on} images of clean_label_valid, as pilots have shown",
    )


def spread_text(choice: Choice) -> str:
    """Returns '0.103 (0.081 to 0.130)': mean, best and worst rater."""
    narrow = "" if choice.is_spread else f", less than {SPREAD:g} apart"
    return f"{choice.mean:.3f} ({min(choice.errors):.3f} to {max(choice.errors):.3f}{narrow})"


def _module(pools: Sequence[PoolConfig], dataset: str) -> str:
    return module_of(
        pools,
        f"Raters of {dataset}, one pool per config, chosen by `noisy-labels make --from`. Edit them as you like.\n\n"
        "A rater is a training of `schedule_steps` that is stopped after `steps`: the more steps, the less it errs.\n",
    )


def _rate_in(level: str) -> float:
    """Returns the rate in the name of a level; infinity where a user has called it otherwise."""
    try:
        return float(level.removeprefix("error_"))
    except ValueError:
        return math.inf
