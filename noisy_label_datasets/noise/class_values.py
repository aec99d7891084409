"""A value for each class, from each rater, for each example: codes, logarithms or probabilities, in one of two forms.

    values = AllClasses.of(probabilities)                # [n, R, K]
    values = MostProbable(classes, stored, num_classes)  # some classes of a label have their own, the others share one
    logs = values.map(np.log)                            # what each value becomes: computed where it is stored
    values.sample(uniforms)                              # [n, R] labels, as `noise_models.sample_labels` draws them

Of a hundred classes, of which five have values of their own, six values per label are computed with. Both forms give
the same labels, bit for bit: `map` computes the same values, and what depends on the order in which values are summed
is computed in the order of the classes wherever rounding could decide.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from noisy_label_datasets.noise.noise_models import sample_labels

ROUNDING_OF_SUMS = 1e-10
"""More than sums of the same non-negative numbers in another order are off, of the whole."""

_BLOCK = 2**16  # numbers, of 8 bytes at most: as few as are computed on faster than memory is had


class Shares(NamedTuple):
    """How much there is before a class, at it, and after it, in the order of the classes."""

    before: np.ndarray
    at: np.ndarray
    after: np.ndarray


class ClassValues(abc.ABC):
    """Values [n, R, K] of K classes, by R raters, for n examples. Those that are weights are not negative.

    Attributes:
      values: [C, n, R], those that are stored.
      num_classes: K.
    """

    values: np.ndarray
    num_classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of examples, raters and classes."""
        return (*self.values.shape[1:], self.num_classes)  # type: ignore[return-value]

    def map(self, function: Callable[..., np.ndarray], *operands: ClassValues | np.ndarray) -> Self:
        """Returns what a function makes of each value and of operands: of this form, or broadcast with [n, R]."""
        others = (operand.values if isinstance(operand, ClassValues) else operand for operand in operands)
        return dataclasses.replace(self, values=function(self.values, *others))  # type: ignore[type-var]

    def largest(self) -> np.ndarray:
        """Returns the largest value of each label: [n, R]."""
        return self.values.max(axis=0)

    def smallest(self) -> np.ndarray:
        """Returns the smallest value of each label: [n, R]."""
        return self.values.min(axis=0)

    def blocks(self) -> Iterator[slice]:
        """Returns which examples to compute on at a time."""
        return _blocks(self.values.shape[1], self.values.shape[0] * self.values.shape[2])

    def in_blocks(self, function: Callable[[Self], Self]) -> Self:
        """Returns what a function makes of the values, computed on a part of the examples at a time."""
        return self.joined([function(self[rows]) for rows in self.blocks()], axis=0)

    def sum_in_order(self) -> np.ndarray:
        """Returns sums over the classes [n, R], in the type of the values and to the last bit those of `dense()`."""
        sums = np.empty(self.values.shape[1:], self.values.dtype)
        for rows in _blocks(len(sums), sums.shape[1] * self.num_classes // 2):
            self[rows].dense().sum(axis=-1, out=sums[rows])
        return sums

    def normalised(self) -> Self:
        """Returns weights over their sums, which are those of `dense()` to the last bit."""
        return self.map(np.divide, self.sum_in_order())

    @classmethod
    @abc.abstractmethod
    def joined(cls, parts: Sequence[Self], *, axis: int) -> Self:
        """Returns the values of several parts of the examples (axis 0) or of the raters (axis 1)."""

    @abc.abstractmethod
    def __getitem__(self, rows: slice | np.ndarray) -> Self:
        """Returns the values of some examples."""

    @abc.abstractmethod
    def of_labels(self, rows: np.ndarray, raters: np.ndarray) -> Self:
        """Returns the values of single labels [m], each as those of an example with one rater: [m, 1, K]."""

    @abc.abstractmethod
    def dense(self) -> np.ndarray:
        """Returns all values: [n, R, K]."""

    @abc.abstractmethod
    def sum(self) -> np.ndarray:
        """Returns sums over the classes [n, R], in whatever order."""

    @abc.abstractmethod
    def at(self, classes: np.ndarray) -> np.ndarray:
        """Returns the values [n, R] of the class of each example [n]."""

    @abc.abstractmethod
    def with_values(self, classes: np.ndarray, values: Any) -> Self:
        """Returns these values with others, [n, R] or one, of the class of each example [n]."""

    @abc.abstractmethod
    def standing_for(self, classes: np.ndarray) -> Shares:
        """Returns how many classes before, at and after the class of each example [n] each stored value is that of.

        Returns:
          Whole numbers [C, n, R] each, float32.
        """

    def shares(self, classes: np.ndarray) -> Shares:
        """Returns the sums of weights before, at and after the class of each example [n], in whatever order."""
        weights = self.values.astype(np.float64)
        return Shares(*((number * weights).sum(axis=0) for number in self.standing_for(classes)))

    def others(self, classes: np.ndarray) -> np.ndarray:
        """Returns the sums [n, R] float64 of the weights of all classes but that of each example [n]."""
        before, _, after = self.standing_for(classes)
        before += after
        return (before * self.values.astype(np.float64)).sum(axis=0)

    @abc.abstractmethod
    def sample(self, uniforms: np.ndarray) -> np.ndarray:
        """Returns labels [n, R] int32 drawn by these weights at uniforms [n, R], those of `sample_labels`."""


@dataclasses.dataclass(frozen=True, eq=False)
class AllClasses(ClassValues):
    """Values that are stored for every class.

    Attributes:
      values: [K, n, R].
      num_classes: K.
    """

    values: np.ndarray
    num_classes: int

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """Returns values [n, R, K]; copied, since numbers of one class that lie together are added up faster."""
        return cls(np.ascontiguousarray(np.moveaxis(values, -1, 0)), values.shape[-1])

    @classmethod
    def joined(cls, parts: Sequence[Self], *, axis: int) -> Self:
        """See `ClassValues`."""
        return cls(np.concatenate([part.values for part in parts], axis=axis + 1), parts[0].num_classes)

    def __getitem__(self, rows: slice | np.ndarray) -> Self:
        return dataclasses.replace(self, values=self.values[:, rows])

    def of_labels(self, rows: np.ndarray, raters: np.ndarray) -> Self:
        """See `ClassValues`."""
        return dataclasses.replace(self, values=self.values[:, rows, raters][..., None])

    def dense(self) -> np.ndarray:
        """See `ClassValues`."""
        return np.ascontiguousarray(np.moveaxis(self.values, 0, -1))

    def sum(self) -> np.ndarray:
        """See `ClassValues`."""
        return self.values.sum(axis=0)

    def at(self, classes: np.ndarray) -> np.ndarray:
        """See `ClassValues`."""
        return self.values[classes, np.arange(len(classes))]

    def with_values(self, classes: np.ndarray, values: Any) -> Self:
        """See `ClassValues`."""
        changed = self.values.copy()
        changed[classes, np.arange(len(classes))] = values
        return dataclasses.replace(self, values=changed)

    def standing_for(self, classes: np.ndarray) -> Shares:
        """See `ClassValues`."""
        own, shape = np.arange(self.num_classes)[:, None, None], self.values.shape
        numbers = (own < classes[:, None], own == classes[:, None], own > classes[:, None])
        return Shares(*(np.broadcast_to(number, shape).astype(np.float32) for number in numbers))

    def sample(self, uniforms: np.ndarray) -> np.ndarray:
        """See `ClassValues`."""
        up_to = np.zeros((self.num_classes + 1, *uniforms.shape))
        for values, before, through in zip(self.values, up_to, up_to[1:], strict=False):
            np.add(before, values, out=through)
        level = uniforms * up_to[-1]
        labels = np.zeros(uniforms.shape, np.int32)
        for through in up_to[1:]:
            labels += through <= level
        return labels


@dataclasses.dataclass(frozen=True, eq=False)
class MostProbable(ClassValues):
    """Values of some classes of each label, and one that all its other classes share.

    Attributes:
      classes: [C, n, R] signed, ascending along C. K, K + 1 and so on are none; their values are 0.
      values: [C + 1, n, R], those of these classes, and last that of each of the other classes.
      num_classes: K, more than C.
    """

    classes: np.ndarray
    values: np.ndarray
    num_classes: int

    @classmethod
    def joined(cls, parts: Sequence[Self], *, axis: int) -> Self:
        """See `ClassValues`."""
        classes = np.concatenate([part.classes for part in parts], axis=axis + 1)
        return cls(classes, np.concatenate([part.values for part in parts], axis=axis + 1), parts[0].num_classes)

    def __getitem__(self, rows: slice | np.ndarray) -> Self:
        return dataclasses.replace(self, classes=self.classes[:, rows], values=self.values[:, rows])

    def of_labels(self, rows: np.ndarray, raters: np.ndarray) -> Self:
        """See `ClassValues`."""
        classes, values = (array[:, rows, raters][..., None] for array in (self.classes, self.values))
        return dataclasses.replace(self, classes=classes, values=values)

    def dense(self) -> np.ndarray:
        """See `ClassValues`."""
        n, num_raters, num_classes = self.shape
        dense = np.empty(self.shape, self.values.dtype)
        dense[...] = self.values[-1][..., None]
        starts = np.arange(0, n * num_raters * num_classes, num_classes).reshape(n, num_raters)
        places, values = starts + self.classes, self.values[:-1]
        if self._has_none():
            are = self.classes < num_classes
            places, values = places[are], values[are]
        dense.reshape(-1)[places] = values
        return dense

    def _has_none(self) -> bool:
        return self.classes[-1].max(initial=0) >= self.num_classes  # they come last

    def sum(self) -> np.ndarray:
        """See `ClassValues`."""
        num_own = (self.classes < self.num_classes).sum(axis=0) if self._has_none() else len(self.classes)
        return self.values[:-1].sum(axis=0) + (self.num_classes - num_own) * self.values[-1]

    def at(self, classes: np.ndarray) -> np.ndarray:
        """See `ClassValues`."""
        wanted = classes.astype(self.classes.dtype)[:, None]
        found = self.values[-1]
        for own, values in zip(self.classes, self.values, strict=False):
            found = np.where(own == wanted, values, found)
        return found

    def with_values(self, classes: np.ndarray, values: Any) -> Self:
        """See `ClassValues`."""
        wanted = np.broadcast_to(classes.astype(self.classes.dtype)[:, None], self.classes.shape[1:])
        is_own = (self.classes == wanted).any(axis=0)
        # The class is inserted where it belongs; where it is there already, its value is replaced and none is appended.
        moved = np.where(is_own, np.maximum(self.classes[-1] + 1, self.num_classes), wanted)
        value = np.where(is_own, 0, values).astype(self.values.dtype)
        inserted = np.empty((len(self.classes) + 1, *wanted.shape), self.classes.dtype)
        changed = np.empty((len(self.values) + 1, *wanted.shape), self.values.dtype)
        for place, own in enumerate(self.classes):
            old = np.where(own == wanted, values, self.values[place])
            is_here = moved < own
            changed[place] = np.where(is_here, value, old)
            value = np.where(is_here, old, value)
            np.minimum(moved, own, out=inserted[place])
            moved = np.maximum(moved, own)
        inserted[-1], changed[-2], changed[-1] = moved, value, self.values[-1]
        return dataclasses.replace(self, classes=inserted, values=changed)

    def standing_for(self, classes: np.ndarray) -> Shares:
        """See `ClassValues`."""
        wanted = classes.astype(self.classes.dtype)[:, None]
        before, at, after = (np.empty(self.values.shape, np.float32) for _ in range(3))
        np.less(self.classes, wanted, out=before[:-1])
        np.equal(self.classes, wanted, out=at[:-1])
        np.greater(self.classes, wanted, out=after[:-1])
        if self._has_none():
            after[:-1] *= self.classes < self.num_classes
        # All classes that have no value of their own have the last.
        before[-1] = classes[:, None] - before[:-1].sum(axis=0)
        at[-1] = 1 - at[:-1].sum(axis=0)
        after[-1] = self.num_classes - 1 - classes[:, None] - after[:-1].sum(axis=0)
        return Shares(before, at, after)

    def sample(self, uniforms: np.ndarray) -> np.ndarray:
        """See `ClassValues`."""
        rest = self.values[-1].astype(np.float64)
        # What lies up to each class with a value of its own, this included; before all of them is nothing.
        classes = np.empty((len(self.classes) + 2, *uniforms.shape), self.classes.dtype)
        classes[0], classes[1:-1], classes[-1] = -1, self.classes, self.num_classes
        up_to, own = np.zeros(classes.shape), np.zeros(uniforms.shape)
        for place, values in enumerate(self.values[:-1]):
            own += values
            np.add(own, (self.classes[place] - place) * rest, out=up_to[place + 1])
        up_to[-1] = up_to[-2] + np.maximum(self.num_classes - 1 - self.classes[-1], 0) * rest
        level, near = uniforms * up_to[-1], ROUNDING_OF_SUMS * up_to[-1]
        # From the last of these classes below the level on, classes of one width are counted, up to the next of these.
        places = np.arange(level.size).reshape(level.shape)
        for through in up_to[1:-1]:
            places += (through <= level) * level.size
        last, start = classes.take(places), up_to.take(places)
        places += level.size
        next_, end = np.minimum(classes.take(places), self.num_classes), up_to.take(places)
        with np.errstate(divide="ignore", invalid="ignore"):
            counted = np.fmin((level - start) / rest, (next_ - last - 1).astype(np.float64))
        labels = (last + 1 + np.floor(counted)).astype(np.int32)
        from_start = level - start
        unsure = np.minimum(from_start, end - level) <= near
        unsure |= np.abs(from_start - np.rint(counted) * rest) <= near
        rows, raters = np.nonzero(unsure)
        weights = self.of_labels(rows, raters).dense()
        labels[rows, raters] = sample_labels(weights, uniforms[rows, raters][:, None])[:, 0]
        return labels


def class_values(values: ClassValues | np.ndarray) -> ClassValues:
    """Returns values as they are, or those of an array [n, R, K]."""
    return values if isinstance(values, ClassValues) else AllClasses.of(values)


def _blocks(n: int, numbers_of_an_example: int) -> Iterator[slice]:
    rows = max(1, _BLOCK // numbers_of_an_example)
    return (slice(start, start + rows) for start in range(0, n, rows))
