"""Built datasets, and the release that is matched with a base: files that are read with TensorFlow and TFDS."""

import contextlib
import functools
import io
import os
import pathlib
from typing import Any

from noisy_label_datasets.base.splits import LABELLED_SPLITS, SPLITS, SplitPlan
from tests.faults.kinds import CLASS_NAMES, FileKind, clean_dataset, digest
from tests.faults.trials import Complained
from tests.made_up import write_raters

os.environ.setdefault("TQDM_DISABLE", "1")


def base_images() -> dict[str, Any]:
    """Returns the examples of the base: all in one split, which the plan divides."""
    import numpy as np

    from noisy_label_datasets.base.arrays import LabelledImages

    splits = clean_dataset().splits.values()
    return {
        "all": LabelledImages(
            np.concatenate([examples.ids for examples in splits]),
            np.concatenate([examples.images for examples in splits]),
            np.concatenate([examples.labels for examples in splits]),
        )
    }


@functools.cache
def builder_class() -> Any:
    """Returns the builder of a dataset of sixty images of 4 x 4."""
    import tensorflow_datasets as tfds

    from noisy_label_datasets.base.bases import ArraysBase
    from noisy_label_datasets.build.builder import NoisyLabelBuilder
    from noisy_label_datasets.build.configs import standard_configs

    class FaultsNoisy(NoisyLabelBuilder):
        name = "faults_noisy"
        pkg_dir_path = pathlib.Path(__file__).parent
        VERSION = tfds.core.Version("1.0.0")
        BASE = ArraysBase(
            name="faults", version="1.0.0", class_names=CLASS_NAMES, image_shape=(4, 4, 1), load=base_images
        )
        SPLIT_PLAN = SplitPlan({"all": dict.fromkeys(SPLITS, 0.2)})
        BUILDER_CONFIGS = standard_configs({"low": "Made up."})

    return FaultsNoisy


def write_built(folder: pathlib.Path, file_format: str) -> None:
    """Builds the dataset from labels of raters that err at random."""
    builder = builder_class()(config="low", data_dir=folder)
    write_raters(folder / "rater_predictions" / "faults_noisy" / "low", builder.clean_dataset(), "low")
    builder_class()(config="low", data_dir=folder, file_format=file_format).download_and_prepare()


def command(*arguments: str) -> str:
    """Runs `noisy-labels`; returns what it prints.

    Raises:
      Complained: it ended with an exit code of its own, and one line; what `verify` found stands before.
    """
    from noisy_label_datasets import cli

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(arguments)
    said = [line for line in err.getvalue().splitlines() if line.startswith("noisy-labels: error: ")]
    assert "Traceback" not in err.getvalue(), err.getvalue()[-500:]
    assert code in (0, 1, 2), code
    if code:
        assert len(said) == 1, f"{len(said)} lines of error: {err.getvalue()[-500:]}"
        raise Complained(said[0])
    return out.getvalue()


def read_built(folder: pathlib.Path) -> bytes:
    """Shows the card of what is built, verifies it, and reads it where both have nothing against it."""
    complaint = None
    for arguments in (("card", "faults_noisy/low"), ("build", "faults_noisy/low"), ("verify", "faults_noisy/low")):
        try:
            command(*arguments, "--data-dir", str(folder))
        except Complained as error:
            complaint = error
    if complaint is not None:
        raise complaint
    builder = builder_class()(config="low", data_dir=folder)
    return digest([builder.info.metadata["labels_sha256"], builder.info.features["label"].names, *_examples(builder)])


def _examples(builder: Any) -> list[str]:
    from tests.faults.work import sorted_examples

    return [example for split in SPLITS for example in sorted_examples(builder, split)]


def write_release(folder: pathlib.Path) -> None:
    """Writes a small release in the form of the authors'."""
    from tests.published.made_up import ALIKE, by_hand, cifar_like, record, write

    examples = [e for e in cifar_like() if e.id not in ALIKE]
    parts = {"train": examples[:4], "valid": examples[4:6]}
    write(by_hand(folder), {part: [record("cifar10", e) for e in of_part] for part, of_part in parts.items()})


def read_release(folder: pathlib.Path) -> bytes:
    """Matches it with the base."""
    from noisy_label_datasets.labels.published import Published
    from tests.published.made_up import ALIKE, cifar_like, context_of

    labels = Published("low").load(context_of(folder, examples=[e for e in cifar_like() if e.id not in ALIKE]))
    splits = [split for split in LABELLED_SPLITS if split in labels.ids]
    return digest(*(part for s in splits for part in (labels.ids[s], labels.noisy_labels[s])), labels.raters)


def _built(file_format: str) -> FileKind:
    return FileKind(
        f"built dataset, {file_format}",
        functools.partial(write_built, file_format=file_format),
        read_built,
        hashed=True,
        damaged=("faults_noisy/low/**/*",),
        slow=True,
    )


BUILT_KINDS = (
    _built("tfrecord"),
    _built("array_record"),
    FileKind("files of the release", write_release, read_release, hashed=False, slow=True),
)
