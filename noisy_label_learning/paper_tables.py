"""What the paper reports: Tables 2 to 9 of its Appendix C, as data.

    cells = [cell for cell in CELLS if cell.dataset == "cifar10_noisy" and cell.level == "high"]
    cells[0].accuracy, cells[0].std         # test accuracy in per cent, mean and standard deviation over runs

The paper says neither how many runs stand behind a mean nor which epoch's accuracy is meant. Networks are ResNet-50;
"random" is independent flipping at the raters' error rate.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

LEVELS = ("low", "medium", "high")
NOISES = ("raters", "independent")  # "synthetic" and "random" there


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
      table: 2 to 9.
      dataset: the noisy dataset: 'cifar10_noisy'.
      level: 'low', 'medium' or 'high'.
      error_rate: of the raters.
      noise: 'raters' or 'independent'.
      algorithm, corrector: as this package names them. Tables 6 to 9: the baseline has the paired subset's clean labels
        ('clean_subset'), the others LQM's targets.
      accuracy, std: test accuracy in per cent.
    """

    table: int
    dataset: str
    level: str
    error_rate: float
    noise: str
    algorithm: str
    corrector: str
    accuracy: float
    std: float


def _table(
    number: int, dataset: str, error_rates: tuple[float, ...], rows: Mapping[tuple[str, str], str]
) -> tuple[Cell, ...]:
    """Returns the cells of a table, of rows "mean std mean std ...": by level, within a level by kind of noise."""
    noises = NOISES if number <= 5 else NOISES[:1]
    columns = [(level, rate, noise) for level, rate in zip(LEVELS, error_rates, strict=True) for noise in noises]
    cells = []
    for (algorithm, corrector), text in rows.items():
        numbers = [float(word) for word in text.split()]
        for (level, rate, noise), accuracy, std in zip(columns, numbers[::2], numbers[1::2], strict=True):
            cells.append(Cell(number, dataset, level, rate, noise, algorithm, corrector, accuracy, std))
    return tuple(cells)


