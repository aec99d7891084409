"""Problems that the tests of learning share: planted ones of blobs, and the shipped digits."""

import pathlib

import numpy as np

from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.labels.sampling import sample_raters
from noisy_label_learning.problem import Answers, NoisyExamples, Problem

ROOT = pathlib.Path(__file__).parents[2]


def blob_images(labels, rng, side=4, noise=60):
    """Images [n, side, side, 1] whose class is one of a few patterns, under noise: easy, but not at once."""
    patterns = np.random.default_rng(99).integers(60, 190, (labels.max() + 1, side, side, 1))
    return np.clip(patterns[labels] + rng.normal(0, noise, (len(labels), side, side, 1)), 0, 255).astype(np.uint8)


def planted(
    confusions,
    *,
    n=600,
    seed=0,
    num_classes=3,
    noise=60,
    paired_share=0.2,
    accuracies=None,
    flip=None,
):
    """A problem of raters with confusion matrices [R, K, K]; flip: labels [n] and images -> noisy labels [n, R]."""
    rng = np.random.default_rng(seed)
    splits, truths = {}, {}
    for split, size in (("train", n), ("valid", n // 2), ("test", n)):
        labels = (np.arange(size) % num_classes).astype(np.int32)
        images = blob_images(labels, rng, noise=noise)
        truths[split] = labels
        if split == "test":
            splits[split] = images
            continue
        ids = np.array([f"{split}_{i:05d}" for i in range(size)])
        if flip is not None:
            noisy_labels = flip(labels, images, rng)
        else:
            cumulative = np.cumsum(confusions[:, labels], axis=2)  # [R, n, K]
            noisy_labels = (rng.random((len(confusions), size, 1)) > cumulative).sum(axis=2).T.astype(np.int32)
        raters = sample_raters(ids.tolist(), noisy_labels)
        splits[split] = NoisyExamples(ids, images, noisy_labels, noisy_labels[np.arange(size), raters], raters)
    if accuracies is None:
        accuracies = (splits["train"].noisy_labels == truths["train"][:, None]).mean(axis=0)
    raters = tuple(
        {"id": f"{i:02d}", "accuracy": float(accuracy), "experience": 1000 * (i + 1)}
        for i, accuracy in enumerate(accuracies)
    )
    return Problem.of(
        "planted_noisy/high",
        tuple("abcdefghij"[:num_classes]),
        raters,
        splits["train"],
        splits["valid"],
        Answers(truths["train"], truths["valid"], splits["test"], truths["test"]),
        paired_share=paired_share,
    )


def symmetric(rate, num_classes=3):
    """The confusion matrix of independent flips."""
    return np.full((num_classes, num_classes), rate / (num_classes - 1)) + np.eye(num_classes) * (
        1 - rate - rate / (num_classes - 1)
    )


def digits(level):
    """The problem of the shipped labels of digits."""
    predictions = read_predictions(ROOT / "builders" / "digits_noisy" / "rater_predictions" / level)
    with np.load(ROOT / "builders" / "digits_noisy" / "digits.npz") as arrays:
        ink, labels = arrays["ink"], arrays["labels"]
    images = np.rint(ink[..., None] * (255 / 16)).astype(np.uint8)
    splits = {}
    for split in ("noisy_label_train", "noisy_label_valid"):
        ids = np.sort(predictions.ids[split])
        order = np.argsort(predictions.ids[split])
        noisy_labels = predictions.noisy_labels[split][order].astype(np.int32)
        raters = sample_raters(ids.tolist(), noisy_labels)
        rows = np.array([int(id_.removeprefix("digits_")) for id_ in ids])
        splits[split] = (
            NoisyExamples(ids, images[rows], noisy_labels, noisy_labels[np.arange(len(ids)), raters], raters),
            labels[rows].astype(np.int32),
        )
    rows = np.array([int(id_.removeprefix("digits_")) for id_ in np.sort(predictions.ids["test"])])
    (train, of_train), (valid, of_valid) = splits.values()
    answers = Answers(of_train, of_valid, images[rows], labels[rows].astype(np.int32))
    return Problem.of(f"digits_noisy/{level}", tuple("0123456789"), predictions.raters, train, valid, answers)
