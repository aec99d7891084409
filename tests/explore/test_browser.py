"""The explorer in a real browser: filters, keyboard, small screens, hostile names. Needs a Chromium, else skipped.

`pytest -m browser`; with EXPLORER_SCREENSHOTS=folder it leaves pictures of the page to look at.
"""

import dataclasses
import json
import os
import pathlib

import numpy as np
import pytest

from noisy_label_datasets.explore.page import to_html
from tests.explore.browser import NAMES, Browser, find_browser
from tests.explore.made import HOSTILE, encoded, explored

WIDTHS = (320, 390, 1280)
CONTRAST = """(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const found = rgb(getComputedStyle(e).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const all = [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && !e.closest("script")
    && [...e.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim()));
  const worst = all.map((e) => {
    const [a, b] = [luminance(rgb(getComputedStyle(e).color)), luminance(ground(e))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), e.tagName + " " + e.className + ": " + e.textContent.slice(0, 40)];
  });
  return worst.sort((x, y) => x[0] - y[0])[0];
})()"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(find_browser() is None, reason=f"no browser: neither $CHROMIUM nor {', '.join(NAMES)}"),
]


@pytest.fixture(scope="module")
def browser():
    browser = Browser(find_browser())
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def of():
    return explored(450)


@pytest.fixture(scope="module")
def pages(of, tmp_path_factory):
    """Addresses of pages: as ever, with hostile names, of large images of forty classes."""
    folder = tmp_path_factory.mktemp("pages")
    many = tuple(f"a class of some length {k}" for k in range(40))
    made = {
        "plain": of,
        "hostile": explored(60, class_names=HOSTILE, ids=HOSTILE[0] + "{:04d}" + HOSTILE[1] * 2, name=HOSTILE[5]),
        "labels": dataclasses.replace(of, examples=[dataclasses.replace(e, image=None) for e in of.examples]),
        "many": explored(60, class_names=many, num_raters=17, image=encoded((640, 320), kind="JPEG")),
    }
    for name, each in made.items():
        (folder / f"{name}.html").write_text(to_html(each), encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in made}


def shot(browser, name: str) -> None:
    """Leaves a picture of the page, where one is asked for."""
    if folder := os.environ.get("EXPLORER_SCREENSHOTS"):
        browser.run("Promise.all([...document.images].map((image) => image.decode()))")
        pathlib.Path(folder).mkdir(exist_ok=True, parents=True)
        browser.screenshot(pathlib.Path(folder) / f"{name}.png")


def choose(browser, **values) -> None:
    """Sets fields of the form as a person would; `agreement_least` is the field agreement-least."""
    for name, value in values.items():
        field = f"document.getElementById('{name.replace('_', '-')}')"
        browser.run(
            f"{field}.value = {json.dumps(value)}; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))"
        )


def ids_shown(browser) -> list[str]:
    return browser.run("[...document.querySelectorAll('#grid button')].map((button) => button.title)")


def ids_where(of, condition) -> list[str]:
    """The ids that a filter has to leave, by a plain loop."""
    return [example.id for example in of.examples if condition(example)]


def difficulty(example) -> float:
    given = example.noisy_labels[example.noisy_labels >= 0]
    return float(np.mean(given != example.label)) if len(given) else float("nan")


def agreement(example) -> float:
    given = example.noisy_labels[example.noisy_labels >= 0]
    return np.bincount(given).max() / len(given) if len(given) else float("nan")


def test_nothing_is_fetched_and_names_do_no_harm(browser, pages):
    for name, address in pages.items():
        browser.open(address)
        assert browser.run("document.querySelectorAll('#grid button').length") == min(
            200, 450 if name in ("plain", "labels") else 60
        )
        browser.press("Tab", "Enter")
        browser.run("document.querySelector('#grid button:nth-of-type(1)').click()")
        assert browser.run("document.getElementById('dialog').open")
        assert {url.partition(":")[0] for url in browser.requests} <= {"file", "data"}
        assert [url for url in browser.requests if url.startswith("file:")] == [address]
        assert browser.errors == []
        assert browser.run("window.hacked === undefined && document.querySelectorAll('img, script').length === 2")
    browser.open(pages["hostile"])
    options = browser.run("[...document.querySelectorAll('#class option')].slice(1).map((option) => option.text)")
    assert options[:3] == list(HOSTILE[:3])


def test_the_policy_forbids_scripts_and_requests(browser, pages):
    browser.open(pages["plain"])
    browser.run("document.body.append(Object.assign(document.createElement('script'), {text: 'window.hacked = 3'}))")
    browser.run("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
    browser.until("true")
    assert browser.run("window.hacked === undefined")
    assert browser.run("fetch('http://127.0.0.1:9/').then(() => 'fetched', () => 'refused')") == "refused"
    assert sum("Content Security Policy" in error for error in browser.errors) >= 3


def test_filters(browser, pages, of):
    """Against a plain loop in Python."""
    filters = [
        ({"class": "2"}, lambda e: e.label == 2),
        ({"given": "1"}, lambda e: 1 in e.noisy_labels),
        ({"rater": "3", "given": "1"}, lambda e: e.noisy_labels[3] == 1),
        ({"rater": "3", "right": "wrong"}, lambda e: e.noisy_labels[3] not in (-1, e.label)),
        ({"given": "0", "right": "right"}, lambda e: e.label == 0 and 0 in e.noisy_labels),
        ({"rater": "drawn", "right": "wrong"}, lambda e: e.noisy_label_rater >= 0 and e.noisy_label != e.label),
        ({"agreement_most": "50"}, lambda e: agreement(e) <= 0.5),
        ({"difficulty_least": "75"}, lambda e: difficulty(e) >= 0.75),
        (
            {"difficulty_least": "50", "difficulty_most": "50", "class": "1"},
            lambda e: difficulty(e) == 0.5 and e.label == 1,
        ),
        ({"search": "IMAGE_004"}, lambda e: "image_004" in e.id),
    ]
    for values, condition in filters:
        browser.open(pages["plain"])
        choose(browser, **values)
        expected = ids_where(of, condition)
        assert 0 < len(expected) < 450
        assert ids_shown(browser) == expected[:200]
        assert browser.run("document.getElementById('count').textContent").startswith(f"{len(expected)} of 450 images.")
        address = browser.run("location.href")  # which brings back the same view
        browser.open(address)
        assert ids_shown(browser) == expected[:200]
    browser.run("document.querySelector('#filters [type=reset]').click()")
    browser.until("document.getElementById('count').textContent.startsWith('450 of 450')")


def test_nothing_found(browser, pages):
    browser.open(pages["plain"])
    choose(browser, search="no such id")
    assert browser.run("document.getElementById('none').checkVisibility()")
    browser.run("document.getElementById('clear').click()")
    browser.until("document.querySelectorAll('#grid button').length === 200")


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("hardest", lambda e: -difficulty(e)),
        ("easiest", difficulty),
        ("contested", agreement),
        ("class", lambda e: e.label),
    ],
)
def test_sorting(browser, pages, of, sort, key):
    browser.open(pages["plain"])
    choose(browser, sort=sort)
    for _ in range(2):
        browser.run("document.getElementById('more').click()")
    expected = sorted(of.examples, key=lambda e: (np.inf if np.isnan(key(e)) else key(e), e.id))
    assert ids_shown(browser) == [example.id for example in expected]
    assert browser.run("document.getElementById('more').hidden")


def test_all_by_keyboard(browser, pages, of):
    focused = "(document.activeElement.title || document.activeElement.id)"
    browser.open(pages["plain"])
    browser.press("Tab")
    assert browser.run("document.activeElement.className") == "skip"
    browser.press("Enter", "Tab")
    assert browser.run(focused) == "image_0000"  # the first image, past all filters
    columns = browser.run("new Set([...document.querySelectorAll('#grid li')].map((li) => li.offsetLeft)).size")
    browser.press("ArrowRight", "ArrowDown")
    assert browser.run(focused) == f"image_{1 + columns:04d}"
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert browser.run("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    shot(browser, "focus")
    browser.press("Enter")
    assert browser.run("document.getElementById('dialog').open")
    assert browser.run("document.getElementById('dialog').contains(document.activeElement)")
    browser.press("ArrowRight", "ArrowRight", "ArrowLeft")
    title = "document.getElementById('dialog-title').textContent"
    assert browser.run(title) == f"image_{2 + columns:04d}"
    for _ in range(8):  # the Tab key does not leave it
        browser.press("Tab")
        assert browser.run("document.activeElement === document.body || dialog.contains(document.activeElement)")
    browser.press("Escape")
    # Which the browser itself gives back to the first one, before the page hears that the dialog is closed.
    browser.until(f"!document.getElementById('dialog').open && {focused} === 'image_{2 + columns:04d}'")
    browser.press("Shift+Tab")
    assert browser.run("document.activeElement.form.id") == "filters"
    # Beyond the last that is shown, more are.
    browser.run("document.querySelectorAll('#grid button')[199].click()")
    browser.press("ArrowRight")
    assert browser.run(title) == "image_0200"


def test_an_image_shows_all_votes_and_probabilities(browser, pages, of):
    browser.open(pages["plain"])
    browser.run("document.querySelectorAll('#grid button')[7].click()")
    example, scores = of.examples[7], of.probabilities[7]
    rows = browser.run(
        "[...document.querySelectorAll('#votes tbody tr')].map((r) => [...r.cells].map((c) => c.textContent))"
    )
    assert [row[0] for row in rows] == list(of.rater_ids)
    for row, vote, of_rater in zip(rows, example.noisy_labels, scores, strict=True):
        assert row[1] == f"{'✓' if vote == example.label else '✗'} {of.class_names[vote]}"
        shown = [0.25 if cell == "<1" else float(cell) for cell in row[2:]]
        assert shown == pytest.approx(100 * of_rater, abs=0.51)
    facts = browser.run("document.getElementById('facts').textContent")
    assert f"Label to train on{'✓' if example.noisy_label == example.label else '✗'}" in facts
    assert "12 × 9 pixels" in facts
    browser.until("document.getElementById('picture').getContext('2d').getImageData(5, 5, 1, 1).data[3] === 255")
    pixel = browser.run("[...document.getElementById('picture').getContext('2d').getImageData(5, 5, 1, 1).data]")
    assert pixel == [7, 99, 7, 255]

    browser.open(pages["many"])
    browser.run("document.querySelectorAll('#grid button')[7].click()")
    assert browser.run("document.querySelectorAll('#votes tbody tr').length") == 17
    assert browser.run("document.querySelectorAll('#votes tbody tr:first-child .list span').length") == 6
    assert "640 × 320 pixels, shown at 96 × 48" in browser.run("document.getElementById('facts').textContent")


def test_labels_without_images(browser, pages, of):
    browser.open(pages["labels"])
    assert browser.run("document.querySelectorAll('#grid canvas').length") == 0
    assert ids_shown(browser)[:2] == browser.run(
        "[...document.querySelectorAll('#grid .id')].slice(0, 2).map((id) => id.textContent)"
    )
    browser.run("document.querySelectorAll('#grid button')[7].click()")
    assert browser.run("document.querySelectorAll('#votes tbody tr').length") == len(of.rater_ids)
    assert browser.run("document.getElementById('picture').offsetWidth") == 0
    assert "pixels" not in browser.run("document.getElementById('facts').textContent")
    assert browser.errors == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_legible(browser, pages, width, dark):
    for name, address in pages.items():
        browser.open(address, width=width, height=844, dark=dark)
        for state in ("grid", "filters", "dialog"):
            if state == "filters":
                browser.run("document.getElementById('panel').open = true")
            elif state == "dialog":
                browser.run("document.querySelectorAll('#grid button')[4].click()")
            shot(browser, f"{name}-{width}-{'dark' if dark else 'light'}-{state}")
            assert browser.run("document.documentElement.scrollWidth") <= width
            assert browser.run("document.getElementById('dialog-body').scrollWidth") <= width
            least, where = browser.run(CONTRAST)
            assert least >= 4.5, where


def test_everything_has_a_name(browser, pages):
    browser.open(pages["plain"])
    for opened in (False, True):
        if opened:
            browser.run("document.querySelectorAll('#grid button')[4].click()")
        tree = browser.send("Accessibility.getFullAXTree")["nodes"]
        named = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree
            if not node.get("ignored")
            and node.get("role", {}).get("value")
            in ("button", "combobox", "slider", "searchbox", "dialog", "image", "region")
        ]
        assert len(named) > 5
        assert [role for role, name in named if not name.strip()] == []
    assert ("dialog", "image_0004") in named
