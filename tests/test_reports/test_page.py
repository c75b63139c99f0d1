"""The page: its sections, where their numbers come from, and the commands that make them."""

from __future__ import annotations

import re
import shlex
from html import unescape
from typing import TYPE_CHECKING

import pytest

from benchmark.command_line.arguments import call_of, make_parser, parse
from benchmark.planning.cells import lay_out, variants_to_prepare
from benchmark.planning.selection import logs_to_prepare
from benchmark.running.grid import prepare_log
from benchmark.store.data_folder import store_data
from benchmark.store.plan import Plan, write_plan
from datasets.spec import SPLITS
from models.registry import load_backbone, load_method
from reports.look.part import Images, SectionName
from reports.look.table import Entry, TableBlock, TableLayout, to_latex, to_markdown
from reports.page.content import LARGEST_SVG, Picture, Section, render_page
from reports.page.lineage import command, lineage_of, studies_in
from reports.reading.load import load_runs
from run_all import selection_of

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Folder

    from benchmark.planning.cells import TableLayout as Planned

PNG = b"\x89PNG\r\n\x1a\n"
SVG = '<svg viewBox="0 0 9 9"><g id="a"/></svg>'


def section(
    *rows: list[Entry], name: str = "results", part: SectionName = "result", **options: object
) -> Section:
    columns = [f"c{i}" for i in range(len(rows[0]))]
    blocks = [TableBlock(heading="block", rows=list(rows))]
    layout = TableLayout(columns=columns, blocks=blocks, notes=["a note"], wraps=frozenset({1}))
    return Section(name=name, title="Results", section=part, layout=layout, **options)


def planned_by(words: list[str], cache: Path) -> Planned:
    """What the front door plans for these words."""
    selection = selection_of(parse(words))
    logs = {name: prepare_log(name, None, cache, selection) for name in logs_to_prepare(selection)}
    for word, (name, variant) in variants_to_prepare(selection, logs).items():
        logs[word] = prepare_log(name, None, cache, selection, variant)
    return lay_out(selection, logs)


def page_of(folder: Folder, *sections: Section) -> str:
    return render_page(load_runs(folder.store.out), sections)


def commands_in(page: str) -> set[str]:
    lines = re.findall(r"<pre><code>(.*?)</code></pre>", page)
    return {unescape(re.sub("<[^>]*>", "", line)) for line in lines}


def test_entry_links_anchors_and_tags_its_text(finished: Folder) -> None:
    row = [
        Entry("0.71", is_best=True, link="test-3"),
        Entry("<raw>", anchor="test-3"),
        Entry("inconclusive: needs 5 seeds", tag="inconclusive"),
    ]

    page = page_of(finished, section(row))

    assert '<td><b><a href="#test-3">0.71</a></b></td>' in page
    assert '<td id="test-3" class="wrap">&lt;raw&gt;</td>' in page
    assert '<span class="tag open">inconclusive</span>: needs 5 seeds</td>' in page


def test_page_cites_the_paper_of_each_model(finished: Folder) -> None:
    page = page_of(finished)

    cited = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page)
    assert ("AdaSparse", load_method("adasparse").facts.paper) in cited
    assert ("DNN", load_backbone("dnn").facts.paper) in cited
    assert "plain" not in dict(cited)


def test_header_of_a_log_says_what_was_run(finished: Folder) -> None:
    runs = load_runs(finished.store.out)
    rows = sum(
        int(domains[f"{split}_impressions"].sum())
        for domains in runs.domains_by_draw(next(iter(runs.families)))
        for split in SPLITS
    )

    page = render_page(runs, [], answers=dict.fromkeys(runs.families, "The answer."))

    [header] = re.findall(r'<p class="header">(.*?)</p>', page, re.DOTALL)
    facts = re.findall(r"<span>(.*?)</span>", header)
    assert facts[:2] == ["synthetic", f"{rows:,} rows"]
    assert facts[3:] == ["split by time", "preset quick", "3 seeds", "2026-01-31"]
    assert '<p class="answer">The answer.</p>' in page


def test_page_says_what_was_read_of_a_log(finished: Folder) -> None:
    finished.write_data()

    page = page_of(finished)

    assert "<td>train: first</td><td>train: last</td>" in page
    assert "<dt>Time column</dt><dd>time_ms</dd>" in page
    assert "share of the values in test that train lacks: user 50.0%" in page
    assert "7 of the 400 rows of the log repeat an earlier one" in page


