"""The paper's claims, each with the paper's evidence, ours, the test and a computed verdict."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from reports.claims import CLAIMS, CONTRADICTIONS
from reports.evidence import Evidence
from reports.layout import Block, Entry, Layout, Table, number
from reports.load import DATA
from reports.names import data_title
from reports.verdicts import NOT_TESTABLE, RULE, TAGS, corrected_level, outcome_of, to_settle

if TYPE_CHECKING:
    from reports.claims import Claim
    from reports.evidence import Part
    from reports.load import Runs

MOST_LISTED = 4  # parts of a claim; of more the extremes, and the file has all
_COLUMNS = ["Claim", "Verdict", "Here", "The paper", "To settle it"]
_DIGITS = {"e-4": 1, "correlation": 3, "epochs": 2}
_NOTES = [
    RULE,
    "Here: the parts of a claim that hold (interval above 0), fail and are open, then the parts, or"
    " of many the smallest and the largest: mean and corrected interval, AUC and GAUC in units of"
    " 0.0001 on test. Masks, epochs: t interval over the seeds. Counts have no interval, and are"
    " shown as multiples. All parts are in claims.csv, with the run ids in the section's list.",
    "Beside a claim that AdaSparse is better stand its comparisons with a plain network of as many"
    " dense parameters, and with itself reading the layer's input instead of the domain; they"
    " decide nothing.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per log, claim and part; `role` is "part", or "beside" for what decides nothing.

    `mean`, `low` and `high` are in natural units, corrected to `level`; `paper` is the paper's own
    difference. `outcome` is that of the part, `verdict` that of the claim on this log.
    """
    mains = runs.study("main")
    rows = []
    for dataset, partition in mains.fingerprints if mains.records else ():
        evidence = Evidence(runs, dataset, partition)
        for claim in CLAIMS:
            rows += _rows(claim, evidence)
    return pd.DataFrame(rows)


def _rows(claim: Claim, evidence: Evidence) -> list[dict[str, object]]:
    facts: dict[str, object] = {
        "dataset": evidence.dataset,
        "partition": evidence.partition,
        "is_generated": evidence.is_generated,
        "claim": claim.name,
        "text": claim.text,
        "where": claim.where,
        "evidence": claim.paper,
    }
    parts = claim.parts(evidence) if claim.parts else []
    if not parts:
        return [facts | {"role": "part", "part": "", "verdict": NOT_TESTABLE, "to_settle": ""}]
    level = corrected_level(len(parts), parts[0].expected)
    contrasts = [part.at(level) for part in parts]
    verdict = TAGS[outcome_of(contrasts)][evidence.is_generated]
    facts |= {"verdict": verdict, "to_settle": to_settle(contrasts)}
    beside = claim.beside(evidence) if claim.beside else []
    return [
        *(facts | {"role": "part"} | _row(part, level) for part in parts),
        *(facts | {"role": "beside"} | _row(part, corrected_level(len(beside))) for part in beside),
    ]


def _row(part: Part, level: float) -> dict[str, object]:
    contrast = part.at(level)
    interval = contrast.interval
    return {
        "part": part.label,
        "unit": part.unit,
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "seeds": interval.num,
        "level": level,
        "paper": part.paper,
        "expected": part.expected,
        "outcome": contrast.outcome,
    }


def arrange(table: pd.DataFrame) -> Layout:
    """One block per log, a row per claim; what the paper says against itself is in the notes."""
    blocks = []
    for (dataset, partition), rows in table.groupby(DATA, sort=False):
        heading = data_title(str(dataset), str(partition))
        if rows["is_generated"].iloc[0]:
            heading += ", a generated log: claims hold in this world or do not"
        entries = [_entries(claim) for _, claim in rows.groupby("claim", sort=False)]
        blocks.append(Block(heading=heading, rows=entries))
    contradictions = [f"The paper against itself: {text}" for text in CONTRADICTIONS]
    return Layout(
        columns=_COLUMNS,
        blocks=blocks,
        notes=[*_NOTES, *contradictions],
        wraps=frozenset({0, 2, 3, 4}),
    )


def _entries(rows: pd.DataFrame) -> list[Entry]:
    first = rows.iloc[0]
    verdict = str(first["verdict"])
    return [
        Entry(str(first["text"])),
        Entry(verdict, tag=verdict),
        Entry(_here(rows)),
        Entry(f"{first['evidence']} ({first['where']})"),
        Entry(str(first["to_settle"])),
    ]


def _here(rows: pd.DataFrame) -> str:
    """The counts of a claim's parts and the parts, or their extremes; then what stands beside."""
    parts = rows[(rows["role"] == "part") & (rows["part"] != "")]
    if parts.empty:
        return ""
    counts = parts["outcome"].value_counts()
    names = {"yes": "hold", "no": "fail", "open": "open"}
    head = ", ".join(f"{counts[key]} {word}" for key, word in names.items() if key in counts)
    shown = parts
    if len(parts) > MOST_LISTED:
        order = parts["mean"].sort_values(na_position="first").index
        shown = parts.loc[[order[0], order[-1]]]
    plural = "part" if len(parts) == 1 else "parts"
    texts = [f"{len(parts)} {plural}: {head}", *map(_part, shown.to_dict("records"))]
    beside = [_part(row) for row in rows[rows["role"] == "beside"].to_dict("records")]
    return "; ".join([*texts, *(["beside it: " + "; ".join(beside)] if beside else [])])


def _part(row: dict) -> str:
    """A part with its interval in its unit."""
    if math.isnan(row["mean"]):
        return f"{row['part']}: not known"
    if row["unit"] == "log10":
        return f"{row['part']}: {10.0 ** row['mean']:,.3g}\N{MULTIPLICATION SIGN}"
    scale, digits = (1e4 if row["unit"] == "e-4" else 1.0), _DIGITS[row["unit"]]
    mean, low, high = (
        number(scale * row[name], digits, signed=True) for name in ("mean", "low", "high")
    )
    text = mean if math.isnan(row["low"]) else f"{mean} [{low}, {high}]"
    paper = (
        ""
        if math.isnan(row["paper"])
        else (f", paper {number(scale * row['paper'], digits, signed=True)}")
    )
    return f"{row['part']}: {text}{paper}"


TABLE = Table(
    title="Claims and verdicts",
    position=0,
    study="main,formulations,masks,partitions,sparsity,controls,cost",
    tabulate=tabulate,
    arrange=arrange,
)
