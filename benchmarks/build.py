"""Building `cifar10_noisy/medium` from a prepared `cifar10`, against TFDS preparing `cifar10` itself, in one run.

    python benchmarks/build.py [--data-dir FOLDER] [--repeats 3]

Both are `download_and_prepare` of a builder, timed in processes of their own in turn, TensorFlow being imported before
the clock starts. TFDS's builder reads the binary files of the CIFAR-10 archive as if they had been downloaded and
unpacked already: they are written from the prepared dataset, in the archive's format. Both results hold all 60,000
images, in five splits and in two. Goal: at most 1.3 times the time.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import statistics
import tempfile

import numpy as np
from processes import measured

NOISY = "cifar10_noisy/medium"

BUILD = """
import sys, time
import noisy_label_datasets, tensorflow, tensorflow_datasets as tfds
tfds.disable_progress_bar()

what, data_dir, archive = sys.argv[1:]
if what == "cifar10":
    class Unpacked:
        def download_and_extract(self, url):
            return archive
    class Cifar10(tfds.image_classification.Cifar10, skip_registration=True):
        name = "cifar10"
        def _split_generators(self, dl_manager):
            return super()._split_generators(Unpacked())
    builder = Cifar10(data_dir=data_dir)
else:
    builder = tfds.builder(what, data_dir=data_dir)
start = time.perf_counter()
builder.download_and_prepare()
seconds = time.perf_counter() - start
assert builder.info.splits.total_num_examples == 60_000
print(seconds)
"""


def write_archive(data_dir: str | None, folder: pathlib.Path) -> pathlib.Path:
    """Writes what cifar-10-binary.tar.gz unpacks to; returns the folder of the prepared `cifar10`."""
    import tensorflow_datasets as tfds

    builder = tfds.builder("cifar10", data_dir=data_dir)
    builder.download_and_prepare()
    target = folder / "cifar-10-batches-bin"
    target.mkdir(parents=True)
    (target / "batches.meta.txt").write_text("\n".join(builder.info.features["label"].names) + "\n\n")
    for split, names in (("train", [f"data_batch_{i}.bin" for i in range(1, 6)]), ("test", ["test_batch.bin"])):
        columns = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
        order = np.argsort(columns["id"])
        pixels = columns["image"][order].transpose(0, 3, 1, 2).reshape(len(order), -1)
        records = np.concatenate([columns["label"][order].astype(np.uint8)[:, None], pixels], axis=1)
        for name, part in zip(names, np.split(records, len(names)), strict=True):
            (target / name).write_bytes(part.tobytes())
    return pathlib.Path(builder.data_dir)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="where `cifar10` is prepared (default: TFDS's own)")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        prepared = write_archive(args.data_dir, folder / "archive")
        times: dict[str, list[float]] = {"cifar10": [], NOISY: []}
        for _ in range(args.repeats):
            for what, of_builder in times.items():
                data_dir = folder / "data"
                (data_dir / "cifar10").mkdir(parents=True)
                if what == NOISY:
                    (data_dir / "cifar10" / prepared.name).symlink_to(prepared)
                (seconds,), megabytes = measured(BUILD, what, data_dir, folder / "archive")
                print(f"{what:22} {float(seconds):6.1f} s {megabytes:6.0f} MB", flush=True)
                of_builder.append(float(seconds))
                shutil.rmtree(data_dir)
    pairs = zip(times[NOISY], times["cifar10"], strict=True)
    ratios = sorted(noisy / plain for noisy, plain in pairs)
    print(f"ratio of the times, median of {args.repeats}: {statistics.median(ratios):.2f}; goal: at most 1.3")


if __name__ == "__main__":
    main()
