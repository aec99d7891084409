"""The fault harness, a few trials of each kind; all of it with `python -m tests.faults --count 100`."""

import random

import pytest

from noisy_label_datasets.errors import NoisyLabelsError
from tests.faults.__main__ import BEGIN, END, main, table
from tests.faults.mutations import damage
from tests.faults.trials import CLEAR, FAILED, SAME, VALID, Tally, judge
from tests.faults.trying import KINDS, try_kind


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.fast])
def test_a_few(name):
    assert try_kind(name, range(3)).failures == []


@pytest.mark.parametrize(("name", "seed"), [("damaged: rater predictions, hashes made to match", 43)])
def test_what_was_found_once(name, seed):
    """Labels that are text, of which a message wanted the lowest."""
    assert try_kind(name, [seed]).counts[CLEAR] == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.fast])
def test_a_few_that_take_longer(name, capsys):
    assert main(["--only", name, "--count", "10", "--slow-count", "1"]) == 0, capsys.readouterr().out


def judged(read, *, hashed=True):
    return judge(read, frozenset({b"right"}), hashed=hashed)[0]


def raising(error):
    def read():
        raise error

    return read


def test_what_counts_as_what():
    assert judged(lambda: b"right") == SAME
    assert judged(lambda: b"wrong") == FAILED
    assert judged(lambda: b"wrong", hashed=False) == VALID
    assert judged(raising(NoisyLabelsError("x.npz was altered"))) == CLEAR
    assert judged(raising(OSError(28, "No space left on device"))) == CLEAR
    assert judged(raising(NoisyLabelsError("one\ntwo"))) == FAILED
    assert judged(raising(ValueError("x"))) == FAILED
    assert judged(raising(SystemExit(2))) == FAILED


def test_what_takes_too_much_memory_has_failed():
    taken = bytearray(900 * 2**20)  # what other tests took before does not count
    del taken
    for _ in range(2):
        assert judged(lambda: bytearray(900 * 2**20) and b"right") == FAILED
    assert judged(lambda: bytearray(100 * 2**20) and b"right") == SAME


def test_a_seed_damages_in_one_way_and_always(tmp_path):
    whole = b'{"a": [1, 2, {"b": null}], "c": "d"}'
    ways = set()
    for seed in range(40):
        results = set()
        for _ in range(2):
            (tmp_path / "x.json").write_bytes(whole)
            said = damage(tmp_path / "x.json", random.Random(seed))
            exists = (tmp_path / "x.json").exists()
            results.add((said, (tmp_path / "x.json").read_bytes() if exists else None))
        assert len(results) == 1
        ways |= results
    assert len(ways) > 30
    assert whole not in {content for _, content in ways}


def test_the_table():
    tally = Tally("damaged: x")
    for outcome in (CLEAR, CLEAR, SAME):
        tally.add(outcome, "")
    tally.add(FAILED, "seed 3: x.npz: cut")
    assert tally.failures == ["seed 3: x.npz: cut"]
    lines = table([tally, tally]).splitlines()
    assert lines[0] == "| what was tried | tried | clear error | same result | other valid content | failed |"
    assert lines[2] == "| damaged: x | 4 | 2 | 1 | 0 | 1 |"
    assert lines[-1] == "| all | 8 | 4 | 2 | 0 | 2 |"


def test_what_is_kept_is_not_tried_again(tmp_path, capsys):
    command = ["--only", "lease of another process", "--count", "2", "--keep", str(tmp_path / "kept")]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert main(command) == 0
    assert "2 trials of 1 kinds, 0 failed" in capsys.readouterr().out
    assert main([*command, "--count", "200", "--into", str(page)]) == 0
    assert "2 trials of 1 kinds, 0 failed" in capsys.readouterr().out
    assert "| damaged: lease of another process | 2 | 0 | 2 | 0 | 0 |" in page.read_text()
    assert page.read_text().startswith(f"before\n{BEGIN}\n")
    assert page.read_text().endswith(f"{END}\nafter\n")
    assert "old" not in page.read_text()


def test_with_only_some_kinds_the_rows_of_others_stay(tmp_path):
    page, names = tmp_path / "page.md", list(KINDS)
    page.write_text(
        f"{BEGIN}\n| {names[-1]} | 4 | 1 | 3 | 0 | 0 |\n| a kind that is gone | 4 | 4 | 0 | 0 | 0 |\n"
        f"| damaged: lease of another process | 9 | 9 | 0 | 0 | 0 |\n| all | 17 | 14 | 3 | 0 | 0 |\n{END}\n"
    )
    assert main(["--only", "lease of another process", "--count", "2", "--into", str(page)]) == 0
    assert [line for line in page.read_text().splitlines() if line.startswith("|")][2:] == [
        "| damaged: lease of another process | 2 | 0 | 2 | 0 | 0 |",
        f"| {names[-1]} | 4 | 1 | 3 | 0 | 0 |",
        "| all | 6 | 1 | 5 | 0 | 0 |",
    ]
