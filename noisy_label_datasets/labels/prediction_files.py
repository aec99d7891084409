"""The two kinds of .npz file in a rater-prediction artifact, as values that check themselves.

    ExamplesFile    what was labelled, and for which dataset
    RaterFile       the predictions of one rater, and its features

`read` raises PredictionsError naming the path and the fault. A rater's file has one of two forms:

    format version 1    the codes of all classes
    format version 2    the codes of the most probable classes, one for each of the others (see `kept_codes`)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from noisy_label_datasets import files, schema
from noisy_label_datasets.base.names import LONGEST_ID, check_class_names, check_ids
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.labels.kept_codes import KEPT, codes_of, keep_most_probable
from noisy_label_datasets.labels.prediction_schema import (
    ALL_CLASSES,
    HEADER,
    MOST_EXAMPLES,
    MOST_PROBABLE,
    RATER,
    RATER_FEATURES,
)
from noisy_label_datasets.labels.probability_codes import encode_probabilities
from noisy_label_datasets.noise.class_values import AllClasses, ClassValues

_MOST_BYTES_PER_LABEL = 8
_MOST_JSON_BYTES = 64 * 2**20


class PredictionsError(NoisyLabelsError, ValueError):
    """An artifact, or what is to go into one, that is not as it has to be."""


@dataclasses.dataclass(frozen=True)
class ExamplesFile:
    """What a pool labels.

    Attributes:
      header: JSON, says of which dataset; "class_names" is always there.
      ids: labelled split -> [n] <U; unique over all splits.
      labels: labelled split -> [n] unsigned, the clean labels.
    """

    header: Mapping[str, Any]
    ids: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        try:
            schema.check(self.header, HEADER)
            check_class_names(self.header["class_names"])
        except ValueError as error:
            raise PredictionsError(f"what is labelled: {error}") from error
        if not set(self.ids) == set(self.labels) == set(LABELLED_SPLITS):
            raise PredictionsError(f"raters label the splits {list(LABELLED_SPLITS)}, given {sorted(self.ids)}")
        for split in LABELLED_SPLITS:
            ids, labels = self.ids[split], self.labels[split]
            if ids.ndim != 1 or ids.dtype.kind != "U" or labels.shape != ids.shape or not len(ids):
                raise PredictionsError(f"{split} needs ids and as many labels, given {ids.shape} and {labels.shape}")
            _check_labels(labels, len(self.header["class_names"]), f"clean labels of {split}")
            try:
                check_ids(ids)
            except ValueError as error:
                raise PredictionsError(f"{split}: {error}") from error
        unique, counts = np.unique(np.concatenate(list(self.ids.values())), return_counts=True)
        if len(repeated := unique[counts > 1]):
            raise PredictionsError(f"{len(repeated)} ids stand there more than once, such as {repeated[:3].tolist()}")

    @property
    def counts(self) -> dict[str, int]:
        """Number of examples of each labelled split."""
        return {split: len(self.ids[split]) for split in LABELLED_SPLITS}

    def to_bytes(self) -> bytes:
        arrays = {"header": _json_array(self.header)}
        for split in LABELLED_SPLITS:
            arrays[f"{split}.ids"] = np.char.encode(self.ids[split], "utf-8")
            arrays[f"{split}.labels"] = _smallest(self.labels[split], len(self.header["class_names"]))
        return files.pack_arrays(arrays)

    @classmethod
    def read(cls, path: Any, data: bytes, counts: Mapping[str, int] | None = None) -> ExamplesFile:
        """Returns the file; counts: number of examples of each labelled split, where it is known."""
        most = {"header": _MOST_JSON_BYTES}
        for split in LABELLED_SPLITS:
            count = MOST_EXAMPLES if counts is None else counts[split]
            most[f"{split}.ids"] = 4 * LONGEST_ID * count
            most[f"{split}.labels"] = _MOST_BYTES_PER_LABEL * count
        arrays = _unpack(path, data, most)
        try:
            return cls(
                header=_json_of(arrays["header"]),
                ids={split: _text(arrays[f"{split}.ids"], split) for split in LABELLED_SPLITS},
                labels={split: arrays[f"{split}.labels"] for split in LABELLED_SPLITS},
            )
        except ValueError as error:
            raise PredictionsError(f"{path} is not as it has to be: {error}") from error


@dataclasses.dataclass(frozen=True)
class RaterFile:
    """The predictions of one rater.

    Attributes:
      fingerprint: of the rater's configuration and data.
      features: JSON; "id" is always there.
      labels: labelled split -> [n] unsigned, the most probable class.
      codes: labelled split -> [n, 1, K] uint8, see `probability_codes`; 0 at the label.
    """

    fingerprint: str
    features: Mapping[str, Any]
    labels: Mapping[str, np.ndarray]
    codes: Mapping[str, ClassValues]

    def __post_init__(self) -> None:
        try:
            schema.check(self.features, RATER_FEATURES, "features")
        except schema.SchemaError as error:
            raise PredictionsError(str(error)) from error
        for split in LABELLED_SPLITS:
            labels, codes = self.labels[split], self.codes[split]
            if labels.shape != codes.shape[:1]:
                given = (codes.shape[0], codes.num_classes)
                raise PredictionsError(f"{split}: labels are [n], codes [n, K]; given {labels.shape}, {given}")
            _check_labels(labels, codes.num_classes, f"labels of {split}")
            if codes.at(labels).any():
                raise PredictionsError(f"{split}: a label is not the most probable class")

    @classmethod
    def of_probabilities(
        cls, probabilities: Mapping[str, np.ndarray], *, fingerprint: str, features: Mapping[str, Any]
    ) -> RaterFile:
        """Returns the file of a rater; probabilities: labelled split -> [n, K] float32, checked already."""
        return cls(
            fingerprint=fingerprint,
            features=features,
            labels={split: _smallest(p.argmax(axis=-1), p.shape[-1]) for split, p in probabilities.items()},
            codes={split: _one_rater(encode_probabilities(p)) for split, p in probabilities.items()},
        )

    def to_bytes(self, version: int) -> bytes:
        """Returns the file in a format version; 2 keeps only a part of the codes."""
        arrays = {"rater": _json_array({"fingerprint": self.fingerprint, "features": self.features})}
        for split in LABELLED_SPLITS:
            labels, codes = self.labels[split], self.codes[split]
            arrays[f"{split}.labels"] = labels
            if version == MOST_PROBABLE:
                others, kept = keep_most_probable(codes.dense()[:, 0], labels)
                arrays[f"{split}.others"], arrays[f"{split}.kept"] = others.T, kept.T  # columns compress better
            else:
                arrays[f"{split}.codes"] = codes.dense()[:, 0]
        return files.pack_arrays(arrays)

    @classmethod
    def read(cls, path: Any, data: bytes, counts: Mapping[str, int], num_classes: int, version: int) -> RaterFile:
        """Returns a rater's file, checked also against the number of examples of each split and of classes."""
        most = {"rater": _MOST_JSON_BYTES}
        for split, count in counts.items():
            most[f"{split}.labels"] = _MOST_BYTES_PER_LABEL * count
            if version == ALL_CLASSES:
                most[f"{split}.codes"] = num_classes * count
            else:
                most[f"{split}.others"], most[f"{split}.kept"] = _MOST_BYTES_PER_LABEL * KEPT * count, KEPT * count
        arrays = _unpack(path, data, most)

        def codes(split: str) -> ClassValues:
            if version == ALL_CLASSES:
                return _one_rater(arrays[f"{split}.codes"])
            others, kept = arrays[f"{split}.others"].T, arrays[f"{split}.kept"].T
            if kept.shape[-1:] != (KEPT,):
                raise ValueError(f"{split} has codes {kept.shape}; they are [n, {KEPT}]")
            return codes_of(arrays[f"{split}.labels"], others, kept, num_classes=num_classes)

        try:
            description = _json_of(arrays["rater"])
            schema.check(description, RATER)
            read = cls(
                fingerprint=description["fingerprint"],
                features=description["features"],
                labels={split: arrays[f"{split}.labels"] for split in LABELLED_SPLITS},
                codes={split: codes(split) for split in LABELLED_SPLITS},
            )
        except ValueError as error:
            raise PredictionsError(f"{path} is not as it has to be: {error}") from error
        for split, count in counts.items():
            n, _, classes_of_codes = read.codes[split].shape
            if (n, classes_of_codes) != (count, num_classes):
                raise PredictionsError(
                    f"{path} holds predictions {(n, classes_of_codes)} of {split}; the examples are {count}, "
                    f"the classes {num_classes}"
                )
        if read.features["id"] != path.stem:
            raise PredictionsError(f"{path} is of rater {read.features['id']!r}")
        return read


