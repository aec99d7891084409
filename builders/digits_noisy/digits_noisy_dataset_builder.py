"""Handwritten digits with the labels of simulated raters: small enough to come with the package."""

from collections.abc import Mapping

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from noisy_label_datasets.base.arrays import LabelledImages
from noisy_label_datasets.base.bases import ArraysBase
from noisy_label_datasets.base.errors import BaseDatasetError
from noisy_label_datasets.base.splits import SplitPlan
from noisy_label_datasets.build.builder import NoisyLabelBuilder
from noisy_label_datasets.build.configs import standard_configs
from noisy_label_datasets.files import unpack_arrays

ARRAYS = epath.Path(__file__).parent / "digits.npz"


def load_digits() -> Mapping[str, LabelledImages]:
    """Returns the 1,797 digits of scikit-learn's `load_digits`, in its order, as the one split "all".

    Ink 0..16 becomes brightness 0..255, rounded to whole numbers; an id is the place in scikit-learn's arrays.
    The file is written by noisy_label_datasets/maintenance/digits_arrays.py.

    Raises:
      BaseDatasetError: the file is damaged.
    """
    try:
        arrays = unpack_arrays(ARRAYS.read_bytes(), {"ink": 10**6, "labels": 10**5})
    except (OSError, ValueError) as error:
        raise BaseDatasetError(f"{ARRAYS} cannot be read, so install the package again: {error}") from error
    ink, labels = arrays["ink"], arrays["labels"]
    return {
        "all": LabelledImages(
            ids=np.array([f"digits_{i:05d}" for i in range(len(labels))]),
            images=np.rint(ink[..., None] * (255 / 16)).astype(np.uint8),
            labels=labels.astype(np.int32),
        )
    }


class Builder(NoisyLabelBuilder):
    """Handwritten digits with noisy labels, at three levels of noise."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {
        "2.0.0": "An example that nobody labelled has -1 for each rater in `noisy_labels`, where it had an empty list.",
        "1.0.0": "First release.",
    }

    BASE = ArraysBase(
        name="digits",
        version="1.0.0",
        class_names=tuple("0123456789"),
        image_shape=(8, 8, 1),
        load=load_digits,
    )
    # As in the paper half of what is not test has clean labels and half has noisy ones, each 80 / 20 train and
    # validation. UCI's digits as scikit-learn carries them have no test split of their own; 15 % make one.
    SPLIT_PLAN = SplitPlan(
        {
            "all": {
                "clean_label_train": 0.34,
                "clean_label_valid": 0.085,
                "noisy_label_train": 0.34,
                "noisy_label_valid": 0.085,
                "test": 0.15,
            }
        }
    )
    BUILDER_CONFIGS = standard_configs(
        {
            "low": "Nine raters trained for long: the fewest wrong labels.",
            "medium": "Nine raters trained for less long.",
            "high": "Nine raters trained so briefly that about every second label is wrong.",
        },
        rates=(0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
    )
