"""Writes the tables of docs/measuring.md, of the shipped CIFAR-10 labels and CIFAR-10H, between their markers.

    python -m noisy_label_datasets.maintenance.measuring_tables [--human-labels cifar10h-counts.npy]

after a change of the labels in builders/cifar10_noisy/rater_predictions. CIFAR-10H is fetched where no file is given.
"""

import argparse
import pathlib

import numpy as np

from noisy_label_datasets import files, human_labels, metrics, table1
from noisy_label_datasets.dial import calibrated
from noisy_label_datasets.noise_models import uniforms_of_ids
from noisy_label_datasets.predictions import RaterPredictions, read_predictions
from noisy_label_datasets.sweep import Figures, measure, sweep

REPOSITORY = pathlib.Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs" / "measuring.md"
POOLS = REPOSITORY / "builders" / "cifar10_noisy" / "rater_predictions"
BEGIN = "<!-- {name}: written by python -m noisy_label_datasets.maintenance.measuring_tables -->\n"
END = "<!-- end of {name} -->\n"
DIAL_RATES = (0.05, 0.13, 0.217, 0.3, 0.4, 0.524, 0.7)
ALIKE = 7  # raters of a pool, in the comparison of like and unlike skill


def _head(*titles: str) -> str:
    return f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}\n"


def _cells(found: Figures) -> str:
    proper = f"{found.proper_ratio.value:.2f}" if found.proper_ratio else "–"
    return (
        f"{found.error_rate:.3f} | {found.alpha:.3f} | {found.flip_rate_variance:.4f} | {found.explained_by_class:.1%} "
        f"| {found.ratio.value:.3f} ± {found.ratio.half_width:.3f} | {proper}"
    )


_TITLES = ("error rate", "α", "flip-rate variance", "explained by class", "ratio", "as distributions")


def levels_table(pools: dict[str, RaterPredictions], counts: np.ndarray) -> str:
    """The raters' own labels, at all and at four labels an image, beside the peers' figures."""
    lines = [_head("level", *_TITLES, "the paper's ratio", f"ratio of {table1.CILN_LABELS} labels")]
    for level, pool in pools.items():
        found = measure(pool.noisy_labels["test"], pool.clean_labels["test"], counts)
        assert found.ratio_of_four is not None
        lines.append(
            f"| `{level}` | {_cells(found)} | {table1.paper_ratio(level):.2f} | {found.ratio_of_four.value:.3f} |\n"
        )
    return "".join(lines)


def dial_table(pools: dict[str, RaterPredictions], counts: np.ndarray) -> str:
    """The least noisy pool at the rates of the dial, by both knobs."""
    low = pools["low"]
    ids, labels = low.ids["test"], low.clean_labels["test"]
    lines = [_head("knob", *_TITLES, f"ratio of {table1.CILN_LABELS} labels")]
    for turned in sweep(calibrated(low, "test"), ids, labels, counts, DIAL_RATES):
        if turned.figures is None:
            lines.append(f"| `{turned.knob}` | {turned.rate:.3f}: out of reach |{' |' * 6}\n")
            continue
        assert turned.figures.ratio_of_four is not None
        lines.append(f"| `{turned.knob}` | {_cells(turned.figures)} | {turned.figures.ratio_of_four.value:.3f} |\n")
    return "".join(lines)


def peers_table(pools: dict[str, RaterPredictions], counts: np.ndarray) -> str:
    """The least noisy pool turned to the error rates that others report ratios of, at their numbers of labels."""
    low = pools["low"]
    ids, labels, probabilities = low.ids["test"], low.clean_labels["test"], calibrated(low, "test")
    raters = probabilities.shape[1]
    paper = {table1.PAPER_ERROR_RATES[level]: table1.paper_ratio(level) for level in table1.LEVELS}
    lines = [_head("reported by", "error rate", "labels an image", "their ratio", "`low`, turned to it")]
    for whose, reported, labels_an_image in (
        ("Gu et al., Table 1", paper, raters),
        ("CILN-Bench", table1.CILN, table1.CILN_LABELS),
    ):
        for turned in sweep(probabilities, ids, labels, counts, tuple(reported), knobs=("error_odds",)):
            assert turned.figures is not None
            ours = turned.figures.ratio if labels_an_image == raters else turned.figures.ratio_of_four
            assert ours is not None
            lines.append(
                f"| {whose} | {turned.rate:.3f} | {labels_an_image} | {reported[turned.rate]:.2f} "
                f"| {ours.value:.3f} ± {ours.half_width:.3f} |\n"
            )
    return "".join(lines)


