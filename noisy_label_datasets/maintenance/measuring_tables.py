"""Writes the tables of docs/measuring.md, of the shipped CIFAR-10 labels and CIFAR-10H, between their markers.

    python -m noisy_label_datasets.maintenance.measuring_tables [--human-labels cifar10h-counts.npy]

after a change of the labels in builders/cifar10_noisy/rater_predictions. CIFAR-10H is fetched where no file is given.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np

from noisy_label_datasets import files
from noisy_label_datasets.human import ciln_bench, human_labels, table1
from noisy_label_datasets.human.sweep import Figures, HumanLabelled, measure, sweep, sweep_four
from noisy_label_datasets.labels.calibration import calibrated
from noisy_label_datasets.labels.predictions import PREDICTIONS_DIR, RaterPredictions, read_predictions
from noisy_label_datasets.noise import dial, metrics
from noisy_label_datasets.noise.instance_dependence import instance_dependence
from noisy_label_datasets.noise.noise_models import uniforms_of_ids

REPOSITORY = pathlib.Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs" / "measuring.md"
POOLS = REPOSITORY / "builders" / "cifar10_noisy" / PREDICTIONS_DIR
BEGIN = "<!-- {name}: written by python -m noisy_label_datasets.maintenance.measuring_tables -->\n"
END = "<!-- end of {name} -->\n"
DIAL_RATES = (0.05, 0.13, 0.217, 0.3, 0.4, 0.524, 0.7)
PEER_RESCALINGS = ("error_odds", "skill")
_PEER_TITLES = [f"`low`, `{rescaling}`" for rescaling in PEER_RESCALINGS]
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
    """The raters' own labels, with all and with four labels per image, beside published figures."""
    lines = [_head("level", *_TITLES, "the paper's ratio", f"ratio of {ciln_bench.LABELS} labels")]
    for level, pool in pools.items():
        found = measure(pool.noisy_labels["test"], pool.clean_labels["test"], counts)
        assert found.ratio_of_four is not None
        lines.append(
            f"| `{level}` | {_cells(found)} | {table1.paper_ratio(level):.2f} | {found.ratio_of_four.value:.3f} |\n"
        )
    return "".join(lines)


def dial_table(pools: dict[str, RaterPredictions], counts: np.ndarray) -> str:
    """The least noisy pool at the rates of the dial, by every rescaling."""
    low = pools["low"]
    ids, labels = low.ids["test"], low.clean_labels["test"]
    lines = [_head("rescaling", *_TITLES, f"ratio of {ciln_bench.LABELS} labels")]
    for rescaled in sweep(calibrated(low, "test").dense(), HumanLabelled(ids, labels, counts), DIAL_RATES):
        if rescaled.figures is None:
            lines.append(f"| `{rescaled.rescaling}` | {rescaled.rate:.3f}: out of reach |{' |' * 6}\n")
            continue
        assert rescaled.figures.ratio_of_four is not None
        lines.append(
            f"| `{rescaled.rescaling}` | {_cells(rescaled.figures)} | {rescaled.figures.ratio_of_four.value:.3f} |\n"
        )
    return "".join(lines)


def paper_table(pools: dict[str, RaterPredictions], counts: np.ndarray) -> str:
    """The least noisy pool at the error rates of the paper's pools, at its number of labels per image."""
    low = pools["low"]
    images, probabilities = (
        HumanLabelled(low.ids["test"], low.clean_labels["test"], counts),
        calibrated(low, "test").dense(),
    )
    lines = [_head("level", "error rate", "the paper's ratio", *_PEER_TITLES)]
    for level in table1.LEVELS:
        rate = table1.PAPER_ERROR_RATES[level]
        ours = [rescaled.figures for rescaled in sweep(probabilities, images, (rate,), PEER_RESCALINGS)]
        ratios = " | ".join(str(figures.ratio) for figures in ours if figures)
        lines.append(f"| {level} | {rate:.3f} | {table1.paper_ratio(level):.3f} | {ratios} |\n")
    return "".join(lines)


def ciln_table(pools: dict[str, RaterPredictions], counts: np.ndarray) -> str:
    """The four best raters of the least noisy pool at the error rates that CILN-Bench reports, compared in its way."""
    low = pools["low"]
    images, probabilities = (
        HumanLabelled(low.ids["test"], low.clean_labels["test"], counts),
        calibrated(low, "test").dense(),
    )
    theirs = ciln_bench.reported_ratios(images.labels, counts)
    lines = [_head("setting", "error rate", "CILN-Bench's ratio", *_PEER_TITLES)]
    for name, reported in ciln_bench.SETTINGS.items():
        found = sweep_four(probabilities, images, (reported.error_rate,), PEER_RESCALINGS)
        ours = " | ".join(str(rescaled.comparison.ratio) for rescaled in found if rescaled.comparison)
        lines.append(f"| {name} | {reported.error_rate:.3f} | {theirs[name]:.3f} | {ours} |\n")
    return "".join(lines)


