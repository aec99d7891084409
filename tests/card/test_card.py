"""The noise card: its figures from a built dataset, its page, its terminal form and its table, by the command."""

import html.parser
import json
import re

import numpy as np
import pandas as pd
import pytest

from noisy_label_datasets import cli
from noisy_label_datasets.base.splits import LABELLED_SPLITS
from noisy_label_datasets.card import markdown
from noisy_label_datasets.card.model import binomial
from noisy_label_datasets.cli.build import store_annotations
from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.human import human_labels
from noisy_label_datasets.labels.sources import Raters
from noisy_label_datasets.labels.stored_annotations import path_of
from noisy_label_datasets.noise.figures import noise_figures
from noisy_label_datasets.registration import builder_class
from tests.made_up import declared_by, pool_folder, softmax, write_artifact


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """digits_noisy/medium, built from a made-up pool of three raters."""
    folder = tmp_path_factory.mktemp("data")
    builder = builder_class("digits_noisy")(config="medium", data_dir=folder)
    clean = builder.clean_dataset()
    rng = np.random.default_rng(0)
    # What all raters mistake alike.
    seen = {split: rng.normal(size=(len(clean.splits[split].labels), 10)) for split in LABELLED_SPLITS}
    write_artifact(
        pool_folder(folder, "digits_noisy", "medium"),
        lambda rater, labels: {
            split: softmax((2 + rater) * np.eye(10)[y] + seen[split] + rng.normal(size=seen[split].shape))
            for split, y in labels.items()
        },
        [f"rater_{rater}" for rater in range(3)],
        features=lambda rater: {
            "architecture": "<i>vgg</i>",
            "accuracy": 0.5 + 0.1 * rater,
            "num_parameters": 10 ** (rater + 3),
        },
        provenance={"device": "none", "note": "made & up"},
        **declared_by(clean, "medium"),
    )
    builder.download_and_prepare()
    return folder


@pytest.fixture(scope="module")
def built(data_dir):
    return builder_class("digits_noisy")(config="medium", data_dir=data_dir)


def test_metadata_holds_the_figures_of_what_was_built(built):
    noise = built.info.metadata["noise"]
    labels = Raters("medium").load(built.label_context())
    assert json.loads(json.dumps(noise_figures(labels, built.BASE.class_names))) == noise
    # And from the examples as they are read back, by plain counting.
    examples = list(built.as_dataset(split="noisy_label_train").as_numpy_iterator())
    votes = [(int(e["label"]), e["noisy_labels"].tolist()) for e in examples]
    assert noise["num_examples"] == len(votes) > 500
    wrong = sum(vote != label for label, given in votes for vote in given)
    assert noise["rater_error_rate"] == pytest.approx(wrong / (3 * len(votes)))
    confusion = np.zeros((10, 10), int)
    for label, given in votes:
        np.add.at(confusion[label], given, 1)
    assert noise["confusion_matrix"] == confusion.tolist()
    right = [sum(vote == label for vote in given) for label, given in votes]
    assert noise["right_votes"] == [right.count(r) for r in range(4)]


