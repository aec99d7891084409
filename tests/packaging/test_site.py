"""The site: its links, its menu, what of images it shows; and, where time and a browser allow, the built one."""

import os
import pathlib
import subprocess
import sys

import pytest

from noisy_label_datasets.maintenance import gallery
from noisy_label_datasets.maintenance.site import broken_links
from noisy_label_datasets.maintenance.site_source import SiteError, collect, pages, with_links
from tests.explore.browser import NAMES, Browser, find_browser

REPOSITORY = pathlib.Path(__file__).parents[2]


def in_menu(menu) -> list[str]:
    """The pages of a menu, whatever groups they are in."""
    if isinstance(menu, str):
        return [menu]
    return [
        page for entry in menu for page in in_menu(next(iter(entry.values())) if isinstance(entry, dict) else entry)
    ]


def test_links_of_all_documents_lead_to_pages_that_stand_in_the_menu(tmp_path):
    menu = collect(tmp_path)  # which refuses a link to what is neither a page nor a file
    found = in_menu(menu)
    assert len(found) == len(set(found))
    assert {page for page in found if not (tmp_path / page).exists()} == {"gallery/index.md"}
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.md")} | {"gallery/index.md"} == set(
        found
    )
    assert {f"{path.stem}.md" for path in (REPOSITORY / "docs").glob("*.md")} <= set(found)
    assert "(readme.md#load)" in (tmp_path / "using-the-datasets.md").read_text()
    assert (
        "::: noisy_label_datasets.labels.loading"
        in (tmp_path / "api/noisy_label_datasets.labels.loading.md").read_text()
    )


def test_links_are_rewritten_but_not_in_code():
    site = pages()
    text = "[a](../CONTRIBUTING.md#tests) [b](https://x.org/y) [c](#d) `[e](f)`\n```\n[g](h.md)\n```\n![i](flow.svg)"
    expected = text.replace("../CONTRIBUTING.md", "contributing.md")
    assert with_links(text, "docs/training.md", site) == expected
    with pytest.raises(SiteError, match=r"docs/training\.md has a link to nowhere\.md, which is neither a page"):
        with_links("[a](nowhere.md)", "docs/training.md", site)


def test_broken_links_are_found(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.html").write_text('<p id="here"><a href="../c.html#there">x</a><img src="d.png">')
    links = ["a/b.html#here", "a/b.html#gone", "a", "a/", "https://x.org", "#", "#there", "/a/b.html"]
    page = "".join(f'<a href="{link}">x</a>' for link in links)
    (tmp_path / "c.html").write_text(f'<p id="there">{page}')
    assert list(broken_links(tmp_path)) == [
        "a/b.html: d.png",
        "c.html: a/b.html#gone (no such place on the page)",
        "c.html: a",
        "c.html: a/",
    ]


def test_only_images_that_anybody_may_pass_on_are_shown():
    assert set(gallery.SHOWN) == {"digits_noisy", "pcam_noisy"}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> pathlib.Path:
    """The built site; with BUILT_SITE=folder the one that is there."""
    if built := os.environ.get("BUILT_SITE"):
        return pathlib.Path(built)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "noisy_label_datasets.maintenance.site", "--out", folder / "site"]
    process = subprocess.run([*command, "--data-dir", folder / "data"], capture_output=True, text=True, cwd=REPOSITORY)
    assert process.returncode == 0, process.stderr[-3000:]
    assert "pages to" in process.stdout
    return folder / "site"


@pytest.mark.slow
def test_gallery_of_the_built_site(site):
    """That nothing is broken and MkDocs has no warning is the command's own condition."""
    entries = (site / "gallery" / "index.html").read_text()
    explorers = {path.name for path in (site / "gallery").glob("*-explorer.html")}
    cards = list((site / "gallery").glob("*-card.html"))
    assert len(cards) > 20
    assert explorers == {card.name.replace("-card", "-explorer") for card in cards}
    for explorer in explorers:
        assert explorer in entries
        with_images = "data:image/" in (site / "gallery" / explorer).read_text().partition('id="data">')[2]
        assert with_images == explorer.startswith("digits_noisy")
    for card in cards:
        assert card.name in entries
        assert ("<figure" in card.read_text()) == card.name.startswith("digits_noisy")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(find_browser() is None, reason=f"no browser: neither $CHROMIUM nor {', '.join(NAMES)}")
def test_the_site_in_a_browser(site):
    browser = Browser(find_browser())
    try:
        for page in ("index", "gallery/index", "readme", "measuring", "api/noisy_label_datasets.noise.metrics"):
            for width in (390, 1280):
                browser.open((site / f"{page}.html").as_uri(), width=width)
                browser.until("getComputedStyle(document.querySelector('.md-search')).display !== 'none'")
                assert browser.run("document.documentElement.scrollWidth") <= width
                assert browser.errors == []
                assert {url.partition(":")[0] for url in browser.requests} <= {"file", "data", "about"}
        browser.run("document.querySelector('.md-search__input').focus()")
        browser.send("Input.insertText", text="krippendorff")
        browser.until("document.querySelectorAll('.md-search-result__item').length > 1")
        browser.open((site / "index.html").as_uri(), width=1280, height=900)
        bottom = "document.querySelector('.start').getBoundingClientRect().bottom"
        assert browser.run(bottom) <= 900  # the start page is one screen
    finally:
        browser.close()
