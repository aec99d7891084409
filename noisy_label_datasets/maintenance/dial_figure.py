"""Draws docs/dial.svg: how near to human labels the least noisy pool lies along the dial, beside what others report.

    python -m noisy_label_datasets.maintenance.dial_figure [--human-labels cifar10h-counts.npy]

after a change of the labels in builders/cifar10_noisy/rater_predictions/low. CIFAR-10H is fetched where no file is
given. It takes a minute or two, and matplotlib, which the development extra brings.
"""

from __future__ import annotations

import argparse
import io

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from noisy_label_datasets import files
from noisy_label_datasets.human import ciln_bench, human_labels, table1
from noisy_label_datasets.human.sweep import HumanLabelled, sweep, sweep_four
from noisy_label_datasets.labels.calibration import calibrated
from noisy_label_datasets.labels.predictions import read_predictions
from noisy_label_datasets.maintenance.measuring_tables import PEER_RESCALINGS, POOLS, REPOSITORY
from noisy_label_datasets.noise.metrics import Estimate

PICTURE = REPOSITORY / "docs" / "dial.svg"
RATES = (0.03, 0.05, 0.075, 0.1, 0.13, 0.17, 0.217, 0.26, 0.3, 0.35, 0.4, 0.46, 0.524)
COLORS = {"error_odds": "#3b6ea8", "skill": "#c2571a"}


def draw(axes: Axes, ours: dict[str, list[Estimate]], theirs: dict[float, float], whose: str, title: str) -> None:
    """Draws one comparison: ratios of each rescaling at `RATES` with their intervals, and the peers' points."""
    for rescaling, ratios in ours.items():
        values, widths = (np.array([getattr(ratio, name) for ratio in ratios]) for name in ("value", "half_width"))
        axes.plot(RATES, values, color=COLORS[rescaling], label=f"low, rescaled by {rescaling}")
        axes.fill_between(RATES, values - widths, values + widths, color=COLORS[rescaling], alpha=0.15, linewidth=0)
    axes.plot(*zip(*sorted(theirs.items()), strict=True), "ks", markersize=5, label=whose)
    axes.axhline(1, color="0.5", linewidth=1, linestyle=":")
    axes.annotate("independent flips", (RATES[-1], 1), (0, -3), textcoords="offset points", ha="right", va="top")
    axes.set(title=title, xlabel="rater error rate", ylim=(0.74, 1.02), xlim=(0, 0.55))
    axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:.0%}")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", frameon=False)


def main() -> None:
    """Computes the figures along the dial and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--human-labels", metavar="FILE", help="cifar10h-counts.npy (default: fetched)")
    people = human_labels.load_cifar10h(parser.parse_args().human_labels)
    low = read_predictions(POOLS / "low")
    images = HumanLabelled(low.ids["test"], low.clean_labels["test"], people.of(low.ids["test"]))
    probabilities = calibrated(low, "test").dense()

    ten: dict[str, list[Estimate]] = {rescaling: [] for rescaling in PEER_RESCALINGS}
    for rescaled in sweep(probabilities, images, RATES, PEER_RESCALINGS):
        assert rescaled.figures is not None
        ten[rescaled.rescaling].append(rescaled.figures.ratio)
    four: dict[str, list[Estimate]] = {rescaling: [] for rescaling in PEER_RESCALINGS}
    for compared in sweep_four(probabilities, images, RATES, PEER_RESCALINGS):
        assert compared.comparison is not None
        four[compared.rescaling].append(compared.comparison.ratio)
    paper = {table1.PAPER_ERROR_RATES[level]: table1.paper_ratio(level) for level in table1.LEVELS}
    ratios = ciln_bench.reported_ratios(images.labels, images.human_counts)
    ciln = {setting.error_rate: ratios[name] for name, setting in ciln_bench.SETTINGS.items()}

    matplotlib.rcParams["svg.hashsalt"] = "noisy_label_datasets"
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    draw(left, ten, paper, "Gu et al. 2021, Table 1", "ten labels per image, in the paper’s way")
    draw(right, four, ciln, "CILN-Bench 2026", "four labels per image, in the way of CILN-Bench")
    left.set_ylabel("distance to human labels ÷ that of independent flips")
    buffer = io.BytesIO()
    # Neither date nor random ids: the same labels give the same file.
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    files.write_atomically(PICTURE, buffer.getvalue())
    print(f"Wrote {PICTURE}")


if __name__ == "__main__":
    main()