def _one_rater(codes: np.ndarray) -> ClassValues:
    """Returns codes [n, K] of all classes as those of one rater: [n, 1, K]."""
    if codes.ndim != 2 or codes.dtype != np.uint8:
        raise PredictionsError(f"codes [n, K] are uint8, given {codes.shape} {codes.dtype}")
    return AllClasses.of(codes[:, None])


def _check_labels(labels: np.ndarray, num_classes: int, what: str) -> None:
    if labels.dtype.kind not in "iu" or (labels.size and not 0 <= labels.min() <= labels.max() < num_classes):
        reach = f", {labels.min()}..{labels.max()}" if labels.size and labels.dtype.kind in "iu" else ""
        raise PredictionsError(f"{what} are whole numbers in 0..{num_classes - 1}, given {labels.dtype}{reach}")


def _smallest(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns labels in the smallest unsigned type that holds every class."""
    return labels.astype(np.min_scalar_type(num_classes - 1))


def _json_array(value: Any) -> np.ndarray:
    try:
        return np.frombuffer(files.to_json(value), dtype=np.uint8)
    except (TypeError, ValueError) as error:
        raise PredictionsError(f"features have to be JSON without NaN and infinity: {error}") from error


def _json_of(array: np.ndarray) -> dict[str, Any]:
    value = schema.parse_json(array.tobytes())
    if not isinstance(value, dict):
        raise ValueError(f"not a JSON object: {value!r:.80}")
    return value


def _text(ids: np.ndarray, split: str) -> np.ndarray:
    if ids.dtype.kind != "S" or ids.ndim != 1:
        raise ValueError(f"ids of {split} are [n] bytes, given {ids.shape} {ids.dtype}")
    return np.char.decode(ids, "utf-8")


def _unpack(path: Any, data: bytes, most_bytes: Mapping[str, int]) -> dict[str, np.ndarray]:
    try:
        return files.unpack_arrays(data, most_bytes)
    except ValueError as error:
        raise PredictionsError(f"{path} was altered or cut short: {error}") from error
