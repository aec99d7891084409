"""Leases: one holder at a time, taken over from the dead, noticed by who was only asleep."""

import os
import subprocess
import sys
import threading
import time

import pytest

from noisy_label_datasets import owner
from noisy_label_datasets.lease import HeldError, Lease, LeaseLost, taking_turns


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


HOLD = """
import sys, time
from noisy_label_datasets import owner
from noisy_label_datasets.lease import taking_turns
with taking_turns(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lease of the folder `x`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "x")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_that_of_a_killed_process_is_taken_over_at_once(tmp_path, holder):
    holder.kill()  # and is not buried before its lease is asked for
    began = time.monotonic()
    with taking_turns(tmp_path / "x"):
        assert time.monotonic() - began < 5  # and not after a minute
    assert not list(tmp_path.iterdir())


def test_who_does_not_wait_is_told_who_has_it(tmp_path, holder):
    with (
        pytest.raises(HeldError, match=rf"process \S+:{holder.pid} works on it"),
        taking_turns(tmp_path / "x", wait=False),
    ):
        pass


def test_a_thread_has_the_lease_of_a_folder_as_often_as_it_asks(tmp_path):
    with taking_turns(tmp_path / "x") as outer, taking_turns(tmp_path / "x") as inner:
        assert inner is outer
    assert not list(tmp_path.iterdir())


def test_two_threads_do_not_have_it_at_once(tmp_path):
    together, most = [], []

    def work():
        for _ in range(20):
            with taking_turns(tmp_path / "x"):
                together.append(1)
                most.append(len(together))
                time.sleep(0.001)
                together.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 60


def test_a_damaged_lease_is_taken_over_too(tmp_path):
    (tmp_path / "x.lease").write_bytes(b"\xff[")
    with Lease(tmp_path / "x.lease", heartbeat=0.05, patience=0.5) as lease:
        lease.check()


def test_this_process_is_its_own_owner_and_runs():
    assert not owner.is_gone(owner.this_process())
    assert owner.is_running(owner.this_process())


def test_a_process_that_has_ended_is_gone_and_another_of_its_number_does_not_hide_it():
    code = "from noisy_label_datasets import owner; print(owner.this_process())"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ended = process.stdout.strip()
    assert owner.is_gone(ended)
    machine, _, started = ended.split("-")
    assert owner.is_gone(f"{machine}-{os.getpid()}-{started}")  # this process's number, another's time


def test_of_another_machine_nothing_is_said():
    _, pid, started = owner.this_process().split("-")
    other = f"00000000-{pid}-{int(started) + 1}"
    assert not owner.is_gone(other)
    assert not owner.is_running(other)


def test_a_lease_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("noisy_label_datasets.lease.json.dump", full)
    with pytest.raises(OSError, match=r"cannot write: No space left on device.*x\.lease"), Lease(tmp_path / "x.lease"):
        pass
    assert not list(tmp_path.iterdir())
