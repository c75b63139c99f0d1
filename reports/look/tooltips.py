"""Figures as SVG that stands in a page: texts that are shown over points, and ids that differ."""

from __future__ import annotations

import io
import re

from matplotlib.artist import Artist
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

_TIP = "tip:"  # begins the id of what has a text
_STAMPS = {"Creator": None, "Date": None, "Format": None, "Type": None}
_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_TITLED = re.compile(rf"""<g id=(["']){_TIP}(.*?)\1>""")
_IDS = re.compile(r'(\bid="|href="#|url\(#)([^")]+)')
_STYLE = re.compile(r"\s*<defs>\s*<style.*?</defs>", re.DOTALL)  # the page has the rule
_SIZE = re.compile(r'(<svg [^>]*?)width="([\d.]+)pt" height="([\d.]+)pt"')


def tip(artist: Artist, text: str) -> None:
    """Show a text over an artist where the figure is on the page."""
    artist.set_gid(_TIP + " ".join(text.split()))


def to_svg(canvas: Canvas) -> str:
    """The figure as an SVG element as wide as its place; equal figures give equal texts."""
    stream = io.StringIO()
    FigureCanvasSVG(canvas).print_svg(stream, metadata=_STAMPS)
    text = _HEAD.sub("", stream.getvalue(), count=1)
    text = _TITLED.sub(r"<g><title>\2</title>", text)
    text = _STYLE.sub("", text, count=1)
    text = _SIZE.sub(r"\1", text, count=1).strip()
    numbers: dict[str, int] = {}  # matplotlib's own ids change with the last bit of a position
    return _IDS.sub(lambda one: f"{one[1]}{numbers.setdefault(one[2], len(numbers))}", text)


def renamed(svg: str, name: str) -> str:
    """The element with ids that begin with a name, so that several can stand in one page."""
    return _IDS.sub(rf"\1{name}-\2", svg)
