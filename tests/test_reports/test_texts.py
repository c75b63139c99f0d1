"""Texts of a log in figures: drawn as they stand, in any script that an installed font has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from reports.build import build
from reports.figures import fig1
from reports.look import fonts
from reports.look.panels import cut
from reports.look.part import Figure, rendered
from reports.look.style import house_style

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Folder

LETTERS = "数据"
VALUES = ["$0-$10", "$5_000", r"$5\frac", "a^b", "{x}", "100%", "a\nb", "<b>&amp;", "ä", "\t"]


def written(*texts: str) -> Figure:
    """A figure that shows these texts."""

    def draw(_: object) -> Canvas:
        canvas = Canvas()
        canvas.subplots().set_yticks(range(len(texts)), texts)
        return canvas

    part = {name: getattr(fig1.FIGURE, name) for name in ("title", "section", "position", "study")}
    return Figure(**part, tabulate=fig1.tabulate, draw=draw, notes=lambda _: [])


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that makes a font of these letters the only one that is installed."""

    def make(letters: str) -> None:
        pen = TTGlyphPen(None)
        for move, *point in (("moveTo", 0, 0), ("lineTo", 500, 0), ("lineTo", 0, 700)):
            getattr(pen, move)(tuple(point))
        pen.closePath()
        names = [".notdef", *(f"uni{ord(letter):04X}" for letter in letters)]
        builder = FontBuilder(1000, isTTF=True)
        builder.setupGlyphOrder(names)
        builder.setupCharacterMap(dict(zip(map(ord, letters), names[1:], strict=True)))
        builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
        builder.setupHorizontalMetrics(dict.fromkeys(names, (600, 0)))
        builder.setupHorizontalHeader(ascent=800, descent=-200)
        builder.setupNameTable({"familyName": f"Test {len(letters)}", "styleName": "Regular"})
        builder.setupOS2()
        builder.setupPost()
        path = tmp_path / f"{len(letters)}.ttf"  # fonts are cached by their paths
        builder.save(path)
        fonts._further.cache_clear()
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(path)])
        monkeypatch.setattr("reports.build.rendered", rendered)

    return make


def test_no_mathematics_is_read_out_of_a_text() -> None:
    figure = written(*VALUES)

    with house_style():
        shown = figure.draw(None).findobj(Text)
    images = rendered(figure, None)

    assert not any(text.get_parse_math() for text in shown)
    assert images.png.startswith(b"\x89PNG")
    assert images.undrawn == frozenset()


def test_letters_of_an_installed_font_are_drawn(install) -> None:
    install("x")
    boxes = rendered(written(LETTERS), None)

    install(LETTERS)
    drawn = rendered(written(LETTERS), None)

    assert boxes.undrawn == set(LETTERS)
    assert drawn.undrawn == set()
    assert drawn.png != boxes.png


def test_a_remark_names_the_package_until_a_font_is_there(
    finished: Folder, install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.build.load_parts", lambda: {"fig1": written(LETTERS)})
    install("x")
    page = build(finished.store.out)
    without, before = page.read_text(encoding="utf-8"), page.stat().st_mtime_ns

    build(finished.store.out)
    again = page.stat().st_mtime_ns
    install(LETTERS)
    build(finished.store.out)

    assert "2 letters of figures, such as 据 数, are drawn as boxes" in without
    assert "fonts-noto-cjk" in without
    assert again == before
    assert "drawn as boxes" not in page.read_text(encoding="utf-8")
    assert json.loads((page.parent / "manifest.json").read_text())["undrawn"] == []


def test_long_texts_are_cut_to_one_line() -> None:
    assert cut("a\nb  c", 10) == "a b c"
    assert cut("x" * 11, 10) == "x" * 9 + "…"
