"""Draws: how the draws of a generated log differ, and what each method gains on each of them."""

from __future__ import annotations

import pandas as pd

from benchmark.metrics import GAINS
from datasets.spec import SPLITS
from reports.analysis.differences import rows_of, run_deltas
from reports.look import columns
from reports.look.table import Entry, Table, TableLayout, number, spread
from reports.reading.keys import MODEL, Family
from reports.reading.load import Runs
from reports.reading.names import BASELINE, title_of
from reports.tables._study import GAIN_UNITS

_NOTES = [
    "Each generated log that was drawn more than once. Rows, domains and click rate are of train,"
    " dev and test together; the rest is of test. Ceiling: the score of the true click probability."
    " The plain backbone's scores, and Δ, the gain of each method over it in units of"
    f" {GAIN_UNITS}, are means over the seeds of the draw.",
    "Last row: mean ± sample standard deviation over the draws. Intervals of all other tables are"
    " over these draws.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per draw of a log with several, backbone and method.

    `<metric>_mean` is over the `runs` on the draw, `<metric>_delta_mean` over those with a seed
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
        name: int(domains[[f"{split}_{name}" for split in SPLITS]].to_numpy().sum())
        for name in ("impressions", "clicks")
    }
    rate = totals["clicks"] / totals["impressions"]
    return {"rows": totals["impressions"], "domains": len(domains), "click_rate": rate}


def _scores(own: pd.DataFrame, plain: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {"runs": len(own)}
    for metric in GAINS:
        delta = run_deltas(own, plain, metric)
        row[f"{metric}_mean"] = own[metric].mean()
        row[f"{metric}_delta_mean"] = delta.mean()
    return row


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per log and backbone: a row for each draw, a column for each method."""
    methods = [name for name in dict.fromkeys(table["method"]) if name != BASELINE]
    metrics = GAINS.items()
    shown = [
        columns.TableColumn("Draw", _titles),
        _column("Rows", "rows", 0),
        _column("Domains", "domains", 0),
        _column("Click rate, %", "click_rate", 2, unit=0.01),
        *(_column(f"Ceiling {one.title}", f"ceiling_{name}", one.digits) for name, one in metrics),
        *(
            _column(f"Plain {one.title}", f"{name}_mean", one.digits, BASELINE)
            for name, one in metrics
        ),
        *(
            _column(
                f"Δ {title_of('', method)} {one.title}",
                f"{name}_delta_mean",
                1,
                method,
                unit=one.difference_unit,
            )
            for method in methods
            for name, one in metrics
        ),
    ]
    return columns.laid_out(table, shown, _NOTES)


def _titles(block: pd.DataFrame) -> list[Entry]:
    return [*(Entry(f"draw {draw}") for draw in sorted(set(block["draw"]))), Entry("all draws")]


def _column(
    title: str, name: str, digits: int, method: str = "", *, unit: float = 1.0
) -> columns.TableColumn:
    """Numbers draw by draw, of a method or of the log, then their mean and spread."""
    signed = "_delta_" in name

    def entries(block: pd.DataFrame) -> list[Entry]:
        own = block[block["method"] == method] if method else block.drop_duplicates("draw")
        values = own.set_index("draw")[name].reindex(sorted(set(block["draw"])))
        ends = values.mean(skipna=False), values.std(skipna=False)
        texts = [number(value, digits, signed=signed, unit=unit) for value in values]
        return [*map(Entry, texts), Entry(spread(*ends, digits, signed=signed, unit=unit))]

    return columns.TableColumn(title, entries)


TABLE = Table(
    title="Draws: how the draws of a generated log differ",
    section="evidence",
    position=50,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    arrange=arrange,
)
