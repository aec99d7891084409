"""Lists anew what is shipped beside the builders, of the datasets named or of all.

    python -m noisy_label_datasets.maintenance.checksums [DATASET ...]

To be run whenever an artifact or an array file under builders/ has changed; a test fails until it is.
"""

from __future__ import annotations

import sys

from noisy_label_datasets.labels.checksums import write_checksums
from noisy_label_datasets.registration import builders_dir, dataset_names

if __name__ == "__main__":
    for dataset in sys.argv[1:] or dataset_names():
        print(write_checksums(builders_dir() / dataset))
