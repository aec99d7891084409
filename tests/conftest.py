"""Settings of every test, by environment so that they reach subprocesses and cost no import; and how they are run."""

import collections
import os

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no start-up chatter
os.environ.setdefault("JAX_PLATFORMS", "cpu")  # results are compared on the CPU; name another device to try it
# Arrays of unequal rank must say how they meet. (Strict dtypes are out of reach: optax's schedules mix int and float.)
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
# TensorFlow's import loads Keras, and this scikit-learn, pandas and Matplotlib, unless an older Keras is asked for: a
# third of the seconds that every process with TensorFlow takes to start. No test and no code of ours uses `tf.keras`.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")  # progress bars of TFDS fill the log of a failed test
# LLVM's -O2 in the place of -O3, which takes four times as long over a program that draws random numbers, and tests
# compile some hundred of them. Both keep to the same floating-point arithmetic.
os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=2 {os.environ.get('XLA_FLAGS', '')}".strip()

PROCESSES = 2


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the options
def pytest_cmdline_main(config):
    """Runs the whole suite in parallel; a part of it, or with `-n` or `--pdb`, as it is asked for.

    A process takes a whole file, so that what the fixtures of a file prepare is prepared once (and what several files
    need, by `once.made_once`). Files of many tests come last, since these are short and fill both processes to the end:
    what takes long, a whole process or a document, stands in files of few.
    """
    if hasattr(config, "workerinput"):  # one of these processes
        return
    option = config.option
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if whole and getattr(option, "numprocesses", 0) is None and not option.usepdb and not option.collectonly:
        option.numprocesses, option.dist = PROCESSES, "loadfile"
        option.loadscopereorder = False  # which would turn that order round


@pytest.hookimpl(trylast=True)  # when those that are not asked for are gone
def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        sizes = collections.Counter(item.path for item in items)
        items.sort(key=lambda item: sizes[item.path])
