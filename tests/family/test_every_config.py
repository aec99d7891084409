"""Every config of every dataset can be had: its labels are shipped, or what is said names a command that gets them."""

import re
import shlex

import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets import cli
from noisy_label_datasets.cli.label import shipped_raters_of
from noisy_label_datasets.cli.targets import find_builder
from noisy_label_datasets.cli.train import choose_pool
from noisy_label_datasets.labels.sources import MissingLabelsError, Raters
from noisy_label_datasets.registration import builder_class, own_names
from rater_training.pools import POOLS, get_pool, summary

KNOWN_POOLS = [summary(pool) for pool in POOLS.values()]


def commands_in(message: str) -> list[list[str]]:
    """The commands that a message names between backticks."""
    return [shlex.split(command) for command in re.findall(r"`([^`]+)`", message)]


def check_command(words: list[str], tmp_path) -> None:
    """A command of this package exists, takes these arguments, and finds what it works with."""
    program, *arguments = words
    assert program == "noisy-labels"
    args = cli.parser().parse_args(arguments)
    builder = find_builder(args.target, data_dir=str(tmp_path))
    if arguments[0] == "train":
        choose_pool(KNOWN_POOLS, builder.name, builder.builder_config.source.pool_to_train(), None)
    else:
        assert arguments[0] == "label"
        shipped_raters_of(builder)


@pytest.mark.parametrize("dataset", own_names())
def test_labels_are_shipped_or_a_command_gets_them(dataset, tmp_path):
    for config in builder_class(dataset).builder_configs:
        builder = builder_class(dataset)(config=config, data_dir=tmp_path)
        source, context = builder.builder_config.source, builder.label_context()
        if source.is_at_hand(context):
            continue
        if source.pool_to_train() is None:  # loading fetches them from those who published them
            assert source.absence(context) == "published, not fetched"
            continue
        with pytest.raises(MissingLabelsError) as caught:
            source.load(context)
        commands = commands_in(str(caught.value))
        assert commands, f"{dataset}/{config}: {caught.value}"
        for words in commands:
            check_command(words, tmp_path)


def test_what_tfds_load_says_is_what_the_source_says(tmp_path):
    with pytest.raises(MissingLabelsError) as caught:
        tfds.load("pcam_noisy/section31_10000", data_dir=tmp_path)
    (command,) = commands_in(str(caught.value))
    assert command[0] == "noisy-labels"
    assert command[2] == "pcam_noisy/high"


def test_configs_that_share_raters_share_them_in_the_paper_too():
    shared = {
        (dataset, name): config.source.pool
        for dataset in own_names()
        for name, config in builder_class(dataset).builder_configs.items()
        if isinstance(config.source, Raters) and config.source.pool != name
    }
    assert len(shared) == 6
    for (dataset, name), raters in shared.items():
        task = dataset.removesuffix("_noisy")
        assert get_pool(f"{task}/{name}").raters == get_pool(f"{task}/{raters}").raters


@pytest.mark.slow
@pytest.mark.parametrize("dataset", own_names())
def test_labels_that_are_shipped_can_be_loaded(dataset, tmp_path):
    for config in builder_class(dataset).builder_configs:
        builder = builder_class(dataset)(config=config, data_dir=tmp_path)
        source, context = builder.builder_config.source, builder.label_context()
        if source.is_at_hand(context):
            assert source.load(context).raters
