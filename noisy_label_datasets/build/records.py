"""Record files that are the same bytes in every build.

Protobuf writes the entries of a map, such as the features of an example, in an order that differs from process to
process; its deterministic form sorts them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tensorflow_datasets.core import writer
from tensorflow_datasets.proto import tf_example_pb2


class ReproducibleWriter(writer.ExampleWriter):
    """Writes what TFDS's own writer writes, each example in protobuf's deterministic form."""

    def write(self, path: Any, examples: Iterable[tuple[Any, bytes]]) -> Any:
        """Writes a shard; examples: (key, serialised example).

        Raises:
          OSError: the disk is full or cannot be written.
        """
        try:
            return super().write(path, ((key, _deterministic(example)) for key, example in examples))
        except Exception as error:
            # What a full disk raises in array_record and in TensorFlow is no OSError.
            if isinstance(error, RuntimeError) or type(error).__module__.partition(".")[0] == "tensorflow":
                raise OSError(f"cannot write {path}: {error}") from error
            raise


def _deterministic(example: bytes) -> bytes:
    return tf_example_pb2.Example.FromString(example).SerializeToString(deterministic=True)
