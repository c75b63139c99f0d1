"""The text of the page beside its tables and figures: what ran, what is missing, and where."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import jinja2

from benchmark.config import Json
from benchmark.protocol import PRESETS, departures
from reports import analysis_plan
from reports.claims.verdicts import NO_VERDICT, NOT_TESTABLE, SMALL_TAGS, TAGS, Outcome
from reports.look.style import DPI
from reports.look.table import TableBlock, TableLayout
from reports.page.data_cards import data_cards
from reports.page.lineage import REPORT_ONLY, command, lineage_of, studies_in
from reports.page.tuning import hyper_parameters, tuning_section
from reports.reading.exclusions import last_steps
from reports.reading.keys import Cell, partition_of
from reports.reading.load import Runs
from reports.reading.names import data_title, facts_of, model_title, name_of, networks

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
}
CLAIMS = "claims"  # the section that comes before all others
SAMPLE = "SAMPLE.md"
CSS_DPI = 96
PNG_SIZE = slice(16, 20), slice(20, 24)  # of the image header: width and height


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page: a table, a figure as PNG, or both.

    `notes` are the caption; those of the layout come before them, equal ones once. `studies`
    are those whose runs are behind it; `files` are links as seen from the page.
    """

    name: str
    title: str
    layout: TableLayout | None = None
    image: bytes | None = None
    notes: list[str] = field(default_factory=list)
    studies: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def caption(self) -> list[str]:
        """All notes."""
        of_table = self.layout.notes if self.layout else []
        return list(dict.fromkeys([*of_table, *self.notes]))

    @property
    def picture(self) -> dict[str, str | int]:
        """Attributes of the image: its size is that of the print, so that pixels are dense."""
        if self.image is None:
            return {}
        width, height = (int.from_bytes(self.image[part], "big") for part in PNG_SIZE)
        return {
            "src": f"data:image/png;base64,{b64encode(self.image).decode()}",
            "width": round(width * CSS_DPI / DPI),
            "height": round(height * CSS_DPI / DPI),
            "alt": ". ".join([self.title, *self.caption[:1]]),
        }


def render_page(runs: Runs, sections: Sequence[Section], warnings: Sequence[str] = ()) -> str:
    """The whole page as one self-contained HTML text; a section `claims` comes first."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    data, failed = data_cards(runs), runs.unfinished("failed")
    mains = [cell.config for cell in runs.cells if not cell.changes]
    return environment.get_template("index.html.j2").render(
        sample=_sample(runs),
        summary=_summary(runs),
        preset=PRESETS[runs.preset],
        departures=departures(dict.fromkeys(config.protocol for config in mains)),
        warnings=warnings,
        simulated=_listed(str(log["name"]) for log in data if log["is_simulated"]),
        data=data,
        claims=[section for section in sections if section.name == CLAIMS],
        sections=[section for section in sections if section.name != CLAIMS],
        verdicts=verdict_counts(s.layout for s in sections if s.name == CLAIMS),
        tone_of=lambda tag: TONES.get(tag, "neutral"),
        lineages={studies: lineage_of(runs, studies) for studies in {s.studies for s in sections}},
        parts_of_plan={
            name: (lineage_of(runs, [name]), command(runs.call, [name])) for name in runs.studies
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
    titles = [name_of(name) for name in dict.fromkeys(names)]
    return " and ".join([", ".join(titles[:-1]), *titles[-1:]] if len(titles) > 1 else titles)


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
