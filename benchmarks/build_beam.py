"""Building with Beam and without, in one run: time, memory, and whether the same comes out.

    python benchmarks/build_beam.py [cifar10_noisy/medium] [--data-dir FOLDER] [--workers 2]

Each build is a process of its own, with a folder of its own; the base dataset is used where it is prepared. Beam runs
on its local runner with that many worker processes. Compared are the stored examples of every split, byte by byte and
in their order; where a split has several shards, Beam cuts them elsewhere. Memory is that of all processes together.
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile

from processes import measured

BUILD = """
import os, sys, time
import noisy_label_datasets, tensorflow, tensorflow_datasets as tfds
tfds.disable_progress_bar()
target, data_dir, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
config = tfds.download.DownloadConfig()
if workers:
    from apache_beam.options.pipeline_options import PipelineOptions
    mode = "multi_processing" if workers > 1 else "in_memory"
    config.beam_options = PipelineOptions([f"--direct_num_workers={workers}", f"--direct_running_mode={mode}"])
builder = tfds.builder(target, data_dir=data_dir, beam=workers > 0)
start = time.perf_counter()
builder.download_and_prepare(download_config=config)
print(time.perf_counter() - start, builder.info.splits.total_num_examples, builder.data_dir)
"""


def same_examples(folder: str, other: str) -> bool:
    """Returns whether two built datasets hold the same bytes, example by example."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    infos = [tfds.builder_from_directory(path).info for path in (folder, other)]
    for split in infos[0].splits:
        files = [[str(path) for path in info.splits[split].filepaths] for info in infos]
        records = zip(*(tf.data.TFRecordDataset(paths).as_numpy_iterator() for paths in files), strict=True)
        if not all(one == another for one, another in records):
            return False
    return infos[0].metadata == infos[1].metadata


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", default="cifar10_noisy/medium", metavar="DATASET/LEVEL")
    parser.add_argument("--data-dir", help="where its base dataset is prepared (default: TFDS's own)")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()

    import tensorflow_datasets as tfds

    from noisy_label_datasets.labels.predictions import PREDICTIONS_DIR  # which makes the datasets known, too

    builder = tfds.builder(args.target, data_dir=args.data_dir)
    base = tfds.builder(builder.BASE.name, data_dir=args.data_dir)
    base.download_and_prepare()
    folders = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, workers in (("plain", 0), (f"Beam, {args.workers} workers", args.workers)):
            data_dir = pathlib.Path(scratch) / str(workers)
            (data_dir / base.name).mkdir(parents=True)
            (data_dir / base.name / str(base.version)).symlink_to(base.data_dir)
            trained = pathlib.Path(builder.data_dir_root) / PREDICTIONS_DIR
            if trained.exists():
                (data_dir / PREDICTIONS_DIR).symlink_to(trained.absolute())
            (seconds, examples, folder), megabytes = measured(BUILD, args.target, data_dir, workers)
            print(f"{name:16} {float(seconds):7.1f} s {megabytes:7.0f} MB  {int(examples):,} examples", flush=True)
            folders.append(folder)
        print("the same examples, byte by byte" if same_examples(*folders) else "THE EXAMPLES DIFFER")


if __name__ == "__main__":
    main()
