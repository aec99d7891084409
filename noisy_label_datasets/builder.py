"""The generic builder: a dataset is a base, a split plan and configs.

    class Builder(NoisyLabelBuilder):
        VERSION = tfds.core.Version("1.0.0")
        BASE = TfdsBase(name="cifar10", version="3.0.2", class_names=CLASS_NAMES, image_shape=(32, 32, 3))
        SPLIT_PLAN = SplitPlan({"train": {"clean_label_train": 0.4, ...}, "test": {"test": 1.0}})
        BUILDER_CONFIGS = [NoisyLabelConfig(name="low", source=Raters("low"))]

in `<name>_noisy/<name>_noisy_dataset_builder.py`, with README.md, CITATIONS.bib, TAGS.txt and checksums.tsv beside it.
Labels of one's own are a config: `tfds.builder("cifar10_noisy", config=NoisyLabelConfig(name="mine", source=...))`.
"""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from noisy_label_datasets.arrays import CleanDataset, CleanDatasetError, LabelledImages
from noisy_label_datasets.base import Base, decode_image
from noisy_label_datasets.card.figures import noise_figures
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.join import UNLABELLED, ExampleBatch, Spool, join_by_id
from noisy_label_datasets.registration import builder_class, import_builders, remember
from noisy_label_datasets.sampling import sample_raters
from noisy_label_datasets.sources import NOISY_SPLITS, LabelContext, LabelSource, NoisyLabels
from noisy_label_datasets.splits import SPLITS, SplitPlan

NO_RATER = -1

MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Nothing has to be fetched by hand. The configs published_* download the labels that the paper's authors released; where
that is not possible, put a copy of gs://noisy_label_synthetic_datasets here, under its own name.
"""


class BuildError(NoisyLabelsError, ValueError):
    """A dataset that cannot be had as it was asked for."""


@dataclasses.dataclass(kw_only=True)
class NoisyLabelConfig(tfds.core.BuilderConfig):
    """A config of a noisy-label dataset.

    Attributes:
      name: 'low'.
      source: where its labels come from.
    """

    source: LabelSource


class NoisyLabelBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Joins the images of a base dataset and noisy labels by example id (see docs/architecture.md for the features).

    Attributes:
      BASE: where images and clean labels come from.
      SPLIT_PLAN: how the base is divided into the five splits.
      RATER_IMAGE_SIZE: (height, width) at which raters see the images, where these differ in size.
    """

    BASE: ClassVar[Base]
    SPLIT_PLAN: ClassVar[SplitPlan]
    RATER_IMAGE_SIZE: ClassVar[tuple[int, int] | None] = None
    # What makes TFDS hand on the folder; only published_* configs look there.
    MANUAL_DOWNLOAD_INSTRUCTIONS = MANUAL_DOWNLOAD_INSTRUCTIONS

    def __init_subclass__(cls, *, skip_registration: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(skip_registration=skip_registration, **kwargs)  # type: ignore[call-arg]
        if not skip_registration:
            remember(cls)

    def __init__(self, *, config: str | tfds.core.BuilderConfig | None = None, **kwargs: Any) -> None:
        """As every TFDS builder; `tfds.builder` calls it.

        Raises:
          BuildError: there is no config of this name.
        """
        # TFDS itself would name the configs that look alike, which are often none.
        if isinstance(config, str) and self.get_builder_config(config.partition(":")[0]) is None:
            raise BuildError(f"{self.name} has no config {config!r}; there are {', '.join(self.builder_configs)}")
        super().__init__(config=config, **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        label = tfds.features.ClassLabel(names=self.BASE.class_names)
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Image(shape=self.BASE.image_shape),
                    "label": label,
                    "noisy_labels": tfds.features.Sequence(label),
                    "noisy_label": label,
                    "noisy_label_rater": np.int32,
                    **{
                        name: tfds.features.ClassLabel(names=class_names)
                        for name, class_names in self.BASE.extra_labels.items()
                    },
                }
            ),
            supervised_keys=("image", "noisy_label"),
            metadata=tfds.core.MetadataDict(),
        )

    def label_context(self, manual_dir: Any = None) -> LabelContext:
        """Returns what the source of a config's labels is told; manual_dir: None for the place where TFDS has it."""
        return LabelContext(
            dataset=self.name,
            base=_name_and_version(self.BASE),
            class_names=self.BASE.class_names,
            split_plan=self.SPLIT_PLAN,
            data_dir=self.data_dir_root,
            builder_dir=self.code_path.parent,
            configs=tuple(self.builder_configs),
            manual_dir=manual_dir or self.data_dir_root / "downloads" / "manual",
            examples=self._base_batches,
        )

    def _base_batches(self) -> Iterator[ExampleBatch]:
        return self.BASE.batches(self.data_dir_root, list(self.SPLIT_PLAN.fractions))

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        labels = self.builder_config.source.load(self.label_context(_manual_dir(dl_manager)))
        self.info.metadata.update(self._metadata(labels))
        sampled = {
            split: sample_raters(labels.ids[split].tolist(), len(labels.raters)).tolist() for split in NOISY_SPLITS
        }
        spool = Spool()
        for example in join_by_id(self._base_batches(), labels):
            spool.add(example)
        return {split: self._generate_examples(split, spool, labels, sampled.get(split)) for split in SPLITS}

    def _generate_examples(
        self, split: str, spool: Spool, labels: NoisyLabels, sampled: list[int] | None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the examples of a split; sampled: [n] the rater whose label is `noisy_label`, on the noisy splits."""
        noisy_labels = labels.noisy_labels[split].tolist() if split in labels.noisy_labels else []
        for example in spool.read(split):
            votes = [] if example.row == UNLABELLED else noisy_labels[example.row]
            rater = NO_RATER if sampled is None else sampled[example.row]
            yield (
                example.id,
                {
                    "id": example.id,
                    "image": example.image,
                    "label": example.label,
                    "noisy_labels": votes,
                    "noisy_label": example.label if rater == NO_RATER else votes[rater],
                    "noisy_label_rater": rater,
                    **dict(zip(self.BASE.extra_labels, example.extra_labels, strict=True)),
                },
            )

    def _metadata(self, labels: NoisyLabels) -> dict[str, Any]:
        """Returns what `info.metadata` holds; JSON."""
        return {
            "base": _name_and_version(self.BASE),
            "split_plan": self.SPLIT_PLAN.to_json(),
            "raters": [dict(rater) for rater in labels.raters],
            "noise": noise_figures(labels, self.BASE.class_names),
            "origin": labels.origin,
            "labels_sha256": labels.sha256,
            "provenance": dict(labels.provenance),
        }

    def _example_writer(self) -> Any:
        if self.info.file_format == tfds.core.FileFormat.PARQUET:
            raise BuildError(
                "file format parquet: TFDS loses rows when it writes it; use tfrecord (tf.data) or array_record "
                "(tfds.data_source)"
            )
        from noisy_label_datasets.records import ReproducibleWriter

        return ReproducibleWriter(self.info.file_format)

    def clean_dataset(self, image_size: tuple[int, int] | None = None) -> CleanDataset:
        """Returns images and clean labels of the five splits as arrays: what raters are trained on.

        Args:
          image_size: (height, width) to which images are stretched or shrunk; None: RATER_IMAGE_SIZE, or as they are.

        Raises:
          BaseDatasetError: the base dataset is not here and cannot be got.
          CleanDatasetError: images of several sizes, or a split without examples.
        """
        ids: dict[str, list[str]] = {split: [] for split in SPLITS}
        images: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
        labels: dict[str, list[int]] = {split: [] for split in SPLITS}
        channels = self.BASE.image_shape[-1]
        image_size = image_size or self.RATER_IMAGE_SIZE
        for batch in self._base_batches():
            splits = self.SPLIT_PLAN.assign(batch.base_split, batch.ids).tolist()
            for split, id_, image, label in zip(splits, batch.ids, batch.images, batch.labels, strict=True):
                ids[split].append(id_)
                images[split].append(decode_image(image, channels, image_size))
                labels[split].append(label)
        return CleanDataset(
            name=self.name,
            version=str(self.version),
            base_name=self.BASE.name,
            base_version=self.BASE.version,
            class_names=self.BASE.class_names,
            split_plan=self.SPLIT_PLAN,
            splits={split: _labelled_images(ids[split], images[split], labels[split]) for split in SPLITS},
        )


def load_clean_dataset(dataset: str, data_dir: str | os.PathLike | None = None) -> CleanDataset:
    """Returns images and clean labels of one of this package's datasets, what its raters are trained on.

    Args:
      dataset: 'cifar10_noisy'.
      data_dir: where the base dataset is looked for first, and prepared if it is nowhere; None: TFDS's own default.

    Raises:
      RegistrationError: there is no such dataset.
      BaseDatasetError: the base dataset is not here and cannot be got.
    """
    return builder_class(dataset)(data_dir=data_dir).clean_dataset()


def _labelled_images(ids: list[str], images: list[np.ndarray], labels: list[int]) -> LabelledImages:
    """Returns the arrays in the order of the ids, so that they do not depend on the order of the base's files."""
    order = sorted(range(len(ids)), key=ids.__getitem__)
    if len(sizes := {image.shape for image in images}) > 1:
        raise CleanDatasetError(f"raters are trained on images of one size, not of {len(sizes)} sizes as here")
    return LabelledImages(
        ids=np.array([ids[i] for i in order], dtype=np.str_),
        images=np.array([images[i] for i in order], dtype=np.uint8),
        labels=np.array([labels[i] for i in order], dtype=np.int32),
    )


def _manual_dir(dl_manager: tfds.download.DownloadManager) -> Any:
    try:
        return dl_manager.manual_dir
    except AssertionError:  # it is not there or empty
        return None


def _name_and_version(base: Base) -> Mapping[str, str]:
    return {"name": base.name, "version": base.version}


import_builders()
