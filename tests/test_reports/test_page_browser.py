"""The page in a real headless Chromium: nothing fails, nothing overflows, tables sort."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from dataclasses import replace
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmark.metrics import GAINS, SCORES
from reports.build import build
from reports.look.part import Figure, rendered
from reports.look.style import panels
from reports.look.table import Entry, TableBlock, TableLayout
from reports.page.content import LARGEST_SVG, Picture, Section, render_page
from reports.reading.load import load_runs

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--virtual-time-budget=20000", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
PROBE = Path(__file__).with_name("probe.html")
WATCH = """<head><script>
window.seenErrors = [];
const note = (words) => seenErrors.push(String(words));
addEventListener("error", (event) => note(event.message || event.target.src), true);
addEventListener("unhandledrejection", (event) => note(event.reason));
addEventListener("securitypolicyviolation", (event) => note(event.blockedURI));
for (const level of ["error", "warn"]) console[level] = (...words) => note(words);
</script>"""
ROWS = {  # names in the order of the table: number, interval, count, p value, words
    "a": ("0.7123 ± 0.0010", "+12.3 [1.0, 20.0]", "12 of 30", "< 0.001", "ten 10"),
    "b": ("0.7121 ± 0.0500", "\N{MINUS SIGN}3.1 [\N{MINUS SIGN}9.0, 2.0]", "3", "0.040", "ten 9"),
    "c": ("n/a", "", "1,204", "0.5", ""),
    "d": ("0.80*", "+2.0 ± 0.1", "101 of 200", "", "nine"),
}
BY_COLUMN = {1: "badc", 2: "bdac", 3: "badc", 4: "abcd", 5: "dbac"}  # ascending, blanks last
FALLING = {1: "dabc", 2: "adbc", 3: "cdab", 4: "cbad", 5: "abdc"}


class Handler(SimpleHTTPRequestHandler):
    """Serves the probe, and an output folder whose page is watched; remembers what was asked."""

    asked: set[str]

    def do_GET(self) -> None:
        self.asked.add(self.path)
        path = Path(self.directory) / self.path.lstrip("/")
        if self.path == "/probe.html":
            self._answer(PROBE.read_bytes())
        elif path.is_file():
            self._answer(path.read_bytes().replace(b"<head>", WATCH.encode(), 1))
        else:
            self.send_error(404)

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def chromium() -> str:
    """Path of a Chromium; the tests are skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is on the PATH")
    return found


