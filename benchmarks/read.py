"""Reading `cifar10_noisy/medium` against reading `cifar10`, in one run, with tf.data and with data_source.

    python benchmarks/read.py [--data-dir FOLDER] [--repeats 7]

Read are 20,000 examples of each, in turn, images decoded, datasets of the same file format. Pairs of image and label
as a learner takes them: from tf.data by `as_supervised`; data_source reads whole examples only, and each dataset's are
read in the way that is fastest for it (`cifar10` with its ids left as they are stored). And whole examples, of which
those of `cifar10_noisy` have twelve labels and not one. Goal for pairs: at least 0.95 times the examples a second, by
the median of the pairwise ratios. On a machine that does other work at the same time only that of processor time says
something.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow_datasets as tfds

import noisy_label_datasets  # noqa: F401 (makes the datasets known)

COUNT, BATCH = 20_000, 100
SPLITS = {"cifar10": "train", "cifar10_noisy": "clean_label_train+noisy_label_train"}


def copy_of(prepared: Any, data_dir: pathlib.Path, file_format: str) -> Any:
    """Returns a builder of `cifar10`, prepared anew in a file format from where it is prepared already."""

    class Copy(tfds.image_classification.Cifar10, skip_registration=True):
        name = "cifar10"

        def _split_generators(self, dl_manager: Any) -> dict[str, Iterator]:
            self.info.features["label"].names = prepared.info.features["label"].names
            return {split: self._examples(split) for split in prepared.info.splits}

        def _examples(self, split: str) -> Iterator[tuple[int, Any]]:
            dataset = prepared.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()})
            yield from enumerate(tfds.as_numpy(dataset))

    builder = Copy(data_dir=data_dir, file_format=file_format)
    builder.download_and_prepare()
    return builder


def passes_of(builder: Any, *, pairs: bool) -> Callable[[], Iterable]:
    """Returns a function that starts a pass over the examples of a split."""
    split = SPLITS[builder.name]
    if builder.info.file_format == tfds.core.FileFormat.TFRECORD:
        config = tfds.ReadConfig(try_autocache=False)
        dataset = builder.as_dataset(split=split, as_supervised=pairs, read_config=config).take(COUNT)
        return lambda: tfds.as_numpy(dataset)
    # The base's own labels are taken, ours come with the whole example, which is read faster so.
    as_stored = {"id": tfds.decode.SkipDecoding()} if pairs and builder.name == "cifar10" else None
    source = builder.as_data_source(split=split, decoders=as_stored)
    starts = range(0, COUNT, BATCH)  # as a loader reads it
    return lambda: (example for start in starts for example in source.__getitems__(range(start, start + BATCH)))


def seconds_of(start: Callable[[], Iterable]) -> tuple[float, float]:
    """Returns how long a pass takes by the clock, and of the processors' time."""
    began, used = time.perf_counter(), time.process_time()
    assert sum(1 for _ in start()) == COUNT
    return time.perf_counter() - began, time.process_time() - used


def ratios(passes: list[list[tuple[float, float]]]) -> list[float]:
    """Returns the median ratio of the speeds, noisy to plain: by the clock, by the processors' time."""
    return [statistics.median(plain[i] / noisy[i] for plain, noisy in passes) for i in range(2)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="where `cifar10` is prepared (default: TFDS's own)")
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    tfds.disable_progress_bar()

    prepared = tfds.builder("cifar10", data_dir=args.data_dir)
    prepared.download_and_prepare()
    with tempfile.TemporaryDirectory() as scratch:
        for file_format in ("tfrecord", "array_record"):
            data_dir = pathlib.Path(scratch) / file_format
            plain = copy_of(prepared, data_dir, file_format)
            noisy = tfds.builder("cifar10_noisy/medium", data_dir=data_dir, file_format=file_format)
            noisy.download_and_prepare()
            for pairs in (True, False):
                passes = [passes_of(builder, pairs=pairs) for builder in (plain, noisy)]
                for start in passes:
                    seconds_of(start)  # the first one fills the page cache
                seconds = [[seconds_of(start) for start in passes] for _ in range(args.repeats)]
                rates = [COUNT / statistics.median(wall for wall, _ in of_one) for of_one in zip(*seconds, strict=True)]
                by_clock, by_processor = ratios(seconds)
                print(
                    f"{'tf.data' if file_format == 'tfrecord' else 'data_source':11} "
                    f"{'pairs' if pairs else 'whole examples':14} cifar10 {rates[0]:7,.0f}/s "
                    f"cifar10_noisy {rates[1]:7,.0f}/s  ratio {by_clock:.2f}, of processor time {by_processor:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
