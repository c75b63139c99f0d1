"""The notebook of docs/ runs, and its stored outputs are those of this code."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

NOTEBOOK = ROOT / "docs" / "python.ipynb"
MOST_BYTES = 100_000
NUMBER = re.compile(r"-?\d+\.\d+")
RUN_ID = re.compile(r"'[0-9a-f]{12}'")


def texts_of(notebook: nbformat.NotebookNode) -> list[str]:
    """The outputs of each cell of code as words, errors and warnings among them."""
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found = [
                out.get("text") or out.get("data", {}).get("text/plain") for out in cell.outputs
            ]
            texts.append(" ".join(" ".join(map(str, found)).split()))
    return texts


@pytest.fixture(scope="module")
def stored() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_small_and_its_outputs_are_kept(stored: nbformat.NotebookNode) -> None:
    counts = [cell.execution_count for cell in stored.cells if cell.cell_type == "code"]

    assert NOTEBOOK.stat().st_size < MOST_BYTES
    assert counts == list(range(1, len(counts) + 1))
    assert len(RUN_ID.findall(" ".join(texts_of(stored)))) == 2


@pytest.mark.slow
def test_the_notebook_runs_and_gives_what_it_shows(stored: nbformat.NotebookNode) -> None:
    fresh = nbformat.read(NOTEBOOK, as_version=4)

    NotebookClient(fresh, timeout=600, resources={"metadata": {"path": NOTEBOOK.parent}}).execute()

    for shown, text in zip(texts_of(stored), texts_of(fresh), strict=True):
        assert NUMBER.sub("#", text) == NUMBER.sub("#", shown)  # run ids among it
        numbers = [[float(one) for one in NUMBER.findall(words)] for words in (text, shown)]
        assert numbers[0] == pytest.approx(numbers[1], abs=0.01)  # machines differ in rounding
