"""Writes the tables of docs/measuring.md that have a line for every pool of every dataset, between their markers.

    python -m noisy_label_datasets.maintenance.dataset_tables

after a change of the labels in builders/*/rater_predictions, or of the raters in builders/*/rater_weights.
"""

from __future__ import annotations

import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.base.cifar100 import FINE_NAMES, SUPERCLASSES
from noisy_label_datasets.labels.predictions import RaterPredictions
from noisy_label_datasets.maintenance.tables import REPOSITORY, SPLIT, error_rate, head, measured_pools, with_table
from noisy_label_datasets.noise import metrics, noise_models
from noisy_label_datasets.noise.instance_dependence import instance_dependence
from noisy_label_datasets.noise.noise_models import uniforms_of_ids

DOCUMENT = REPOSITORY / "docs" / "measuring.md"
WRITER = "noisy_label_datasets.maintenance.dataset_tables"
_SUPERCLASS_OF = {name: place for place, names in enumerate(SUPERCLASSES.values()) for name in names}


def pools_table() -> str:
    """Returns noise and instance-dependence of every pool, measured on `noisy_label_train`."""
    titles = ("", "error rate", "α", "vote variance", "flip-rate variance", "class variance", "within class ÷ total")
    lines = [head(*titles)]
    for pool, part in measured_pools():
        noisy_labels, labels = pool.noisy_labels[SPLIT], pool.clean_labels[SPLIT]
        found = instance_dependence(noisy_labels, labels, len(pool.class_names))
        alpha = metrics.krippendorff_alpha(noisy_labels, len(pool.class_names))
        lines.append(
            f"| `{pool.dataset}/{pool.level}`{', a part' if part else ''} | {error_rate(pool):.3f} | {alpha:.3f} "
            f"| {found.vote_variance:.4f} | {found.flip_rate_variance:.4f} | {found.class_variance:.4f} "
            f"| {1 - found.explained_by_class:.1%} |\n"
        )
    return "".join(lines)


def superclass_table() -> str:
    """Returns how often a wrong label of CIFAR-100 stays in the superclass: of raters, and of flips as often wrong."""
    lines = [head("", "error rate", "raters", "class-conditional flips", "independent flips")]
    for pool, _ in measured_pools():
        if pool.class_names != FINE_NAMES:
            continue
        noisy_labels, labels = pool.noisy_labels[SPLIT], pool.clean_labels[SPLIT]
        shares = [share_in_superclass(given, labels) for given in (noisy_labels, *_flips(pool))]
        lines.append(
            f"| `{pool.dataset}/{pool.level}` | {error_rate(pool):.3f} | "
            + " | ".join(f"{share:.1%}" for share in shares)
            + " |\n"
        )
    return "".join(lines)


def share_in_superclass(noisy_labels: np.ndarray, labels: np.ndarray) -> float:
    """Returns which share of the wrong labels of CIFAR-100's classes are in the superclass of the clean label.

    Args:
      noisy_labels: [n, R] of the 100 classes.
      labels: [n] clean labels.
    """
    superclass = np.array([_SUPERCLASS_OF[name] for name in FINE_NAMES])
    wrong = noisy_labels != labels[:, None]
    return float((superclass[noisy_labels] == superclass[labels][:, None])[wrong].mean())


def _flips(pool: RaterPredictions) -> list[np.ndarray]:
    """Class-conditional and independent flips with a pool's confusion matrices and error rates, [n, R] each."""
    noisy_labels, labels = pool.noisy_labels[SPLIT], pool.clean_labels[SPLIT]
    num_classes, num_raters = len(pool.class_names), noisy_labels.shape[1]
    confused = [noise_models.estimate_transition(given, labels, num_classes) for given in noisy_labels.T]
    rates = metrics.error_rate_by_rater(noisy_labels, labels)
    alike = [noise_models.independent_transition(rate, num_classes) for rate in rates]
    return [
        noise_models.class_conditional_flips(
            labels, np.stack(transitions), uniforms_of_ids(pool.ids[SPLIT], num_raters, seed)
        )
        for transitions, seed in ((confused, "class-conditional flips"), (alike, "independent flips"))
    ]


def main() -> None:
    """Writes the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, table in (("pools", pools_table()), ("superclasses", superclass_table())):
        text = with_table(text, name, WRITER, table)
    files.write_atomically(DOCUMENT, text.encode())
    print(f"Wrote pools and superclasses into {DOCUMENT}")


if __name__ == "__main__":
    main()
