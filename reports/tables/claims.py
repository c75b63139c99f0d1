"""The paper's claims, each with the paper's evidence, ours, the test and a computed verdict."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd

from benchmark.metrics import SCORES
from reports.analysis_plan import ANALYSIS, PlannedClaim
from reports.claims.catalogue import BESIDE, CONTRADICTIONS, PARTS
from reports.claims.evidence import Evidence, absent, budget_of
from reports.claims.verdicts import (
    COUNTED,
    METRICS,
    NOT_RUN,
    NOT_TESTABLE,
    RULE,
    SHOWN_LEVEL,
    JudgedPart,
    Part,
    outcome_of,
    to_settle,
    words_of,
)
from reports.look import columns
from reports.look.table import Entry, Table, TableLayout, interval_text, number
from reports.look.units import units_text
from reports.reading.exclusions import few_rows
from reports.reading.keys import DATA, family_of
from reports.reading.load import Runs
from reports.reading.names import data_title
from reports.statistics.paired_tests import ENDS

NO_BACKBONE = Part(label="no backbone alone", measure=absent, needs="the method plain")
MOST_LISTED = 4  # parts of a claim; of more the extremes, and the file has all
_COLUMNS = [
    columns.text("Claim", lambda row: row["text"]),
    columns.text("Verdict", lambda row: Entry(row["verdict"], tag=row["verdict"])),
    columns.text("Here", lambda row: row["here"]),
]
_DIGITS = 3  # of correlations and ratios
_UNITS = units_text(SCORES[name] for name in METRICS)
_NOTES = [
    "Each claim is judged by a rule that was fixed before the runs; a line under Here unfolds its"
    " parts, what would settle it, and the paper's evidence.",
    RULE,
    "Here: how many parts of a claim are seen, refuted and open, then at most"
    f" {MOST_LISTED} of them, the refuted first, then open ones: mean and {SHOWN_LEVEL:.0%}"
    f" interval, AUC and GAUC in units of {_UNITS} on test; corrected intervals are in claims.csv."
    " Masks: t interval over the seeds, or over the draws, settled only if the permutation test of"
    " the table of masks is significant too. Counts have no"
    " interval, follow from the models alone and are the same on every log. All parts are in"
    " claims.csv.",
    "Beside a claim that AdaSparse is better stand its comparisons with a plain network of as many"
    " dense parameters, with AdaSparse that is told no domain, and with its placebo, which is told"
    " those of other rows (domain columns stay ordinary inputs); they decide nothing.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per log, claim and part; `role` is "part", or "beside" for what decides nothing.

    `mean`, `low` and `high` are in natural units, at `level`, and `corrected_low` and `_high` at
    `corrected_level`; `paper` is the paper's own difference. `outcome` is that of the part,
    `verdict` that of the claim on this log.
    """
    logs = runs.study(*TABLE.studies)
    rows = [
        row
        for family in (logs.families if logs.records else ())
        for claim in ANALYSIS.claims
        for row in _rows(claim, Evidence(runs, family))
    ]
    return pd.DataFrame(rows)


def _rows(claim: PlannedClaim, evidence: Evidence) -> list[dict[str, object]]:
    """The rows of a claim on a log."""
    facts: dict[str, object] = {
        **evidence.family._asdict(),
        "is_generated": evidence.is_generated,
        "claim": claim.name,
        "text": claim.text,
        "where": claim.where,
        "evidence": claim.paper,
    }
    find = PARTS.get(claim.name)
    no_part = facts | {"role": "part", "part": "", "to_settle": ""}
    if find is None:
        return [no_part | {"verdict": NOT_TESTABLE}]
    if not _is_planned(claim, evidence):
        return [no_part | {"verdict": NOT_RUN, "to_settle": f"the study {claim.study}"}]
    parts = [_with_enough_rows(part, evidence) for part in find(evidence) or [NO_BACKBONE]]
    judged = [part.among(len(parts)) for part in parts]
    verdict = words_of(
        outcome_of(judged),
        budget_of(evidence.runs, judged),
        is_generated=any(
            Evidence(evidence.runs, part.family or evidence.family).is_generated for part in parts
        ),
    )
    facts |= {"verdict": verdict, "to_settle": to_settle(judged)}
    beside = BESIDE[claim.beside](evidence) if claim.beside else []
    return [
        *(facts | {"role": "part"} | _row(one) for one in judged),
        *(facts | {"role": "beside"} | _row(part.among(len(beside))) for part in beside),
    ]


