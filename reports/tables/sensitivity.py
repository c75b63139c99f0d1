"""Sensitivity: whether the order of methods is another under other settings and splits."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.metrics import METRICS
from benchmark.protocol import PRESETS
from benchmark.store.records import RunRecord
from reports.analysis.comparisons import estimate
from reports.analysis.differences import mean_interval, moments, rows_of
from reports.look import columns
from reports.look.part import draws_note
from reports.look.table import (
    UNDEFINED,
    Entry,
    Table,
    TableBlock,
    TableLayout,
    interval_text,
    number,
    spread,
)
from reports.look.units import units_text
from reports.reading.exclusions import capped_note, capped_share, marked
from reports.reading.keys import BLOCK, CELL, Replicate
from reports.reading.load import Runs
from reports.reading.names import BASELINE, block_title, name_of, rank
from reports.statistics.estimates import Component, Estimate
from reports.statistics.paired_tests import Interval

METRIC = "auc"
_ENTRY = METRICS[METRIC]
_WIDEST_CHANGE = 2.0 * _ENTRY.widest  # of a difference
Models = Mapping[str, Mapping[Replicate, RunRecord]]  # runs of each method
_AS_USUAL = "as in Table 1"
_NO_CHANGE = "no change seen"
_NOTES = [
    "Test split. A setting is the same for all methods; their hyper-parameters are those found for"
    " Table 1, and no setting has a search of its own. Plain: the AUC of the plain backbone, mean ±"
    " sample standard deviation over the runs. Δ: the difference of a method to it under the same"
    f" setting, in units of {units_text([_ENTRY])} of AUC, with its 95% interval. It is bold"
    " where it differs from the Δ of the first row: the interval of the difference of the two"
    " excludes 0.",
    "Order: the methods by their mean AUC, the best first; tau: Kendall's rank correlation with the"
    " order of the first row. Two methods have changed their order where they have changed places"
    " and the interval of the change of their difference excludes 0: one is above the other where"
    " the interval of the difference itself excludes 0 too; a lead is no longer seen where it was"
    " seen in the first row.",
    "Split shuffled: the same rows in a seeded random order, cut into splits of the same sizes."
    " Split cut 1, 2 and 3: 80% of the rows, from the start of the log, from 10% and from 20% of"
    " the rows on, each split by time. Their test rows are others than those of the first row. On a"
    " log that is not generated the values were searched on its dev rows: these are all of the test"
    " rows of cut 1, half of those of cut 2, and a sixth of the shuffled ones, on which a method"
    " that searched more values has an advantage. Generated logs are searched on a draw of their"
    " own.",
    "Over several draws the change of a difference is taken draw by draw; on a single log the"
    " errors of both differences are added as those of independent ones, which for the same test"
    " rows makes its interval rather too wide.",
]


@dataclass(frozen=True, slots=True)
class Gap:
    """The difference of two models in test AUC: run by run, and as an estimate."""

    runs: Mapping[Replicate, float]
    estimate: Estimate


def gap_of(own: Mapping[Replicate, RunRecord], other: Mapping[Replicate, RunRecord]) -> Gap:
    """The gap of two models of one setting, over the draws and seeds that both have."""
    values = {
        place: own[place].metrics["test"][METRIC] - other[place].metrics["test"][METRIC]
        for place in sorted(own.keys() & other.keys())
    }
    return Gap(values, estimate(own, other, METRIC))


def change_of(gap: Gap, base: Gap) -> Interval:
    """A gap less the same gap under the base setting, with its 95% interval.

    Of several draws both are taken draw by draw. On a single log they are taken as independent.
    Under two settings they are of the same test rows, which as a rule moves both alike: the
    interval is then too wide, not too narrow.
    """
    places = sorted(gap.runs.keys() & base.runs.keys())
    if len({place.draw for place in places}) > 1:
        changes = [gap.runs[place] - base.runs[place] for place in places]
        by_draw = pd.Series(changes, [place.draw for place in places])
        return mean_interval(by_draw, _WIDEST_CHANGE)
    return independent_change(gap.estimate, base.estimate)


def independent_change(own: Estimate, base: Estimate) -> Interval:
    """The difference of two independent estimates; its bounds are nan where one has no error."""
    parts = (Component(found.error**2, found.freedom) for found in (own, base))
    mean, num = own.mean - base.mean, min(own.num, base.num)
    return Estimate(mean, num, *parts, limit=_WIDEST_CHANGE).interval()


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per log, backbone, setting (`changes`, empty as in Table 1) and method.

    `delta_*` is the difference to the plain backbone under the setting, `change_*` what it is
    more than under the first one. `order`, `tau` and `turned`, the pairs whose order has changed,
    in words, are those of the setting.
    """
    runs = runs.study("sensitivity")
    scores = runs.metrics()
    if scores.empty:
        return scores
    rows: list[dict[str, object]] = []
    for block, models in runs.blocks():
        base = runs.of_block(block)
        for changes in models["changes"].unique():
            own = runs.of_block(block, str(changes))
            of_setting, first = _order(own, base), base if changes else {}
            for model in models[models["changes"] == changes].to_dict("records"):
                found = rows_of(scores, {name: model[name] for name in CELL})
                counts = {"runs": len(found), "capped": capped_share(found)}
                numbers = counts | moments(METRIC, found[METRIC])
                rows.append(model | numbers | _gaps(own, first, model["method"]) | of_setting)
    return pd.DataFrame(rows).assign(has_verdicts=PRESETS[runs.preset].has_verdicts)


