"""The site: documents, pages of the datasets, the gallery and the API, as a folder of HTML that needs no server.

    python -m noisy_label_datasets.maintenance.site --out build/site [--data-dir ~/tensorflow_datasets]

needs the [docs] extra. Pages are collected in build/site-source (see `site_source`), and MkDocs builds them by
mkdocs.yml; a warning of its is an error, and so is a link that leads nowhere.
"""

from __future__ import annotations

import argparse
import html.parser
import os
import pathlib
import urllib.parse
from collections.abc import Iterator

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.maintenance.site_source import SiteError, collect
from noisy_label_datasets.maintenance.tables import REPOSITORY


class _Page(html.parser.HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value is not None:
                self.links.append(value)


def broken_links(folder: pathlib.Path) -> Iterator[str]:
    """Yields the links of the pages in a folder that lead nowhere in it; links to other sites are not followed."""
    read = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    for path, page in read.items():
        for link in dict.fromkeys(page.links):
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            # A path from the root is what the page of a server's error 404 has, which may be shown for any address.
            base = folder if parts.path.startswith("/") else path.parent
            target = (base / urllib.parse.unquote(parts.path).lstrip("/")).resolve() if parts.path else path.resolve()
            target = target / "index.html" if target.is_dir() else target
            here = f"{path.relative_to(folder)}: {link}"
            if not target.exists():
                yield here
            elif parts.fragment and target.suffix == ".html":
                anchors = read[folder / target.relative_to(folder.resolve())].anchors
                if urllib.parse.unquote(parts.fragment) not in anchors and not parts.fragment.startswith("__"):
                    yield f"{here} (no such place on the page)"


def build(out: pathlib.Path, data_dir: pathlib.Path | None, source: pathlib.Path) -> int:
    """Builds the site; returns how many pages it has.

    Args:
      out: a folder, in place of what it held.
      data_dir: where TFDS keeps datasets, for the gallery; None: its default.
      source: where the pages are collected.

    Raises:
      SiteError: MkDocs is not installed or warned of something, or a link leads nowhere.
    """
    try:
        import mkdocs.commands.build
        import mkdocs.config
        import mkdocs.exceptions
    except ImportError as error:
        raise SiteError("the site needs MkDocs: pip install '.[docs]'") from error
    from noisy_label_datasets.maintenance import gallery

    nav = collect(source)
    entries = gallery.write_gallery(source / "gallery", data_dir)
    (source / "gallery" / "index.md").write_text(gallery.to_markdown(entries), encoding="utf-8")
    try:
        config = mkdocs.config.load_config(
            os.fspath(REPOSITORY / "mkdocs.yml"),
            docs_dir=os.fspath(source.resolve()),
            site_dir=os.fspath(out.resolve()),
            nav=nav,
            strict=True,
        )
        mkdocs.commands.build.build(config)
    except mkdocs.exceptions.MkDocsException as error:
        raise SiteError(f"MkDocs: {error}") from error
    if broken := list(broken_links(out)):
        raise SiteError(f"{len(broken)} links lead nowhere: {'; '.join(broken[:20])}")
    return sum(1 for _ in out.rglob("*.html"))


def main() -> None:
    """Builds the site."""
    import absl.logging

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=REPOSITORY / "build" / "site", metavar="FOLDER")
    parser.add_argument("--data-dir", type=pathlib.Path, metavar="FOLDER", help="default: that of TFDS")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TQDM_DISABLE", "1")
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        number = build(args.out, args.data_dir, REPOSITORY / "build" / "site-source")
    except NoisyLabelsError as error:
        raise SystemExit(f"error: {error}") from error
    print(f"Wrote {number} pages to {args.out}: open {args.out / 'index.html'}")


if __name__ == "__main__":
    main()
