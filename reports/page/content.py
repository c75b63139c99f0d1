"""The text of the page beside its tables and figures: what ran, what is missing, and where."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import jinja2
import pandas as pd

from benchmark.config import Json
from benchmark.metrics import GAINS, SCORES
from benchmark.protocol import PRESETS, departures
from datasets.spec import SPLITS
from reports import analysis_plan
from reports.claims.verdicts import NO_VERDICT, NOT_RUN, NOT_TESTABLE, SMALL_TAGS, TAGS, Outcome
from reports.look.part import Images, SectionName
from reports.look.table import TableBlock, TableLayout
from reports.look.tooltips import renamed
from reports.page.data_cards import data_cards
from reports.page.lineage import REPORT_ONLY, command, lineage_of, studies_in
from reports.page.tuning import hyper_parameters, tuning_section
from reports.reading.exclusions import last_steps
from reports.reading.keys import Cell, Family, family_of, partition_of
from reports.reading.load import Runs
from reports.reading.names import data_title, facts_of, in_words, model_title, name_of, networks

Tone = Literal["good", "bad", "open", "neutral"]
OUTCOMES: dict[Outcome, Tone] = {"yes": "good", "no": "bad", "open": "open"}
TONES: dict[str, Tone] = {  # in the order of the summary; other tags are neutral
    **{
        tag: tone
        for outcome, tone in OUTCOMES.items()
        for tag in dict.fromkeys((*TAGS[outcome], SMALL_TAGS[outcome]))
    },
    NO_VERDICT: "neutral",
    NOT_TESTABLE: "neutral",
    NOT_RUN: "neutral",
}
CHAPTERS: dict[SectionName, str] = {
    "result": "Result",
    "cost": "Cost",
    "domains": "Domains",
    "claims": "Paper's claims",
    "methods": "Methods inside",
    "evidence": "Evidence",
}
CLAIMS = "claims"  # the table whose verdicts are counted
SAMPLE = "SAMPLE.md"
SCREEN_DPI = 130  # of a figure's inches: larger than in print, to be read at a glance
SPLITS_IN_SHORT = {"time": "split by time", "shuffle": "split by a seeded shuffle"}
COMMIT_LENGTH = 7  # characters
LARGEST_SVG = 300_000  # characters; larger figures are pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A figure on the page, of one `log` if it has a title; `name` is its own on the page."""

    name: str
    images: Images
    log: str = ""

    @property
    def svg(self) -> str:
        """The figure as an element; empty where it is too large."""
        svg = self.images.svg
        return renamed(svg, self.name) if len(svg) <= LARGEST_SVG else ""

    @property
    def source(self) -> str:
        """The figure as pixels."""
        return f"data:image/png;base64,{b64encode(self.images.png).decode()}"

    @property
    def width(self) -> int:
        """Its width in pixels of the page."""
        return round(self.images.width * SCREEN_DPI)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page: a table, a figure, or both; `is_folded` shows its title alone.

    `notes` are the caption; those of the layout come before them, equal ones once. `studies`
    are those whose runs are behind it; `files` are links as seen from the page.
    """

    name: str
    title: str
    section: SectionName = "result"
    is_folded: bool = False
    layout: TableLayout | None = None
    pictures: tuple[Picture, ...] = ()
    notes: list[str] = field(default_factory=list)
    studies: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def lead(self) -> str:
        """The first sentence of the caption."""
        return _sentences(self._texts)[0]

    @property
    def caption(self) -> list[str]:
        """All notes but the first sentence."""
        texts = self._texts
        return [text for text in [_sentences(texts)[1], *texts[1:]] if text]

    @property
    def alt(self) -> str:
        """The words in place of a picture."""
        return f"{self.title}. {self.lead}"

    @property
    def _texts(self) -> list[str]:
        of_table = self.layout.notes if self.layout else []
        return list(dict.fromkeys([*of_table, *self.notes]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """A log of the main comparison: its title, facts of a few words, and the answer on it."""

    log: str
    facts: list[str]
    answer: str


def _sentences(texts: Sequence[str]) -> tuple[str, str]:
    """The first sentence of the first text, and the rest of that."""
    first = texts[0] if texts else ""
    head, dot, rest = first.partition(". ")
    return head + dot.strip(), rest


def render_page(
    runs: Runs,
    sections: Sequence[Section],
    warnings: Sequence[str] = (),
    answers: Mapping[Family, str] | None = None,
) -> str:
    """The whole page as one self-contained HTML text; `answers` are those of `analysis.answer`."""
    data, failed = data_cards(runs), runs.unfinished("failed")
    mains = [cell.config for cell in runs.cells if not cell.changes]
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            sample=_sample(runs),
            summary=_summary(runs),
            preset=PRESETS[runs.preset],
            departures=departures(dict.fromkeys(config.protocol for config in mains)),
            warnings=warnings,
            headlines=[_headline(runs, family, text) for family, text in (answers or {}).items()],
            chapters=CHAPTERS,
            metrics=_choices(sections),
            data=data,
            sections=sections,
            verdicts=verdict_counts(s.layout for s in sections if s.name == CLAIMS),
            tone_of=lambda tag: TONES.get(tag, "neutral"),
            lineages={
                studies: lineage_of(runs, studies) for studies in {s.studies for s in sections}
            },
            parts_of_plan={
                name: (lineage_of(runs, [name]), command(runs.call, [name]))
                for name in runs.studies
            },
            whole=command(runs.call, studies_in(runs), retry_failed=bool(failed)),
            report_only=REPORT_ONLY,
            failed=[_line(cell) for cell in failed],
            missing=[_line(cell) for cell in runs.unfinished("missing")],
            last_steps=last_steps(runs.records),
            analysis={
                "version": analysis_plan.ANALYSIS.version,
                "digest": analysis_plan.digest(),
                "changes": analysis_plan.changes_since(runs.store.out),
            },
            protocols=[
                asdict(protocol) | {"embedding_optimizer": optimizer}
                for protocol, optimizer in dict.fromkeys(
                    (config.protocol, config.embedding_optimizer) for config in mains
                )
            ],
            papers=_papers(runs),
            disagreements=runs.disagreements(),
            tuning=tuning_section(runs),
            hyper_parameters=hyper_parameters(runs),
            environments=[_flat(environment) for environment in runs.environments()],
        )
    )


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _headline(runs: Runs, family: Family, text: str) -> Headline:
    """The facts of a log: rows, domains, split, preset, seeds, date and commit."""
    logs = runs.families[family]
    card, draws = runs.card(next(iter(logs.values()))), runs.domains_by_draw(family)
    own = [cell for cell in runs.study("main").cells if family_of(cell.config) == family]
    records = [cell.record for cell in own if cell.record is not None]
    seeds = len({cell.config.seed for cell in own})
    dates = sorted({str(record.timing["started"])[:10] for record in records})
    commits = {str(record.environment["commit"] or "")[:COMMIT_LENGTH] for record in records}
    facts = [
        *(["synthetic"] if "ceiling" in card else []),
        *([f"{len(logs)} draws"] if len(logs) > 1 else []),
        _rows_text([sum(_rows_of(domains)) for domains in draws], card["rows_in_log"]),
        f"{_range(map(len, draws))} domains",
        SPLITS_IN_SHORT[card["split_kind"]],
        f"preset {runs.preset}",
        f"{seeds} seed{'' if seeds == 1 else 's'}",
        *dict.fromkeys([*dates[:1], *dates[-1:]]),
        *(f"commit {commit}" for commit in sorted(filter(None, commits))),
    ]
    return Headline(log=data_title(*family), facts=facts, answer=text)


def _rows_of(domains: pd.DataFrame) -> list[int]:
    return [int(domains[f"{split}_impressions"].sum()) for split in SPLITS]


def _rows_text(used: Sequence[int], in_log: int) -> str:
    """The rows that take part, of how many in the log where a cap leaves some out."""
    whole = f" of {in_log:,}" if max(used) < in_log and len(used) == 1 else ""
    return f"{_range(used)}{whole} rows"


def _range(numbers: Iterable[int]) -> str:
    different = sorted(set(numbers))
    return " to ".join(f"{number:,}" for number in dict.fromkeys([different[0], different[-1]]))


def _choices(sections: Iterable[Section]) -> dict[str, str]:
    """The metrics whose differences a reader can choose, by their names with blanks between."""
    found = {name for one in sections if one.layout for name in one.layout.of_metric.values()}
    metrics = {name: metric.title for name, metric in SCORES.items() if name in found}
    gains = [name for name in GAINS if name in metrics]
    both = {" ".join(gains): " and ".join(metrics[name] for name in gains)}
    return both | metrics if len(metrics) > 1 else {}


def _sample(runs: Runs) -> str:
    """The first line of the file that marks a folder as a sample; empty without it."""
    path = runs.store.out / SAMPLE
    lines = path.read_text(encoding="utf-8").strip().splitlines() if path.is_file() else []
    return lines[0].lstrip("# ") if lines else ""


def _summary(runs: Runs) -> str:
    models = networks(runs.models)
    backbones, methods = _listed(models["backbone"]), _listed(models["method"])
    data = _listed(family.dataset for family in runs.families)
    cells = [runs.study(name).cells for name in studies_in(runs)]
    counts = [len({cell.config.seed for cell in own}) for own in cells]
    seeds = " to ".join(map(str, sorted({min(counts, default=0), max(counts, default=0)})))
    draws = max(map(len, runs.families.values()), default=1)
    drawn = f", and {draws} draws of each generated log" if draws > 1 else ""
    return (
        f"{len(runs.records)} of {len(runs.cells)} runs are finished: methods {methods} on"
        f" {backbones}, with {seeds} {'seed' if seeds == '1' else 'seeds'} each, on {data}{drawn}."
    )


def _papers(runs: Runs) -> dict[str, str]:
    """The papers of backbones, methods and references, by title."""
    names = dict.fromkeys([*runs.models["backbone"], *runs.models["method"]])
    return {name_of(name): facts_of(name).paper for name in names if facts_of(name).paper}


def _line(cell: Cell) -> tuple[str, str]:
    config = cell.config
    data = data_title(config.dataset, partition_of(config))
    title = model_title(config.backbone, config.method, cell.changes)
    return f"{data}, {title}, {config.replicate}", cell.reason


def _flat(content: Mapping[str, Json]) -> dict[str, str]:
    """Nested values on one line; what is not known is left out."""
    lines = {}
    for key, value in content.items():
        if isinstance(value, dict):
            lines[key] = ", ".join(f"{name} {inner}" for name, inner in value.items())
        elif value is not None:
            lines[key] = str(value)
    return lines


def _listed(names: Iterable[str]) -> str:
    """Titles of what is named, each once; empty without a name."""
    return in_words(name_of(name) for name in dict.fromkeys(names))


def verdict_counts(layouts: Iterable[TableLayout | None]) -> dict[str, dict[str, int]]:
    """The number of claims with each verdict on each log, in the order of `TONES`."""
    return {
        block.heading: _counts(block)
        for layout in layouts
        if layout is not None
        for block in layout.blocks
    }


def _counts(block: TableBlock) -> dict[str, int]:
    counts = Counter(entry.tag for row in block.rows for entry in row if entry.tag)
    known = [tag for tag in TONES if tag in counts]
    return {tag: counts[tag] for tag in [*known, *(tag for tag in counts if tag not in TONES)]}
