"""Leases: one holder at a time, taken over from the dead, noticed by who was only asleep."""

import os
import threading
import time

import pytest

from rater_training.workers.lease import Lease, LeaseLost


def test_a_second_claimant_waits_for_the_first(tmp_path):
    order = []
    first = Lease(tmp_path / "x.lease", heartbeat=0.05, patience=5)

    def second():
        with Lease(tmp_path / "x.lease", heartbeat=0.05, patience=5):
            order.append("second")

    with first:
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.5)
        order.append("first")
    thread.join(timeout=10)
    assert order == ["first", "second"]
    assert not list(tmp_path.iterdir())


def test_one_that_shows_no_sign_of_life_is_taken_over_and_finds_out(tmp_path):
    asleep = Lease(tmp_path / "x.lease", heartbeat=50, patience=100)
    with asleep:
        began = time.monotonic()
        with Lease(tmp_path / "x.lease", heartbeat=0.05, patience=0.5) as other:
            assert time.monotonic() - began >= 0.5
            other.check()
            with pytest.raises(LeaseLost, match="another worker has taken over"):
                asleep.check()
    assert not list(tmp_path.iterdir())


def test_a_live_holder_is_not_taken_for_dead_by_its_age(tmp_path):
    with Lease(tmp_path / "x.lease", heartbeat=0.1, patience=1.5) as lease:
        os.utime(tmp_path / "x.lease", (0, 0))  # a clock that is wrong by decades
        claimant = threading.Thread(
            target=lambda: Lease(tmp_path / "x.lease", heartbeat=0.1, patience=1.5).__enter__(), daemon=True
        )
        claimant.start()
        claimant.join(timeout=3)
        assert claimant.is_alive()
        lease.check()


def test_times_that_cannot_be_meant(tmp_path):
    with pytest.raises(ValueError, match=r"heartbeat is 10 s, patience 5 s"):
        Lease(tmp_path / "x.lease", heartbeat=10, patience=5)