def _gaps(own: Models, base: Models, method: str) -> dict[str, object]:
    """The difference of a method to the plain backbone, and how it has changed from the base."""
    gap, first = (
        gap_of(models.get(method, {}), {} if method == BASELINE else models.get(BASELINE, {}))
        for models in (own, base)
    )
    return gap.estimate.interval().named("delta") | change_of(gap, first).named("change")


def _order(own: Models, base: Models) -> dict[str, object]:
    """The methods of a setting by their means, and how that differs from the first setting's."""
    means, first = _means(own), _means(base)
    order = sorted(means, key=lambda method: -means[method])
    both = [method for method in means if method in first]
    tau = stats.kendalltau([means[m] for m in both], [first[m] for m in both]).statistic
    return {
        "order": " > ".join(name_of(method) for method in order),
        "tau": float(tau) if len(both) > 1 else np.nan,
        "turned": "; ".join(_turned(own, base, means, first)),
    }


def _means(models: Models) -> dict[str, float]:
    """The mean of each method, in the order of tables."""
    return {
        method: float(np.mean([one.metrics["test"][METRIC] for one in models[method].values()]))
        for method in sorted(models, key=rank)
    }


def _turned(
    own: Models, base: Models, means: Mapping[str, float], first: Mapping[str, float]
) -> Iterator[str]:
    """The pairs of methods that have changed places and whose difference has clearly changed.

    One is clearly above the other now, or the lead of the other is no longer seen.
    """
    for pair in combinations([method for method in means if method in first], 2):
        above, below = sorted(pair, key=lambda method: -means[method])
        if first[above] >= first[below]:
            continue
        gap, former = gap_of(own[above], own[below]), gap_of(base[above], base[below])
        if not _excludes_zero(change_of(gap, former)):
            continue
        higher, lower = name_of(above), name_of(below)
        if _excludes_zero(gap.estimate.interval()):
            yield f"{higher} above {lower}"
        elif _excludes_zero(former.estimate.interval()):
            yield f"{lower} no longer seen above {higher}"


