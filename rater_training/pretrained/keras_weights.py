"""Weights of `keras.applications` networks, from a file to our modules: Section 3.2 starts from ImageNet.

    module = architectures.create("resnet50", num_classes=10, image_shape=(32, 32, 3), rngs=nnx.Rngs(0))
    fresh = load_keras_weights(module, "resnet50", "resnet50_weights_tf_dim_ordering_tf_kernels.h5")
    mean, std = input_statistics("resnet50")        # logits = module((images - mean) / std, train=False)

Read are all formats that Keras writes: `.h5` (models and weights, the published ones among them), `.weights.h5`
and `.keras`. That needs h5py, which `pip install noisy-label-datasets[pretrained]` brings. Layers are joined by the
names that `keras.applications` gives them; where it gives none (`conv2d_17`), by the order in which they were made.
"""

from __future__ import annotations

import io
import pathlib
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from noisy_label_datasets.errors import NoisyLabelsError
from rater_training.architectures import layers
from rater_training.architectures.network import FeedForward
from rater_training.pretrained.keras_names import KERAS_NAMES
from rater_training.pretrained.leaves import leaves, variables

# What `preprocess_input` of these does: blue first, less the mean of ImageNet. The others' scales bytes to [-1, 1].
_BLUE_FIRST = ("resnet50", "resnet101", "resnet152", "vgg16", "vgg19")
_IMAGENET_MEAN = (123.68, 116.779, 103.939)  # red, green, blue, in byte values

# A file's arrays may take so many bytes, and so many times its own size: weights are hardly compressed by any method.
_SMALL_BYTES, _MOST_INFLATION = 64 * 2**20, 10
_NUMBERED = re.compile(r"(conv2d|batch_normalization)(?:_(\d+))?")


class PretrainedWeightsError(NoisyLabelsError, ValueError):
    """A file that does not hold the weights that are wanted."""


