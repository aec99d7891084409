"""Tables, statements and the paper's figures, on records that are made up so that what they say is known."""

import dataclasses

import numpy as np
import pytest

from noisy_label_learning import paper_tables
from noisy_label_learning.__main__ import main
from noisy_label_learning.algorithms import ALGORITHMS
from noisy_label_learning.correctors import CORRECTORS
from noisy_label_learning.errors import LearningError
from noisy_label_learning.paper_tables import CELLS, reported
from noisy_label_learning.reports import findings, tables
from noisy_label_learning.reports.comparing import Table, split_problem
from noisy_label_learning.reports.document import benchmark_section
from noisy_label_learning.runs.config import RunConfig
from noisy_label_learning.runs.record import BEST, DIVERGED, DONE, HEADLINE, LAST, SELECTED, Epoch, Record


def record(problem, algorithm, seed, accuracy, *, corrector="none", status=DONE, labels="a", clean=0):
    """A run of a known accuracy on the epoch selected on noisy validation, a worse last and a better best one."""
    config = RunConfig(ALGORITHMS[algorithm](), CORRECTORS[corrector](), seed=seed).to_json()
    points = {
        name: Epoch(1, 0.5, 0.5, 0.5, value / 100)
        for name, value in ((LAST, accuracy - 5), (SELECTED, accuracy), (BEST, accuracy + 5))
    }
    return Record(
        key=f"{problem}{algorithm}{corrector}{seed}",
        problem=problem,
        config=config,
        status=status,
        curve=(),
        selections=points if status == DONE else {},
        label_error={"before": 0.4, "after": 0.3, "targets": 0.3},
        clean_labels_used=clean,
        details={"diverged": "loss nan"} if status == DIVERGED else {},
        labels_sha256=labels,
        images_sha256="",
        seconds={"wall": 2.0, "cpu": 1.0},
        software={},
    )


def three(problem, algorithm, accuracies, **more):
    return [record(problem, algorithm, seed, value, **more) for seed, value in enumerate(accuracies)]


RECORDS = [
    *three("digits_noisy/high", "cross_entropy", (60.0, 62.0, 64.0)),
    *three("digits_noisy/high", "elr", (63.0, 65.1, 66.9)),
    *three("digits_noisy/high", "bootstrap", (60.5, 61.0, 64.9)),
]


def test_gains_are_paired_over_shared_seeds_and_adjusted():
    table = Table.of(RECORDS)
    assert table.selection == HEADLINE
    row = table.row("digits_noisy", "high", "raters", "elr", "none")
    np.testing.assert_allclose((row.accuracy.mean, row.gain.mean), (65.0, 3.0))
    assert row.gain.half_width < 0.3 < row.accuracy.half_width  # the seeds' own spread is not in the gain
    assert row.adjusted_p == pytest.approx(2 * row.gain.p_value)  # Holm: the smaller of two
    assert table.row("digits_noisy", "high", "raters", "cross_entropy", "none").gain is None


def test_defaults_are_no_settings_whether_records_were_read_or_made():
    (row,) = Table.of(three("digits_noisy/high", "cross_entropy", (60.0, 62.0, 64.0), corrector="lqm")).rows
    assert row.settings == ""


def test_a_selection_is_named_and_best_on_test_is_in_no_written_table(tmp_path):
    assert Table.of(RECORDS, LAST).rows[0].accuracy.mean == pytest.approx(57.0)
    with pytest.raises(LearningError, match="no selection 'best'; there are selected_on_validation, last, selected_on"):
        Table.of(RECORDS, "best")
    for path in tables.write_tables(tmp_path, RECORDS):
        assert "best" not in path.read_text()
    text = (tmp_path / "tables.md").read_text()
    assert "| elr | 65.0 ± 2.0 | +3.0 (+2.8 to +3.2) |" in text
    assert "epoch: selected on validation" in text


def test_diverged_runs_are_counted_and_in_no_mean():
    records = [*RECORDS[:5], dataclasses.replace(RECORDS[5], status=DIVERGED, selections={}, details={"diverged": "x"})]
    row = Table.of(records).row("digits_noisy", "high", "raters", "elr", "none")
    assert (row.seeds, row.diverged) == ((0, 1), 1)
    np.testing.assert_allclose(row.accuracy.mean, 64.05)
    np.testing.assert_allclose(row.gain.mean, 3.05)
    assert "2 (1 diverged)" in tables.markdown(records)