def findings_of(chromium: str, out: Path, scratch: Path) -> dict[str, Any]:
    """What the probe sees of `<out>/report/index.html`, and the paths that were asked for."""
    asked: set[str] = set()
    handler = type("Watching", (Handler,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=out))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        done = subprocess.run(
            [chromium, *FLAGS, f"--user-data-dir={scratch}", "--dump-dom",
             f"http://127.0.0.1:{server.server_port}/probe.html"],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
    [text] = re.findall(r'<pre id="findings">(.+?)</pre>', done.stdout, re.DOTALL)
    return {**json.loads(unescape(text)), "asked": asked}


def custom_sections() -> list[Section]:
    """A table of many formats in two blocks, a wide one, claims with sentences, and a figure."""
    sentence = "Methods that make parameters beat methods that keep parameters for each domain"
    verdicts = ("reproduced", "not reproduced", "inconclusive", "not testable here")
    claims = [[Entry(sentence), Entry(f"{tag}: {sentence}", tag=tag)] for tag in verdicts]
    rows = [[Entry(name), *map(Entry, texts)] for name, texts in ROWS.items()]
    wide = [[Entry(f"cell {i} of a wide table", anchor=f"cell-{i}") for i in range(40)]]
    figure = Figure(
        title="",
        section="result",
        position=0,
        study="",
        tabulate=None,
        notes=None,
        draw=lambda _: panels(1, 2, width=7.0, height=2.6),
    )
    return [
        Section(name="mixed", title="Mixed", layout=table(rows, rows[::-1]), studies=("main",)),
        Section(name="wide", title="Wide", layout=table(wide)),
        Section(name="claims-like", title="Claims", layout=table(claims, wraps=frozenset({0, 1}))),
        Section(name="figure", title="Figure", pictures=pictures(figure), studies=("main",)),
        Section(name="folded", title="Folded", is_folded=True, layout=table(rows)),
    ]


def pictures(figure: Figure) -> tuple[Picture, ...]:
    """A figure as an element, and as pixels where that is too large."""
    images = rendered(figure, None)
    large = replace(images, svg=images.svg.ljust(LARGEST_SVG + 1))
    return Picture(name="small", images=images), Picture(name="large", images=large)


def table(*blocks: list[list[Entry]], wraps: frozenset[int] = frozenset()) -> TableLayout:
    return TableLayout(
        columns=[f"Column {i}" for i in range(len(blocks[0][0]))],
        blocks=[TableBlock(heading=f"A long heading {'and more ' * 30}", rows=b) for b in blocks],
        notes=["a note with a_very_long_name_" + 30 * "without_a_break_"],
        wraps=wraps,
    )


@pytest.fixture(scope="module")
def custom(
    chromium: str, whole_grid: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The findings on a page of known sections."""
    out = tmp_path_factory.mktemp("custom")
    (out / "report").mkdir()
    page = render_page(load_runs(whole_grid), custom_sections())
    (out / "report" / "index.html").write_text(page, encoding="utf-8")
    return findings_of(chromium, out, out / "profile")


@pytest.fixture(scope="module")
def built(
    chromium: str, whole_studies: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The findings on the report of all studies."""
    out = tmp_path_factory.mktemp("built") / "out"
    shutil.copytree(whole_studies, out)
    build(out)
    return findings_of(chromium, out, out / "profile")


@pytest.fixture(scope="module")
def two_logs(chromium: str, folder_of, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The findings on the report of a main study on two logs."""
    folder = folder_of(tmp_path_factory.mktemp("two"))
    configs = [
        folder.config("dnn", method, seed, **log)
        for log in ({}, folder.null_world)
        for method in ("plain", "adasparse")
        for seed in (1, 2)
    ]
    folder.plan_of({"main": configs})
    folder.finish(configs)
    folder.write_data(folder.null_world["data_fingerprint"])
    build(folder.store.out)
    return findings_of(chromium, folder.store.out, folder.store.out.with_name("profile"))


@pytest.fixture(scope="module")
def shown(
    chromium: str, sample_report: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The findings on the report of the committed sample."""
    return findings_of(chromium, sample_report, tmp_path_factory.mktemp("profile"))


@pytest.mark.parametrize("name", ["custom", "built", "shown"])
def test_page_fits_and_loads_without_errors(name: str, request: pytest.FixtureRequest) -> None:
    findings = request.getfixturevalue(name)

    assert findings["errors"] == []
    for view, width in (("wide", 1280), ("narrow", 390)):
        seen = findings[view]
        assert width - 20 <= seen["width"] <= width  # a scroll bar may take some of it
        assert seen["scrollWidth"] <= seen["width"]
        assert seen["overflowing"] == []
        assert seen["loaded"] == seen["images"]
        assert seen["deadLinks"] == []


@pytest.mark.parametrize("name", ["custom", "built"])
def test_page_asks_for_nothing_but_itself(name: str, request: pytest.FixtureRequest) -> None:
    findings = request.getfixturevalue(name)

    assert findings["asked"] <= {"/probe.html", "/report/index.html", "/favicon.ico"}
    assert findings["wide"]["requests"] == []


def test_image_is_shown(custom: dict[str, Any]) -> None:
    assert custom["wide"]["images"] == custom["narrow"]["images"] == 1


@pytest.mark.parametrize("name", ["custom", "shown"])
def test_each_id_is_there_once(name: str, request: pytest.FixtureRequest) -> None:
    ids = request.getfixturevalue(name)["wide"]["ids"]

    assert len(ids) == len(set(ids))


def test_answer_and_forest_plot_are_on_the_first_screen(shown: dict[str, Any]) -> None:
    seen = shown["wide"]["firstScreen"]

    assert 0 < seen["answer"] < seen["forest"] <= 900


def test_table_1_fits_with_at_most_nine_columns(shown: dict[str, Any]) -> None:
    seen = shown["wide"]["firstScreen"]

    further = set(SCORES) - {"logloss", "auc", "gauc"}
    assert {"Model", "AUC", "GAUC", "Δ AUC", "Δ GAUC"} <= set(seen["columns"])
    if further:
        pytest.skip(f"wider by metrics of one's own: {', '.join(sorted(further))}")
    assert len(seen["columns"]) <= 9
    assert seen["table"] <= min(seen["room"], 1000)


def test_differences_of_the_chosen_metrics_are_shown(built: dict[str, Any]) -> None:
    first, found = built["metrics"]["first"], built["metrics"]["found"]

    assert first == " ".join(GAINS)
    alone = {name: [name] for name in SCORES}
    assert found == {first: sorted(GAINS), **alone, "": sorted(SCORES)}
    assert {"auc", "gauc", "logloss"} <= alone.keys()


@pytest.mark.slow
def test_parts_of_the_chosen_log_are_shown(two_logs: dict[str, Any]) -> None:
    first, found = two_logs["logs"]["first"], two_logs["logs"]["found"]

    names = ["synthetic_none (domains: scenario)", "world (domains: scenario)"]
    assert first == names[1]
    assert found == {name: [name] for name in names} | {"": names}


def test_link_to_a_test_unfolds_it(built: dict[str, Any]) -> None:
    assert built["unfolded"] == [False, True]


@pytest.mark.parametrize("column", BY_COLUMN)
def test_click_on_a_head_sorts_inside_blocks(custom: dict[str, Any], column: int) -> None:
    states, orders = zip(*custom["orders"][column], strict=True)

    names = [["".join(block[1:]) for block in blocks] for blocks in orders]
    assert states == ("ascending", "descending", "none")
    assert names == [2 * [BY_COLUMN[column]], 2 * [FALLING[column]], ["abcd", "dcba"]]
    assert all(block[0].startswith("A long heading") for blocks in orders for block in blocks)


def test_theme_button_changes_and_keeps_the_theme(custom: dict[str, Any]) -> None:
    first, second = custom["themes"]

    assert {first["theme"], second["theme"]} == {"dark", "light"}
    for seen in (first, second):
        assert seen["kept"] == seen["theme"]
        assert (seen["ground"] < 0.1) == (seen["theme"] == "dark")


@pytest.mark.parametrize("name", ["custom", "built"])
def test_text_can_be_read_in_both_themes(name: str, request: pytest.FixtureRequest) -> None:
    for seen in request.getfixturevalue(name)["themes"]:
        assert seen["contrast"] >= 4.5  # WCAG 2.2, level AA


def test_report_prints_on_few_pages(chromium: str, sample_report: Path, tmp_path: Path) -> None:
    page, printed = sample_report / "report" / "index.html", tmp_path / "printed.pdf"
    command = [chromium, *FLAGS, f"--user-data-dir={tmp_path}/profile"]
    subprocess.run(
        [*command, f"--print-to-pdf={printed}", page.as_uri()],
        check=True,
        timeout=120,
        capture_output=True,
    )

    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) <= 20
