"""The noise card as one self-contained HTML page: no script, no font, no image from elsewhere."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from noisy_label_datasets.card import svg
from noisy_label_datasets.card.model import NoiseCard, decimal, percent, ratio, times
from noisy_label_datasets.card.style import CSS
from noisy_label_datasets.human import table1
from noisy_label_datasets.human.same_images import SameImages
from noisy_label_datasets.version import __version__

# Feature -> column of the raters' table; a feature that no rater has is left out.
RATER_COLUMNS: Mapping[str, str] = {
    "id": "Rater",
    "architecture": "Architecture",
    "num_parameters": "Parameters",
    "steps": "Steps",
    "batch_size": "Batch",
    "learning_rate": "Learning rate",
    "experience": "Examples seen",
    "accuracy": "Accuracy",
    "mean_average_precision": "mAP",
    "loss": "Loss",
}
KINDS: Mapping[str, str] = {
    "easiest": "The easiest images",
    "contested": "The most contested",
    "hardest": "The hardest",
}


def to_html(card: NoiseCard) -> str:
    """Returns the page."""
    parts = [_header(card), _tiles(card), _overview(card), _gallery(card), _confusion(card), _raters(card)]
    if card.people:
        parts.append(_people(card.people))
    if card.table1 is not None:
        parts.append(_table1(card.table1, card.name))
    parts.append(_origin(card))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_text(card.name)}: noise card</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><style>{CSS}</style></head>\n<body><main>\n'
        + "\n".join(parts)
        + f"\n<footer>Noise card by noisy-label-datasets {__version__}. Where nothing else is said, the figures are of "
        f"{_text(card.noise['measured_split'])}.</footer>\n</main></body></html>\n"
    )


def _header(card: NoiseCard) -> str:
    return (
        f"<header><h1>{_text(card.name)}<small>{_text(card.version)}</small></h1>"
        f'<p class="lead">{_text(card.summary)}</p>'
        f"<pre>import noisy_label_datasets, tensorflow_datasets as tfds\n{_text(card.load_line)}</pre></header>"
    )


def _tiles(card: NoiseCard) -> str:
    noise, errors = card.noise, card.rater_errors()
    share = (noise["instance_dependence"] or {}).get("explained_by_class")
    tiles = [
        (percent(noise["rater_error_rate"]), "of the labels are wrong"),
        (
            f"{100 * errors[0][1]:.1f}–{percent(errors[-1][1])}",
            f"wrong, from the best to the worst of {len(errors)} raters",
        ),
        (decimal(noise["krippendorff_alpha"]), "Krippendorff’s alpha between the raters"),
        (percent(noise["majority_error_rate"]), "wrong after a majority vote"),
        (f"{noise['num_examples']:,}", "examples to train on, each with every rater’s label"),
    ]
    if share is not None:
        tiles.append((percent(share), "of the spread in difficulty depends on the class, the rest on the image"))
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{v}</b><span>{t}</span></div>' for v, t in tiles)
        + "</div>"
    )


def _overview(card: NoiseCard) -> str:
    histogram = svg.histogram(card.noise["right_votes"], card.right_votes_by_class_alone().tolist())
    return (
        '<div class="columns"><section><h2>How many raters are right</h2>'
        '<p class="note">Columns: the share of images that 0, 1, … raters labelled rightly. Dashed: what it would be '
        f"if errors depended on the class alone.</p>{histogram}</section>"
        '<section><h2>How often each rater errs</h2><p class="note">The share of its labels that are wrong.</p>'
        f"{_bars(card.rater_errors())}</section></div>"
    )


def _gallery(card: NoiseCard) -> str:
    rows = []
    for kind, title in KINDS.items():
        shown = [_picture(card, example) for example in card.noise["examples"][kind] if example["id"] in card.images]
        if shown:
            rows.append(f'<h2>{title}</h2><div class="gallery">{"".join(shown)}</div>')
    key = '<span class="key right"></span>right<span class="key wrong"></span>wrong'
    return (
        f'<section>{"".join(rows)}<p class="note">Under each image its clean label and the raters’ labels.{key}</p>'
        "</section>"
        if rows
        else ""
    )


def _picture(card: NoiseCard, example: Mapping[str, Any]) -> str:
    votes = Counter(vote for vote in example["votes"] if vote >= 0)
    right = votes[example["label"]] / max(votes.total(), 1)
    said = ", ".join(f"{_text(card.class_names[label])} ×{count}" for label, count in votes.most_common(3))
    return (
        f'<figure title="{_text(example["id"])}"><img alt="" src="{svg.image_uri(card.images[example["id"]])}">'
        f'<div class="clean">{_text(card.class_names[example["label"]])}</div>'
        f'<div class="bar-votes"><i style="width:{100 * right:.0f}%"></i></div><div class="votes">{said}</div></figure>'
    )


def _confusion(card: NoiseCard) -> str:
    by_class = sorted(
        zip(card.class_names, card.noise["error_rate_by_class"], strict=True), key=lambda pair: -(pair[1] or 0)
    )[:20]
    top = "".join(
        f'<tr><td>{_text(clean)}</td><td>{_text(given)}</td><td class="number">{percent(share)}</td></tr>'
        for clean, given, share in card.confusions(8)
    )
    return (
        '<div class="columns"><section><h2>What is taken for what</h2><p class="note">Row: the clean class. Column: '
        "the label given, in percent of the row’s labels. The colour goes with the square root.</p>"
        f"{svg.heat_map(card.confusion_shares(), card.class_names)}</section>"
        f"<section><h2>Error rate of a class</h2>{_bars(by_class)}"
        '<h2 style="margin-top:26px">Most frequent confusions</h2>'
        f'<table><tr><th>Clean</th><th>Given</th><th class="number">Of the class</th></tr>{top}</table></section></div>'
    )


def _raters(card: NoiseCard) -> str:
    columns = {key: name for key, name in RATER_COLUMNS.items() if any(key in rater for rater in card.raters)}
    numeric = {key for key in columns if any(isinstance(rater.get(key), int | float) for rater in card.raters)}
    head = "".join(f"<th{' class=number' * (key in numeric)}>{name}</th>" for key, name in columns.items())
    rows = "".join(
        "<tr>"
        + "".join(f"<td{' class=number' * (key in numeric)}>{_feature(key, rater.get(key))}</td>" for key in columns)
        + f'<td class="number">{percent(error)}</td></tr>'
        for rater, error in zip(card.raters, card.noise["error_rate_by_rater"], strict=True)
    )
    plots = []
    for key, name in (
        ("num_parameters", "parameters"),
        ("experience", "examples seen"),
        ("learning_rate", "learning rate"),
    ):
        points = [
            (float(rater[key]), float(rater["accuracy"]), f"{rater['id']}: {percent(rater['accuracy'])}")
            for rater in card.raters
            if rater.get(key) is not None and rater.get("accuracy") is not None
        ]
        if len({x for x, _, _ in points}) > 1:
            plots.append(svg.scatter(points, name, "accuracy"))
    return (
        f"<section><h2>The raters</h2>"
        f'<div class="figures">{"".join(plots)}</div>'
        f'<div class="wide"><table><tr>{head}<th class="number">Error rate</th></tr>{rows}</table></div>'
        '<p class="note" style="margin-top:12px">Accuracy, mAP and loss are of clean_label_valid; the error rate is '
        "that of the labels in this dataset.</p></section>"
    )


def _people(people: Sequence[SameImages]) -> str:
    titles = (
        "Images",
        "Raters err",
        "Humans err",
        "Both err",
        "Times chance",
        "By the class alone",
        "Two humans",
        "Correlation",
        "Confusions",
    )
    rows = []
    for found in people:
        cells = [
            f"{found.num_examples:,}",
            percent(found.raters_err),
            percent(found.people_err),
            percent(found.both_err),
            times(found.both_err, found.by_chance),
            times(found.by_class, found.by_chance),
            times(found.two_people_err, found.people_err**2),
            found.correlation or "–",
            decimal(found.confusions),
        ]
        rows.append(
            f"<tr><td>{_text(found.name)}</td>" + "".join(f'<td class="number">{cell}</td>' for cell in cells) + "</tr>"
        )
    head = "".join(f'<th class="number">{title}</th>' for title in titles)
    return (
        "<section><h2>Raters beside human annotators, on the same images</h2>"
        '<p class="note">How often a rater and a person err on the same image, and how many times as often as if their '
        "errors had nothing to do with each other; how often if they had to do with the class alone; and how often two "
        "people do. Then the correlation of the shares of raters and of people who err on an image (95 % interval), "
        "and of the shares of a class that they take for another.</p>"
        f'<div class="wide"><table><tr><th>Human labels</th>{head}</tr>{"".join(rows)}</table></div></section>'
    )


def _table1(table: table1.Table1, name: str) -> str:
    level = name.rpartition("/")[2]
    printed = table1.PAPER.get(level)
    titles = ["Error rate", "Paper’s measure", "As distributions", "As they are", *["The paper prints"] * bool(printed)]
    rows = []
    for title, row in table.rows.items():
        cells = [
            percent(row.error_rate),
            row.paper,
            row.proper or "–",
            row.raw,
            *([printed.get(title, "")] if printed else []),
        ]
        rows.append(
            f'<tr class="{"ours" if title == "raters" else ""}"><td>{_text(title)}</td>'
            + "".join(f'<td class="number">{cell}</td>' for cell in cells)
            + "</tr>"
        )
    head = "".join(f'<th class="number">{title}</th>' for title in titles)
    beside = f" (in the paper {table1.paper_ratio(level):.2f})" if printed else ""
    return (
        "<section><h2>Distance to human labels</h2>"
        f'<p class="note">Mean total variation distance from CIFAR-10H on {table.num_examples:,} test images, '
        f"{table.num_raters} labels each, with 95 % intervals: from human labels brought to this error rate as in the "
        "paper, as proper distributions, and as they are.</p>"
        f'<div class="wide"><table><tr><th></th>{head}</tr>{"".join(rows)}</table></div>'
        f'<p style="margin-top:16px">Raters over independent flips: <b>{decimal(ratio(table, "paper"), 2)}</b> by the '
        f"paper’s measure{beside}, <b>{decimal(ratio(table, 'proper'), 2)}</b> against distributions. Of the human "
        f"labels {percent(table.human_error_rate)} are wrong; {table.num_raters} per image lie {table.human_floor} "
        "from the others.</p></section>"
    )


def _origin(card: NoiseCard) -> str:
    splits = "".join(
        f'<tr><td>{_text(split)}</td><td class="number">{count:,}</td><td class="number">'
        f"{percent(measured.get('rater_error_rate'))}</td>"
        f'<td class="number">{decimal(measured.get("krippendorff_alpha"))}</td></tr>'
        for split, count in card.splits.items()
        for measured in [card.noise["splits"].get(split, {})]
    )
    facts = "".join(f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in card.provenance.items())
    return (
        '<div class="columns"><section><h2>Splits</h2><table><tr><th>Split</th><th class="number">Examples</th>'
        f'<th class="number">Error rate</th><th class="number">Alpha</th></tr>{splits}</table></section>'
        f"<section><h2>Where it came from</h2><dl>{facts}</dl></section></div>"
    )


def _bars(pairs: Sequence[tuple[str, float | None]]) -> str:
    return svg.bars([name for name, _ in pairs], [share for _, share in pairs], [percent(share) for _, share in pairs])


def _feature(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return percent(value) if key == "accuracy" else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else _text(value)


def _text(value: Any) -> str:
    return html.escape(str(value))
