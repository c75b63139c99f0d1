"""Domains that got worse: where most impressions see a lower AUC than the plain backbone's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.domain_gains import JUDGED_NOTE, domain_gains
from reports.intervals import bounds, interval_entry
from reports.layout import Block, Entry, Layout, Table, number
from reports.load import MODEL
from reports.names import joined, model_title
from reports.paired import SCALE
from reports.stats import paired_interval
from reports.uplift import TIE

if TYPE_CHECKING:
    from reports.domain_gains import DomainGains
    from reports.load import Runs

MOST_ROWS = 5_000  # of the CSV file
_SHOWN = 10  # domains of a model
_COUNTS = ["train_impressions", "test_impressions", "test_clicks"]
_NOTES = [
    f"Per model the {_SHOWN} domains with most test rows among those whose test AUC, mean over the"
    " seeds, is below that of the plain backbone. " + JUDGED_NOTE + " A domain is named by the"
    " values of the columns that its heading lists.",
    "AUC: means over the seeds that both models have. Δ is the difference in units of 0.0001, taken"
    " seed by seed, with its 95% t interval over the seeds. That holds the noise of training alone:"
    " a domain of few clicks has an AUC that other test rows would move much further. Of many"
    " domains some are worse by chance; the table of UPR says how many.",
    "The CSV file has the judged domains that got better too.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per model and judged domain, by test rows; of each model as many as fit.

    `worse_domains` of `judged_domains` got worse, with `worse_row_share` of their test rows; these
    count domains that were cut too.
    """
    found = [gains for gains in domain_gains(runs) if gains.seeds]
    most = MOST_ROWS // max(len(found), 1)
    rows = [row for gains in found for row in _rows(gains, most)]
    return pd.DataFrame(rows)


def _rows(gains: DomainGains, most: int) -> list[dict[str, object]]:
    """The judged domains of a model with most test rows."""
    means, test_rows = gains.gain.mean(axis=0), gains.domains["test_impressions"].to_numpy()
    is_worse = means < -TIE
    model = {
        **{name: gains.model[name] for name in MODEL},
        "seeds": len(gains.seeds),
        "judged_domains": len(gains.domains),
        "worse_domains": int(is_worse.sum()),
        "worse_row_share": float(test_rows[is_worse].sum() / max(test_rows.sum(), 1)),
    }
    columns = str(gains.model["partition"]).split("+")
    records = gains.domains.to_dict("records")
    return [
        {
            **model,
            "domain": ", ".join(f"{name}={records[place][name]!s}" for name in columns),
            "values": joined([str(records[place][name]) for name in columns]),
            **{name: records[place][name] for name in _COUNTS},
            "plain_auc": float(gains.plain[:, place].mean()),
            "auc": float(gains.auc[:, place].mean()),
            **bounds("auc_delta_e4", paired_interval(SCALE * gains.gain[:, place])),
            "is_worse": bool(is_worse[place]),
        }
        for place in np.argsort(-test_rows, kind="stable")[:most]
    ]


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set, backbone and method that has such domains."""
    blocks = [
        Block(heading=_heading(rows.iloc[0]), rows=_entries(rows[rows["is_worse"]].head(_SHOWN)))
        for _, rows in table.groupby(MODEL, sort=False)
    ]
    columns = ["Domain", "Train rows", "Test rows", "Test clicks", "AUC plain", "AUC", "Δ AUC"]
    return Layout(columns=columns, blocks=blocks, notes=[*_NOTES, *_cut(table)])


def _heading(row: pd.Series) -> str:
    columns = str(row["partition"])
    named = f"{row['dataset']} (domains: {joined(columns.split('+'))})"
    return (
        f"{named}, {model_title(row['backbone'], row['method'])}: {row['worse_domains']:,} of"
        f" {row['judged_domains']:,} judged domains got worse, with"
        f" {number(100 * row['worse_row_share'], 1)}% of their test rows; {row['seeds']} seeds"
    )


def _entries(domains: pd.DataFrame) -> list[list[Entry]]:
    return [
        [
            Entry(row["values"]),
            *(Entry(f"{row[name]:,}") for name in _COUNTS),
            *(Entry(number(row[name], 4)) for name in ("plain_auc", "auc")),
            interval_entry(row, "auc_delta_e4", 0),
        ]
        for row in domains.to_dict("records")
    ]


def _cut(table: pd.DataFrame) -> list[str]:
    """What the CSV file lacks, if it lacks some."""
    if (table.groupby(MODEL).size() >= table.groupby(MODEL)["judged_domains"].first()).all():
        return []
    most = int(table.groupby(MODEL).size().max())
    return [
        f"The CSV file has at most {MOST_ROWS:,} lines: per model the {most:,} judged domains with"
        " most test rows."
    ]


TABLE = Table(
    title="Domains that got worse", position=14, study="main", tabulate=tabulate, arrange=arrange
)
