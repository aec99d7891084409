import pytest

from noisy_label_datasets.labels.catalog import UnknownConfigError, entries, entry_of
from noisy_label_datasets.labels.derived_sources import Dial
from noisy_label_datasets.labels.sources import Raters
from noisy_label_datasets.maintenance.catalog import declared
from noisy_label_datasets.noise.dial import DialError
from noisy_label_datasets.registration import own_names


def test_it_repeats_what_the_builders_declare():
    assert {name: entry.to_json() for name, entry in entries().items()} == declared(), (
        "python -m noisy_label_datasets.maintenance.catalog writes it anew"
    )
    assert set(entries()) == set(own_names())


def test_sources_come_back():
    assert entry_of("cifar10_noisy").source("medium") == Raters("medium")
    assert entry_of("cifar10_noisy").source("rate_0.30") == Dial(0.3)


@pytest.mark.parametrize(
    ("config", "source"),
    [
        ("rate_0.37", Dial(0.37)),
        ("rate_.5", Dial(0.5)),
        ("medium_rate_0.5", Dial(0.5, of="medium")),
        ("high_rate_0.123_skill", Dial(0.123, of="high", rescaling="skill")),
    ],
)
def test_the_dial_at_any_rate(config, source):
    assert entry_of("cifar10_noisy").source(config) == source


@pytest.mark.parametrize(
    "config", ["lwo", "", "rate_", "rate_x", "nobody_rate_0.3", "low_independent_rate_0.3", "rate_1.5"]
)
def test_unknown_configs_name_those_there_are(config):
    with pytest.raises(UnknownConfigError, match="there are low, medium, high"):
        entry_of("cifar10_noisy").source(config)


def test_a_rate_that_is_none():
    with pytest.raises(DialError, match="between 0 and 1"):
        entry_of("cifar10_noisy").source("rate_0.0")


def test_an_unknown_dataset_names_those_there_are():
    with pytest.raises(UnknownConfigError, match=r"no dataset 'cifar11_noisy'; there are .*cifar10_noisy"):
        entry_of("cifar11_noisy")
