"""How many labels are still wrong after a corrector that looks at all raters' labels, without a clean label.

    rate, basis = expected_error(fit.posterior, data, fit)          # 0.056, "the raters' accuracy"

Dawid & Skene's model takes raters for independent given the class. Raters who err on the same images make it far too
sure: on `digits_noisy/medium` its posterior expects 0.2 % of wrong labels where 8.5 % are. What is known besides is how
often the raters are right, on clean images of another split. The model's likelihood is therefore raised to the power
between 0 and 1 at which its posterior agrees with the raters' labels as often as they are right: a power of 0.14 says
that ten raters tell as much as one or two independent ones would.
"""

from __future__ import annotations

import math

import numpy as np

from noisy_label_datasets.noise.noise_models import bisect
from noisy_label_learning.correctors.dawid_skene import DawidSkeneFit, dawid_skene, log_likelihoods
from noisy_label_learning.problem import TrainingData

PSEUDO_COUNT = 0.1


def expected_error(targets: np.ndarray, data: TrainingData, fit: DawidSkeneFit | None = None) -> tuple[float, str]:
    """Returns the share of wrong labels expected among labels drawn from targets [n, K], and what it rests on.

    Raters who err on the same images in the same way cannot be told from raters who are right: it is a lower bound.

    Args:
      targets: rows that sum to 1.
      data: what a learner may see.
      fit: Dawid & Skene's model of all its labels; None: it is fitted.
    """
    labels = data.train.noisy_labels
    if fit is None:
        fit = dawid_skene(labels, data.num_classes, pseudo_count=PSEUDO_COUNT)
    accuracy = np.mean([float(rater.get("accuracy", math.nan)) for rater in data.raters])
    if not np.isfinite(accuracy):
        return float(1 - (targets * fit.posterior).sum(axis=1).mean()), "the posterior"
    posterior = tempered_posterior(labels, fit, float(accuracy))
    return float(1 - (targets * posterior).sum(axis=1).mean()), "the raters' accuracy"


def tempered_posterior(noisy_labels: np.ndarray, fit: DawidSkeneFit, accuracy: float) -> np.ndarray:
    """Returns [n, K]: the posterior whose likelihood is weakened until the raters' labels are right at a known rate.

    Args:
      noisy_labels: [n, R], -1 where a rater gave no label.
      fit: the model of these labels.
      accuracy: mean probability that a label is right, known from elsewhere.
    """
    log_prior = np.log(np.maximum(fit.prior, 1e-10))
    evidence = log_likelihoods(noisy_labels, fit.confusions)
    examples, raters = np.nonzero(noisy_labels >= 0)
    given = noisy_labels[examples, raters]

    def posterior(power: float) -> np.ndarray:
        joint = log_prior + power * evidence
        joint = np.exp(joint - joint.max(axis=1, keepdims=True))
        return joint / joint.sum(axis=1, keepdims=True)

    def right(power: float) -> float:
        return float(posterior(power)[examples, given].mean())

    if right(1.0) <= accuracy:
        return posterior(1.0)
    if right(0.0) >= accuracy:
        return posterior(0.0)
    return posterior(bisect(right, accuracy, 0.0, 1.0))
