"""Draws: how the draws of a generated log differ, and what each method gains on each of them."""

from __future__ import annotations

import pandas as pd

from benchmark.metrics import GAINS
from reports.analysis.differences import SCALE, rows_of, run_deltas
from reports.look.table import Entry, Table, TableBlock, TableLayout, spread
from reports.reading.keys import BLOCK, MODEL, Family
from reports.reading.load import Runs
from reports.reading.names import BASELINE, block_title, title_of

_SPLITS = ("train", "dev", "test")
_FACTS = ["rows", "domains", "click_rate", *(f"ceiling_{metric}" for metric in GAINS)]
_NOTES = [
    "Each generated log that was drawn more than once. Rows, domains and click rate are of train,"
    " dev and test together; the rest is of test. Ceiling: the score of the true click probability."
    " The plain backbone's scores, and Δ, the gain of each method over it in units of 0.0001, are"
    " means over the seeds of the draw.",
    "Last row: mean ± sample standard deviation over the draws. Intervals of all other tables are"
    " over these draws.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per draw of a log with several, backbone and method.

    `<metric>_mean` is over the `runs` on the draw, `<metric>_delta_e4_mean` over those with a seed
    that the plain backbone has too; undefined ones are nan.
    """
    runs = runs.study("main")
    several = [family for family, logs in runs.families.items() if len(logs) > 1]
    if not runs.records:
        return pd.DataFrame()
    return pd.DataFrame([row for family in several for row in _rows(runs, family)])


def _rows(runs: Runs, family: Family) -> list[dict[str, object]]:
    scores, ceilings = runs.metrics(), runs.ceilings(family)
    rows = []
    for model in rows_of(runs.models, family._asdict()).to_dict("records"):
        keys = {name: model[name] for name in MODEL}
        own, plain = rows_of(scores, keys), rows_of(scores, keys | {"method": BASELINE})
        for draw, fingerprint in runs.families[family].items():
            place = {**keys, "draw": draw}
            facts = _counts(runs.domains(fingerprint))
            facts |= {f"ceiling_{name}": ceilings.loc[draw, name] for name in GAINS}
            sides = (rows_of(side, {"draw": draw}) for side in (own, plain))
            rows.append(place | facts | _scores(*sides))
    return rows


def _counts(domains: pd.DataFrame) -> dict[str, object]:
    """The rows, domains and click rate of all splits together."""
    totals = {
        name: int(domains[[f"{split}_{name}" for split in _SPLITS]].to_numpy().sum())
        for name in ("impressions", "clicks")
    }
    rate = totals["clicks"] / totals["impressions"]
    return {"rows": totals["impressions"], "domains": len(domains), "click_rate": rate}


def _scores(own: pd.DataFrame, plain: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {"runs": len(own)}
    for metric in GAINS:
        delta = run_deltas(own, plain, metric) * SCALE
        row[f"{metric}_mean"] = own[metric].mean()
        row[f"{metric}_delta_e4_mean"] = delta.mean()
    return row


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per log and backbone: a row for each draw, a column for each method."""
    methods = [name for name in dict.fromkeys(table["method"]) if name != BASELINE]
    blocks = []
    for _, rows in table.groupby(BLOCK, sort=False):
        draws = {str(draw): _numbers(own, methods) for draw, own in rows.groupby("draw")}
        entries = [_entries(f"draw {draw}", [numbers]) for draw, numbers in draws.items()]
        entries.append(_entries("all draws", [*draws.values()]))
        blocks.append(TableBlock(heading=block_title(rows.iloc[0]), rows=entries))
    titles = [metric.title for metric in GAINS.values()]
    gains = [f"Δ {title_of('', name)} {title}" for name in methods for title in titles]
    scores = [f"{word} {title}" for word in ("Ceiling", "Plain") for title in titles]
    columns = ["Draw", "Rows", "Domains", "Click rate, %", *scores, *gains]
    return TableLayout(columns=columns, blocks=blocks, notes=_NOTES)


def _numbers(rows: pd.DataFrame, methods: list[str]) -> dict[str, float]:
    """The printed numbers of one draw and backbone, in order."""
    found = {name: float(rows[name].iloc[0]) for name in _FACTS}
    found["click_rate"] *= 100.0
    names = [(BASELINE, f"{metric}_mean") for metric in GAINS]
    names += [(name, f"{metric}_delta_e4_mean") for name in methods for metric in GAINS]
    for method, column in names:
        found[f"{method}_{column}"] = float(rows.loc[rows["method"] == method, column].mean())
    return found


def _digits(name: str) -> int:
    """The number of decimals."""
    if name in ("rows", "domains"):
        return 0
    if name == "click_rate":
        return 2
    if "_delta_" in name:
        return 1
    return GAINS[name.split("_", 1)[1].removesuffix("_mean")].digits


def _entries(title: str, draws: list[dict[str, float]]) -> list[Entry]:
    """The numbers of one draw, or mean and spread over several."""
    table = pd.DataFrame(draws)
    texts = [
        spread(
            table[name].mean(skipna=False),
            table[name].std(skipna=False),
            _digits(name),
            signed="_delta_" in name,
        )
        for name in map(str, table)
    ]
    return [Entry(title), *map(Entry, texts)]


TABLE = Table(
    title="Draws: how the draws of a generated log differ",
    section="evidence",
    position=50,
    study="main",
    tabulate=tabulate,
    arrange=arrange,
)
