"""Writes builders/digits_noisy/digits.npz anew from scikit-learn.

python -m noisy_label_datasets.maintenance.digits_arrays
python -m noisy_label_datasets.maintenance.checksums digits_noisy
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from noisy_label_datasets.files import pack_arrays, write_atomically
from noisy_label_datasets.registration import builders_dir


def digits_npz() -> bytes:
    """Returns the file: `ink` [1797, 8, 8] uint8 in 0..16 and `labels` [1797] uint8, as scikit-learn has them."""
    digits = load_digits()
    return pack_arrays({"ink": digits.images.astype(np.uint8), "labels": digits.target.astype(np.uint8)})


if __name__ == "__main__":
    write_atomically(builders_dir() / "digits_noisy" / "digits.npz", digits_npz())
