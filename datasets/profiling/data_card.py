"""The data card of a prepared log: where it comes from, how it is split, its fields and domains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import jinja2
import numpy as np
import polars as pl

from datasets.encoding.domains import values_of_domains
from datasets.profiling.partitions import Skew, skew_of
from datasets.spec import SPLITS

if TYPE_CHECKING:
    from datasets.prepare import PreparedData
    from datasets.provenance import Source
    from datasets.raw.raw_log import CatalogEntry, RawLog
    from datasets.spec import SplitName

TOP_DOMAINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPart:
    """One split: rows, labels of 1, their share, first and last time (empty without times)."""

    name: SplitName
    rows: int
    positives: int
    base_rate: float
    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPart:
    """One field: the codes that train gave it, and how much of dev and test has none of them.

    `unseen` is the share of values (of a bag, of its tokens) that train does not know.
    """

    name: str
    kind: str
    num_known: int
    unseen: dict[SplitName, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPart:
    """The domains of a partition: skew of every split, and what test has that train lacks."""

    skew: dict[SplitName, Skew]
    new_in_test: int
    rows_of_new: int
    top: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCard:
    """All that a card shows; `facts` is the card of the prepared log."""

    facts: dict[str, Any]
    source: Source
    file_sizes: dict[str, int]
    splits: tuple[SplitPart, ...]
    fields: tuple[FieldPart, ...]
    domains: DomainPart
    columns: tuple[str, ...]


def card_of(entry: CatalogEntry, raw: RawLog, data: PreparedData) -> DataCard:
    """Collect the card of a log from its raw and its prepared rows, block by block."""
    times, table = data.card["times"], data.domains()
    return DataCard(
        facts=data.card,
        source=entry.spec.source,
        file_sizes={
            name: path.stat().st_size for name, path in zip(raw.file_names, raw.files, strict=True)
        },
        splits=tuple(
            SplitPart(
                name=name,
                rows=len(data.split[name]),
                positives=int(table[f"{name}_clicks"].sum()),
                base_rate=data.card["base_rate"][name],
                first=times[name][0] if times else "",
                last=times[name][1] if times else "",
            )
            for name in SPLITS
        ),
        fields=_fields(data),
        domains=_domains(data, table),
        columns=data.spec.partition.columns,
    )


def render(card: DataCard, form: Literal["html", "md"]) -> str:
    """The card as one self-contained HTML page, or as Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=form == "html",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"count": "{:,}".format, "percent": _percent, "cell": _cell}
    return environment.get_template(f"data_card.{form}.j2").render(card=card)


def _fields(data: PreparedData) -> tuple[FieldPart, ...]:
    kinds = {feature.name: feature.kind for feature in data.spec.features}
    return tuple(
        FieldPart(name=name, kind=kinds[name], num_known=size - 1, unseen=data.card["unseen"][name])
        for name, size in data.card["vocabulary_sizes"].items()
    )


def _domains(data: PreparedData, table: pl.DataFrame) -> DomainPart:
    is_new = (pl.col("train_impressions") == 0) & (pl.col("test_impressions") > 0)
    new = table.filter(is_new)
    rows = table.select(pl.sum_horizontal(f"{split}_impressions" for split in SPLITS)).to_series()
    top = np.argsort(-rows.to_numpy().astype(np.int64), kind="stable")[:TOP_DOMAINS].tolist()
    values = values_of_domains(table, data.spec.partition.columns)
    num_rows = max(1, int(rows.sum()))
    return DomainPart(
        skew={
            split: skew_of(
                table[f"{split}_impressions"].to_numpy().astype(np.int64),
                table[f"{split}_clicks"].to_numpy(),
            )
            for split in SPLITS
        },
        new_in_test=len(new),
        rows_of_new=int(new["test_impressions"].sum()),
        top=tuple(
            _domain(values.row(place), table.row(place, named=True), rows[place], num_rows)
            for place in top
        ),
    )


def _domain(
    values: tuple[str, ...], row: dict[str, Any], rows: int, num_rows: int
) -> dict[str, Any]:
    """The values and volume of a domain, and of each split its rows, labels of 1 and click rate."""
    counts = {split: (row[f"{split}_impressions"], row[f"{split}_clicks"]) for split in SPLITS}
    return {
        "values": [value or "(missing)" for value in values],
        "rows": rows,
        "share": rows / num_rows,
        "counts": counts,
        "rates": {
            split: clicks / impressions if impressions else None
            for split, (impressions, clicks) in counts.items()
        },
    }


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"


def _cell(text: object) -> str:
    """Text that can stand in a cell of a Markdown table."""
    plain = " ".join(str(text).split())
    for mark in ("\\", "|", "`", "*", "<", "[", "]"):
        plain = plain.replace(mark, f"\\{mark}" if mark != "<" else "&lt;")
    return plain