def input_statistics(architecture: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the (mean, std), [3] float32 each, with which ImageNet weights expect bytes to be normalized."""
    _known(architecture)
    if architecture in _BLUE_FIRST:
        return np.asarray(_IMAGENET_MEAN, np.float32), np.ones(3, np.float32)
    return np.full(3, 127.5, np.float32), np.full(3, 127.5, np.float32)


def load_keras_weights(module: FeedForward, architecture: str, path: str | pathlib.Path) -> tuple[str, ...]:
    """Sets the parameters and batch statistics of a module of width 1 from a file that Keras wrote.

    The module takes images with red first, also where the Keras network takes blue first: the first kernel is turned.

    Args:
      module: as `architectures.create(architecture, ...)` gives it, in any form.
      architecture: a network that Keras has, too.
      path: `.h5`, `.weights.h5` or `.keras`, with or without the fully connected layers ("top").

    Returns:
      The Keras names of the fully connected layers that keep their initial values, because they are of another size
      (for another number of classes, say) or not in the file.

    Raises:
      PretrainedWeightsError: not a Keras file, or one of another network; the module is unchanged.
      FileNotFoundError: no such file.
    """
    _known(architecture)
    weights = read_keras_weights(path)
    values, fresh = [], []
    sources = KERAS_NAMES[architecture]
    unused = set(weights) - {source.layer for source in sources}
    if unused:
        raise PretrainedWeightsError(f"{path} has layers that {architecture} has not: {_some(unused)}")
    for leaf, source in zip(leaves(module), sources, strict=True):
        params = variables(leaf)
        arrays = weights.get(source.layer, [])[source.first : source.first + len(params)]
        # Keras keeps the axis of multipliers in depthwise kernels, and MobileNet's logits as a 1x1 convolution.
        fits = [p.size == a.size and p.shape[-1] in a.shape for p, a in zip(params, arrays, strict=False)]
        if len(arrays) == len(params) and all(fits):
            values += [(param, array.reshape(param.shape)) for param, array in zip(params, arrays, strict=True)]
        elif isinstance(leaf, layers.DenseModule):
            fresh.append(source.layer)
        else:
            found = [a.shape for a in arrays] if source.layer in weights else "nothing"
            raise PretrainedWeightsError(
                f"{path}: layer {source.layer} of {architecture} has {found}; wanted {[p.shape for p in params]}"
            )
    if architecture in _BLUE_FIRST:
        first, kernel = values[0]
        values[0] = (first, kernel[:, :, ::-1])
    for param, array in values:
        param.set_value(jnp.asarray(array, jnp.float32))
    return tuple(fresh)


def read_keras_weights(path: str | pathlib.Path) -> dict[str, list[np.ndarray]]:
    """Returns each layer's arrays, in Keras' order, by its name.

    Names that Keras numbers as it goes (`conv2d_95`) are counted from 0 here, whatever was made before in the process
    that wrote the file. Only what lies in the file itself is read, and no more of it than a file of its size can hold.

    Raises:
      PretrainedWeightsError: not a file that Keras wrote.
      FileNotFoundError: no such file.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        import h5py
    except ImportError as error:
        extra = "pip install 'noisy-label-datasets[pretrained]'"
        raise PretrainedWeightsError(f"reading {path} needs h5py, which is not installed: {extra}") from error
    most_bytes = _SMALL_BYTES + _MOST_INFLATION * path.stat().st_size
    try:
        with h5py.File(_opened(path, most_bytes)) as file:
            datasets = dict(_named_layers(file))
            size = sum(dataset.nbytes for layer in datasets.values() for dataset in layer)
            if size > most_bytes:
                raise ValueError(f"arrays of {size:,} bytes in a file of {path.stat().st_size:,}")
            by_name = {layer: [np.asarray(dataset) for dataset in of_layer] for layer, of_layer in datasets.items()}
    except Exception as error:  # on altered bytes HDF5, zlib and the lines below raise a dozen kinds of error
        raise PretrainedWeightsError(f"{path} is no file of Keras weights: {error}") from error
    return _renumbered(by_name)


def _opened(path: pathlib.Path, most_bytes: int) -> pathlib.Path | io.BytesIO:
    """Returns the HDF5 file: the path itself, or what lies in a `.keras` archive."""
    if path.suffix != ".keras":
        return path
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("model.weights.h5")
        if info.file_size > most_bytes:
            raise ValueError(f"it would be inflated to {info.file_size:,} bytes")
        return io.BytesIO(archive.read(info))


def _named_layers(file: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yields name and HDF5 datasets of the layers that have weights, from either of Keras' two layouts."""
    legacy = _member(file, "model_weights") if "model_weights" in file else file
    if "layer_names" in legacy.attrs or "layer_names0" in legacy.attrs:
        for layer in _strings(legacy, "layer_names"):
            group = _member(legacy, layer)
            names = _strings(group, "weight_names")
            if names:
                yield layer, [_dataset(group, name) for name in names]
    elif "layers" in file:
        layers_of_file = _member(file, "layers")
        for layer in layers_of_file:
            group = _member(layers_of_file, layer)
            arrays = _member(group, "vars") if "vars" in group else None
            if arrays is not None and len(arrays):
                if "name" not in arrays.attrs:
                    raise ValueError("it has no names of layers; write it as .h5, or with a newer Keras")
                yield arrays.attrs["name"], [_dataset(arrays, str(i)) for i in range(len(arrays))]
    else:
        raise ValueError("an HDF5 file, but not of Keras weights")


def _member(group: Any, name: str) -> Any:
    """Returns what lies in a group; a link that leads elsewhere, perhaps out of the file, is refused."""
    import h5py

    for part in name.split("/"):
        link = group.get(part, getlink=True)
        if link is None:
            raise ValueError(f"{name} is not there")
        if not isinstance(link, h5py.HardLink):
            raise ValueError(f"{name} is a link")
        group = group[part]
    return group


def _dataset(group: Any, name: str) -> Any:
    """Returns a dataset of numbers that lie in the file itself."""
    import h5py

    dataset = _member(group, name)
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"{name} is no array")
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"the numbers of {name} lie in another file")
    if dataset.dtype.kind not in "fiu":
        raise ValueError(f"{name} has dtype {dataset.dtype}, not numbers")
    return dataset


def _strings(group: Any, attribute: str) -> list[str]:
    """Returns a list of strings; Keras divides a long one into `<attribute>0`, `<attribute>1`..."""
    if attribute in group.attrs:
        parts = [group.attrs[attribute]]
    else:
        numbered = sorted(
            (k for k in group.attrs if re.fullmatch(attribute + r"\d+", k)), key=lambda k: int(k[len(attribute) :])
        )
        parts = [group.attrs[key] for key in numbered]
    return [text.decode() if isinstance(text, bytes) else str(text) for part in parts for text in part]


def _renumbered(by_name: dict[str, list[np.ndarray]]) -> dict[str, list[np.ndarray]]:
    numbered: dict[str, list[tuple[int, str]]] = {}
    for name in by_name:
        if match := _NUMBERED.fullmatch(name):
            numbered.setdefault(match[1], []).append((int(match[2] or 0), name))
    new_names = {old: f"{kind}_{i}" for kind, found in numbered.items() for i, (_, old) in enumerate(sorted(found))}
    return {new_names.get(name, name): arrays for name, arrays in by_name.items()}


def _known(architecture: str) -> None:
    if architecture not in KERAS_NAMES:
        raise PretrainedWeightsError(f"Keras has no {architecture!r}; it has: {', '.join(sorted(KERAS_NAMES))}")


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:5]) + (" ..." if len(names) > 5 else "")
