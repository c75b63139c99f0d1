"""Figures as elements of a page: texts over points, ids, equal bytes."""

import re
from xml.etree import ElementTree

from matplotlib.figure import Figure as Canvas

from reports.look.style import house_style
from reports.look.tooltips import renamed, tip, to_svg

TEXT = 'a < b & "c"\n d'


def drawn() -> str:
    with house_style():
        canvas = Canvas(figsize=(3.0, 2.0))
        panel = canvas.subplots()
        (point,) = panel.plot(1.0, 2.0, "o")
        tip(point, TEXT)
        panel.set_title("title")
        return to_svg(canvas)


def test_text_of_a_point_is_its_title() -> None:
    root = ElementTree.fromstring(drawn())

    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == ['a < b & "c" d']


def test_element_has_no_size_and_no_head_of_its_own() -> None:
    text = drawn()

    assert text.startswith("<svg ")
    head = text[: text.index(">")]
    assert "viewBox" in head
    assert "width" not in head
    assert "<style" not in text


def test_equal_figures_give_equal_texts() -> None:
    assert drawn() == drawn()


def test_renamed_ids_are_found_by_their_references() -> None:
    text = renamed(drawn(), "fig")

    ids = set(re.findall(r'\bid="([^"]+)"', text))
    references = set(re.findall(r'href="#([^"]+)"', text)) | set(
        re.findall(r"url\(#([^)]+)\)", text)
    )
    assert all(name.startswith("fig-") for name in ids)
    assert references
    assert references <= ids