def test_what_has_seen_clean_labels_is_compared_with_what_has_seen_as_many():
    records = [
        *RECORDS,
        *three("digits_noisy/high", "cross_entropy", (65.0, 66.0, 67.0), corrector="clean_subset", clean=60),
        *three("digits_noisy/high", "cross_entropy", (69.0, 70.5, 71.0), corrector="lqm", clean=60),
    ]
    row = Table.of(records).row("digits_noisy", "high", "raters", "cross_entropy", "lqm")
    assert (row.baseline, row.clean_labels) == ("cross_entropy, clean_subset", 60)
    np.testing.assert_allclose(row.gain.mean, 12.5 / 3)


def test_records_of_changed_labels_do_not_mix():
    with pytest.raises(LearningError, match="records of digits_noisy/high are of different labels"):
        Table.of([*RECORDS, record("digits_noisy/high", "elr", 9, 50.0, labels="b")])
    with pytest.raises(LearningError, match="two records of digits_noisy/high, elr, seed 0"):
        Table.of([*RECORDS, RECORDS[3]])


def test_kinds_of_noise_are_read_from_the_config_s_name():
    assert split_problem("a_noisy/high") == ("a_noisy", "high", "raters")
    assert split_problem("a_noisy/high_independent") == ("a_noisy", "high", "independent")
    assert split_problem("a_noisy/low_class_conditional") == ("a_noisy", "low", "class_conditional")


# ---------------------------------------------------------------------------------------------------------------------
# Statements


def verdict(name, records):
    return next(v for v in findings.check(Table.of(records)) if v.finding.name == name)


@pytest.mark.parametrize(
    ("accuracies", "outcome"),
    [
        ((63.0, 65.2, 66.9), findings.SUPPORTED),
        ((57.0, 59.2, 60.9), findings.REFUTED),
        ((66.0, 61.0, 62.0), findings.UNDECIDED),
    ],
)
def test_a_gain_is_supported_refuted_or_undecided(accuracies, outcome):
    records = [*RECORDS[:3], *three("digits_noisy/high", "mentor_mix", accuracies)]
    found = verdict("mentor_mix_gains", records)
    assert (found.outcome, found.differences) == (outcome, 1)
    np.testing.assert_allclose(found.effect.mean, np.mean(accuracies) - 62)


def test_absence_of_a_gain():
    none = [*RECORDS[:3], *three("digits_noisy/high", "rog", (60.1, 61.9, 64.1))]
    assert verdict("rog_does_not_gain", none).outcome == findings.SUPPORTED
    large = [*RECORDS[:3], *three("digits_noisy/high", "rog", (66.0, 68.2, 69.9))]
    assert verdict("rog_does_not_gain", large).outcome == findings.REFUTED


def test_one_seed_decides_nothing_and_no_runs_test_nothing():
    single = [
        record("digits_noisy/high", name, 0, value) for name, value in (("cross_entropy", 50), ("mentor_mix", 90))
    ]
    assert verdict("mentor_mix_gains", single).outcome == findings.UNDECIDED
    assert verdict("many_classes_easier", RECORDS).outcome == findings.NOT_TESTED
    assert "not tested" in tables.findings_markdown(RECORDS)


def test_two_classes_harder_and_a_hundred_easier_have_opposite_signs():
    def both(dataset, shift):
        return [
            *three(f"{dataset}/high", "cross_entropy", (60 + shift, 61 + shift, 62 + shift)),
            *three(f"{dataset}/high_independent", "cross_entropy", (60.1, 61.0, 61.9), labels="b"),
        ]

    records = [*both("cifar100_noisy", 10), *both("pcam_noisy", -10)]
    assert verdict("many_classes_easier", records).outcome == findings.SUPPORTED
    assert verdict("two_classes_harder", records).outcome == findings.SUPPORTED
    swapped = [*both("cifar100_noisy", -10), *both("pcam_noisy", 10)]
    assert verdict("many_classes_easier", swapped).outcome == findings.REFUTED
    assert verdict("two_classes_harder", swapped).outcome == findings.REFUTED


# ---------------------------------------------------------------------------------------------------------------------
# The paper's tables


