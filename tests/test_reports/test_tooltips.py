"""Figures as elements of a page: texts over points, ids, equal bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure as Canvas

from reports.build import load_figures
from reports.look.style import house_style
from reports.look.tooltips import renamed, tip, to_svg

if TYPE_CHECKING:
    from reports.reading.load import Runs

TITLE = "{http://www.w3.org/2000/svg}title"
TEXT = 'a < b & "c"\n d'


def drawn(height: float = 2.0) -> str:
    with house_style():
        canvas = Canvas(figsize=(3.0, height))
        panel = canvas.subplots()
        (point,) = panel.plot(1.0, 2.0, "o")
        tip(point, TEXT)
        panel.set_title("title")
        return to_svg(canvas)


def test_text_of_a_point_is_its_title() -> None:
    root = ElementTree.fromstring(drawn())

    titles = [element.text for element in root.iter(TITLE)]
    assert titles == ['a < b & "c" d']


def test_element_has_no_size_and_no_head_of_its_own() -> None:
    text = drawn()

    assert text.startswith("<svg ")
    head = text[: text.index(">")]
    assert "viewBox" in head
    assert "width" not in head
    assert "<style" not in text


def test_equal_figures_give_equal_texts() -> None:
    assert drawn() == drawn(2.0 + 1e-12)  # a size that is the same as printed


def test_renamed_ids_are_found_by_their_references() -> None:
    text = renamed(drawn(), "fig")

    ids = set(re.findall(r'\bid="([^"]+)"', text))
    references = set(re.findall(r'href="#([^"]+)"', text)) | set(
        re.findall(r"url\(#([^)]+)\)", text)
    )
    assert all(name.startswith("fig-") for name in ids)
    assert references
    assert references <= ids


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pareto", "DNN: AUC 0.[0-9]{4}, Parameters 900$"),
        ("pareto", r"DNN \+AdaSparse: GAUC 0.[0-9]{4} \[0.[0-9]{4}, [01].[0-9]{4}\], 1 row, ms"),
        ("fig3b", r"DNN \+AdaSparse, BIN2: .[0-9,.]+ \[.[0-9,.]+, .[0-9,.]+\]"),
        ("gain_parts", r"DNN \+AdaSparse, gain: .[0-9,.]+"),
        ("reliability", r"DNN: predicted / observed clicks [0-9.]+"),
    ],
)
def test_points_tell_the_model_and_its_values(studies: Runs, name: str, text: str) -> None:
    figure = load_figures()[name]
    with house_style():
        svg = to_svg(figure.draw(figure.tabulate(studies)))

    titles = [one.text for one in ElementTree.fromstring(svg).iter(TITLE)]

    assert any(re.match(text, str(one)) for one in titles), titles[:5]
