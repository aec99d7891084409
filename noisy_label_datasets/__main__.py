"""`python -m noisy_label_datasets` is the `noisy-labels` command, where its script is not on the path."""

from __future__ import annotations

import sys

from noisy_label_datasets.cli import main

sys.exit(main())