# fmt: off
_TABLES = (
    _table(2, "cifar10_noisy", (0.11, 0.19, 0.48), {
        ("cross_entropy", "none"): "83.6 0.5 78.7 0.3 78.4 0.1 72.9 0.7 60.1 0.2 61.9 0.6",
        ("bootstrap", "none"): "83.2 0.8 78.8 0.6 77.6 0.1 74.8 0.7 61.5 1.2 63.5 0.7",
        ("co_teaching", "none"): "85.9 0.2 87.2 0.6 81.6 0.5 86.2 0.2 63.4 1.6 66.1 0.9",
        ("mc_softmax", "none"): "85.9 0.1 82.2 0.3 79.8 0.2 75.5 1.1 65.2 0.4 60.4 0.8",
        ("mentor_mix", "none"): "85.5 1.9 87.7 0.2 83.4 0.7 86.9 0.3 69.4 1.5 78.9 0.9",
    }),
    _table(3, "cifar100_noisy", (0.25, 0.38, 0.43), {
        ("cross_entropy", "none"): "58.8 0.5 42.3 0.3 51.1 0.5 34.4 1.1 46.7 1.2 29.9 0.6",
        ("bootstrap", "none"): "58.4 0.6 43.3 0.3 51.5 0.8 35.9 0.9 46.6 0.9 29.6 0.7",
        ("co_teaching", "none"): "60.1 0.6 55.2 0.7 52.7 0.5 44.6 1.2 49.2 1.2 39.2 1.4",
        ("mc_softmax", "none"): "60.7 0.4 47.8 0.5 53.0 0.4 41.2 1.2 48.5 0.3 38.8 0.8",
        ("mentor_mix", "none"): "62.2 0.1 59.6 0.6 56.4 0.3 53.9 0.4 50.0 0.8 49.0 0.5",
    }),
    _table(4, "pcam_noisy", (0.1, 0.18, 0.23), {
        ("cross_entropy", "none"): "82.1 1.3 82.6 1.0 78.9 0.2 82.2 1.0 75.7 0.7 81.6 0.6",
        ("bootstrap", "none"): "82.9 1.4 82.8 1.6 78.6 0.9 81.4 0.5 76.4 0.7 80.3 1.3",
        ("co_teaching", "none"): "82.0 0.8 82.7 0.6 80.1 1.4 81.4 1.2 77.5 1.5 80.9 0.8",
        ("mc_softmax", "none"): "81.9 1.5 83.4 1.6 79.4 1.2 83.7 0.5 72.3 6.7 82.3 1.8",
        ("mentor_mix", "none"): "83.2 1.1 81.7 0.6 76.2 1.9 83.0 0.3 73.6 1.6 79.7 1.0",
    }),
    _table(5, "cats_vs_dogs_noisy", (0.09, 0.2, 0.29), {
        ("cross_entropy", "none"): "92.0 0.4 92.3 0.2 85.4 0.7 88.8 0.5 82.0 0.7 82.7 2.1",
        ("bootstrap", "none"): "92.1 0.6 93.8 0.6 87.3 1.0 89.0 0.8 82.4 0.6 85.8 0.4",
        ("co_teaching", "none"): "93.4 0.2 96.2 0.2 89.7 0.5 92.6 0.2 84.0 0.6 86.7 1.3",
        ("mc_softmax", "none"): "92.0 0.3 93.7 0.3 87.6 0.5 90.4 0.5 81.2 0.4 85.1 1.2",
        ("mentor_mix", "none"): "94.0 0.6 94.2 0.4 90.0 0.7 92.0 0.4 84.8 0.6 89.6 0.8",
    }),
    _table(6, "cifar10_noisy", (0.11, 0.19, 0.48), {
        ("cross_entropy", "clean_subset"): "84.1 0.2 78.8 0.2 62.4 1.1",
        ("cross_entropy", "lqm"): "85.6 0.4 81.9 0.3 73.4 0.3",
        ("bootstrap", "lqm"): "82.8 0.9 79.8 0.2 73.5 0.3",
        ("co_teaching", "lqm"): "86.3 0.2 80.9 0.1 74.2 0.4",
        ("mc_softmax", "lqm"): "85.7 0.2 81.6 0.1 74.2 0.2",
        ("mentor_mix", "lqm"): "86.3 0.1 84.2 0.3 78.4 0.2",
    }),
    _table(7, "cifar100_noisy", (0.25, 0.38, 0.43), {
        ("cross_entropy", "clean_subset"): "59.2 1.2 52.9 0.6 47.3 1.0",
        ("cross_entropy", "lqm"): "59.4 1.7 53.9 0.6 51.3 0.9",
        ("bootstrap", "lqm"): "59.8 1.1 52.8 0.8 49.8 1.4",
        ("co_teaching", "lqm"): "61.0 1.3 56.8 0.6 50.4 0.7",
        ("mc_softmax", "lqm"): "63.0 0.2 57.0 0.4 55.2 0.7",
        ("mentor_mix", "lqm"): "62.4 0.5 58.5 0.2 53.7 0.4",
    }),
    _table(8, "pcam_noisy", (0.1, 0.18, 0.23), {
        ("cross_entropy", "clean_subset"): "78.1 1.8 75.1 0.9 72.9 0.3",
        ("cross_entropy", "lqm"): "80.0 0.1 79.1 0.9 77.6 0.7",
        ("bootstrap", "lqm"): "80.7 0.7 80.7 0.9 78.2 1.1",
        ("co_teaching", "lqm"): "78.9 0.1 78.2 1.7 76.9 0.3",
        ("mc_softmax", "lqm"): "80.3 0.4 80.0 0.7 78.2 0.9",
        ("mentor_mix", "lqm"): "79.5 0.5 77.0 0.4 75.8 0.2",
    }),
    _table(9, "cats_vs_dogs_noisy", (0.09, 0.2, 0.29), {
        ("cross_entropy", "clean_subset"): "91.9 0.3 87.6 0.5 82.0 0.5",
        ("cross_entropy", "lqm"): "94.9 0.4 92.3 0.4 85.8 0.4",
        ("bootstrap", "lqm"): "92.0 0.4 90.5 0.3 89.5 0.8",
        ("co_teaching", "lqm"): "94.1 0.8 91.5 0.5 90.9 0.5",
        ("mc_softmax", "lqm"): "93.5 0.2 91.3 0.2 89.1 0.1",
        ("mentor_mix", "lqm"): "94.6 0.6 92.1 0.5 91.1 0.3",
    }),
)
# fmt: on

CELLS: tuple[Cell, ...] = tuple(cell for table in _TABLES for cell in table)


def reported(dataset: str, level: str, noise: str, algorithm: str, corrector: str) -> Cell | None:
    """Returns the paper's cell of a run's kind, or None where it reports none."""
    wanted = (dataset, level, noise, algorithm, corrector)
    return next((c for c in CELLS if (c.dataset, c.level, c.noise, c.algorithm, c.corrector) == wanted), None)