@pytest.mark.parametrize(
    ("where", "accuracy", "std"),
    [
        (("cifar10_noisy", "high", "raters", "mentor_mix", "none"), 69.4, 1.5),
        (("cifar10_noisy", "low", "independent", "co_teaching", "none"), 87.2, 0.6),
        (("cifar100_noisy", "high", "raters", "mc_softmax", "lqm"), 55.2, 0.7),
        (("pcam_noisy", "high", "raters", "mc_softmax", "none"), 72.3, 6.7),
        (("cats_vs_dogs_noisy", "low", "raters", "cross_entropy", "clean_subset"), 91.9, 0.3),
        (("cats_vs_dogs_noisy", "high", "raters", "mentor_mix", "lqm"), 91.1, 0.3),
    ],
)
def test_cells_of_the_paper(where, accuracy, std):
    cell = reported(*where)
    assert (cell.accuracy, cell.std) == (accuracy, std)


def test_labels_that_were_left_out_are_named():
    shares = [{"bird": 0.0, "cat": 0.1, "deer": 0.3, "ship": 0.9, "frog": 0.5}, {"bird": 0.2, "cat": 0.1, "ship": 0.7}]
    runs = [
        dataclasses.replace(run, details={"trusted_by_label": {**shares[0], **of_run}})
        for run, of_run in zip(three("cifar10_noisy/high", "mentor_mix", (70.0, 71.0)), shares, strict=True)
    ]
    text = tables.markdown([*three("cifar10_noisy/high", "cross_entropy", (70.0, 71.0)), *runs])
    assert "least and most: mentor_mix: bird 10 %, cat 10 %, deer 30 %, ship 80 %." in text
    assert "least and most" not in tables.markdown(RECORDS)


def test_the_paper_s_tables_are_whole():
    counts = {table: sum(cell.table == table for cell in CELLS) for table in range(2, 10)}
    assert counts == {**dict.fromkeys(range(2, 6), 30), **dict.fromkeys(range(6, 10), 18)}
    assert len({(c.dataset, c.level, c.noise, c.algorithm, c.corrector) for c in CELLS}) == len(CELLS)
    assert {c.algorithm for c in CELLS} < set(ALGORITHMS)
    assert {c.level for c in CELLS} == set(paper_tables.LEVELS)
    assert reported("digits_noisy", "high", "raters", "elr", "none") is None
    text = tables.markdown(three("cifar10_noisy/high", "mentor_mix", (70.0, 71.0, 72.0)))
    assert "| 69.4 ± 1.5 |" in text


def test_a_document_is_written_from_records_alone(tmp_path, capsys):
    folder, document = tmp_path / "runs", tmp_path / "benchmarks.md"
    records = [
        *RECORDS,
        *three("digits_noisy/high_independent", "cross_entropy", (70.0, 71.0, 72.0)),
        *three("cats_vs_dogs_noisy/low", "elr", (90.0, 91.0, 92.5)),
        record("digits_noisy/high", "elr", 3, 0, status=DIVERGED),
    ]
    for i, each in enumerate(records):
        curve = tuple(each.selections.values())[:1]
        hashes = {"key": f"{i:064x}", "labels_sha256": "a" * 64, "images_sha256": "b" * 64}
        dataclasses.replace(each, peak_memory_mib=100.0 + i, curve=curve, **hashes).write(folder / f"{i}.json")
    document.write_text("# Benchmarks\n<!-- benchmarks: begin -->\n<!-- benchmarks: end -->\nafter\n")
    command = ["report", "--records", str(folder), "--into", str(document)]
    assert main(command) == 0
    text = document.read_text()
    assert "15 runs are done" in text
    assert "1 diverged" in text
    assert f"Peak of memory: {100 + len(RECORDS) + 5} MiB" in text
    assert "**digits_noisy/high, noise independent**" in text
    assert text.endswith("<!-- benchmarks: end -->\nafter\n")
    figure = (tmp_path / "benchmarks.svg").read_text()
    assert "cats_vs_dogs_noisy" in figure
    assert "noise: independent" in figure
    assert main(command) == 0
    assert document.read_text() == text
    assert main(["report", "--records", str(tmp_path / "none"), "--into", str(document)]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_a_document_without_runs_claims_nothing():
    assert benchmark_section([], "x.svg") == ("No run is done yet.\n", None)
