"""A tour of the datasets: look at three levels of noise, then learn from each and compare.

    pip install noisy-label-datasets
    python examples/tour.py                     # --data-dir DIR if `cifar10` is not in TFDS's default place

It loads `cifar10_noisy/low`, `/medium` and `/high`, shows what is known of their raters, and trains one small
convolutional network (Keras) on `noisy_label_train` of each, every image with the label of one rater drawn at random,
and on the same images with their clean labels. What counts is the accuracy on `test`, whose labels are clean. On two
CPU cores it takes a few minutes. The network, its four epochs and its augmentation by mirror images are far too small
for a benchmark: they are meant to show the order of things.
"""

import argparse
import time

import keras
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from rich.console import Console
from rich.table import Table

import noisy_label_datasets

LEVELS = ("low", "medium", "high")
BATCH_SIZE = 128


def positive(text: str) -> int:
    """Returns a whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is given; it has to be a whole number, 1 or more")
    return int(text)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="where TFDS keeps datasets (default: its own default)")
    parser.add_argument(
        "--dataset", default="cifar10_noisy", help="a dataset with the three levels (default: %(default)s)"
    )
    parser.add_argument(
        "--levels", nargs="+", default=LEVELS, choices=LEVELS, help="of noise (default: low medium high)"
    )
    parser.add_argument("--epochs", type=positive, default=4, help="of each training (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of initialisation and data order (default: %(default)s)")
    return parser.parse_args()


def network(image_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Returns a compact VGG-like classifier of images in [0, 255]."""
    layers = [keras.layers.Input(image_shape), keras.layers.Rescaling(1 / 127.5, offset=-1)]
    layers.append(keras.layers.RandomFlip("horizontal"))
    for channels in (16, 32, 64):
        for _ in range(2):
            layers.append(keras.layers.Conv2D(channels, 3, padding="same", use_bias=False))
            layers.append(keras.layers.BatchNormalization(momentum=0.9))
            layers.append(keras.layers.ReLU())
        layers.append(keras.layers.MaxPooling2D())
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(num_classes)]
    return keras.Sequential(layers)


def accuracy_after_training(
    train: tf.data.Dataset, test: tf.data.Dataset, info: tfds.core.DatasetInfo, epochs: int
) -> float:
    """Trains a fresh network; returns its accuracy on `test`.

    Args:
      train: pairs of image and label, one example each.
      test: pairs of image and clean label.
      info: of the dataset.
      epochs: passes over `train`.
    """
    model = network(info.features["image"].shape, info.features["label"].num_classes)
    steps = epochs * (len(train) // BATCH_SIZE)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    batches = train.cache().shuffle(len(train)).batch(BATCH_SIZE, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    model.fit(batches, epochs=epochs, verbose=2)
    return model.evaluate(test.batch(500).prefetch(tf.data.AUTOTUNE), verbose=0, return_dict=True)["accuracy"]


def main() -> None:
    arguments = parse_arguments()
    console, began = Console(), time.monotonic()
    results = Table("trained on the labels", "rater error rate", "alpha", "accuracy on test")
    for level in arguments.levels:
        name = f"{arguments.dataset}/{level}"
        splits, info = tfds.load(name, with_info=True, data_dir=arguments.data_dir)
        raters, noise = noisy_label_datasets.rater_features(info), info.metadata["noise"]
        console.print(f"\n[bold]{info.full_name}[/bold]: {len(raters)} raters, labels {info.metadata['origin']}")
        console.print(raters[["architecture", "experience", "accuracy"]].to_string())
        example = next(iter(tfds.as_numpy(splits["noisy_label_train"].take(1))))
        votes = info.features["label"].names
        console.print(
            f"Example {example['id'].decode()} shows: {votes[example['label']]}; the labels of the raters are "
            f"{', '.join(votes[label] for label in np.unique(example['noisy_labels']))}"
        )

        test = splits["test"].map(lambda example: (example["image"], example["label"]))
        learnt_from = {"noisy_label": level}
        if level == arguments.levels[-1]:  # its images are those of every level
            learnt_from["label"] = "clean"
        for key, shown in learnt_from.items():
            keras.utils.set_random_seed(arguments.seed)
            train = splits["noisy_label_train"].map(lambda example, key=key: (example["image"], example[key]))
            accuracy = accuracy_after_training(train, test, info, arguments.epochs)
            of_noise = (f"{noise['rater_error_rate']:.3f}", f"{noise['krippendorff_alpha']:.3f}")
            results.add_row(shown, *(of_noise if key == "noisy_label" else ("0", "-")), f"{accuracy:.3f}")
    console.print(results, f"{time.monotonic() - began:.0f} seconds in all")


if __name__ == "__main__":
    main()
