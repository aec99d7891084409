"""Settings of every test, by environment so that they reach subprocesses and cost no import; and how they are run."""

import collections
import functools
import gc
import os
import tempfile

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no start-up chatter
os.environ.setdefault("JAX_PLATFORMS", "cpu")  # results are compared on the CPU; name another device to try it
# Arrays of unequal rank must say how they meet. (Strict dtypes are out of reach: optax's schedules mix int and float.)
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")
# TensorFlow's import loads Keras, and this scikit-learn, pandas and Matplotlib, unless an older Keras is asked for: a
# third of the seconds that every process with TensorFlow takes to start. No test and no code of ours uses `tf.keras`.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TQDM_DISABLE", "1")  # progress bars of TFDS fill the log of a failed test
# One thread is enough for tests, of which several run at a time: others spin while they wait for work.
for _library in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ.setdefault(_library, "1")
# Programs are compiled in a quarter of the time when LLVM does not optimise them and XLA emits them by its older
# emitters, in one module. Most of what tests compile runs for milliseconds. A JAX that no longer knows one of these
# flags says so when it starts.
COMPILE_QUICKLY = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
COMPILE_QUICKLY += " --xla_cpu_parallel_codegen_split_count=1 --xla_cpu_multi_thread_eigen=false"
os.environ["XLA_FLAGS"] = f"{COMPILE_QUICKLY} {os.environ.get('XLA_FLAGS', '')}".strip()
# Kept are programs of any size that took any time; by default those that took a second.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

PROCESSES = 3  # of two cores: while one process waits for the disk or for another, the cores are not idle


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


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    """What the imports of all files have made stays to the end; the collector need not go through it time and again."""
    gc.freeze()


def pytest_configure(config):
    """Programs that JAX has compiled are shared by the processes of one run, and by those that tests start."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # set for the processes of pytest-xdist, or by who runs the tests
        folder = tempfile.TemporaryDirectory(prefix="compiled-", ignore_cleanup_errors=True)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
        config.add_cleanup(folder.cleanup)


@pytest.hookimpl(trylast=True)  # when those that are not asked for are gone
def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        sizes = collections.Counter(item.path for item in items)
        items.sort(key=lambda item: sizes[item.path])


@pytest.fixture(scope="session", autouse=True)
def _same_pictures_are_encoded_once():
    """Most builds of a run are of the digits, 1,797 pictures."""
    import numpy as np

    from noisy_label_datasets.base import bases

    @functools.lru_cache(maxsize=8192)
    def encoded(pixels: bytes, shape: tuple[int, ...]) -> bytes:
        return encode(np.frombuffer(pixels, np.uint8).reshape(shape))

    encode = bases.encode_png
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bases, "encode_png", lambda image: encoded(image.tobytes(), image.shape))
        yield