def _excludes_zero(interval: Interval) -> bool:
    return interval.low > 0.0 or interval.high < 0.0


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone, one row per setting."""
    methods = [method for method in table["method"].unique() if method != BASELINE]

    headings = [
        *("Setting", "Plain"),
        *(f"Δ {name_of(method)}" for method in methods),
        *("Order", "tau", "Does the order change?", "Runs"),
    ]
    blocks = [
        TableBlock(
            heading=block_title(rows.iloc[0]),
            rows=[_entries(own, methods) for _, own in rows.groupby("changes", sort=False)],
        )
        for _, rows in table.groupby(BLOCK, sort=False)
    ]
    judged = table[table["has_verdicts"]]
    computed = [_moves(rows) for _, rows in judged.groupby(BLOCK, sort=False)]
    notes = [*computed, _count_note(table), *_NOTES, *draws_note(table), *capped_note(table)]
    return TableLayout(
        columns=headings,
        blocks=blocks,
        notes=notes,
        wraps=frozenset({len(headings) - 4, len(headings) - 2}),
    )


def _entries(rows: pd.DataFrame, methods: list[str]) -> list[Entry]:
    """One setting."""
    by_method = {row["method"]: row for row in rows.to_dict("records")}
    plain = by_method[BASELINE]
    worst: dict[Hashable, float] = {"capped": float(rows["capped"].max())}
    return [
        Entry(marked(plain["changes"] or _AS_USUAL, worst)),
        Entry(spread(plain[f"{METRIC}_mean"], plain[f"{METRIC}_std"], _ENTRY.digits)),
        *(_gap_entry(by_method.get(method)) for method in methods),
        Entry(plain["order"]),
        Entry(number(plain["tau"], 2)),
        Entry(_answer(rows)),
        *columns.RUNS.entries(rows[rows["method"] == BASELINE]),
    ]


def _gap_entry(row: dict | None) -> Entry:
    """The difference of a method to plain, bold where it has clearly changed."""
    if row is None:
        return Entry("")
    return Entry(
        interval_text(row, "delta", 1, unit=_ENTRY.difference_unit),
        row["change_low"] > 0.0 or row["change_high"] < 0.0,
    )


def _answer(rows: pd.DataFrame) -> str:
    """The answer whether the order of the first row holds; empty of that row, or unjudged."""
    if (rows["changes"] == "").all() or not rows["has_verdicts"].all():
        return ""
    turned = str(rows["turned"].iloc[0])
    if turned:
        return turned
    return UNDEFINED if rows["change_low"].isna().all() else _NO_CHANGE


def _moves(block: pd.DataFrame) -> str:
    """A sentence on the settings that move gaps of methods more than the methods differ."""
    first = block[block["changes"] == ""]
    means = first[f"{METRIC}_mean"]
    where = block_title(block.iloc[0])
    if means.isna().any():
        return f"{where}: not all methods have a finished run under the settings of Table 1."
    spread_of_methods = float(means.max() - means.min())
    is_clear = (block["change_low"] > 0.0) | (block["change_high"] < 0.0)
    moved = block[is_clear & (block["change_mean"].abs() > spread_of_methods)]
    found = [
        f"{changes} ({', '.join(map(_move, rows.to_dict('records')))})"
        for changes, rows in moved.groupby("changes", sort=False)
    ]
    verdict = "Settings that clearly move the Δ of a method by more than that: "
    verdict = verdict + "; ".join(found) if found else "No setting clearly moves a Δ by more"
    return (
        f"{where}: under the settings of Table 1 the best of {len(first)} methods, the plain"
        f" backbone among them, is {_difference(spread_of_methods)} above the worst. {verdict}."
        f"{_level(block, first)}"
    )


def _move(row: dict) -> str:
    title = name_of(row["method"])
    return f"{title} {_difference(row['change_mean'], signed=True)}"


def _difference(value: float, *, signed: bool = False) -> str:
    return number(value, 1, signed=signed, unit=_ENTRY.difference_unit)


def _level(block: pd.DataFrame, first: pd.DataFrame) -> str:
    """A sentence on the largest move of the plain backbone; empty without another setting."""
    plain = block[(block["method"] == BASELINE) & (block["changes"] != "")]
    base = first.loc[first["method"] == BASELINE, f"{METRIC}_mean"].iloc[0]
    moves = (plain[f"{METRIC}_mean"] - base).dropna()
    if moves.empty:
        return ""
    most = moves.abs().idxmax()
    return (
        " The AUC of the plain backbone itself moves most under"
        f" {plain.loc[most, 'changes']}: {_difference(moves[most], signed=True)}."
    )


def _count_note(table: pd.DataFrame) -> str:
    """A note on the number of changes that were looked at."""
    count = int(table["change_low"].notna().sum())
    return (
        f"{count} changes of a Δ have an interval. None is corrected for the others: where nothing"
        f" changes, about {number(0.05 * count, 1)} of them exclude 0."
    )


TABLE = Table(
    title="Sensitivity: does the order of methods change?",
    section="evidence",
    position=40,
    is_folded=True,
    study="sensitivity",
    tabulate=tabulate,
    arrange=arrange,
)
