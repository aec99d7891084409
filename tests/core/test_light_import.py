"""Importing the package is light, and makes its datasets known to TFDS whichever is imported first."""

import subprocess
import sys

import pytest

HEAVY = ["flax", "jax", "numpy", "tensorflow", "tensorflow_datasets"]


def run(code: str) -> str:
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import noisy_label_datasets", []),
        (
            "from noisy_label_datasets.base import arrays, splits; from noisy_label_datasets.labels import predictions",
            ["numpy"],
        ),
        ("import noisy_label_datasets, tensorflow_datasets", ["numpy", "tensorflow_datasets"]),
    ],
)
def test_what_is_imported(code, loaded):
    assert run(f"{code}; import sys; print([name for name in {HEAVY} if name in sys.modules])") == str(loaded)


@pytest.mark.parametrize(
    "imports",
    [
        "import noisy_label_datasets; import tensorflow_datasets as tfds",
        "import tensorflow_datasets as tfds; import noisy_label_datasets",
        # The generic builder imports TFDS itself, and is then still half imported.
        "from noisy_label_datasets.build.builder import NoisyLabelBuilder; import tensorflow_datasets as tfds",
        "import noisy_label_datasets.base.tfds_base; import tensorflow_datasets as tfds",
        "import noisy_label_datasets.build.records; import tensorflow_datasets as tfds",
        # Whoever asks whether TFDS is installed has not imported it yet.
        "import noisy_label_datasets, importlib.util as u; u.find_spec('tensorflow_datasets');"
        "import tensorflow_datasets as tfds",
    ],
)
def test_datasets_are_registered_once_in_any_order(imports):
    printed = run(
        f"{imports}; import sys; print(tfds.builder_cls('digits_noisy').__module__,"
        " sum(name.endswith('digits_noisy_dataset_builder') for name in sys.modules),"
        " any(type(finder).__module__.startswith('noisy_label_datasets') for finder in sys.meta_path))"
    )
    assert printed == "digits_noisy.digits_noisy_dataset_builder 1 False"


def test_it_works_where_tfds_and_jax_are_not_installed():
    """What a training environment without TFDS, or a data environment without JAX, sees."""
    blocked = "{'tensorflow', 'tensorflow_datasets', 'etils', 'apache_beam', 'jax', 'flax'}"
    printed = run(
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {blocked}: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "import noisy_label_datasets, noisy_label_datasets.base.splits, noisy_label_datasets.base.arrays\n"
        "import noisy_label_datasets.labels.predictions, noisy_label_datasets.registration as registration\n"
        "print(registration.dataset_names())"
    )
    assert "'digits_noisy'" in printed
