"""Domains that got worse: where most impressions see a lower AUC than the plain backbone's."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmark.metrics import METRICS
from reports.analysis.domain_gains import JUDGED_NOTE, DomainGains, domain_gains
from reports.look import columns
from reports.look.table import Table, TableBlock, TableLayout, number
from reports.look.units import units_text
from reports.reading.keys import MODEL
from reports.reading.load import Runs
from reports.reading.names import joined, model_title
from reports.statistics.paired_tests import paired_interval
from reports.statistics.uplift import TIE

MOST_ROWS = 5_000  # of the CSV file
_SHOWN = 10  # domains of a model
_COUNTS = {
    "train_impressions": "Train rows",
    "test_impressions": "Test rows",
    "test_clicks": "Test clicks",
}
_AUC = METRICS["auc"]
_DRAWS = (
    "A domain belongs to one draw of a generated log, which its row names: its numbers are over the"
    " seeds of that draw. Counts of domains, and their share of the rows, are over all draws."
)
_NOTES = [
    f"Per model the {_SHOWN} domains with most test rows among those whose test AUC, mean over the"
    " seeds, is below that of the plain backbone. " + JUDGED_NOTE + " A domain is named by the"
    " values of the columns that its heading lists.",
    "AUC: means over the runs that both models have. Δ is the difference in units of"
    f" {units_text([_AUC])}, taken run by run, with its 95% t interval over the runs of one log."
    " That holds the noise of training alone: a domain of few clicks has an AUC that other test"
    " rows would move much further. Of many domains some are worse by chance; the table of UPR says"
    " how many.",
    "The CSV file has the judged domains that got better too.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per model and judged domain, by test rows; of each model as many as fit.

    `worse_domains` of `judged_domains` got worse, with `worse_row_share` of their test rows; these
    count domains that were cut too.
    """
    found = [[gains for gains in draws if gains.seeds] for draws in domain_gains(runs)]
    most = MOST_ROWS // max(sum(map(bool, found)), 1)
    tables = [_table(draws, most) for draws in found if any(len(one.domains) for one in draws)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _table(draws: Sequence[DomainGains], most: int) -> pd.DataFrame:
    """The judged domains of a model with most test rows, each of its own draw."""
    model = draws[0].model
    rows = pd.DataFrame([row for gains in draws for row in _rows(gains)])
    worse = rows.loc[rows["is_worse"], "test_impressions"]
    facts = {
        **{name: model[name] for name in (*MODEL, "draws")},
        "runs": sum(len(gains.seeds) for gains in draws),
        "judged_domains": len(rows),
        "worse_domains": len(worse),
        "worse_row_share": worse.sum() / max(rows["test_impressions"].sum(), 1),
    }
    largest = rows.sort_values("test_impressions", ascending=False, kind="stable")[:most]
    return largest.assign(**facts)[[*facts, *rows.columns]]


def _rows(gains: DomainGains) -> list[dict[str, object]]:
    """The judged domains of a model on one draw."""
    fields = str(gains.model["partition"]).split("+")
    return [
        {
            "draw": gains.draw,
            "domain": ", ".join(f"{name}={record[name]!s}" for name in fields),
            "values": joined([str(record[name]) for name in fields]),
            **{name: record[name] for name in _COUNTS},
            "plain_auc": float(gains.plain[:, place].mean()),
            "auc": float(gains.auc[:, place].mean()),
            **interval.named("auc_delta"),
            "is_worse": bool(gains.gain[:, place].mean() < -TIE),
        }
        for place, record in enumerate(gains.domains.to_dict("records"))
        for interval in [paired_interval(gains.gain[:, place], limit=_AUC.widest)]
    ]


_COLUMNS = [
    columns.text(
        "Domain",
        lambda row: f"draw {row['draw']}: {row['values']}" if row["draws"] > 1 else row["values"],
    ),
    *(columns.number(title, name, 0) for name, title in _COUNTS.items()),
    columns.number("AUC plain", "plain_auc", 4),
    columns.number("AUC", "auc", 4),
    columns.interval("Δ AUC", "auc_delta", 0, unit=_AUC.difference_unit),
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set, backbone and method that has such domains."""
    blocks = [
        TableBlock(
            heading=_heading(rows.iloc[0]),
            rows=columns.entries_of(rows[rows["is_worse"]].head(_SHOWN), _COLUMNS),
        )
        for _, rows in table.groupby(MODEL, sort=False)
    ]
    notes = [*_NOTES, *([_DRAWS] if (table["draws"] > 1).any() else []), *_cut(table)]
    return TableLayout(columns=[one.title for one in _COLUMNS], blocks=blocks, notes=notes)


def _heading(row: pd.Series) -> str:
    named = f"{row['dataset']} (domains: {joined(str(row['partition']).split('+'))})"
    return (
        f"{named}, {model_title(row['backbone'], row['method'])}: {row['worse_domains']:,} of"
        f" {row['judged_domains']:,} judged domains got worse, with"
        f" {number(100 * row['worse_row_share'], 1)}% of their test rows; {row['runs']} runs"
    )


def _cut(table: pd.DataFrame) -> list[str]:
    """A note on the domains that the CSV file lacks, if it lacks some."""
    if (table.groupby(MODEL).size() >= table.groupby(MODEL)["judged_domains"].first()).all():
        return []
    most = int(table.groupby(MODEL).size().max())
    return [
        f"The CSV file has at most {MOST_ROWS:,} lines: per model the {most:,} judged domains with"
        " most test rows."
    ]


TABLE = Table(
    title="Domains that got worse",
    section="domains",
    position=40,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    arrange=arrange,
)