class Page(html.parser.HTMLParser):
    """What a page holds; fails on tags that do not close."""

    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.sources += [value for key, value in attrs if key in ("src", "href")]
        if tag not in ("meta", "img", "rect", "path", "polyline"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag and tag not in ("meta", "img", "rect", "path", "polyline"):
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_command_writes_a_page_that_needs_nothing_else(data_dir, built, tmp_path, capsys):
    page, readme = tmp_path / "card.html", tmp_path / "README.md"
    readme.write_text(f"before\n{markdown.BEGIN}\nold\n{markdown.END}\nafter\n")
    arguments = [
        "card",
        "digits_noisy/medium",
        "--data-dir",
        str(data_dir),
        "--html",
        str(page),
        "--readme",
        str(readme),
    ]
    assert cli.main(arguments) == 0
    noise, text = built.info.metadata["noise"], page.read_text()
    rate = f"{100 * noise['rater_error_rate']:.1f}\N{NO-BREAK SPACE}%"

    parsed = Page(text)
    assert parsed.sources
    assert all(source.startswith("data:image/png;base64,") for source in parsed.sources)
    assert "url(" not in text
    assert "@import" not in text
    assert rate in parsed.texts
    assert "<i>vgg</i>" in parsed.texts  # what a feature says is text, never markup
    assert "made & up" in parsed.texts
    shown = {example["id"] for examples in noise["examples"].values() for example in examples}
    assert shown <= set(re.findall(r'<figure title="([^"]*)"', text))

    printed = capsys.readouterr().out
    assert "digits_noisy/medium" in printed
    assert rate in printed
    assert max(map(len, printed.partition("Wrote")[0].splitlines())) <= 80

    table = readme.read_text()
    assert table.startswith("before\n")
    assert table.endswith("after\n")
    assert "old" not in table
    row = next(line for line in table.splitlines() if line.startswith("| `digits_noisy/medium`"))
    assert rate in row


@pytest.fixture
def people(data_dir, built, tmp_path):
    """A config of people: ann, who errs as the first rater on every second image of the noisy splits; bob, never."""
    labels = Raters("medium").load(built.label_context())
    tables = []
    for split in ("noisy_label_train", "noisy_label_valid"):
        clean, wrong = labels.clean_labels[split], labels.noisy_labels[split][:, 0]
        said = np.where(np.arange(len(clean)) % 2 == 0, wrong, clean)
        tables += [
            pd.DataFrame({"id": labels.ids[split], "annotator": name, "label": given})
            for name, given in (("ann", said), ("bob", clean))
        ]
    table = pd.concat(tables)
    table.to_csv(tmp_path / "people.csv", index=False)
    columns = ("id", "annotator", "label")
    store_annotations("digits_noisy/people", str(tmp_path / "people.csv"), columns, data_dir=str(data_dir))
    yield table
    path_of(data_dir, "digits_noisy", "people").unlink()


def test_raters_are_compared_with_people_on_the_same_images(data_dir, built, people, tmp_path, capsys, monkeypatch):
    # And with people who have labelled the test split many times, as CIFAR-10H has that of CIFAR-10.
    test = list(built.as_dataset(split="test").as_numpy_iterator())
    ids, clean = np.array([e["id"].decode() for e in test]), np.array([e["label"] for e in test])
    counts = 40 * np.eye(10, dtype=int)[clean] + 10 * np.eye(10, dtype=int)[(clean + 1) % 10]
    monkeypatch.setattr(human_labels, "CIFAR10H_BASE", built.BASE.name)
    monkeypatch.setattr(human_labels, "at_hand", lambda path: True)
    monkeypatch.setattr(human_labels, "load_cifar10h", lambda path: human_labels.HumanLabels(ids, counts))
    page = tmp_path / "card.html"
    assert cli.main(["card", "digits_noisy/medium", "--data-dir", str(data_dir), "--html", str(page)]) == 0
    printed = capsys.readouterr().out
    by_id = dict(iter(people[people["annotator"] == "ann"].set_index("id")["label"].items()))
    pairs = []
    for example in built.as_dataset(split="noisy_label_train").as_numpy_iterator():
        label = int(example["label"])
        raters = [float(vote != label) for vote in example["noisy_labels"]]
        pairs.append((sum(raters) / 3, float(by_id[example["id"].decode()] != label) / 2))
    raters_err, people_err = np.mean(pairs, axis=0)
    both = np.mean([a * b for a, b in pairs])
    (row,) = (line for line in printed.splitlines() if re.match("people +[0-9]", line))
    space = "\N{NO-BREAK SPACE}"
    assert re.split(" +", row)[1:-1] == [
        f"{len(pairs):,}",
        *(f"{100 * share:.1f}{space}%" for share in (raters_err, people_err, both)),
        f"{both / (raters_err * people_err):.1f}×",
        f"{np.corrcoef(np.transpose(pairs))[0, 1]:.2f}",
    ]
    (row,) = (line for line in printed.splitlines() if line.startswith("CIFAR-10H "))
    assert f" {len(test)} " in row
    assert f" 20.0{space}% " in row
    assert max(map(len, printed.partition("Wrote")[0].splitlines())) <= 80
    parsed = Page(page.read_text())
    assert "Raters beside human annotators, on the same images" in parsed.texts
    assert f"{100 * both:.1f}{space}%" in parsed.texts


def test_without_people_the_card_says_nothing_of_them(data_dir, capsys):
    assert cli.main(["card", "digits_noisy/medium", "--data-dir", str(data_dir)]) == 0
    assert "beside people" not in capsys.readouterr().out


def test_what_is_not_built_or_not_there_is_named(data_dir, capsys):
    for target, message in (
        ("digits_noisy/low", "`noisy-labels build digits_noisy/low` builds"),
        ("digits_noisy/lo", "no config of digits_noisy called 'lo'"),
        ("digit_noisy", "no dataset 'digit_noisy'"),
    ):
        assert cli.main(["card", target, "--data-dir", str(data_dir)]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("readme", ["", f"{markdown.END}{markdown.BEGIN}", f"{markdown.BEGIN}" * 2 + markdown.END])
def test_a_readme_without_marks_is_refused(readme):
    with pytest.raises(NoisyLabelsError, match="once each"):
        markdown.replace_between_marks(readme, "table")


def test_a_config_that_is_not_built_here_does_not_lose_its_figures():
    readme = f"{markdown.BEGIN}\n| `x_noisy/low` | 1 |\n| `x_noisy/high` | 2 |\n{markdown.END}"
    with pytest.raises(NoisyLabelsError, match="figures of x_noisy/high, which the new table lacks"):
        markdown.replace_between_marks(readme, "| `x_noisy/low` | 3 |")
    assert "| 3 |" in markdown.replace_between_marks(readme, "| `x_noisy/low` | 3 |\n| `x_noisy/high` | 4 |")


def test_binomial():
    np.testing.assert_allclose(binomial(4, 0.3), [0.2401, 0.4116, 0.2646, 0.0756, 0.0081])
