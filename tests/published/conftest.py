"""A release that several of the tests read, and what is set for all of them."""

import pytest

from tests.published.made_up import ALIKE, by_hand, cifar_like, context_of, record, write


@pytest.fixture
def small(tmp_path):
    """A release of six records that is in order."""
    examples = [e for e in cifar_like() if e.id not in ALIKE]
    write(
        by_hand(tmp_path),
        {"train": [record("cifar10", e) for e in examples[:4]], "valid": [record("cifar10", e) for e in examples[4:6]]},
    )
    return context_of(tmp_path, examples=examples), by_hand(tmp_path)
