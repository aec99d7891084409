"""Imports run one way: between packages, between the folders of a package, and between files, local imports counted.

And the packages are laid out as docs/architecture.md says, in modules that are short.
"""

import ast
import functools
import graphlib
import itertools
import pathlib

import pytest

REPOSITORY = pathlib.Path(__file__).parents[2]
PACKAGES = ("noisy_label_datasets", "rater_training", "noisy_label_learning", "builders")
# Each may import those before it; what stands directly in a package is `""`.
PACKAGE_ORDER = {
    "noisy_label_datasets": (),
    "rater_training": ("noisy_label_datasets",),
    "noisy_label_learning": ("noisy_label_datasets", "rater_training"),
    "builders": ("noisy_label_datasets",),
}
CORE_FOLDERS = ("base", "noise", "labels", "human", "card", "build", "export", "explore", "cli", "maintenance")
TRAINING_FOLDERS = ("architectures", "pools", "pretrained", "engine", "training", "workers")
LEARNING_FOLDERS = ("correctors", "algorithms", "runs", "reports", "studies", "commands")
# Directly in the package, and yet above the folders: what starts the command, and what a package's users import first.
ENTRANCES = {"noisy_label_datasets.__main__", "rater_training.__main__", "noisy_label_learning.__main__"}


def name_of(path: pathlib.Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(path): path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))}


def imports_of(module: str) -> set[str]:
    """Returns the modules of this repository that a module imports, at its top or later."""
    found = set()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            full_names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else str(node.module) for name in full_names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name in FILES and name != module}


@functools.cache
def graph() -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    return {module: imports_of(module) for module in FILES}


def folder_of(module: str) -> str | None:
    """Returns the folder of a package that a module lies in; '' directly in the package; None: it does not count."""
    parts = module.split(".")
    return (
        None
        if module in ENTRANCES or len(parts) == 1
        else parts[1]
        if len(parts) > 2 or FILES[module].name == "__init__.py"
        else ""
    )


def test_the_graph_is_not_empty():
    assert "noisy_label_datasets.errors" in graph()["noisy_label_datasets.labels.sources"]
    assert len(FILES) > 100
    assert "rater_training.engine.compiled" in graph()["rater_training.engine.loop"]


def test_no_two_files_import_each_other():
    graphlib.TopologicalSorter(graph()).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_between_packages_run_one_way(package):
    others = {
        (module, imported)
        for module, all_imported in graph().items()
        if module.split(".")[0] == package
        for imported in all_imported
        if imported.split(".")[0] not in (package, *PACKAGE_ORDER[package])
    }
    assert not others


@pytest.mark.parametrize(
    ("package", "order"),
    [
        ("noisy_label_datasets", CORE_FOLDERS),
        ("rater_training", TRAINING_FOLDERS),
        ("noisy_label_learning", LEARNING_FOLDERS),
    ],
)
def test_arrows_between_folders_run_one_way(package, order):
    folders = {folder_of(module) for module in FILES if module.split(".")[0] == package} - {None, ""}
    assert folders == set(order)
    backwards = {
        (module, imported)
        for module, all_imported in graph().items()
        for imported in all_imported
        if module.startswith(f"{package}.") and imported.startswith(f"{package}.")
        if folder_of(module) is not None and folder_of(imported) is not None
        if ("", *order).index(folder_of(imported)) > ("", *order).index(folder_of(module))
    }
    assert not backwards


def test_a_circle_would_be_found():
    circle = {"a": {"b"}, "b": {"c"}, "c": {"a"}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(circle).prepare()
    assert list(itertools.chain(*graph().values()))


def test_the_layout_names_every_module():
    """Of docs/architecture.md: each folder that has modules, and of those whose modules it lists one by one, all."""
    layout = (
        (REPOSITORY / "docs" / "architecture.md").read_text().partition("## Package layout")[2].partition("\n## ")[0]
    )
    folders: list[tuple[int, str]] = []
    listed, named = set(), set()
    for line in layout.splitlines():
        indent, token = len(line) - len(line.lstrip()), (line.split() or [""])[0].rstrip(",")
        if indent < 4:
            continue
        while folders and folders[-1][0] >= indent:
            folders.pop()
        if token.endswith("/"):
            folders.append((indent, token))
            named.add("".join(folder for _, folder in folders))
        elif token.endswith(".py"):
            listed.add("".join(folder for _, folder in folders))
    paths = [str(path.relative_to(REPOSITORY)) for path in FILES.values() if path.name != "__init__.py"]
    modules = [path for path in paths if not path.startswith("builders/") and not path.endswith("__main__.py")]
    assert {path.rpartition("/")[0] + "/" for path in modules} <= named
    assert not [
        path for path in modules if path.rpartition("/")[0] + "/" in listed and path.rpartition("/")[2] not in layout
    ]


def test_modules_stay_short():
    """Half of them can be read at a sitting, and none takes an afternoon."""
    lengths = sorted(len(path.read_bytes().splitlines()) for path in FILES.values())
    assert lengths[len(lengths) // 2] < 180
    assert lengths[-1] <= 400
