"""Pruning: what networks save that are really made smaller, as the speed program measures it."""

from __future__ import annotations

from functools import partial

import pandas as pd

from reports.look import columns
from reports.look.table import Table, number
from reports.reading.load import Runs
from reports.reading.names import BASELINE, name_of

_NETWORKS = {
    BASELINE: "Plain",
    "masked": "+AdaSparse, masked as in training",
    "compact": "+AdaSparse, really pruned",
}
_MEASURED = {  # name: heading, digits
    "multiply_adds": ("Multiply-adds of a row", 0),
    "latency_batch1_p50_milliseconds": ("1 row, ms", 3),
    "latency_batch256_p50_milliseconds": ("256 rows, ms", 3),
    "serving_memory_mib": ("Memory to serve, MiB", 1),
}
_CHANGE = "_change_percent"
_MODEL = r"^(\w+)\+(?:adasparse \(e_d\), )?(\w+)$"  # how the speed program names a network
_PLACE = ["backbone", "num_domains"]
_NOTES = [
    "Measured by python -m benchmark.speed cost, each network in a process of its own on one"
    " thread, with random weights on a random log of so many domains: the gates of AdaSparse are"
    " set so that one in five is shut, the middle of the band that training aims at. No run of this"
    " report is behind it. Latency is the median of the calls; another machine, or another moment,"
    " gives other times.",
    "In brackets the change against the masked network with as many domains. Its pruners read e_d"
    " alone, so that all rows of a domain share their weighting factors, and the domain has a"
    " smaller network that needs no pruner; multiply-adds are the mean over these. Where the"
    " pruners read the layer's input too, as in the other tables, every row has masks of its own,"
    " and nothing can be left out beforehand.",
    "A pruned network serves the rows of one domain: of several domains each has a call of its own,"
    " and all have their networks in memory.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per backbone, number of domains in the log and network, with what it saves.

    `<quantity>_change_percent` is against the masked network with as many domains, nan without it.

    Raises:
        RecordError: the file of the speed program cannot be read or lacks a column.
    """
    table = runs.cost("models.csv", ["model", "num_domains", *_MEASURED])
    table[["backbone", "network"]] = table.pop("model").str.extract(_MODEL)
    table = table[table["network"].isin(_NETWORKS)].reset_index(drop=True)
    masked = table[table["network"] == "masked"]
    pairs = table[_PLACE].merge(masked, on=_PLACE, how="left")
    change = 100.0 * (table[[*_MEASURED]] / pairs[[*_MEASURED]] - 1.0)
    return table[[*_PLACE, "network", *_MEASURED]].join(change.add_suffix(_CHANGE))


def _text(name: str, digits: int, row: columns.Row) -> str:
    """A quantity, and in brackets how it is changed where another network is the masked one."""
    text, change = number(row[name], digits), row[f"{name}{_CHANGE}"]
    if row["network"] == "masked" or pd.isna(change):
        return text
    return f"{text} ({number(change, 0, signed=True)}%)"


_COLUMNS = [
    columns.text("Network", lambda row: _NETWORKS[row["network"]]),
    columns.number("Domains", "num_domains", 0),
    *(
        columns.text(heading, partial(_text, name, digits))
        for name, (heading, digits) in _MEASURED.items()
    ),
]


TABLE = Table(
    title="What pruning saves, measured",
    section="cost",
    position=40,
    is_folded=True,
    study="cost",
    tabulate=tabulate,
    arrange=partial(
        columns.laid_out,
        columns=_COLUMNS,
        notes=_NOTES,
        by=["backbone"],
        heading=lambda row: name_of(row["backbone"]),
    ),
)
