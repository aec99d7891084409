"""Where the packages lie; everything else about the distribution stands in pyproject.toml.

The dataset folders live in `builders/` of the repository, as TFDS has them, and are installed inside the package, as
`noisy_label_datasets/builders/<name>/`, so that no package called `builders` lands at the top level of an environment.
"""

from __future__ import annotations

from setuptools import find_packages, setup

setup(
    package_dir={"noisy_label_datasets.builders": "builders"},
    packages=find_packages(include=["noisy_label_datasets*", "rater_training*", "noisy_label_learning*"])
    + [f"noisy_label_datasets.builders.{name}" for name in find_packages("builders")],
)