def agreement_table(pools: dict[str, RaterPredictions], counts: np.ndarray) -> str:
    """How human annotators agree at their own error rate, ten labels per image, and how raters do at the same rate."""
    low = pools["low"]
    labels, probabilities = low.clean_labels["test"], calibrated(low, "test").dense()
    raters = probabilities.shape[1]
    rng = np.random.default_rng(0)
    drawn = np.stack([rng.multivariate_hypergeometric(votes, raters) for votes in counts])
    people = np.stack([np.repeat(np.arange(len(votes)), votes) for votes in drawn])
    rate = metrics.rater_error_rate(people, labels)
    uniforms = uniforms_of_ids(low.ids["test"], raters, dial.SEED)
    lines = [
        _head("labels", "error rate", "α", "flip-rate variance", "images without a wrong label", "same wrong class")
    ]
    compared = {"human annotators": people}
    for rescaling in PEER_RESCALINGS:
        setting = dial.solve(rescaling, probabilities, labels, rate, uniforms)
        compared[f"`low`, `{rescaling}`"] = dial.draw(rescaling, probabilities, labels, setting, uniforms)
    for name, noisy in compared.items():
        votes = np.stack([np.bincount(given, minlength=counts.shape[1]) for given in noisy])
        wrong = votes.copy()
        np.put_along_axis(wrong, labels[:, None], 0, axis=1)
        pairs, alike = wrong.sum(axis=1) * (wrong.sum(axis=1) - 1), (wrong * (wrong - 1)).sum(axis=1)
        lines.append(
            f"| {name} | {metrics.rater_error_rate(noisy, labels):.3f} "
            f"| {metrics.krippendorff_alpha(noisy, counts.shape[1]):.3f} "
            f"| {instance_dependence(noisy, labels, counts.shape[1]).flip_rate_variance:.4f} "
            f"| {np.mean(wrong.sum(axis=1) == 0):.1%} | {alike.sum() / pairs.sum():.1%} |\n"
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
        probabilities = calibrated(pools["low"], "test").dense()
        images = HumanLabelled(ids, labels, counts)
        (rescaled,) = sweep(probabilities, images, (found.error_rate,), rescalings=("error_odds",))
        assert rescaled.figures is not None
        lines.append(f"| `low`, rescaled to its rate | {_cells(rescaled.figures)} |\n")
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
    of_low = calibrated(pools["low"], "test").dense()
    together = np.concatenate([of_low, calibrated(pools["medium"], "test").dense()], axis=1)
    fine_tuned, others = _by_start(pools["low"])
    for name, probabilities in (
        (f"mean probabilities of the {len(fine_tuned)} of `low` that start from ImageNet", of_low[:, fine_tuned]),
        (f"mean probabilities of the {len(others)} best others of `low`", of_low[:, others]),
        ("mean probabilities of `low`", of_low),
        ("mean probabilities of `low` and `medium`", together),
    ):
        raters = of_low.shape[1]
        mean = np.repeat(probabilities.mean(axis=1, keepdims=True), raters, axis=1)
        images = HumanLabelled(pools["low"].ids["test"], pools["low"].clean_labels["test"], counts)
        for rescaled in sweep(mean, images, (0.13, 0.217, 0.524), rescalings=("error_odds",)):
            assert rescaled.figures is not None
            lines.append(f"| {name}, sampled by `error_odds` | {_cells(rescaled.figures)} |\n")
    return "".join(lines)


def _by_start(pool: RaterPredictions) -> tuple[list[int], list[int]]:
    """The raters that start from ImageNet, and as many of the best that do not."""
    by_skill = np.argsort(metrics.error_rate_by_rater(pool.noisy_labels["test"], pool.clean_labels["test"])).tolist()
    configs = pool.provenance["pool"]["raters"]
    pretrained = [rater for rater in by_skill if configs[rater].get("pretrained")]
    return pretrained, [rater for rater in by_skill if rater not in pretrained][: len(pretrained)]


TABLES = {
    "levels": levels_table,
    "paper": paper_table,
    "ciln": ciln_table,
    "agreement": agreement_table,
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
    """Reads the pools and the human labels, computes the tables, writes the document."""
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
