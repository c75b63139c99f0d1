"""The environment of a run: versions, machine and the commit of this program."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark.config import Json

PACKAGES = ("torch", "numpy", "polars", "pandas", "pyarrow")
COMMIT_VARIABLE = "CTR_COMMIT"  # of a node of a cluster, which has no checkout
ROOT = Path(__file__).resolve().parents[2]
CODE = ("benchmark", "datasets", "models")  # what a trained model needs
SCORER = (  # what scores raw rows by one that is saved
    *("benchmark/__init__.py", "benchmark/tracking/__init__.py", "benchmark/tracking/pyfunc.py"),
    *("benchmark/training/__init__.py", "benchmark/training/frames.py"),
    *(f"datasets/{name}.py" for name in ("__init__", "files", "loader", "provenance", "spec")),
    *(f"datasets/encoding/{name}.py" for name in ("__init__", "by_value", "codes", "domains")),
    *(f"datasets/encoding/{name}.py" for name in ("fitted", "tokens")),
    "datasets/raw",
    *("models/backbones", "models/layers", "models/methods"),
    *(f"models/{name}.py" for name in ("__init__", "config_values", "ctr_model", "facts")),
    *(f"models/{name}.py" for name in ("interfaces", "own_code", "predictors", "registry")),
    "models/saved.py",
)
NOT_CODE = ("data", "runs", "speed", "__pycache__")


def program_version() -> str:
    """Name and version of this program, with its commit in a git checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    commit = program_commit()
    return f"{project['name']} {project['version']}" + (f", commit {commit}" if commit else "")


@cache
def program_commit() -> str | None:
    """Commit of this checkout, with `+changes` if files differ; None outside a git checkout."""
    if COMMIT_VARIABLE in os.environ:
        return os.environ[COMMIT_VARIABLE] or None
    head = _git("rev-parse", "HEAD")
    if head is None:
        return None
    return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def machine() -> dict[str, Json]:
    """Versions and machine, without importing any package."""
    return {
        "commit": program_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor_count": os.cpu_count(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def own_program(name: str, folder: Path) -> Path:
    """A program of this environment, as seen from a folder where it lies below that.

    Its name alone where the environment has none.
    """
    program = Path(sys.executable).with_name(name)
    if not program.is_file():
        return Path(name)
    return program.relative_to(folder) if program.is_relative_to(folder) else program


def copy_program(folder: Path) -> None:
    """Copy the packages that train and serve models: Python files, and native kernels."""
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=_other_than(".py", ".cpp", ".so"))


def copy_scorer(folder: Path) -> list[Path]:
    """Copy the code that loads a model and scores rows by it; the folders of its packages."""
    for name in SCORER:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=_other_than(".py"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return sorted(folder.iterdir())


def _other_than(*suffixes: str) -> Callable[[str, list[str]], list[str]]:
    """A filter of a copy: it leaves out files with other suffixes, and folders without code."""

    def ignored(folder: str, names: list[str]) -> list[str]:
        paths = [Path(folder) / name for name in names]
        return [
            path.name
            for path in paths
            if path.name in NOT_CODE or (path.is_file() and path.suffix not in suffixes)
        ]

    return ignored