def test_claims_have_a_chapter_and_are_counted(finished: Folder) -> None:
    claims = section(
        *([Entry("a claim"), Entry(verdict, tag=verdict)] for verdict in
          ("not testable here", "does not hold in this world", *2 * ["holds in this world"])),
        name="claims", part="claims",
    )  # fmt: skip

    page = page_of(finished, claims, section([Entry("x")]))

    counts = re.findall(r'<span class="count"><span class="tag (\w+)">([\w ]+)</span> (\d+)', page)
    assert counts == [
        ("good", "holds in this world", "2"),
        ("bad", "does not hold in this world", "1"),
        ("neutral", "not testable here", "1"),
    ]
    assert (
        page.index('id="results"') < page.index('id="chapter-claims"') < page.index('id="claims"')
    )


def test_verdicts_are_counted_log_by_log(finished: Folder) -> None:
    verdicts = {"first log": "reproduced", "second log": "not reproduced"}
    blocks = [
        TableBlock(heading=log, rows=[[Entry("a claim"), Entry(word, tag=word)]])
        for log, word in verdicts.items()
    ]
    layout = TableLayout(columns=["Claim", "Verdict"], blocks=blocks, notes=[])

    page = page_of(finished, Section(name="claims", title="Claims", layout=layout))

    lines = re.findall(r'<p class="verdicts">.*?</p>', page, re.DOTALL)
    assert len(lines) == 2
    for line, (log, word) in zip(lines, verdicts.items(), strict=True):
        assert f"{log}:" in line
        assert re.search(rf">{word}</span> 1</span>", line)


def figure(svg: str) -> Section:
    images = Images(png=PNG, pdf=b"", svg=svg, width=7.0, undrawn=frozenset())
    picture = Picture(name="fig", images=images)
    return Section(name="fig", title='Gain "by bin"', pictures=(picture,), notes=["Δ in 0.0001"])


def test_figure_is_an_element_with_ids_of_its_own(finished: Folder) -> None:
    page = page_of(finished, figure(SVG))

    assert '<div class="card" style="width: 910px">' in page  # 7.0 inches of 130 pixels
    assert SVG.replace('id="a"', 'id="fig-a"') in page
    assert "<img" not in page


def test_large_figure_is_pixels(finished: Folder) -> None:
    page = page_of(finished, figure(SVG.ljust(LARGEST_SVG + 1)))

    [tag] = re.findall("<img [^>]*>", page)
    assert 'src="data:image/png;base64,iVBORw0KGgo' in tag
    assert unescape(tag).count('alt="Gain "by bin". Δ in 0.0001"') == 1


def test_words_between_backticks_are_code(finished: Folder) -> None:
    page = page_of(finished, section([Entry("x")], notes=["`a.csv --x` has <all>, `b` too"]))

    assert "<li><code>a.csv --x</code> has &lt;all&gt;, <code>b</code> too</li>" in page


def test_caption_shows_its_first_sentence_and_folds_the_rest(finished: Folder) -> None:
    part = section([Entry("x")], notes=["a note", "Another. And more."])

    page = page_of(finished, part)

    assert page.count("<p>a note</p>") == 1
    assert page.count("<li>Another. And more.</li>") == 1
    assert (part.lead, part.caption) == ("a note", ["Another. And more."])


def test_files_of_a_section_are_links(finished: Folder) -> None:
    page = page_of(finished, section([Entry("x")], files=("figures/fig1.png",)))

    assert '<a href="figures/fig1.png">figures/fig1.png</a>' in page


def test_lineage_links_every_run_of_the_studies(studied: Folder) -> None:
    runs = load_runs(studied.store.out)

    lineage = lineage_of(runs, ["formulations", "sparsity"])

    links = [run for models in lineage.logs.values() for runs in models.values() for run in runs]
    expected = runs.study("formulations", "sparsity").cells
    assert {run.run_id for run in links} == {cell.config.run_id for cell in expected}
    assert lineage.states == {"done": 15, "failed": 0, "missing": 0}  # 5 models, 3 seeds
    for run in links:
        record = (studied.store.out / "report" / run.folder / "record.json").resolve()
        assert record.parent.name == run.run_id
        assert record.is_file()


