"""What the README and its neighbours say is what the repository does."""

import pathlib
import re

import pytest

from noisy_label_datasets.maintenance import builder_files
from noisy_label_datasets.maintenance.readme_figures import with_figures
from noisy_label_datasets.registration import builder_class, builders_dir, own_names
from noisy_label_datasets.version import __version__

REPOSITORY = pathlib.Path(__file__).parents[2]


def read(name: str) -> str:
    return (REPOSITORY / name).read_text()


def test_continuous_integration_runs_the_two_commands_of_the_readme():
    """Flags that only silence pip aside, `.ci/run` says the same, in the same order."""
    commands = [block.strip() for block in re.findall(r"```console\n(.*?)```", read("README.md"), re.DOTALL)[:2]]
    script = read(".ci/run").replace(" --quiet", "").splitlines()
    set_up_and_make, set_up_and_test = commands
    assert set_up_and_make in script
    set_up, test = set_up_and_test.split(" && ")
    assert script.index(set_up_and_make) < script.index(set_up) < script.index(test)


def test_figures_of_the_readme_are_those_of_the_shipped_labels():
    assert "| `digits_noisy/medium` |" in read("README.md")
    assert with_figures(read("README.md")) == read("README.md")


def test_version_is_the_same_everywhere():
    assert f"\nversion: {__version__}\n" in read("CITATION.cff")
    assert f"\n## {__version__} " in read("CHANGELOG.md")


def test_links_of_the_documents_lead_somewhere():
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", read(name))
        assert [target for target in targets if not (REPOSITORY / target).exists()] == []


def test_the_readme_lists_every_dataset_and_its_base():
    rows = dict(re.findall(r"^\| `(\w+_noisy)` \| (.*?) \|", read("README.md"), re.MULTILINE))
    assert set(rows) == set(own_names())
    for dataset, base in rows.items():
        assert base in (f"`{builder_class(dataset).BASE.name}`", "scikit-learn's digits, in the package")


@pytest.mark.parametrize("dataset", own_names())
def test_files_of_a_builder_are_those_that_the_command_writes(dataset):
    """After a change of declarations or labels: python -m noisy_label_datasets.maintenance.builder_files"""
    folder = builders_dir() / dataset
    readme = (folder / "README.md").read_text()
    assert builder_files.with_common_text(readme, builder_files.common_text(builder_class(dataset), folder)) == readme
    assert (folder / "CITATIONS.bib").read_text().startswith(builder_files.CITATION)
    assert (folder / "TAGS.txt").read_text() == builder_files.TAGS
    assert (folder / "checksums.tsv").resolve() == REPOSITORY / "checksums" / f"{dataset}.tsv"