def _is_planned(claim: PlannedClaim, evidence: Evidence) -> bool:
    """True where the study of a claim has cells on the log."""
    cells = evidence.runs.study(claim.study).cells
    return any(family_of(cell.config) == evidence.family for cell in cells)


def _with_enough_rows(part: Part, evidence: Evidence) -> Part:
    """The part, blocked where its log has too few rows of a class; counts follow from no row."""
    if part.unit == COUNTED:
        return part
    few = few_rows(evidence.runs, part.family or evidence.family)
    return replace(part, blocked=part.blocked or few)


def _row(judged: JudgedPart) -> dict[str, object]:
    part, interval = judged.part, judged.interval
    return {
        "part": part.label,
        "unit": part.unit,
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "replicates": interval.num,
        "replicates_of": part.replicates,
        "level": SHOWN_LEVEL,
        "corrected_low": judged.corrected.low,
        "corrected_high": judged.corrected.high,
        "corrected_level": judged.corrected_level,
        "limit": part.limit,
        "p_value": math.nan if part.p_value is None else part.p_value,
        "paper": part.paper,
        "expected": part.expected,
        "outcome": judged.outcome,
    }


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per log, a row per claim; what the paper says against itself is in the notes."""
    by_claim = table.groupby([*DATA, "claim"], sort=False)
    claims = by_claim.head(1).assign(here=[_here(rows) for _, rows in by_claim])
    contradictions = [f"The paper against itself: {text}" for text in CONTRADICTIONS]
    notes = [*_NOTES, *contradictions]
    layout = columns.laid_out(claims, _COLUMNS, notes, by=DATA, heading=_heading)
    return replace(layout, wraps=frozenset(range(len(_COLUMNS))))


def _heading(row: columns.Row) -> str:
    title = data_title(row["dataset"], row["partition"])
    return f"{title}, a generated log" if row["is_generated"] else title


def _here(rows: pd.DataFrame) -> str:
    """Lines on a claim: counts of its parts, those that decide, what is needed, the paper's own."""
    parts, claim = rows[(rows["role"] == "part") & (rows["part"] != "")], rows.iloc[0]
    paper = f"the paper: {claim['evidence']} ({claim['where']})"
    needed = [f"to settle it: {claim['to_settle']}"] if claim["to_settle"] else []
    if parts.empty:
        return "\n".join([*needed, paper])
    counts = parts["outcome"].value_counts()
    names = {"yes": "seen", "no": "refuted", "open": "open"}
    head = ", ".join(f"{counts[key]} {word}" for key, word in names.items() if key in counts)
    order = parts["outcome"].map({"no": 0, "open": 1, "yes": 2}).sort_values(kind="stable").index
    shown = parts.loc[order[:MOST_LISTED]]
    plural = "part" if len(parts) == 1 else "parts"
    texts = [f"{len(parts)} {plural}: {head}", *map(_part, shown.to_dict("records"))]
    beside = rows[rows["role"] == "beside"].to_dict("records")
    texts += [f"beside it: {_part(row)}" for row in beside]
    return "\n".join([*texts, *needed, paper])


def _part(row: dict) -> str:
    """A part with its interval in its unit."""
    if math.isnan(row["mean"]):
        return f"{row['part']}: not known"
    if row["unit"] == COUNTED:
        multiple = row["limit"] * 10.0 ** row["mean"]
        return f"{row['part']}: {multiple:,.2f}"
    is_metric = row["unit"] in METRICS
    unit, digits = (SCORES[row["unit"]].difference_unit, 1) if is_metric else (1.0, _DIGITS)
    text = interval_text({f"here_{end}": row[end] for end in ENDS}, "here", digits, unit=unit)
    paper = number(row["paper"], digits, signed=True, unit=unit)
    return f"{row['part']}: {text}" + ("" if math.isnan(row["paper"]) else f", paper {paper}")


TABLE = Table(
    title="Claims and verdicts",
    section="claims",
    position=10,
    study=", ".join(dict.fromkeys([*(claim.study for claim in ANALYSIS.claims), "controls"])),
    tabulate=tabulate,
    arrange=arrange,
)
