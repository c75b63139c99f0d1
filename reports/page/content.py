"""What the page says beside its tables: what ran on which rows, what is missing, and where."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import jinja2

from benchmark.protocol import PAPER_PRODUCTION, PAPER_PUBLIC, PRESETS
from reports.layout import number
from reports.load import partition_of
from reports.names import REFERENCE, TITLES, data_title, joined, model_title
from reports.page.tuning import hyper_parameters, tuning_section

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from benchmark.config import Json, RunConfig
    from benchmark.protocol import Protocol
    from reports.layout import Layout
    from reports.load import Card, Cell, Runs

T = TypeVar("T")

PAPER = {"public": PAPER_PUBLIC, "production": PAPER_PRODUCTION}
SPLITS = ("train", "dev", "test")
SPLIT_WORDS = {
    "time": "by time: the first four sixths of the log are train, the next sixth is dev, the"
    " last sixth test; rows with one timestamp stay together",
    "shuffle": "by a seeded shuffle, because the log has no timestamp: four sixths are train,"
    " one sixth is dev, one sixth test; so nothing here tells how a model ages",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One table of the page and the name of its files."""

    name: str
    title: str
    layout: Layout


def render_page(runs: Runs, sections: Sequence[Section]) -> str:
    """The whole page as one self-contained HTML text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    data = [_data(runs, *keys, fingerprint) for keys, fingerprint in runs.fingerprints.items()]
    return environment.get_template("index.html.j2").render(
        summary=_summary(runs),
        preset=PRESETS[runs.preset],
        departures=_departures(runs),
        simulated=_listed(str(log["name"]) for log in data if log["is_simulated"]),
        data=data,
        sections=sections,
        failed=[_line(cell) for cell in runs.unfinished("failed")],
        missing=[_line(cell) for cell in runs.unfinished("missing")],
        protocols=_different(_protocol(cell.config) for cell in runs.cells if not cell.changes),
        disagreements=runs.disagreements(),
        tuning=tuning_section(runs),
        hyper_parameters=hyper_parameters(runs),
        environments=[_flat(environment) for environment in runs.environments()],
    )


def _summary(runs: Runs) -> str:
    models = runs.models[runs.models["method"] != REFERENCE]
    backbones, methods = _listed(models["backbone"]), _listed(models["method"])
    data = _listed(dataset for dataset, _ in runs.fingerprints)
    seeds = len({cell.config.seed for cell in runs.cells})
    return (
        f"{len(runs.records)} of {len(runs.cells)} runs are finished: methods {methods} on"
        f" {backbones}, with {seeds} {'seed' if seeds == 1 else 'seeds'} each, on {data}."
    )


def _departures(runs: Runs) -> str:
    """How the sizes of the main cells differ from those of the paper; empty if they do not."""
    used = _different(cell.config.protocol for cell in runs.cells if not cell.changes)
    others = [protocol for protocol in used if protocol not in PAPER.values()]
    if not others:
        return ""
    own = " and ".join(_sizes(protocol) for protocol in others)
    papers = ", ".join(f"{_sizes(protocol)} on its {log} log" for log, protocol in PAPER.items())
    return (
        f"The sizes are not the paper's: here {own}; there {papers}. The paper leaves the embedding"
        " size open."
    )


def _sizes(protocol: Protocol) -> str:
    dims = "-".join(map(str, protocol.hidden_dims))
    fields = f", at most {protocol.max_fields} fields" if protocol.max_fields else ""
    return f"hidden layers {dims}, batch {protocol.batch_size}{fields}"


def _data(runs: Runs, dataset: str, partition: str, fingerprint: str) -> dict[str, object]:
    card, domains = runs.card(fingerprint), runs.domains(fingerprint)
    return {
        "name": dataset,
        "heading": data_title(dataset, partition),
        "is_simulated": "ceiling" in card,
        "rows": [_split_row(domains, split) for split in SPLITS],
        "facts": {"Domain columns": joined(partition.split("+")), **_facts(card, domains)},
    }


def _split_row(domains: pd.DataFrame, split: str) -> list[str]:
    """Rows, click rate, domains and one-class domains of a split."""
    impressions, clicks = domains[f"{split}_impressions"], domains[f"{split}_clicks"]
    is_present = impressions > 0
    has_one_class = is_present & ((clicks == 0) | (clicks == impressions))
    rate = clicks.sum() / impressions.sum()
    counts = [f"{int(is_present.sum()):,}", f"{int(has_one_class.sum()):,}"]
    return [split, f"{int(impressions.sum()):,}", number(100 * rate, 2) + "%", *counts]


def _facts(card: Card, domains: pd.DataFrame) -> dict[str, str]:
    is_new = (domains["train_impressions"] == 0) & (domains["test_impressions"] > 0)
    facts = {
        "Label": f"column {card['label']}",
        "Source": card["source"],
        "Split": SPLIT_WORDS[card["split_kind"]],
        "Domains": f"{len(domains):,} in all, {(domains['train_impressions'] > 0).sum():,} of them"
        f" in train; {is_new.sum():,} are new in test and hold"
        f" {domains.loc[is_new, 'test_impressions'].sum():,} of its rows",
    }
    dropped = card["train_rows_dropped_by_cap"]
    if dropped:
        choice = "latest" if card["split_kind"] == "time" else "last shuffled"
        facts["Train cap"] = (
            f"the {domains['train_impressions'].sum():,} {choice} train rows are kept;"
            f" {dropped:,} others take no part"
        )
    if card["absent_columns"]:
        facts["Absent columns"] = ", ".join(card["absent_columns"])
    if card["fields_dropped_by_max_fields"]:
        facts["Fields left out"] = ", ".join(card["fields_dropped_by_max_fields"])
    if card["bag_lengths"]:
        caps = [f"{name} {length}" for name, length in card["bag_lengths"].items()]
        facts["Bags"] = f"bags keep their first N tokens: {', '.join(caps)}"
    if card["files"]:
        names = [f"{file['name']} (SHA-256 {file['sha256'][:12]}…)" for file in card["files"]]
        facts["Files"] = ", ".join(names)
    return facts


def _protocol(config: RunConfig) -> dict[str, Json]:
    return asdict(config.protocol) | {"embedding_optimizer": config.embedding_optimizer}


def _line(cell: Cell) -> tuple[str, str]:
    config = cell.config
    data = data_title(config.dataset, partition_of(config))
    title = model_title(config.backbone, config.method, cell.changes)
    return f"{data}, {title}, seed {config.seed}", cell.reason


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
    titles = [TITLES.get(name, name) for name in _different(names)]
    return " and ".join([", ".join(titles[:-1]), *titles[-1:]] if len(titles) > 1 else titles)
