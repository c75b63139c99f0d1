"""README and docs: links lead somewhere, commands run, and the README stays short."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.command_line.new_method import TEMPLATE
from tests.conftest import ROOT, copy_repository, write_tiny_log

PAGES = ["README.md", "models/README.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = {"", "bash"}
LINK = re.compile(r"\]\(([^)\s]+)\)")
FROM_PYTHON = "from benchmark.api import"
MARK = re.compile(r"#.*\b(long|needs)\b")  # a command that no test runs
MOST_LINES, MOST_WORDS = 140, 1_300


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    blocks = [text for language, text in FENCED.findall(text_of(page)) if language in SHELL]
    return [line for text in blocks for line in text.splitlines()]


def run_by_test(page: str) -> list[str]:
    return [line for line in commands(page) if not MARK.search(line)]


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    broken = []

    for link in LINK.findall(FENCED.sub("", text_of(page))):
        name, _, anchor = link.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        if link.startswith("https://"):
            continue
        if not path.is_file() or (anchor and anchor not in anchors(path)):
            broken.append(link)

    assert broken == []


def test_readme_is_short() -> None:
    text = text_of("README.md")

    assert len(text.splitlines()) <= MOST_LINES
    assert len(text.split()) <= MOST_WORDS


def test_every_page_is_in_the_index() -> None:
    listed = set(LINK.findall(text_of("docs/index.md")))

    assert listed == {path.name for path in ROOT.glob("docs/*.md")} - {"index.md"}


@pytest.mark.parametrize("page", PAGES)
def test_modules_named_exist(page: str) -> None:
    named = set(
        re.findall(r"python -m ((?:benchmark|datasets|models|reports)[\w.]*)", text_of(page))
    )

    assert {name for name in named if importlib.util.find_spec(name) is None} == set()


def test_flags_named_exist(front_door) -> None:
    known = set(re.findall(r"--[a-z-]+", front_door("--help").stdout))

    lines = [line for page in PAGES for line in re.findall(r"run_all\.py(.*)", text_of(page))]
    named = {flag for line in lines for flag in re.findall(r" (--[a-z][a-z-]+)", line)}

    assert "--report-only" in named
    assert named <= known


def test_targets_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    code = [line for page in PAGES for line in commands(page)]

    named = {match[1] for line in code if (match := re.match(r"make ([a-z-]+)", line))}

    assert "reproduce" in named
    assert named <= targets


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project after set-up, with a log of a user in its folder."""
    folder = copy_repository(tmp_path_factory.mktemp("docs") / "checkout")
    (folder / ".venv").symlink_to(sys.prefix)
    write_tiny_log(folder)
    (folder / "tiny.csv").rename(folder / "impressions.csv")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if run_by_test(page)])
def test_commands_run_in_their_order(checkout: Path, page: str) -> None:
    path = f"{checkout / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    own = checkout / "my_method.py"  # which a page makes itself or takes for granted
    own.unlink(missing_ok=True)
    if not any("--new-method" in command for command in run_by_test(page)):
        shutil.copy(TEMPLATE, own)

    for command in run_by_test(page):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=checkout,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{(done.stdout + done.stderr)[-3000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if FROM_PYTHON in text_of(page)])
def test_lines_of_python_run_in_their_order(checkout: Path, page: str) -> None:
    blocks = [text for language, text in FENCED.findall(text_of(page)) if language == "python"]
    describe = [sys.executable, "run_all.py", "--data", "impressions.csv"]
    subprocess.run(describe, cwd=checkout, capture_output=True, check=True)

    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=checkout,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    assert done.stdout
