"""Peak memory of a build, and of the arrays for training, against the size of the base.

    python benchmarks/memory.py [--examples 20000 327680]

A base of the shape of PatchCamelyon is made up: its ids, its splits, images of 96 x 96 pixels of one colour each, which
as files are small; labels of 20 made-up raters. Of each size `pcam_noisy/low` is built without Beam, and its arrays are
written (`clean_dataset(folder)`: 27,648 bytes per image, 9 GB at the full size). Prints seconds and peak memory.
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile

from processes import measured

PREPARE = """
import pathlib, sys
import numpy as np
import noisy_label_datasets, tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.datasets.patch_camelyon import patch_camelyon_dataset_builder as patch_camelyon
from noisy_label_datasets.base.bases import encode_png
from noisy_label_datasets.labels.predictions import PREDICTIONS_DIR, PredictionsWriter
from noisy_label_datasets.base.splits import LABELLED_SPLITS

tfds.disable_progress_bar()
data_dir, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
COUNTS = {"train": count * 8 // 10, "validation": count // 10, "test": count // 10}
IDS = {split: f"{split[:5]}_" for split in COUNTS}
IMAGES = [encode_png(np.full((96, 96, 3), value, np.uint8)) for value in range(256)]

class MadeUp(patch_camelyon.Builder, skip_registration=True):
    name = "patch_camelyon"
    pkg_dir_path = epath.Path(patch_camelyon.__file__).parent
    def _split_generators(self, dl_manager):
        return {split: self._examples(split) for split in COUNTS}
    def _examples(self, split):
        for i in range(COUNTS[split]):
            id_ = f"{IDS[split]}{i}"
            yield id_, {"id": id_, "image": IMAGES[i % 256], "label": i % 2}

MadeUp(data_dir=data_dir).download_and_prepare()
builder = tfds.builder("pcam_noisy/low", data_dir=data_dir)
examples = {split: ([], []) for split in LABELLED_SPLITS}
for split, number in COUNTS.items():
    ids = [f"{IDS[split]}{i}" for i in range(number)]
    for i, of in enumerate(builder.SPLIT_PLAN.assign(split, ids).tolist()):
        if of in examples:
            examples[of][0].append(ids[i])
            examples[of][1].append(i % 2)
writer = PredictionsWriter(
    data_dir / PREDICTIONS_DIR / "pcam_noisy" / "low", dataset="pcam_noisy", level="low",
    base={"name": builder.BASE.name, "version": builder.BASE.version}, split_plan=builder.SPLIT_PLAN,
    class_names=builder.BASE.class_names,
    examples={split: (np.array(ids), np.array(labels)) for split, (ids, labels) in examples.items()},
)
rng = np.random.default_rng(0)
raters = [f"{r:02d}" for r in range(20)]
for rater in raters:
    p = {split: rng.dirichlet([1, 1], len(labels)) for split, (_, labels) in examples.items()}
    writer.write_rater(rater, fingerprint="made up", probabilities=p, features={})
writer.finish(raters, provenance={})
print("done")
"""

IMPORTS = """
import sys, time
import noisy_label_datasets, tensorflow, tensorflow_datasets as tfds
tfds.disable_progress_bar()
builder = tfds.builder("pcam_noisy/low", data_dir=sys.argv[1], beam=False)
start = time.perf_counter()
"""
BUILD = IMPORTS + "builder.download_and_prepare(); print(time.perf_counter() - start)"
ARRAYS = IMPORTS + "builder.clean_dataset(sys.argv[1] + '/arrays'); print(time.perf_counter() - start)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, nargs="+", default=[20_000, 327_680])
    args = parser.parse_args()
    for count in args.examples:
        with tempfile.TemporaryDirectory() as scratch:
            measured(PREPARE, scratch, count)
            for name, code in (("build", BUILD), ("arrays", ARRAYS)):
                (seconds,), megabytes = measured(code, scratch)
                print(f"{count:8,} examples  {name:7} {float(seconds):7.1f} s {megabytes:6.0f} MB", flush=True)
            size = sum(path.stat().st_size for path in pathlib.Path(scratch, "arrays").glob("*.npy"))
            print(f"{count:8,} examples  arrays on disk {size / 1e6:,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
