"""The text of the page beside its tables and figures: what ran, what is missing, and where."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import jinja2

from benchmark.protocol import PRESETS, departures
from reports import analysis_plan
from reports.look.style import DPI
from reports.page.commands import REPORT_ONLY, command, num_seeds, studies_in
from reports.page.data_cards import data_cards
from reports.page.lineage import lineage_of
from reports.page.tuning import hyper_parameters, tuning_section
from reports.page.verdicts import tone_of, verdict_counts
from reports.reading.exclusions import last_steps
from reports.reading.keys import partition_of
from reports.reading.names import REFERENCE, data_title, model_title, name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmark.config import Json, RunConfig
    from reports.look.table import TableLayout
    from reports.reading.keys import Cell
    from reports.reading.load import Runs

T = TypeVar("T")

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
    return environment.get_template("index.html.j2").render(
        sample=_sample(runs),
        summary=_summary(runs),
        preset=PRESETS[runs.preset],
        departures=departures(_different(c.config.protocol for c in runs.cells if not c.changes)),
        warnings=warnings,
        simulated=_listed(str(log["name"]) for log in data if log["is_simulated"]),
        data=data,
        claims=[section for section in sections if section.name == CLAIMS],
        sections=[section for section in sections if section.name != CLAIMS],
        verdicts=verdict_counts(s.layout for s in sections if s.name == CLAIMS),
        tone_of=tone_of,
        lineages={studies: lineage_of(runs, studies) for studies in {s.studies for s in sections}},
        parts_of_plan={
            name: (lineage_of(runs, [name]), command(runs.call, [name])) for name in runs.studies
        },
        whole=command(runs.call, studies_in(runs), retry_failed=bool(failed)),
        report_only=REPORT_ONLY,
        failed=[_line(cell) for cell in failed],
        missing=[_line(cell) for cell in runs.unfinished("missing")],
        last_steps=last_steps(runs.records),
        analysis=_analysis(runs),
        protocols=_different(_protocol(cell.config) for cell in runs.cells if not cell.changes),
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
    models = runs.models[runs.models["method"] != REFERENCE]
    backbones, methods = _listed(models["backbone"]), _listed(models["method"])
    data = _listed(family.dataset for family in runs.families)
    counts = [num_seeds(runs.study(name)) for name in studies_in(runs)]
    seeds = " to ".join(map(str, sorted({min(counts, default=0), max(counts, default=0)})))
    draws = max(map(len, runs.families.values()), default=1)
    drawn = f", and {draws} draws of each generated log" if draws > 1 else ""
    return (
        f"{len(runs.records)} of {len(runs.cells)} runs are finished: methods {methods} on"
        f" {backbones}, with {seeds} {'seed' if seeds == '1' else 'seeds'} each, on {data}{drawn}."
    )


def _analysis(runs: Runs) -> dict[str, object]:
    """The analysis plan that the report follows, and its differences from the one of the runs."""
    return {
        "version": analysis_plan.ANALYSIS.version,
        "digest": analysis_plan.digest(),
        "changes": analysis_plan.changes_since(runs.store.out),
    }


def _protocol(config: RunConfig) -> dict[str, Json]:
    return asdict(config.protocol) | {"embedding_optimizer": config.embedding_optimizer}


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


def _different(values: Iterable[T]) -> list[T]:
    """Each value once, in order of first appearance."""
    seen: list[T] = []
    for value in values:
        if value not in seen:
            seen.append(value)
    return seen


def _listed(names: Iterable[str]) -> str:
    """Titles of what is named, each once; empty without a name."""
    titles = [name_of(name) for name in _different(names)]
    return " and ".join([", ".join(titles[:-1]), *titles[-1:]] if len(titles) > 1 else titles)