def blends_table(pools: dict[str, RaterPredictions], counts: np.ndarray) -> str:
    """Each label taken from one of two pools, against the dial at the same rate."""
    labels = pools["low"].clean_labels["test"]
    lines = [_head("labels", *_TITLES)]
    for first, second in (("low", "medium"), ("low", "high"), ("medium", "high")):
        ids = pools[first].ids["test"]
        one, other = pools[first].noisy_labels["test"], pools[second].noisy_labels["test"]
        blend = np.where(uniforms_of_ids(ids, one.shape[1], "blend") < 0.5, one, other)
        found = measure(blend, labels, counts)
        lines.append(f"| half `{first}`, half `{second}` | {_cells(found)} |\n")
        probabilities = calibrated(pools["low"], "test")
        (turned,) = sweep(probabilities, ids, labels, counts, (found.error_rate,), knobs=("error_odds",))
        assert turned.figures is not None
        lines.append(f"| `low`, turned to its rate | {_cells(turned.figures)} |\n")
    return "".join(lines)


def diversity_table(pools: dict[str, RaterPredictions], counts: np.ndarray) -> str:
    """Raters of like skill against raters of unlike skill, as many of both; and what all raters together know."""
    lines = [_head("labels", *_TITLES)]
    for level, pool in pools.items():
        noisy, labels = pool.noisy_labels["test"], pool.clean_labels["test"]
        by_skill = np.argsort(metrics.error_rate_by_rater(noisy, labels))
        spare = len(by_skill) - ALIKE
        spread = np.round(np.linspace(0, len(by_skill) - 1, ALIKE)).astype(int)
        runs = [by_skill[start : start + ALIKE] for start in range(spare + 1)]
        rates = metrics.error_rate_by_rater(noisy, labels)
        alike = min(runs, key=lambda run: float(rates[run].max() - rates[run].min()))
        for name, chosen in (
            (f"`{level}`, the {ALIKE} raters most alike", alike),
            (f"`{level}`, {ALIKE} from the best to the worst", by_skill[spread]),
        ):
            lines.append(f"| {name} | {_cells(measure(noisy[:, chosen], labels, counts))} |\n")
    of_low = calibrated(pools["low"], "test")
    together = np.concatenate([of_low, calibrated(pools["medium"], "test")], axis=1)
    smoothed, not_smoothed = _by_smoothing(pools["low"])
    for name, probabilities in (
        (f"mean probabilities of {len(smoothed)} of `low`, with label smoothing", of_low[:, smoothed]),
        (f"mean probabilities of {len(not_smoothed)} of `low`, without", of_low[:, not_smoothed]),
        ("mean probabilities of `low`", of_low),
        ("mean probabilities of `low` and `medium`", together),
    ):
        raters = of_low.shape[1]
        mean = np.repeat(probabilities.mean(axis=1, keepdims=True), raters, axis=1)
        ids, labels = pools["low"].ids["test"], pools["low"].clean_labels["test"]
        for turned in sweep(mean, ids, labels, counts, (0.13, 0.217, 0.524), knobs=("error_odds",)):
            assert turned.figures is not None
            lines.append(f"| {name}, sampled by `error_odds` | {_cells(turned.figures)} |\n")
    return "".join(lines)


def _by_smoothing(pool: RaterPredictions) -> tuple[list[int], list[int]]:
    """The raters that were trained with label smoothing, and as many of the best that were trained without."""
    by_skill = np.argsort(metrics.error_rate_by_rater(pool.noisy_labels["test"], pool.clean_labels["test"])).tolist()
    configs = pool.provenance["pool"]["raters"]
    smoothed = [rater for rater in by_skill if configs[rater]["label_smoothing"]]
    return smoothed, [rater for rater in by_skill if rater not in smoothed][: len(smoothed)]


TABLES = {
    "levels": levels_table,
    "peers": peers_table,
    "dial": dial_table,
    "blends": blends_table,
    "diversity": diversity_table,
}


def with_tables(document: str, tables: dict[str, str]) -> str:
    """Returns the document with new tables in place of what stands between their markers."""
    for name, table in tables.items():
        begin, end = BEGIN.format(name=name), END.format(name=name)
        before, rest = document.split(begin)
        _, after = rest.split(end)
        document = before + begin + table + end + after
    return document


def main() -> None:
    """Reads the pools and people's labels, computes the tables, writes the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--human-labels", metavar="FILE", help="cifar10h-counts.npy (default: fetched)")
    people = human_labels.load_cifar10h(parser.parse_args().human_labels)
    pools = {level: read_predictions(POOLS / level) for level in table1.LEVELS}
    counts = people.of(pools["low"].ids["test"])
    for pool in pools.values():
        assert (pool.ids["test"] == pools["low"].ids["test"]).all()  # rows are the same images in every pool
    tables = {name: make(pools, counts) for name, make in TABLES.items()}
    files.write_atomically(DOCUMENT, with_tables(DOCUMENT.read_text(encoding="utf-8"), tables).encode())
    print(f"Wrote {', '.join(tables)} into {DOCUMENT}")


if __name__ == "__main__":
    main()
