"""What TFDS's own objects tell a builder."""

from __future__ import annotations

from typing import Any

import tensorflow_datasets as tfds


def manual_dir_of(dl_manager: tfds.download.DownloadManager) -> Any:
    """Returns the folder of files that the user has fetched by hand; None where there is none."""
    try:
        return dl_manager.manual_dir
    except AssertionError:  # it is not there or empty
        return None


def is_mocked() -> bool:
    """Returns whether `tfds.testing.mock_data` stands in for building: then nothing is written anywhere."""
    return tfds.core.DatasetBuilder.download_and_prepare.__module__ != tfds.core.DatasetBuilder.__module__
