"""The layout that everything else relies on: import names, sizes, import rules."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("benchmark", "datasets", "models", "reports")
TOP_LEVEL = {
    *PACKAGES,
    *("docs", "tests", "run_all.py", ".ci", ".gitignore", ".pre-commit-config.yaml"),
    *("Makefile", "pyproject.toml"),
    *(
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-ray.lock",
        "requirements-torch.lock",
    ),
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "LICENSE"),
}
MAX_FUNCTION_LINES = 60
MAX_ENTRIES = 16  # at the top of a package
SAY_NOTHING = {  # names of modules that do not tell what they hold
    *("assembly", "copies", "given", "known", "matching", "overview", "paired", "placements"),
    *("reached", "scored", "stored", "usage"),
}


def python_files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def all_files() -> list[Path]:
    return [*ROOT.glob("*.py"), *python_files(*PACKAGES, "tests")]


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions_of(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_package_init_is_a_docstring_only(package: str) -> None:
    tree = tree_of(ROOT / package / "__init__.py")

    assert len(tree.body) == 1
    assert ast.get_docstring(tree)


def test_nothing_is_packaged() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert project["tool"]["setuptools"] == {"packages": [], "py-modules": []}


@pytest.mark.parametrize("package", PACKAGES)
def test_import_name_is_ours(package: str) -> None:
    module = __import__(package)

    assert module.__file__ == str(ROOT / package / "__init__.py")


def test_test_folders_have_no_init() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} - {"__pycache__"}

    assert folders <= {f"test_{package}" for package in PACKAGES} | {"foreign"}
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files of the project, relative to its root."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: build products cannot be told from files of the project")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [Path(name) for name in listed.split("\0") if name]


def test_top_level_holds_only_the_fixed_entries(tracked: list[Path]) -> None:
    assert {path.parts[0] for path in tracked} <= TOP_LEVEL


@pytest.mark.parametrize("package", PACKAGES)
def test_package_has_few_entries_at_its_top(tracked: list[Path], package: str) -> None:
    entries = {path.parts[1] for path in tracked if path.parts[0] == package}

    assert len(entries) <= MAX_ENTRIES


@pytest.fixture
def modules(tracked: list[Path]) -> list[Path]:
    return [path for path in tracked if path.suffix == ".py" and path.parts[0] in PACKAGES]


def test_no_module_has_a_name_that_says_nothing(modules: list[Path]) -> None:
    assert not [path for path in modules if path.stem in SAY_NOTHING]


def test_no_class_name_stands_for_two_things(modules: list[Path]) -> None:
    places: dict[str, list[str]] = {}
    for path in modules:
        for node in ast.walk(tree_of(ROOT / path)):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{path}:{node.lineno}")

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{path}:{function.lineno} {function.name}": function.end_lineno - function.lineno + 1
        for path in all_files()
        for function in functions_of(tree_of(path))
    }

    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


def test_models_take_only_rows_and_batches_from_the_loader() -> None:
    taken = {
        alias.name
        for path in python_files("models")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.module == "datasets.loader"
        for alias in node.names
    }

    assert taken <= {"Batch", "EncodedRows"}
