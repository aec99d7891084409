"""A base dataset of six images that TFDS downloads as an archive, from wherever it is told to."""

import gzip
import hashlib
import io
import tarfile

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import checksums

from noisy_label_datasets.base.bases import TfdsBase, decode_image, encode_png

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1), dtype=np.uint8)
BASE = TfdsBase(name="tiny", version="1.0.0", class_names=("a", "b"), image_shape=(4, 4, 1))


def archive_of(**files):
    """Returns a .tar.gz; of a name 'dir__file' the underscores stand for a slash."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="w", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


ARCHIVE = archive_of(images=IMAGES.tobytes())


def infos(url, content=ARCHIVE):
    """Returns what TFDS is told of a download: its size and checksum, by URL."""
    return {url: checksums.UrlInfo(len(content), hashlib.sha256(content).hexdigest(), "tiny.tar.gz")}


class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Six images, in an archive from a server; `url_infos` is set by the test."""

    name = "tiny"
    VERSION = tfds.core.Version("1.0.0")
    url_infos = {}  # noqa: RUF012

    def _info(self):
        features = {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(shape=(4, 4, 1)),
            "label": tfds.features.ClassLabel(names=["a", "b"]),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        (url,) = self.url_infos
        return {"train": self._generate_examples(dl_manager.download_and_extract(url) / "images")}

    def _generate_examples(self, path):
        for i, image in enumerate(np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, 4, 4, 1)):
            yield i, {"id": f"tiny_{i}", "image": io.BytesIO(encode_png(image)), "label": i % 2}


def read(data_dir):
    """Reads the base as a build does, getting it where it is not there; returns its images."""
    return [decode_image(image, 1) for batch in BASE.batches(data_dir, ["train"]) for image in batch.images]
