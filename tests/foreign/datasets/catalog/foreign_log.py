"""A log with a file of its own format."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from datasets.provenance import Source
from datasets.raw.raw_log import RawLog
from datasets.raw.tables import check_folder, require_columns
from datasets.raw.text import TextTable
from datasets.spec import DatasetSpec, DomainPartition, FeatureSpec

FILE = "foreign.csv"
SPEC = DatasetSpec(
    name="foreign_log",
    label="is_click",
    timestamp="time",
    features=(FeatureSpec(name="place"), FeatureSpec(name="item")),
    partition=DomainPartition(("place",)),
    representative="place",  # the only one
    source=Source(
        description="Clicks by place; the label is a click.",
        licence="free",
        citation="none",
        homepage="https://example.org",
        files=(FILE,),
        instructions="Put foreign.csv into the folder.",
    ),
)


def read_raw(root: Path) -> RawLog:
    """Read the file.

    Raises:
        DataError: it is missing or lacks a column.
    """
    check_folder(root)
    table = TextTable.open(root / FILE)
    require_columns(table, ["place", "item", "time", "is_click"])
    frame = table.scan().with_columns(pl.col("time").cast(pl.Int64))
    return RawLog(frame=frame, files=(root / FILE,), tables=(table,))