def test_lineage_of_a_study_without_cells_is_none(finished: Folder) -> None:
    runs = load_runs(finished.store.out)

    assert lineage_of(runs, ["controls"]) is None
    assert lineage_of(runs, []) is None


def test_section_of_a_partial_study_says_what_is_missing(folder: Folder) -> None:
    done, failed, *_ = folder.plan()
    folder.run(done)
    folder.store.write_error(failed, "NonFiniteLossError: the loss is nan", "Traceback")
    folder.write_data()

    page = page_of(folder, section([Entry("x")], studies=("main",)))

    assert "1 of 12 finished, 1 failed, 10 missing" in page
    assert page.count("<em>missing</em>") == 10
    assert any(line.endswith("--retry-failed --out DIR") for line in commands_in(page))


def test_sample_store_has_a_banner(finished: Folder) -> None:
    without = page_of(finished)
    (finished.store.out / "SAMPLE.md").write_text("# This is a sample.\nMore.\n", encoding="utf-8")

    with_banner = page_of(finished)

    assert "<strong>Sample:</strong> This is a sample.</p>" in with_banner
    assert "<strong>Sample:" not in without


def test_page_names_studies_that_are_not_in_the_plan(studied: Folder) -> None:
    path = studied.store.out / "studies" / "masks.json"
    path.write_text('{"study": "masks", "slots": [], "former": []}', encoding="utf-8")

    page = page_of(studied)

    assert "main: 9 of 9 finished" in page
    assert "masks: not part of this plan" in page
    assert any("--only masks --" in line for line in commands_in(page))


def test_every_command_is_accepted_by_the_front_door(studied: Folder) -> None:
    for line in commands_in(page_of(studied, section([Entry("x")], studies=("controls",)))):
        python, program, *words = shlex.split(line)
        args = parse(words)

        assert (python, program) == ("python", "run_all.py")
        assert args.preset == "quick"


def test_command_has_the_flags_of_the_call() -> None:
    words = [
        *("--preset", "smoke", "--data", "my log.toml", "--backbones", "dnn", "dcnv2"),
        *("--methods", "plain", "mine"),
        *("--plugin", "mine.py", "--seeds", "3", "--tuned", "found/tuning"),
    ]
    args = make_parser().parse_args([word for word in words if word != "mine"])

    line = command(call_of(args) | {"--methods": ["plain", "mine"]}, ["main", "cost"])

    assert line == (
        "python run_all.py --preset smoke --data 'my log.toml' --backbones dnn dcnv2 --methods"
        " plain mine --plugin mine.py --tuned found/tuning --seeds 3 --embedding-optimizer sparse"
        " --device cpu --compile auto --only main cost --out DIR"
    )


@pytest.mark.parametrize(
    "words",
    [
        "--preset smoke --trials 0",
        "--preset smoke --data synthetic_sparse --only mechanisms ab_test --methods adasparse plain"
        " --world-rows 4000 --seeds 1 --trials 0 --embedding-optimizer dense",
        "--preset smoke --data synthetic_bias/scenario+ad_position --only main --trials 0",
    ],
)
def test_command_plans_the_cells_of_the_report(folder: Folder, tmp_path: Path, words: str) -> None:
    planned = planned_by(words.split(), tmp_path)
    plan = Plan(
        preset="smoke", slots=planned.slots, studies=planned.studies, call=planned.selection.call
    )
    write_plan(folder.store, plan)
    for log in planned.data.values():
        store_data(folder.store, log)
    runs = load_runs(folder.store.out)

    again = planned_by(shlex.split(command(runs.call, studies_in(runs)))[2:], tmp_path)

    assert again.slots == planned.slots
    assert again.studies == planned.studies


def test_lines_of_an_entry_are_a_list_on_the_page_and_one_line_elsewhere(finished: Folder) -> None:
    entry = Entry("2 parts\nfirst <one>\nsecond")
    part = section([Entry("a claim"), entry])

    folded = "<summary>2 parts</summary><ul><li>first &lt;one&gt;</li><li>second</li></ul>"
    assert folded in page_of(finished, part)
    assert "2 parts; first \\<one\\>; second" in to_markdown("Results", part.layout)
    assert "2 parts; first <one>; second" in to_latex("Results", part.layout)
