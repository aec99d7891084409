"""Base datasets: where clean images and labels come from, a TFDS dataset or arrays.

    base = TfdsBase(name="cifar10", version="3.0.2", class_names=("airplane", ...), image_shape=(32, 32, 3))
    for batch in base.batches(data_dir, ["train", "test"]): batch.ids, batch.images, batch.labels

What a builder declares (class names, image shape) stands in the base, so that a dataset can describe itself before
anything is downloaded; reading checks it. A `RelabelledBase` is another task on the same images.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from noisy_label_datasets.base.arrays import LabelledImages
from noisy_label_datasets.base.errors import BaseDatasetError
from noisy_label_datasets.base.examples import ExampleBatch
from noisy_label_datasets.base.names import check_class_names

if TYPE_CHECKING:
    import PIL.Image

BATCH_SIZE = 1024
PART_SIZE = 16 * BATCH_SIZE  # examples that one worker reads at a stretch

Part = Callable[[], Iterator[ExampleBatch]]
"""Reads some examples of a base; it can be pickled, and called on another machine than the one that made it."""

ImageShape = tuple[int | None, int | None, int]


class Base(Protocol):
    """A clean image-classification dataset: a frozen dataclass with these attributes.

    Attributes:
      name, version: 'cifar10', '3.0.2'.
      class_names: of the K classes, in the order of the labels.
      image_shape: (height, width, channels); None where images differ.
      extra_labels: further class labels that its examples carry: name -> class names.
    """

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def image_shape(self) -> ImageShape: ...
    @property
    def extra_labels(self) -> Mapping[str, tuple[str, ...]]: ...

    def batches(self, data_dir: Any, base_splits: Sequence[str]) -> Iterator[ExampleBatch]:
        """Yields every example of some splits once, images encoded.

        Raises:
          BaseDatasetError: it is not here and cannot be got, or it is not as declared.
        """
        ...

    def parts(self, data_dir: Any, base_splits: Sequence[str]) -> Sequence[Part]:
        """Returns the same in parts that can be read in parallel; raises as `batches`."""
        ...

    def num_bytes(self, data_dir: Any) -> int:
        """Returns about how many bytes its examples are; raises as `batches`."""
        ...

    def availability(self, data_dir: Any) -> str:
        """Returns in a word or two whether it can be read as it is: "prepared"; reads and downloads nothing."""
        ...


@dataclasses.dataclass(frozen=True)
class ArraysBase:
    """A base dataset of arrays.

    Attributes:
      name, version, class_names, image_shape: see `Base`.
      load: returns base split -> LabelledImages; a function of a module, so that it can be pickled.
    """

    extra_labels: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    name: str
    version: str
    class_names: tuple[str, ...]
    image_shape: ImageShape
    load: Callable[[], Mapping[str, LabelledImages]]

    def __post_init__(self) -> None:
        _check_class_names(self)

    def batches(self, data_dir: Any, base_splits: Sequence[str]) -> Iterator[ExampleBatch]:
        """See `Base`; images are encoded as PNG."""
        splits = self._load(base_splits)
        for base_split in base_splits:
            yield from self._read(splits[base_split], base_split, 0, len(splits[base_split]))

    def parts(self, data_dir: Any, base_splits: Sequence[str]) -> Sequence[Part]:
        """See `Base`; each part loads the arrays anew, so memory-mapped ones are best where there are many."""
        splits = self._load(base_splits)
        return [
            functools.partial(self._part, base_split, start, min(start + PART_SIZE, len(splits[base_split])))
            for base_split in base_splits
            for start in range(0, len(splits[base_split]), PART_SIZE)
        ]

    def num_bytes(self, data_dir: Any) -> int:
        """See `Base`; before they are encoded."""
        return sum(examples.images.nbytes for examples in self.load().values())

    def availability(self, data_dir: Any) -> str:
        """See `Base`."""
        return "in the package"

    def _part(self, base_split: str, start: int, stop: int) -> Iterator[ExampleBatch]:
        return self._read(self._load([base_split])[base_split], base_split, start, stop)

    def _load(self, base_splits: Sequence[str]) -> Mapping[str, LabelledImages]:
        splits = self.load()
        for base_split in base_splits:
            if base_split not in splits:
                raise BaseDatasetError(f"{self.name} has no split {base_split!r}; it has {sorted(splits)}")
            shape = splits[base_split].images.shape[1:]
            if shape != self.image_shape:
                raise BaseDatasetError(f"images of {self.name} are {shape}, not {self.image_shape}")
        return splits

    def _read(self, examples: LabelledImages, base_split: str, start: int, stop: int) -> Iterator[ExampleBatch]:
        for first in range(start, stop, BATCH_SIZE):
            part = slice(first, min(first + BATCH_SIZE, stop))
            yield ExampleBatch(
                base_split=base_split,
                ids=examples.ids[part].tolist(),
                images=[encode_png(image) for image in examples.images[part]],
                labels=examples.labels[part].tolist(),
            )


@dataclasses.dataclass(frozen=True)
class TfdsBase:
    """A dataset of TFDS: used where it is prepared, else downloaded and prepared.

    Attributes:
      name, version, class_names, image_shape, extra_labels: see `Base`.
      id_key: the feature that identifies an example; joined on, so unique and stable. None where there is none, as in
        `mnist`: ids are made of the examples' content (see `content_ids`).
      image_key: the image feature.
      label_key: the clean label's feature.
      ids_are_paths: whether ids are paths of files, which TFDS writes as the system does that prepared it: `\\` in them
        is read as `/`.
    """

    name: str
    version: str
    class_names: tuple[str, ...]
    image_shape: ImageShape
    id_key: str | None = "id"
    image_key: str = "image"
    label_key: str = "label"
    ids_are_paths: bool = False
    extra_labels: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_class_names(self)

    def batches(self, data_dir: Any, base_splits: Sequence[str]) -> Iterator[ExampleBatch]:
        """See `Base`; images are passed on as they are stored, not decoded."""
        for part in self.parts(data_dir, base_splits):
            yield from part()

    def parts(self, data_dir: Any, base_splits: Sequence[str]) -> Sequence[Part]:
        """See `Base`; a shard of the prepared dataset, or a piece of one.

        Where examples have no id a split is one part: its copies of one example are told apart by counting.
        """
        from noisy_label_datasets.base.tfds_base import pieces_of_shards, prepared_builder

        builder = prepared_builder(self.name, self.version, data_dir)
        info = builder.info
        if missing := sorted(set(base_splits) - set(info.splits)):
            raise BaseDatasetError(f"{info.full_name} has no split {missing}; it has {sorted(info.splits)}")
        if missing := [key for key in self._keys if key not in info.features]:
            raise BaseDatasetError(f"{info.full_name} has no feature {missing}; it has {sorted(info.features)}")
        for key, declared in {self.label_key: self.class_names, **self.extra_labels}.items():
            if tuple(names := info.features[key].names) != tuple(declared):
                raise BaseDatasetError(f"{info.full_name} has the classes {names} of {key!r}, not {list(declared)}")
        return [
            functools.partial(self._read, builder.data_dir, base_split, piece)
            for base_split in base_splits
            for piece in (pieces_of_shards(info.splits[base_split], PART_SIZE) if self.id_key else [base_split])
        ]

    def num_bytes(self, data_dir: Any) -> int:
        """See `Base`."""
        from noisy_label_datasets.base.tfds_base import prepared_builder

        return int(prepared_builder(self.name, self.version, data_dir).info.dataset_size)

    def availability(self, data_dir: Any) -> str:
        """See `Base`."""
        from noisy_label_datasets.base.tfds_base import find_prepared

        return "prepared" if find_prepared(self.name, self.version, data_dir) is not None else "not prepared"

    @property
    def _keys(self) -> tuple[str, ...]:
        return (self.image_key, self.label_key, *self.extra_labels, *([self.id_key] if self.id_key else []))

    def _read(self, folder: str, base_split: str, piece: str) -> Iterator[ExampleBatch]:
        from noisy_label_datasets.base.tfds_base import read_batches

        seen: collections.Counter[str] = collections.Counter()
        for columns in read_batches(folder, piece, self._keys, self.image_key, BATCH_SIZE):
            images, labels = columns[self.image_key], columns[self.label_key]
            if self.id_key:
                ids = [id_.decode() for id_ in columns[self.id_key]]
                if self.ids_are_paths:
                    ids = [id_.replace("\\", "/") for id_ in ids]
            else:
                ids = content_ids(base_split, images, labels, self.image_shape[-1], seen)
            extra = {name: columns[name] for name in self.extra_labels}
            yield ExampleBatch(base_split, ids, images, labels, extra)


@dataclasses.dataclass(frozen=True)
class RelabelledBase:
    """Examples of a base dataset, all or some, under other labels; their label there goes along as an extra one.

    Attributes:
      base: whose examples these are; name, version and image shape are its own.
      class_names: of the K classes of the new labels.
      relabel: returns [n], the new label of each example of a batch, None for one that is left out; a function of a
        module, so that it can be pickled.
      original_label: the name under which the label of `base` goes along.
    """

    base: Base
    class_names: tuple[str, ...]
    relabel: Callable[[ExampleBatch], Sequence[int | None]]
    original_label: str

    def __post_init__(self) -> None:
        _check_class_names(self)

    @property
    def name(self) -> str:
        return self.base.name

    @property
    def version(self) -> str:
        return self.base.version

    @property
    def image_shape(self) -> ImageShape:
        return self.base.image_shape

    @property
    def extra_labels(self) -> Mapping[str, tuple[str, ...]]:
        return {self.original_label: self.base.class_names, **self.base.extra_labels}

    def batches(self, data_dir: Any, base_splits: Sequence[str]) -> Iterator[ExampleBatch]:
        """See `Base`."""
        return self._relabelled(self.base.batches(data_dir, base_splits))

    def parts(self, data_dir: Any, base_splits: Sequence[str]) -> Sequence[Part]:
        """See `Base`."""
        return [functools.partial(self._part, part) for part in self.base.parts(data_dir, base_splits)]

    def num_bytes(self, data_dir: Any) -> int:
        """See `Base`; of all examples of the base."""
        return self.base.num_bytes(data_dir)

    def availability(self, data_dir: Any) -> str:
        """See `Base`."""
        return self.base.availability(data_dir)

    def _part(self, part: Part) -> Iterator[ExampleBatch]:
        return self._relabelled(part())

    def _relabelled(self, batches: Iterable[ExampleBatch]) -> Iterator[ExampleBatch]:
        for batch in batches:
            labels = self.relabel(batch)
            taken = [i for i, label in enumerate(labels) if label is not None]
            originals = {self.original_label: batch.labels, **batch.extra_labels}
            yield ExampleBatch(
                base_split=batch.base_split,
                ids=[batch.ids[i] for i in taken],
                images=[batch.images[i] for i in taken],
                labels=[label for label in labels if label is not None],
                extra_labels={name: [values[i] for i in taken] for name, values in originals.items()},
            )


def _check_class_names(base: Base) -> None:
    """Raises BaseDatasetError where classes of a base, or of its further labels, have names that would not survive."""
    for label, names in {"label": base.class_names, **base.extra_labels}.items():
        try:
            check_class_names(names)
        except ValueError as error:
            raise BaseDatasetError(f"{label} of the base dataset {base.name}: {error}") from error


def content_ids(
    base_split: str, images: Sequence[bytes], labels: Sequence[int], channels: int, seen: collections.Counter[str]
) -> list[str]:
    """Returns ids for examples that have none: `<base split>_<20 hexadecimal digits of a SHA-256>`.

    They do not depend on the order of the examples. Hashed are the label and the pixels of a PNG, which different
    encoders write differently, or else the bytes of the file, which different decoders read differently. Copies of an
    example get `-2`, `-3`, ... after it: which is which does not matter.

    Args:
      base_split: the split they are from.
      images: [n] encoded.
      labels: [n].
      channels: of the images.
      seen: how often each id occurred in this split so far; is brought up to date.
    """
    ids = []
    for image, label in zip(images, labels, strict=True):
        if image.startswith(b"\x89PNG"):
            pixels = decode_image(image, channels)
            content = f"{pixels.shape}".encode() + pixels.tobytes()
        else:
            content = image
        id_ = f"{base_split}_{hashlib.sha256(f'{label}:'.encode() + content).hexdigest()[:20]}"
        seen[id_] += 1
        ids.append(id_ if seen[id_] == 1 else f"{id_}-{seen[id_]}")
    return ids


def encode_png(image: np.ndarray) -> bytes:
    """Returns an image [h, w, c] uint8, c 1 or 3, as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, format="png")
    return buffer.getvalue()


