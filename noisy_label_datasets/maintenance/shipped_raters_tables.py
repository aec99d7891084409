"""Writes the tables of docs/shipped-raters.md, between their markers.

    python -m noisy_label_datasets.maintenance.shipped_raters_tables [--jpeg pcam_noisy/medium --data-dir FOLDER]

after a change of the raters in builders/*/rater_weights. With --jpeg also what becomes of the labels when images are
compressed more, of a dataset whose base is prepared in the folder; this takes some minutes.
"""

from __future__ import annotations

import argparse
import io
import pathlib
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.base.bases import decode_image, resize_image
from noisy_label_datasets.cli.label import shipped_raters_of
from noisy_label_datasets.cli.targets import find_builder
from noisy_label_datasets.cli.training_process import label_with_pool
from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.labels.shipped_raters import DESCRIPTION, FOLDER, RECORDED, rater_file, read_shipped_pool
from noisy_label_datasets.maintenance.tables import REPOSITORY, SPLIT, error_rate, head, with_table
from noisy_label_datasets.noise import metrics
from noisy_label_datasets.schema import parse_json

DOCUMENT = REPOSITORY / "docs" / "shipped-raters.md"
WRITER = "noisy_label_datasets.maintenance.shipped_raters_tables"
JPEG_QUALITIES = (75, 50, 30, 10)
SIDES = (64, 48)


def pools_table() -> str:
    """Returns size, agreement with the full weights, and noise of every pool whose raters are shipped."""
    titles = ("", "raters", "see images at", "kB", "labels as of the full weights", "error rate", "best to worst")
    lines = [head(*titles)]
    for path in sorted(REPOSITORY.glob(f"builders/*/{FOLDER}/*/{DESCRIPTION}")):
        pool = read_shipped_pool(path.parent)
        rater_files = [path.parent / rater_file(rater_id) for rater_id in pool.rater_ids]
        compared = [_compared(each.read_bytes()) for each in rater_files]
        shares = [each["same"] / each["examples"] for each in compared]
        noise = "– | –"
        if (path.parent / RECORDED).exists():
            recorded = read_predictions(path.parent / RECORDED)
            rates = metrics.error_rate_by_rater(recorded.noisy_labels[SPLIT], recorded.clean_labels[SPLIT])
            noise = f"{error_rate(recorded):.3f} | {rates.min():.3f} to {rates.max():.3f}"
        height, width, _ = pool.image_shape
        lines.append(
            f"| `{pool.dataset}/{pool.level}` | {len(pool.rater_ids)} | {height}x{width} "
            f"| {sum(each.stat().st_size for each in rater_files) / 1e3:,.0f} "
            f"| {min(shares):.2%} to {max(shares):.2%} | {noise} |\n"
        )
    return "".join(lines)


def _compared(data: bytes) -> Mapping[str, int]:
    return parse_json(files.unpack_arrays(data)["rater"].tobytes())["compared"]


def jpeg_table(target: str, data_dir: str | None, examples: int) -> str:
    """Returns error rates of raters on the same images, as they are and made worse.

    Args:
      target: 'pcam_noisy/medium', whose raters are shipped.
      data_dir: where its base is prepared.
      examples: of `noisy_label_train`, the first by id.
    """
    builder = find_builder(target, data_dir=data_dir)
    raters = shipped_raters_of(builder)
    images, labels = _images(builder, examples)
    size = raters.pool.image_shape[:2]
    worse = {name: np.stack([make(image) for image in images]) for name, make in _ways().items()}
    seen = np.concatenate([np.stack([resize_image(image, size) for image in of_way]) for of_way in worse.values()])
    with tempfile.TemporaryDirectory() as folder:
        path, out = pathlib.Path(folder) / "images.npy", pathlib.Path(folder) / "labels.npz"
        np.save(path, seen, allow_pickle=False)
        label_with_pool(weights=raters.folder, out=out, options=["--images", str(path)], resumes=False)
        with np.load(out, allow_pickle=False) as labelled:
            given = dict(zip(worse, np.split(labelled["labels"], len(worse)), strict=True))
    unchanged = next(iter(given.values()))
    lines = [head(f"{len(images)} images of `{target}`", "rater error rate", "labels that change")]
    for name, noisy_labels in given.items():
        rate, changed = metrics.rater_error_rate(noisy_labels, labels), (noisy_labels != unchanged).mean()
        lines.append(f"| {name} | {rate:.3f} | {changed:.1%} |\n")
    return "".join(lines)


def _images(builder: Any, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first images of `noisy_label_train` by id, at the base's size, and their clean labels."""
    found: dict[str, tuple[bytes, int]] = {}
    for batch in builder.BASE.batches(builder.data_dir_root, list(builder.SPLIT_PLAN.fractions)):
        splits = builder.SPLIT_PLAN.assign(batch.base_split, batch.ids).tolist()
        found |= {
            id_: (image, label)
            for id_, image, label, split in zip(batch.ids, batch.images, batch.labels, splits, strict=True)
            if split == SPLIT
        }
    chosen = [found[id_] for id_ in sorted(found)[:examples]]
    images = np.stack([decode_image(image, builder.BASE.image_shape[-1]) for image, _ in chosen])
    return images, np.array([label for _, label in chosen])


def _ways() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What is done to an image [h, w, 3] uint8, by its name in the table; first nothing."""
    compressed = {f"JPEG of quality {quality}": _jpeg(quality) for quality in JPEG_QUALITIES}
    smaller = {f"shrunk to {side}x{side} and enlarged again": _through(side) for side in SIDES}
    return {"as they are": lambda image: image, **compressed, **smaller}


def _jpeg(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    def make(image: np.ndarray) -> np.ndarray:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="jpeg", quality=quality)
        return decode_image(buffer.getvalue(), image.shape[-1])

    return make


def _through(side: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda image: resize_image(resize_image(image, (side, side)), (image.shape[0], image.shape[1]))


def main() -> None:
    """Writes the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jpeg", metavar="DATASET/CONFIG", help="measure compression on these raters")
    parser.add_argument("--data-dir", metavar="FOLDER", help="where the base is prepared")
    parser.add_argument("--examples", type=int, default=500, help="images to compress (default: 500)")
    args = parser.parse_args()
    tables = {"raters": pools_table()}
    if args.jpeg:
        tables["compression"] = jpeg_table(args.jpeg, args.data_dir, args.examples)
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, table in tables.items():
        text = with_table(text, name, WRITER, table)
    files.write_atomically(DOCUMENT, text.encode())
    print(f"Wrote {', '.join(tables)} into {DOCUMENT}")


if __name__ == "__main__":
    main()
