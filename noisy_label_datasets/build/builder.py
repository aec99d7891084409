"""The generic builder: a dataset is a base, a split plan and configs.

    class Builder(NoisyLabelBuilder):
        VERSION = tfds.core.Version("1.0.0")
        BASE = TfdsBase(name="cifar10", version="3.0.2", class_names=CLASS_NAMES, image_shape=(32, 32, 3))
        SPLIT_PLAN = SplitPlan({"train": {"clean_label_train": 0.4, ...}, "test": {"test": 1.0}})
        BUILDER_CONFIGS = [NoisyLabelConfig(name="low", source=Raters("low"))]

in `<name>_noisy/<name>_noisy_dataset_builder.py`, with README.md, CITATIONS.bib, TAGS.txt and checksums.tsv beside it.
Labels of one's own are a config: `tfds.builder("cifar10_noisy", config=NoisyLabelConfig(name="mine", source=...))`.
"""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from noisy_label_datasets.base.arrays import CleanDataset
from noisy_label_datasets.base.bases import Base
from noisy_label_datasets.base.clean_arrays import write_clean_dataset
from noisy_label_datasets.base.examples import ExampleBatch
from noisy_label_datasets.base.splits import SPLITS, SplitPlan
from noisy_label_datasets.build.features import declared_features, metadata_of, name_and_version
from noisy_label_datasets.build.join import UNLABELLED, Spool, example_features, join_by_id, no_labels
from noisy_label_datasets.build.metadata import check_metadata
from noisy_label_datasets.build.outdated import warn_if_outdated
from noisy_label_datasets.build.own_configs import config_names, own_config
from noisy_label_datasets.build.tfds_state import is_mocked, manual_dir_of
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.folders import remove_leftovers, set_aside
from noisy_label_datasets.labels.sampling import NO_RATER, sample_raters
from noisy_label_datasets.labels.sources import NOISY_SPLITS, LabelContext, NoisyLabels
from noisy_label_datasets.lease import taking_turns
from noisy_label_datasets.noise.figures import noise_figures
from noisy_label_datasets.registration import builder_class, import_builders, remember

MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Nothing has to be fetched by hand. The configs published_* download the labels that the paper's authors released; where
that is not possible, put a copy of gs://noisy_label_synthetic_datasets here, under its own name.
"""


class BuildError(NoisyLabelsError, ValueError):
    """A dataset that cannot be had as it was asked for."""


class NoisyLabelBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Joins the images of a base dataset and noisy labels by example id (see docs/architecture.md for the features).

    Attributes:
      BASE: where images and clean labels come from.
      SPLIT_PLAN: how the base is divided into the five splits.
      POOLS: config -> 'module:VARIABLE', the pool of its raters, where that is none of `rater_training`'s own.
      RATER_IMAGE_SIZE: (height, width) at which raters see the images, where these differ in size.
      BEAM: whether it is built with Apache Beam where nothing else is said: datasets of hundreds of thousands.
      MAY_LACK: how many of the labelled ids the base may lack. Those that it does lack are counted in the metadata; an
        id of the base without labels is an error always.
    """

    BASE: ClassVar[Base]
    SPLIT_PLAN: ClassVar[SplitPlan]
    POOLS: ClassVar[Mapping[str, str]] = {}
    RATER_IMAGE_SIZE: ClassVar[tuple[int, int] | None] = None
    BEAM: ClassVar[bool] = False
    MAY_LACK: ClassVar[int] = 0
    # What makes TFDS hand on the folder; only published_* configs look there.
    MANUAL_DOWNLOAD_INSTRUCTIONS = MANUAL_DOWNLOAD_INSTRUCTIONS

    def __init_subclass__(cls, *, skip_registration: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(skip_registration=skip_registration, **kwargs)  # type: ignore[call-arg]
        if not skip_registration:
            remember(cls)

    def __init__(
        self,
        *,
        config: str | tfds.core.BuilderConfig | None = None,
        beam: bool | None = None,
        file_format: str | tfds.core.FileFormat | None = None,
        **kwargs: Any,
    ) -> None:
        """As every TFDS builder; `tfds.builder` calls it.

        Args:
          config: its name, which may be that of annotations stored in the data folder; or one of one's own.
          beam: whether to build with Apache Beam; None: if a runner or pipeline options are given when it is built, or
            the class says so.
          file_format: in which it is built, or read where it is there in several; None: tfrecord, or the first.
          **kwargs: see TFDS.

        Raises:
          BuildError: there is no config of this name, what is built cannot be opened, or is of other file formats.
        """
        # TFDS itself would name the configs that look alike, which are often none.
        if isinstance(config, str) and self.get_builder_config(config.partition(":")[0]) is None:
            name, data_dir = config, kwargs.get("data_dir")
            if (config := own_config(self.name, name, data_dir)) is None:
                names = ", ".join(config_names(self, data_dir))
                raise BuildError(f"{self.name} has no config {name!r}; there are {names}")
        try:
            super().__init__(config=config, **kwargs)
            if self.is_prepared():
                declared = declared_features(self.BASE, None)
                check_metadata(self.data_path, self.BASE.class_names, set(self.info.features), set(declared))
        except BuildError:
            raise
        except Exception as error:  # TFDS has as many kinds as files that can be damaged
            folder = getattr(self, "_data_dir", None)
            if folder is None or not epath.Path(folder).exists():
                raise
            said = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise BuildError(
                f"the dataset in {folder} cannot be opened ({said}); if it is damaged, remove that folder, and it is "
                "built anew"
            ) from error
        self._choose_file_format(file_format)
        self._beam = beam
        self._warned = False
        self._original_state |= {"beam": beam, "file_format": file_format}  # what TFDS makes a pickled builder anew of

    def _choose_file_format(self, file_format: str | tfds.core.FileFormat | None) -> None:
        """Takes a file format; where a dataset is there in several (`tfds convert_format`), one of these."""
        for also in map(tfds.core.FileFormat, self.info.as_proto.alternative_file_formats):
            if also not in self.info.alternative_file_formats:  # TFDS reads that they are there, and does not use it
                self.info.alternative_file_formats.append(also)
        if file_format is None:
            return
        wanted, there = tfds.core.FileFormat.from_value(file_format), self.info.available_file_formats()
        if not self.is_prepared():
            self.info.set_file_format(wanted, override=True)
        elif wanted not in there:
            raise BuildError(
                f"{self.name}/{self.builder_config.name} {self.version} in {self.data_dir_root} is there as "
                f"{', '.join(sorted(each.value for each in there))}, not as {wanted.value}. To have both: "
                f"`tfds convert_format --dataset_version_dir={self.data_dir} --out_file_format={wanted.value}`"
            )
        elif wanted != self.info.file_format:
            self.info.set_file_format(wanted, override=True, override_if_initialized=True)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=self._stored_features() or declared_features(self.BASE, self._num_raters()),
            supervised_keys=("image", "noisy_label"),
            homepage="https://arxiv.org/abs/2107.11413",
            metadata=tfds.core.MetadataDict(),
        )

    def _stored_features(self) -> tfds.features.FeatureConnector | None:
        """Returns the features with which this version was built; None: it is not built."""
        if not (self.data_path / "features.json").exists():
            return None
        return tfds.features.FeaturesDict.from_config(os.fspath(self.data_path))

    def _declare(self, features: tfds.features.FeatureConnector) -> None:
        """Replaces the features in `info`; TFDS has no other way to say what is known only when labels are there."""
        self.info._features = features
        self.__dict__.pop("_example_specs", None)  # which TFDS keeps, and reads by

    def _num_raters(self) -> int | None:
        """Returns R of the labels of which it would be built; None: they are not at hand."""
        if self.code_path is None:  # a builder of a notebook
            return None
        identity = self.builder_config.source.identify(self.label_context())
        return None if identity is None else identity.num_raters

    def download_and_prepare(
        self, *, download_config: tfds.download.DownloadConfig | None = None, **kwargs: Any
    ) -> None:
        """As of every TFDS builder; while one process builds a dataset, others wait, and take what it has built.

        Raises:
          NoisyLabelsError: labels or base dataset are missing, damaged or do not fit each other.
          BuildError: another process has built it meanwhile, but in another file format.
          OSError: the folder cannot be written or the disk is full.
        """
        anew = download_config is not None and download_config.download_mode.overwrite_dataset
        if (self.is_prepared() and not anew) or is_mocked():
            super().download_and_prepare(download_config=download_config, **kwargs)
            return
        with taking_turns(self.data_path) as lease:
            if self.is_prepared() and not anew:
                self._take_what_is_there(kwargs.get("file_format"))
                return
            if lease is not None:
                path = pathlib.Path(self.data_path)
                remove_leftovers(path)
                set_aside(path)  # as TFDS does, which takes a half-deleted dataset for a whole one if it is stopped
            super().download_and_prepare(download_config=download_config, **kwargs)

    def _take_what_is_there(self, file_format: Any) -> None:
        wanted = self.info.file_format if file_format is None else tfds.core.FileFormat(file_format)
        self.info.read_from_directory(self.data_dir)
        self._declare(self._stored_features())
        there = tfds.builder_from_directory(self.data_dir).info.file_format
        if there != wanted:
            name = f"{self.name}/{self.builder_config.name}"
            raise BuildError(
                f"{name} was built by another process meanwhile, as {there.value}: "
                f"`noisy-labels build {name} --file-format {wanted.value}` builds it anew"
            )

    def label_context(self, manual_dir: Any = None) -> LabelContext:
        """Returns what the source of a config's labels is told; manual_dir: None for the place where TFDS has it."""
        return LabelContext(
            dataset=self.name,
            base=name_and_version(self.BASE),
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
        labels, draws = self._labels(dl_manager)
        spool = Spool()
        missing: dict[str, list[str]] = {}
        for example in join_by_id(self._base_batches(), labels, may_lack=self.MAY_LACK, missing=missing):
            spool.add(example)
        self._note_missing(labels, missing)
        return {split: self._generate_examples(split, spool, labels, draws.get(split)) for split in SPLITS}

    def _generate_examples(
        self, split: str, spool: Spool, labels: NoisyLabels, draws: np.ndarray | None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields the examples of a split; draws: [n] the rater whose label is `noisy_label`, where there are labels."""
        noisy_labels = labels.noisy_labels[split].tolist() if split in labels.noisy_labels else []
        of_row = draws.tolist() if draws is not None else []
        unlabelled = no_labels(len(labels.raters))
        for example in spool.read(split):
            labelled = example.row != UNLABELLED
            yield (
                example.id,
                example_features(
                    example.id,
                    example.image,
                    example.label,
                    noisy_labels[example.row] if labelled else unlabelled,
                    of_row[example.row] if labelled else NO_RATER,
                    dict(zip(self.BASE.extra_labels, example.extra_labels, strict=True)),
                ),
            )

    def _labels(self, dl_manager: tfds.download.DownloadManager) -> tuple[NoisyLabels, dict[str, np.ndarray]]:
        """Returns the labels and, of each split that has some, which rater's is `noisy_label`; fills the metadata."""
        labels = self.builder_config.source.load(self.label_context(manual_dir_of(dl_manager)))
        self.info.metadata.update(metadata_of(self.BASE, self.SPLIT_PLAN, self.builder_config.source, labels))
        self._declare(declared_features(self.BASE, len(labels.raters)))
        draws = {
            split: sample_raters(ids.tolist(), labels.noisy_labels[split])
            if split in NOISY_SPLITS
            else np.full(len(ids), NO_RATER)
            for split, ids in labels.ids.items()
        }
        return labels, draws

    def _generate_splits(self, dl_manager: Any, download_config: tfds.download.DownloadConfig) -> Any:
        """As TFDS calls it: by one process, or by Beam."""
        # The labels may be others than when this object was made, or read from files.
        self._declare(declared_features(self.BASE, self._num_raters()))
        if not self._uses_beam(download_config):
            return super()._generate_splits(dl_manager, download_config)
        from noisy_label_datasets.build import beam_build, beam_join

        asked = self._beam or download_config.beam_runner is not None or download_config.beam_options is not None
        labels, draws = self._labels(dl_manager)  # before the base, which may be a long download
        if not asked and not beam_build.local_runner_fits(self.BASE.num_bytes(self.data_dir_root), self.name):
            return super()._generate_splits(dl_manager, download_config)
        base = beam_join.BaseParts(
            self.BASE.parts(self.data_dir_root, list(self.SPLIT_PLAN.fractions)),
            tuple(self.BASE.extra_labels),
            self.MAY_LACK,
        )
        with beam_join.BeamJoin.prepare(self.data_path / "join", labels, draws, base) as join:
            splits = beam_build.run_pipeline(
                self,
                join,
                lambda config: super(NoisyLabelBuilder, self)._generate_splits(dl_manager, config),
                download_config,
            )
            self._note_missing(labels, join.check())
        return splits

    def _note_missing(self, labels: NoisyLabels, missing: Mapping[str, Sequence[str]]) -> None:
        """Has the metadata say how many labelled ids the base lacks, and what the figures are without them."""
        if not self.MAY_LACK:
            return
        counts = {split: len(ids) for split, ids in missing.items()}
        self.info.metadata["missing_from_base"] = counts
        if number := sum(counts.values()):
            self.info.metadata["noise"] = noise_figures(labels.without(missing), self.BASE.class_names)
            logging.warning(
                "%s/%s: %d labelled ids are not in %s %s (at most %d may be missing)",
                *(self.name, self.builder_config.name, number, self.BASE.name, self.BASE.version, self.MAY_LACK),
            )

    def _uses_beam(self, download_config: tfds.download.DownloadConfig) -> bool:
        """Returns whether Beam builds: as said to the builder, else if a runner or options are named, else by BEAM."""
        if self._beam is not None:
            return self._beam
        if download_config.beam_runner is not None or download_config.beam_options is not None:
            return True
        return self.BEAM and download_config.max_examples_per_split is None  # TFDS's Beam writer writes all

    def _example_writer(self) -> Any:
        if self.info.file_format == tfds.core.FileFormat.PARQUET:
            raise BuildError(
                "file format parquet: TFDS loses rows when it writes it; use tfrecord (tf.data) or array_record "
                "(tfds.data_source)"
            )
        from noisy_label_datasets.build.records import ReproducibleWriter

        return ReproducibleWriter(self.info.file_format)

    def as_dataset(self, split: Any = None, *, decoders: Any = None, as_supervised: bool = False, **kwargs: Any) -> Any:
        """As of every TFDS builder; of pairs of image and label nothing else is read from the file."""
        if as_supervised and decoders is None:
            decoders = tfds.decode.PartialDecoding(dict.fromkeys(self.info.supervised_keys, True))
        self._warn_if_outdated()
        # By name: `tfds.testing.mock_data` puts functions in the place of this one and the next that take nothing else.
        return super().as_dataset(split=split, decoders=decoders, as_supervised=as_supervised, **kwargs)

    def as_data_source(self, split: Any = None, **kwargs: Any) -> Any:
        """As of every TFDS builder; whole examples are decoded faster."""
        from noisy_label_datasets.build.random_access import example_sources

        self._warn_if_outdated()
        return example_sources(super().as_data_source(split=split, **kwargs))

    def _warn_if_outdated(self) -> None:
        if not self._warned:
            self._warned = True
            warn_if_outdated(self)

    def clean_dataset(
        self, folder: str | os.PathLike | None = None, *, image_size: tuple[int, int] | None = None
    ) -> CleanDataset:
        """Returns images and clean labels of the five splits as arrays, on which raters are trained.

        Images are memory-mapped, so that a dataset of any size can be had.

        Args:
          folder: where the arrays are written, in place of what it held, to be read with `CleanDataset.load`; None: to
            files that are gone with the arrays.
          image_size: (height, width) to which images are stretched or shrunk; None: RATER_IMAGE_SIZE, or as they are.

        Raises:
          BaseDatasetError: the base dataset is not here and cannot be got.
          CleanDatasetError: images of several sizes, or a split without examples.
          OSError: the folder cannot be written or the disk is full.
        """
        if folder is None:
            with tempfile.TemporaryDirectory() as temporary:
                return self.clean_dataset(pathlib.Path(temporary) / self.name, image_size=image_size)
        return write_clean_dataset(
            pathlib.Path(folder),
            self.BASE,
            self.SPLIT_PLAN,
            name=self.name,
            version=str(self.version),
            data_dir=self.data_dir_root,
            size=image_size or self.RATER_IMAGE_SIZE,
        )


def load_clean_dataset(dataset: str, data_dir: str | os.PathLike | None = None) -> CleanDataset:
    """Returns images and clean labels of one of this package's datasets, on which its raters are trained.

    Args:
      dataset: 'cifar10_noisy'.
      data_dir: where the base dataset is looked for first, and prepared if it is nowhere; None: TFDS's own default.

    Raises:
      RegistrationError: there is no such dataset.
      BaseDatasetError: the base dataset is not here and cannot be got.
    """
    return builder_class(dataset)(data_dir=data_dir).clean_dataset()


import_builders()
