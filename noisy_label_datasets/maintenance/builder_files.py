"""Writes what the folders of all builders have in common, of the datasets named or of all.

    python -m noisy_label_datasets.maintenance.builder_files [DATASET ...]

TFDS wants a README.md, a CITATIONS.bib, a TAGS.txt and a checksums.tsv beside each builder. What they repeat is said
here, once:

    README.md        the paragraphs between the marks `BEGIN` and `END`, from what the builder declares and from the
                     labels that are shipped beside it; the rest is the dataset's own
    CITATIONS.bib    begins with the paper's entry; the dataset adds that of its base
    TAGS.txt         written where there is none
    __init__.py      written where there is none, as is the link checksums.tsv with what it leads to

To be run for a new dataset and whenever a builder's declarations or the labels beside it have changed; a test fails
until it is.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from noisy_label_datasets.base.splits import LABELLED_SPLITS, SPLITS
from noisy_label_datasets.build.builder_folder import CITATION, PAPER, TAGS
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.checksums import CHECKSUMS, write_checksums
from noisy_label_datasets.labels.predictions import MANIFEST, PREDICTIONS_DIR, is_finished
from noisy_label_datasets.labels.shipped_raters import FOLDER as WEIGHTS_DIR
from noisy_label_datasets.labels.shipped_raters import are_shipped, read_shipped_pool
from noisy_label_datasets.registration import builder_class, builders_dir, own_names

if TYPE_CHECKING:
    from noisy_label_datasets.build.builder import NoisyLabelBuilder

BEGIN = "<!-- common: written by python -m noisy_label_datasets.maintenance.builder_files -->\n"
END = "<!-- end of common -->\n"


def common_text(builder: type[NoisyLabelBuilder], folder: pathlib.Path) -> str:
    """Returns the paragraphs that every README has, in Markdown.

    Args:
      builder: the class of the dataset's builder.
      folder: of the builder, where shipped labels lie.
    """
    paragraphs = (_raters(), _splits(builder), _features(builder), _configs(builder), _shipped(builder, folder))
    filled = (
        textwrap.fill(paragraph, width=120, break_long_words=False, break_on_hyphens=False) for paragraph in paragraphs
    )
    return "\n\n".join(filled) + "\n"


def with_common_text(readme: str, text: str) -> str:
    """Returns a README with the common paragraphs between its marks.

    Raises:
      NoisyLabelsError: the marks are not there, once each.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise NoisyLabelsError(f"a builder's README needs the two lines\n{BEGIN}{END}once each")
    return f"{before}{BEGIN}{text}{END}{after}"


def write_files(dataset: str) -> None:
    """Writes the files of one dataset.

    Raises:
      NoisyLabelsError: its README has no marks.
      OSError: it has no README, or the folder cannot be written.
    """
    folder = builders_dir() / dataset
    readme = folder / "README.md"
    text = common_text(builder_class(dataset), folder)
    readme.write_text(with_common_text(readme.read_text(encoding="utf-8"), text), encoding="utf-8")
    for name, content in (("__init__.py", ""), ("TAGS.txt", TAGS), ("CITATIONS.bib", CITATION)):
        if not (folder / name).exists():
            (folder / name).write_text(content, encoding="utf-8")
    link = folder / CHECKSUMS
    if not link.is_symlink():
        link.symlink_to(os.path.join("..", "..", "checksums", f"{dataset}.tsv"))
        write_checksums(folder)


def _raters() -> str:
    return (
        "Every image carries, beside its clean label, the labels of simulated raters: neural networks that were "
        "trained on the clean half of the training images and label the other half, so that their errors depend on "
        f"the image ([Gu et al., 2021]({PAPER}))."
    )


def _splits(builder: type[NoisyLabelBuilder]) -> str:
    base = builder.BASE
    divided = []
    for base_split, shares in sorted(builder.SPLIT_PLAN.fractions.items(), key=lambda item: -len(item[1])):
        parts = [f"`{split}` ({100 * share:g} %)" for split, share in shares.items()]
        into = (
            f"is divided by a hash of the id into {_listed(parts)}" if len(parts) > 1 else f"is `{next(iter(shares))}`"
        )
        divided.append(f"its split `{base_split}` {into}")
    size = builder.RATER_IMAGE_SIZE
    seen = f" Those of the paper see the images at {size[0]}x{size[1]}." if size else ""
    return (
        f"Images and clean labels are those of `{base.name}` {base.version}, joined by id: {'; '.join(divided)}. The "
        f"raters are trained on `{SPLITS[0]}` and measured on `{LABELLED_SPLITS[0]}`; they label every split but the "
        f"first.{seen}"
    )


