"""The gallery: noise card and explorer of every config whose labels or raters are shipped.

    python -m noisy_label_datasets.maintenance.gallery --out gallery --data-dir ~/tensorflow_datasets

A card shows figures of labels, and an explorer the labels themselves, for which no images are needed. Images are shown
of those datasets alone whose terms let anybody pass them on (`SHOWN`), and which are built in the data folder, of
shipped raters; `digits_noisy` is built on the spot, since its images come with the package.
`noisy_label_datasets.maintenance.site` puts it into the site.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import re
import tempfile
from collections.abc import Mapping
from typing import Any

from noisy_label_datasets import files
from noisy_label_datasets.build.features import metadata_of
from noisy_label_datasets.card.built import card_of, read_images
from noisy_label_datasets.card.model import NoiseCard, decimal, percent
from noisy_label_datasets.card.page import to_html
from noisy_label_datasets.explore import page as explorer
from noisy_label_datasets.explore.built import explore_built
from noisy_label_datasets.explore.labels_alone import explore_labels
from noisy_label_datasets.explore.model import Choice
from noisy_label_datasets.labels.loading import labels_of
from noisy_label_datasets.labels.predictions import RaterPredictions
from noisy_label_datasets.labels.sources import LabelContext, LabelSource, NoisyLabels, StoredPredictions
from noisy_label_datasets.maintenance.tables import measured_pools
from noisy_label_datasets.noise.figures import MEASURED_SPLIT
from noisy_label_datasets.registration import builder_class

# Datasets whose images anybody may pass on, and by what terms. CIFAR's come without a licence, those of Cats vs Dogs
# with terms of their own; what is not listed is not shown.
SHOWN: Mapping[str, str] = {
    "digits_noisy": "Images: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (UCI), CC BY 4.0.",
    "pcam_noisy": "Images: B. Veeling et al., PatchCamelyon, after CAMELYON16, CC0.",
}
PACKAGED = ("digits_noisy",)  # whose images come with the package, so that they are built on the spot
MAX_IMAGES = 600


@dataclasses.dataclass(frozen=True)
class Entry:
    """One config in the gallery.

    Attributes:
      dataset, config: its names.
      rate: rater error rate.
      alpha: Krippendorff's alpha of the raters; None where it is not defined.
      raters: R.
      part: whether the labels are of a part of the dataset.
      images: whether card and explorer show images.
    """

    dataset: str
    config: str
    rate: float
    alpha: float | None
    raters: int
    part: bool
    images: bool

    def page(self, kind: str) -> str:
        """Returns the name of a file: kind is 'card' or 'explorer'."""
        return f"{self.dataset}-{self.config}-{kind}.html"


@dataclasses.dataclass(frozen=True)
class _OfThePackage(LabelSource):
    """Labels that the package measured: shipped, or of the part of a dataset that was at hand."""

    measured: RaterPredictions

    def load(self, context: LabelContext) -> NoisyLabels:
        """See `LabelSource`."""
        return StoredPredictions(self.measured, "shipped").labels()

    def predictions(self, context: LabelContext) -> RaterPredictions:
        """See `LabelSource`."""
        return self.measured

    def describe(self) -> str:
        """See `LabelSource`."""
        return f"labels of the raters of {self.measured.level}"


def write_gallery(out: pathlib.Path, data_dir: pathlib.Path | None) -> list[Entry]:
    """Writes a card and an explorer per config; returns what there is.

    Args:
      out: a folder, made where it is not there.
      data_dir: where TFDS keeps datasets, whose images are shown where they are built of shipped raters; None: its
        default.

    Raises:
      NoisyLabelsError: a built dataset is damaged.
      OSError: a folder that cannot be written.
    """
    entries = []
    with tempfile.TemporaryDirectory() as packaged:
        for predictions, part in measured_pools():
            place = packaged if predictions.dataset in PACKAGED else data_dir
            builder = builder_class(predictions.dataset)(config=predictions.level, data_dir=place)
            if predictions.dataset in PACKAGED:
                builder.download_and_prepare()
            entries.append(_write_entry(out, builder, predictions, part))
    return entries


def _write_entry(out: pathlib.Path, builder: Any, predictions: RaterPredictions, part: bool) -> Entry:
    """Writes card and explorer of a config; part: whether the labels are of a part of the dataset."""
    # Of raters that come with the package, as the card; not of others that were trained on this machine.
    built = builder.is_prepared() and builder.info.metadata["origin"] in ("shipped", "labelled")
    shown = predictions.dataset in SHOWN and built
    card = gallery_card(builder, predictions, with_images=shown)
    entry = Entry(
        dataset=predictions.dataset,
        config=predictions.level,
        rate=card.noise["rater_error_rate"],
        alpha=card.noise["krippendorff_alpha"],
        raters=len(card.raters),
        part=part,
        images=shown,
    )
    files.write_atomically(out / entry.page("card"), to_html(card).encode())
    choice = Choice(MEASURED_SPLIT, MAX_IMAGES)
    if shown:
        explored = explore_built(builder, choice)
    else:
        source = _OfThePackage(predictions)
        labels = labels_of(f"{entry.dataset}/{entry.config}", source, builder.label_context())
        explored = explore_labels(labels, choice, version=str(builder.version))
    files.write_atomically(out / entry.page("explorer"), explorer.to_html(explored).encode())
    return entry


def gallery_card(builder: Any, predictions: RaterPredictions, *, with_images: bool) -> NoiseCard:
    """Returns the card of shipped labels, of which no dataset has to be built; with images, it has to be.

    Args:
      builder: of the config.
      predictions: what is shipped.
      with_images: whether it shows images.
    """
    labels = StoredPredictions(predictions, "shipped").labels()
    metadata = metadata_of(builder.BASE, builder.SPLIT_PLAN, builder.builder_config.source, labels)
    examples = {example["id"] for kind in metadata["noise"]["examples"].values() for example in kind}
    card = card_of(
        builder,
        metadata,
        class_names=builder.BASE.class_names,
        splits={split: len(ids) for split, ids in labels.ids.items()},
        images=read_images(builder, MEASURED_SPLIT, examples) if with_images else {},
    )
    terms = SHOWN[predictions.dataset] if with_images else "not shown here, since their terms do not let everybody"
    return dataclasses.replace(card, provenance={**card.provenance, "images": re.sub("^Images: ", "", terms)})


def to_markdown(entries: list[Entry]) -> str:
    """Returns the gallery's page: a list of configs for each dataset, with links to cards and explorers."""
    lines = [
        "# Gallery",
        "",
        "Noise card and explorer of every config whose labels, or raters, come with the package. Explorers show the",
        "labels and probabilities of every rater, and the images where anybody may pass these on. Of other datasets",
        "such a page can be made where the images are: `noisy-labels explore cifar10_noisy/medium`.",
    ]
    for dataset in dict.fromkeys(entry.dataset for entry in sorted(entries, key=lambda entry: not entry.images)):
        lines += ["", f"## {dataset}", "", f"[About the dataset](../datasets/{dataset}.md)", "", '<ul class="gallery">']
        for entry in entries:
            if entry.dataset == dataset:
                links = [f'<a href="{entry.page(kind)}">{kind}</a>' for kind in ("card", "explorer")]
                facts = f"{percent(entry.rate)} wrong, α {decimal(entry.alpha, 2)}, {entry.raters} raters"
                part = ", measured on a part" if entry.part else ""
                lines.append(f"<li><b>{entry.config}</b><span>{facts}{part}</span>{''.join(links)}</li>")
        lines.append("</ul>")
    return "\n".join([*lines, "", *dict.fromkeys(SHOWN[entry.dataset] for entry in entries if entry.images), ""])


def main() -> None:
    """Writes the gallery."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/gallery"), metavar="FOLDER")
    parser.add_argument("--data-dir", type=pathlib.Path, metavar="FOLDER", help="default: that of TFDS")
    args = parser.parse_args()
    entries = write_gallery(args.out, args.data_dir)
    images = sum(entry.images for entry in entries)
    print(f"Wrote {len(entries)} cards and as many explorers, {images} of them with images, to {args.out}")


if __name__ == "__main__":
    main()
