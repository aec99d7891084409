"""What the README and its neighbours say is what the repository does."""

import os
import pathlib
import re
import subprocess
import sys

from noisy_label_datasets.maintenance.readme_figures import with_figures
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


def test_python_of_the_readme_runs(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", read("README.md"), re.DOTALL)
    checks = """
image, noisy_label = next(iter(dataset))
assert image.shape == (8, 8, 1) and 0 <= noisy_label < 10
assert len(noisy_label_datasets.rater_features(info)) == len(info.metadata["raters"]) > 1
"""
    environment = {**os.environ, "TFDS_DATA_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code + checks], check=True, env=environment)


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