def _features(builder: type[NoisyLabelBuilder]) -> str:
    extra = [f"`{name}` (one of {len(names)} classes)" for name, names in builder.BASE.extra_labels.items()]
    features = [
        "`id`",
        "`image`",
        "`label` (clean)",
        '`noisy_labels` (one per rater, in the order of `info.metadata["raters"]`; -1 where there is no label, as on '
        "`clean_label_train`)",
        "`noisy_label` (on the noisy splits that of one rater, drawn at random for each example; elsewhere the clean "
        "label)",
        "`noisy_label_rater` (which rater that is; -1 elsewhere)",
        *extra,
    ]
    return (
        f"An example has {_listed(features)}. The raters' features (architecture, training, accuracy on "
        "`clean_label_valid`, ...) are a table in `noisy_label_datasets.rater_features(info)`."
    )


def _configs(builder: type[NoisyLabelBuilder]) -> str:
    names = list(builder.builder_configs)
    of_pools = [
        (name, pool, config.source.README)
        for name, config in builder.builder_configs.items()
        if config.source.README and (pool := config.source.pool_to_train()) is not None
    ]
    levels = list(dict.fromkeys(pool for _, pool, _ in of_pools))
    kinds = [f"`<level>{name.removeprefix(pool)}`, {text}" for name, pool, text in of_pools if pool == levels[0]]
    text = (
        f"Configs: {_listed([f'`{level}`' for level in levels])} differ in their raters: the weaker they are, the more "
        f"of their labels are wrong. With {'; with '.join(kinds)}."
    )
    if any(name.startswith("rate_") for name in names):
        text += (
            f" `rate_<r>` are labels sampled from the rescaled class probabilities of the raters of `{levels[0]}`, so "
            "that the share `r` of them is wrong."
        )
    if any(name.startswith("published_") for name in names):
        text += (
            " `published_<level>` are the labels that the paper's authors released; only the noisy splits have labels "
            "there, and the examples that the authors did not use make up the other splits."
        )
    return text


def _shipped(builder: type[NoisyLabelBuilder], folder: pathlib.Path) -> str:
    sources = {name: config.source for name, config in builder.builder_configs.items()}
    stored = {name: source.pool_to_train() for name, source in sources.items() if not source.depends_on()}
    pools = {name: pool for name, pool in stored.items() if pool is not None}
    shipped = [name for name, pool in pools.items() if is_finished(folder / PREDICTIONS_DIR / pool)]
    raters = [name for name, pool in pools.items() if name not in shipped and are_shipped(folder, pool)]
    missing = [name for name in pools if name not in shipped and name not in raters]
    parts = []
    if shipped:
        parts.append(f"Labels of {_listed([f'`{name}`' for name in shipped])} come with the package")
    if raters:
        parts.append(
            f"{'the' if parts else 'The'} raters of {_listed([f'`{name}`' for name in raters])} come with the package, "
            f"and label your images: `noisy-labels label {builder.name}/{raters[0]}`"
            + (" and the like" if len(raters) > 1 else "")
        )
    if not parts:
        parts.append("No labels come with the package yet")
    if missing:
        those = "others" if shipped or raters else "they"
        parts.append(
            f"{those} are made by `noisy-labels train {builder.name}/{missing[0]}`"
            + (" and the like" if len(missing) > 1 else "")
        )
    return "; ".join(parts) + "." + _smaller_images(builder, folder, pools)


def _smaller_images(builder: type[NoisyLabelBuilder], folder: pathlib.Path, pools: Mapping[str, str]) -> str:
    """Returns at which sizes the raters of shipped labels, or shipped raters, see images that are larger."""
    by_side: dict[int, list[str]] = {}
    for name, pool in pools.items():
        shape = _image_shape(folder, pool)
        if shape and tuple(shape) != builder.BASE.image_shape:
            by_side.setdefault(shape[0], []).append(f"`{name}`")
    if not by_side:
        return ""
    sizes = [f"{side}x{side} pixels ({_listed(names)})" for side, names in sorted(by_side.items())]
    return (
        f" Their raters see the whole image shrunk to {_listed(sizes)}: they err where so small a picture no longer "
        "shows what the image does."
    )


def _image_shape(folder: pathlib.Path, pool: str) -> Sequence[int] | None:
    """Returns the image shape that a pool's raters see, if its labels or raters are shipped."""
    if is_finished(folder / PREDICTIONS_DIR / pool):
        manifest = json.loads((folder / PREDICTIONS_DIR / pool / MANIFEST).read_text(encoding="utf-8"))
        return manifest["provenance"]["pool"]["image_shape"]
    if are_shipped(folder, pool):
        return read_shipped_pool(folder / WEIGHTS_DIR / pool).image_shape
    return None


def _listed(items: Sequence[str]) -> str:
    """Returns 'a, b and c'."""
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))


if __name__ == "__main__":
    for name in sys.argv[1:] or own_names():
        write_files(name)
        print(f"Wrote the files of {name}")
