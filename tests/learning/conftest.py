"""Problems that several tests of learning share."""

import numpy as np
import pytest

from tests.learning.problems import digits, planted, symmetric


@pytest.fixture(scope="session")
def digits_high():
    """The shipped digits, high noise: 600 training images, about half of the labels wrong."""
    return digits("high")


@pytest.fixture(scope="session")
def small_problem():
    """Three classes, four raters of whom one is bad, 240 training images."""
    return planted(np.stack([symmetric(0.2)] * 3 + [symmetric(0.6)]), n=240)
