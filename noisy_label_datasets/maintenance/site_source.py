"""What the site is made of: the documents of the repository, with links that lead to pages, and a page per module."""

from __future__ import annotations

import ast
import pathlib
import posixpath
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from noisy_label_datasets.errors import NoisyLabelsError
from noisy_label_datasets.maintenance.tables import REPOSITORY
from noisy_label_datasets.registration import own_names

# The menu: title -> documents in docs/, in this order. Those that stand nowhere here are added to the guides.
GUIDES = ("using-the-datasets", "labels-without-tfds", "human-labels", "your-own-data", "your-own-dataset")
RATERS = ("training", "shipped-raters", "distributed-pools", "training-speed")
LEARNING = ("learning", "your-own-algorithm")
MEASURED = ("measuring", "reliability")
DEVELOPMENT = ("architecture",)

# Files beside docs/ that are pages, and where.
OTHER_PAGES = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
# Files that are copied as they are.
FILES = {"LICENSE": "LICENSE.txt", "LICENSE-LABELS": "LICENSE-LABELS.txt", "CITATION.cff": "CITATION.cff.txt"}

API: Mapping[str, Sequence[str]] = {
    "Labels": (
        "noisy_label_datasets.labels.loading",
        "noisy_label_datasets.labels.map_style",
        "noisy_label_datasets.labels.annotations",
        "noisy_label_datasets.labels.predictions",
        "noisy_label_datasets.labels.sources",
        "noisy_label_datasets.labels.derived_sources",
        "noisy_label_datasets.info",
    ),
    "Datasets": (
        "noisy_label_datasets.build.builder",
        "noisy_label_datasets.build.configs",
        "noisy_label_datasets.base.bases",
        "noisy_label_datasets.base.own_data",
        "noisy_label_datasets.base.image_folder",
        "noisy_label_datasets.base.npz_file",
        "noisy_label_datasets.base.tfds_base",
        "noisy_label_datasets.base.splits",
        "noisy_label_datasets.base.arrays",
        "noisy_label_datasets.base.cifar100",
        "noisy_label_datasets.export.folder",
        "noisy_label_datasets.explore.model",
        "noisy_label_datasets.explore.page",
    ),
    "Noise": (
        "noisy_label_datasets.noise.metrics",
        "noisy_label_datasets.noise.instance_dependence",
        "noisy_label_datasets.noise.noise_models",
        "noisy_label_datasets.noise.dial",
        "noisy_label_datasets.noise.figures",
        "noisy_label_datasets.human.human_labels",
        "noisy_label_datasets.human.table1",
    ),
    "Training": (
        "rater_training.config",
        "rater_training.architectures",
        "rater_training.engine.loop",
        "rater_training.engine.raters",
        "rater_training.training.pool",
        "rater_training.training.labelling",
        "rater_training.workers.beam_pool",
    ),
    "Learning": (
        "noisy_label_learning.problem",
        "noisy_label_learning.losses",
        "noisy_label_learning.generative",
        "noisy_label_learning.algorithms.base",
        "noisy_label_learning.correctors.base",
        "noisy_label_learning.correctors.lqm",
        "noisy_label_learning.runs.config",
        "noisy_label_learning.runs.session",
        "noisy_label_learning.runs.record",
    ),
}
MENU = {"Guides": GUIDES, "Raters": RATERS, "Learning": LEARNING, "Measured": MEASURED, "Development": DEVELOPMENT}
_LINK = re.compile(r"(?<!`)(!?\[[^\]]*\]\()([^)\s]+)(\))")


class SiteError(NoisyLabelsError, ValueError):
    """A link that leads nowhere, or a site that cannot be built."""


def pages() -> dict[str, str]:
    """Returns which files of the repository are pages or files of the site: path in the one -> path in the other."""
    found = {f"docs/{path.name}": path.name for path in sorted((REPOSITORY / "docs").iterdir()) if path.is_file()}
    found |= OTHER_PAGES | FILES
    found |= {f"builders/{name}/README.md": f"datasets/{name}.md" for name in own_names()}
    for module in (module for modules in API.values() for module in modules):
        found[source_of(module)] = f"api/{module}.md"
    return found


