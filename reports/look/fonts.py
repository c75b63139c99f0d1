"""Fonts of this machine for letters that matplotlib's own font has not, such as Chinese ones."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

OWN = "DejaVu Sans"  # comes with matplotlib
MOST_NAMED = 5  # letters


def further_fonts(letters: Collection[str]) -> list[str]:
    """Installed fonts that have the letters which the font of the house lacks."""
    return _further(frozenset(letters))[0]


def undrawn(letters: Collection[str]) -> set[str]:
    """The letters that no installed font has."""
    return _further(frozenset(letters))[1]


def remark(letters: Collection[str]) -> str:
    """The sentence on letters that cannot be drawn; empty without one."""
    if not letters:
        return ""
    some = " ".join(sorted(letters)[:MOST_NAMED])
    return (
        f"{len(letters)} letters of figures, such as {some}, are drawn as boxes: no installed font"
        " has them. The packages fonts-noto-cjk and fonts-noto-core of Debian and Ubuntu"
        " (google-noto-sans-cjk-fonts of Fedora) bring those of most scripts; then build the report"
        " again with --report-only"
    )


@lru_cache(maxsize=64)
def _further(letters: frozenset[str]) -> tuple[list[str], set[str]]:
    """Families that have letters which `OWN` lacks, by the paths of their files, and the rest."""
    families: list[str] = []
    own = font_manager.get_font(font_manager.findfont(OWN))
    left = _lacking(own, {letter for letter in letters if letter.isprintable()})
    for path in sorted(font_manager.findSystemFonts()) if left else ():
        try:
            font = font_manager.get_font(path)
        except (OSError, RuntimeError):  # no font, or of a kind that matplotlib cannot read
            continue
        lacking = _lacking(font, left)
        if font.scalable and lacking < left:
            font_manager.fontManager.addfont(path)
            families.append(font.family_name)
            left = lacking
    return families, left


def _lacking(font: FT2Font, letters: Collection[str]) -> set[str]:
    known = font.get_charmap()
    return {letter for letter in letters if ord(letter) not in known}
