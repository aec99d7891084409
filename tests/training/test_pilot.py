"""Pilots and the pools that are made of them: a rater errs as its pilot said, and nothing is done twice."""

import dataclasses
import itertools
import pathlib

import numpy as np
import pytest

from noisy_label_datasets.base.arrays import CleanDataset, LabelledImages
from noisy_label_datasets.base.splits import SPLITS, SplitPlan
from noisy_label_datasets.fitting_options import RateError
from rater_training.config import ConfigError
from rater_training.pools.source import pools_of
from rater_training.training.fit import Wanted, fit, report, report_lines
from rater_training.training.one_rater import train_rater
from rater_training.training.pilot import growing_steps, run_pilots
from tests.training import tiny

RATER = tiny.rater("00-softmax_regression", steps=30, warmup_fraction=0.2)


def hard_dataset():
    """Images [n, 4, 4, 1] of four classes, each a bright corner in noise: learned step by step."""
    rng, splits = np.random.default_rng(0), {}
    for split in SPLITS:
        labels = np.arange(240, dtype=np.int32) % 4
        images = rng.integers(0, 150, (240, 4, 4, 1))
        for i, label in enumerate(labels):
            images[i, 2 * (label // 2) : 2 * (label // 2) + 2, 2 * (label % 2) : 2 * (label % 2) + 2] += 60
        splits[split] = LabelledImages(np.array([f"{split}_{i}" for i in range(240)]), images.astype(np.uint8), labels)
    plan = SplitPlan({"all": dict.fromkeys(SPLITS, 0.2)})
    return CleanDataset("corners_noisy", "1.0.0", "corners", "1.0.0", tuple("abcd"), plan, splits)


class Lines:
    """Remembers what a pilot tells."""

    def __init__(self):
        self.measured_at, self.messages = [], []

    def measured(self, rater, value, error):
        self.measured_at.append((rater.id, value))

    def finished(self, rater, message):
        self.messages.append(message)


def test_a_rater_errs_as_its_pilot_said(tmp_path):
    dataset = hard_dataset()
    (pilot,) = run_pilots(dataset, [RATER], tmp_path, Lines(), enough=0.0)
    assert [value for value, _ in pilot.measured] == list(growing_steps(30))
    assert pilot.is_whole
    for config, error in (pilot.candidates[5], pilot.candidates[9], pilot.candidates[-1]):
        result = train_rater(dataset, config)
        assert result.features["accuracy"] == pytest.approx(1 - error, abs=1e-12)
    assert pilot.candidates[-1][0] == RATER
    assert pilot.candidates[5][0] == dataclasses.replace(RATER, steps=6, schedule_steps=30)
    assert len({error for _, error in pilot.measured}) > 5


def test_a_pilot_is_stopped_stored_and_not_run_again(tmp_path):
    dataset, lines = hard_dataset(), Lines()
    (whole,) = run_pilots(dataset, [RATER], tmp_path / "whole", Lines(), enough=0.0)
    enough = sorted(error for _, error in whole.measured)[6]
    (stopped,) = run_pilots(dataset, [RATER], tmp_path / "stopped", lines, enough=enough)
    assert stopped.measured == whole.measured[: len(stopped.measured)]
    assert len(stopped.measured) < len(whole.measured)
    assert not stopped.is_whole
    again = Lines()
    assert run_pilots(dataset, [RATER], tmp_path / "stopped", again, enough=enough) == [stopped]
    assert again.messages == ["pilot stored already"]
    # A lower rate needs more of it; a damaged file, other data or another rater's as well.
    assert run_pilots(dataset, [RATER], tmp_path / "stopped", Lines(), enough=0.0) == [whole]
    (tmp_path / "stopped" / f"{RATER.id}.json").write_text("{")
    for rater in (RATER, dataclasses.replace(RATER, seed=9)):
        lines = Lines()
        run_pilots(dataset, [rater], tmp_path / "stopped", lines, enough=enough)
        assert lines.measured_at


def test_growing_steps():
    assert growing_steps(1) == (1,)
    assert growing_steps(20) == (*range(1, 17), 18, 20)
    steps = growing_steps(400)
    assert steps[-1] == 400
    assert max(later / earlier for earlier, later in itertools.pairwise(steps[8:])) <= 1.15


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted")
    wanted = Wanted(rates=(0.001, 0.2, 0.4), num_raters=4, max_steps=60)
    return folder, wanted, fit(hard_dataset(), wanted, folder / "pools.py", folder / "pilots", Lines())


def test_the_pools_are_configuration_in_a_module(fitted):
    folder, _, result = fitted
    assert [pool.level for pool in result.pools] == ["error_0.20", "error_0.40"]
    assert pools_of(folder / "pools.py") == result.pools
    for pool, rate in zip(result.pools, (0.2, 0.4), strict=True):
        errors = [1 - train_rater(hard_dataset(), rater).features["accuracy"] for rater in pool.raters]
        assert np.mean(errors) == pytest.approx(rate, abs=0.1 * rate + 1e-9)
        assert f"error rate {np.mean(errors):.3f}" in pool.source


def test_what_is_not_reached_is_said(fitted, tmp_path):
    folder, wanted, result = fitted
    (choice,) = result.unreached
    assert choice.rate == 0.001
    assert choice.mean > 0.002
    assert any(line.startswith("error_0.001: not reached; the nearest is 0.") for line in report_lines(result))
    (instead,) = result.instead
    assert report(result)["unreached"] == [{"rate": 0.001, "nearest": choice.mean, "instead": instead}]
    # The rate that is offered for it can be had from the same pilots.
    offered = dataclasses.replace(wanted, rates=(instead,))
    assert not fit(hard_dataset(), offered, tmp_path / "pools.py", folder / "pilots", Lines()).unreached
    assert [pool["variable"] for pool in report(result)["pools"]] == ["ERROR_0_20", "ERROR_0_40"]


def test_pools_that_are_there_are_taken_and_others_added(fitted, tmp_path):
    folder, wanted, _ = fitted
    module = tmp_path / "pools.py"
    module.write_text((folder / "pools.py").read_text().replace("seed=1,", "seed=77,"))
    lines = Lines()
    kept = fit(hard_dataset(), dataclasses.replace(wanted, rates=(0.2, 0.4)), module, folder / "pilots", lines)
    assert not lines.messages
    assert kept.pools[0].raters[1].seed == 77
    more = fit(hard_dataset(), dataclasses.replace(wanted, rates=(0.3, 0.2)), module, folder / "pilots", Lines())
    assert [pool.level for pool in more.pools] == ["error_0.20", "error_0.30", "error_0.40"]
    assert more.pools[0] == kept.pools[0]
    module.write_text("# mine\n" + module.read_text())
    with pytest.raises(ConfigError, match=r"pools.py has been edited and has no error_0.35: add it there"):
        fit(hard_dataset(), dataclasses.replace(wanted, rates=(0.35,)), module, folder / "pilots", Lines())
    assert (
        fit(hard_dataset(), dataclasses.replace(wanted, rates=(0.3,)), module, pathlib.Path("nowhere"), Lines()).pools
        == more.pools
    )


def test_chance_is_no_error_rate(tmp_path):
    with pytest.raises(RateError, match=r"the rate 0.75 is not below chance: with 4 classes, who guesses errs 0.75 of"):
        fit(hard_dataset(), Wanted(rates=(0.2, 0.75)), tmp_path / "pools.py", tmp_path, Lines())
    with pytest.raises(ConfigError, match=r"rates are \(1.0,\); each has to be above 0 and below 1"):
        Wanted(rates=(1.0,))