def source_of(module: str) -> str:
    """Returns the file of a module, from the root of the repository."""
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if (REPOSITORY / path).is_dir() else f"{path}.py"


def with_links(text: str, source: str, site: Mapping[str, str]) -> str:
    """Returns a document with links to files of the repository made links to pages.

    Args:
      text: Markdown.
      source: its path in the repository: 'docs/training.md'.
      site: see `pages`.

    Raises:
      SiteError: a link to a file that is no page.
    """

    def replaced(match: re.Match[str]) -> str:
        path, mark, anchor = match[2].partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if source == "docs/index.md" and path.startswith("gallery/"):
            return match[0]
        if target not in site:
            raise SiteError(f"{source} has a link to {match[2]}, which is neither a page nor a file of the site")
        to = posixpath.relpath(site[target], posixpath.dirname(site[source]) or ".")
        return f"{match[1]}{to}{mark}{anchor}{match[3]}"

    # What stands in blocks of code is no link.
    parts = re.split(r"(^ *```.*?^ *```\s*$)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if number % 2 else _LINK.sub(replaced, part) for number, part in enumerate(parts))


def collect(folder: pathlib.Path) -> list[dict[str, Any]]:
    """Writes the pages but the gallery to a folder, in place of what it held, and returns MkDocs' menu.

    Raises:
      SiteError: a link that leads nowhere.
    """
    shutil.rmtree(folder, ignore_errors=True)
    site = pages()
    for source, target in site.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        if source.endswith(".py"):
            module = pathlib.PurePosixPath(target).stem
            (folder / target).write_text(f"# {module}\n\n::: {module}\n", encoding="utf-8")
        elif source.endswith(".md"):
            text = (REPOSITORY / source).read_text(encoding="utf-8")
            (folder / target).write_text(with_links(text, source, site), encoding="utf-8")
        else:
            shutil.copyfile(REPOSITORY / source, folder / target)
    (folder / "api" / "index.md").write_text(_api_index(), encoding="utf-8")
    return menu(site.values())


def menu(site: Iterable[str]) -> list[dict[str, Any]]:
    """Returns MkDocs' `nav`; site: the pages, all of which stand in it."""
    listed = {name for names in MENU.values() for name in names} | {"index"}
    documents = [page.removesuffix(".md") for page in site if "/" not in page and page.endswith(".md")]
    others = [name for name in documents if name not in listed and f"{name}.md" not in OTHER_PAGES.values()]
    groups = {title: [f"{name}.md" for name in names if name in documents] for title, names in MENU.items()}
    groups["Guides"] += [f"{name}.md" for name in others]
    groups["Development"] += ["contributing.md", "changelog.md"]
    return [
        {"Start": "index.md"},
        {"Gallery": "gallery/index.md"},
        {"Datasets": ["readme.md", *({name: f"datasets/{name}.md"} for name in own_names())]},
        *({title: pages_of} for title, pages_of in groups.items()),
        {
            "API": [
                "api/index.md",
                *({title: [{m.partition(".")[2]: f"api/{m}.md"} for m in modules]} for title, modules in API.items()),
            ]
        },
    ]


def _api_index() -> str:
    lines = ["# API", "", "From the docstrings of the modules that other code may rely on."]
    for title, modules in API.items():
        lines += ["", f"## {title}", ""]
        for module in modules:
            summary = _summary((REPOSITORY / source_of(module)).read_text(encoding="utf-8"))
            lines.append(f"- [`{module}`]({module}.md): {summary}")
    return "\n".join([*lines, ""])


def _summary(source: str) -> str:
    """Returns the first line of the docstring of a module."""
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return docstring.partition("\n")[0].rstrip(":.") + "."