def eight_bits(image: PIL.Image.Image) -> PIL.Image.Image:
    """Returns a picture with 8 bits per channel or less: of 16 bits the upper eight, as TensorFlow reads them.

    Raises:
      ValueError: its pixels are 32-bit or floating-point numbers.
    """
    from PIL import Image

    # As "I" Pillow shows PNG and PPM of 16 bits, too.
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise ValueError("its pixels are 32-bit numbers, of which white is not known; save it with 8 or 16 bits")
    if image.mode.startswith("I"):  # which `convert` would cut off at 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image


def decode_image(encoded: bytes, channels: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """Returns an encoded image as [h, w, channels] uint8.

    Args:
      encoded: PNG, JPEG.
      channels: 1 (grey) or 3 (RGB).
      size: (height, width) to which it is stretched or shrunk, bilinearly; None: as it is.

    Raises:
      ValueError: see `eight_bits`; of what is no image Pillow raises half a dozen kinds of error.
    """
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as image:
        decoded = np.asarray(eight_bits(image).convert("L" if channels == 1 else "RGB"), dtype=np.uint8)
    decoded = decoded.reshape(*decoded.shape[:2], channels)
    return resize_image(decoded, size) if size else decoded


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns an image [h, w, c] uint8, c 1 or 3, stretched or shrunk to (height, width), bilinearly."""
    from PIL import Image

    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    resized = np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR), dtype=np.uint8)
    return resized.reshape(*size, image.shape[-1])
