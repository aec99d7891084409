"""Several who build one dataset at once, and what killed builds left."""

import concurrent.futures
import os
import shutil
import threading

import pytest
import tensorflow_datasets as tfds

from noisy_label_datasets.build.builder import BuildError
from noisy_label_datasets.cli.build import build
from noisy_label_datasets.cli.targets import find_builder

NAME = "digits_noisy/medium"


def at_once(functions: list) -> list:
    """Returns what functions give that are called at the same moment; the first error is raised."""
    barrier = threading.Barrier(len(functions))

    def call(function):
        barrier.wait()
        return function()

    with concurrent.futures.ThreadPoolExecutor(len(functions)) as executor:
        return [future.result() for future in [executor.submit(call, function) for function in functions]]


def test_all_of_four_that_load_it_first_have_it(tmp_path):
    def load():
        dataset = tfds.load(NAME, split="test", data_dir=tmp_path)
        return [example["noisy_label"] for example in tfds.as_numpy(dataset)]

    first, *others = at_once([load] * 4)
    assert len(first) == 280
    assert others == [first] * 3
    assert os.listdir(tmp_path / NAME) == [str(find_builder(NAME, data_dir=tmp_path).version)]


def test_who_waited_has_the_info_of_what_was_built(tmp_path):
    builders = [find_builder(NAME, data_dir=tmp_path) for _ in range(2)]
    at_once([builder.download_and_prepare for builder in builders])
    for builder in builders:
        assert builder.info.splits["test"].num_examples == 280
        assert builder.info.metadata["origin"] == "shipped"


def test_who_waited_for_another_file_format_is_told(tmp_path):
    builder = find_builder(NAME, data_dir=tmp_path, file_format="array_record")
    find_builder(NAME, data_dir=tmp_path).download_and_prepare()
    builder.is_prepared = iter([False, True]).__next__  # as if it had been built while this waited
    with pytest.raises(BuildError, match="as tfrecord: `noisy-labels build digits_noisy/medium --file-format array"):
        builder.download_and_prepare()


def test_the_command_builds_what_another_is_building_no_second_time(tmp_path, capfd):
    at_once([lambda: build(find_builder(NAME, data_dir=str(tmp_path))) for _ in range(3)])
    assert capfd.readouterr().out.count("uilt ") == 2  # the two others say so


@pytest.mark.parametrize("command", ["load", "build"])
def test_leftovers_of_killed_builds_neither_block_nor_stay(tmp_path, command):
    builder = find_builder(NAME, data_dir=tmp_path)
    builder.download_and_prepare()
    parent, version = builder.data_path.parent, str(builder.version)
    shutil.copytree(parent / version, parent / f".{version}.{'0' * 32}.old")
    shutil.copytree(parent / version, parent / f"incomplete.ABC123_{version}")
    os.remove(parent / version / "dataset_info.json")  # of a version half removed
    if command == "load":
        tfds.load(NAME, data_dir=tmp_path)
    else:
        build(find_builder(NAME, data_dir=tmp_path))
    assert find_builder(NAME, data_dir=tmp_path).is_prepared()
    assert os.listdir(parent) == [version]
