"""Mechanisms: which method wins in which world, and against its domain-blind control."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd

from benchmark.metrics import metric_of
from benchmark.protocol import PRESETS
from reports.analysis.differences import (
    SHARE_NOTE,
    achieved_share,
    independent,
    moments,
    plain_of,
    rows_of,
    run_deltas,
    with_holm,
)
from reports.look import columns
from reports.look.part import draws_note
from reports.look.table import Table, TableLayout, number, p_value
from reports.look.units import units_text
from reports.reading.exclusions import capped_note, capped_share
from reports.reading.keys import CELL, MODEL
from reports.reading.load import Runs
from reports.reading.names import CEILING, name_of
from reports.statistics.paired_tests import (
    POWER,
    TEST_LEVEL,
    holm,
    minimum_detectable,
    paired_interval,
    paired_p_value,
)

_METRIC = "expected_gauc"
_ENTRY = metric_of(_METRIC)
NULL_WORLD = "synthetic_none"
_COMPARISONS = ("plain", "control")
_DIFFERENCES = {
    "synthetic_production": "a mixture of all",
    "synthetic_none": "nothing",
    "synthetic_sparse": "each domain uses some of the latent factors",
    "synthetic_dense": "each weighs them anew",
    "synthetic_bias": "the click rate alone",
}
_NOTES = [
    "A control is the same method with layers of the same widths that is not told the domain: all"
    " rows are of one domain and one task, and e_d is empty (AdaSparse's pruner and APG's condition"
    " read the layer's input alone). The domain columns stay ordinary inputs. Δ control is what"
    " knowing the domain is worth to a method, Δ plain what the method is worth as a whole.",
    f"Δ in units of {units_text([_ENTRY])}, taken run by run, with the 95% t interval over the"
    " seeds of a world that was drawn once, or over its draws; p of the two-sided paired t test"
    " after Holm's correction over all comparisons of this table. Over seeds they hold the noise of"
    " training, not that of the test rows, nor of the draw.",
    SHARE_NOTE,
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per world, backbone and method, then the ceiling of the world.

    `delta_<plain or control>_mean`, `_low` and `_high` are the differences over the seeds that both
    have, with `_p` the p value alone, `_p_holm` corrected over this table, `_p_holm_null`
    corrected over the comparisons of methods with their controls in the null world, and
    `_detectable` the least true difference that the test would find.
    """
    runs = runs.study("mechanisms")
    scores = runs.metrics()
    if scores.empty:
        return scores
    controls = {cell.key[:-1]: cell.changes for cell in runs.cells if cell.config.is_blind}
    rows: list[dict[str, object]] = []
    for block, models in runs.blocks():
        best = runs.ceilings(block.family)[_METRIC]
        for model in models[models["changes"] == ""].to_dict("records"):
            changes = controls.get(tuple(model[name] for name in MODEL), "")
            rows.append(_row(scores, model, changes, best))
        mean = best.mean(skipna=False)
        rows.append({**block._asdict(), "method": CEILING, f"{_METRIC}_mean": mean})
    has_verdicts = PRESETS[runs.preset].has_verdicts
    return _corrected(pd.DataFrame(rows).assign(has_verdicts=has_verdicts))


def _row(
    scores: pd.DataFrame, model: Mapping[Hashable, object], changes: str, best: pd.Series
) -> dict[str, object]:
    """The scores of one method in one world, and its share of the ceilings `best` of the draws.

    `changes` name its control, empty without one.
    """
    keys = {name: model[name] for name in CELL}
    own, control = rows_of(scores, keys), rows_of(scores, keys | {"changes": changes})
    others = {"plain": plain_of(scores, keys), "control": control if changes else own.iloc[:0]}
    row: dict[str, object] = {name: model[name] for name in (*MODEL, "planned_runs", "draws")}
    row |= {"runs": len(own), "capped": capped_share(own)} | moments(_METRIC, own[_METRIC])
    row |= moments(f"control_{_METRIC}", others["control"][_METRIC])
    row |= achieved_share(own, others["plain"], _METRIC, best).named(f"{_METRIC}_share")
    for name, other in others.items():
        deltas = independent(run_deltas(own, other, _METRIC))
        interval = paired_interval(deltas, limit=_ENTRY.widest)
        row |= interval.named(f"delta_{name}")
        row[f"delta_{name}_p"] = paired_p_value(deltas)
        row[f"delta_{name}_detectable"] = minimum_detectable(deltas)
    return row


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """The table with Holm's corrections over it, and over the controls of the null world alone."""
    table = with_holm(table, table[[f"delta_{name}_p" for name in _COMPARISONS]])
    null = holm(table["delta_control_p"].where(table["dataset"] == NULL_WORLD))
    counts = {name: "Int64" for name in ("runs", "planned_runs", "draws")}
    return table.assign(delta_control_p_holm_null=null).astype(counts)


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per world."""
    notes = [_null_note(table)] if table["has_verdicts"].all() else []
    notes += [_detectable_note(table), _worlds_note(table), *draws_note(table)]
    notes += [*_NOTES, *capped_note(table)]
    return columns.laid_out(table, _COLUMNS, notes)


def _worlds_note(table: pd.DataFrame) -> str:
    """A note on what differs in the worlds of the table, and on the others."""
    present = [name for name in _DIFFERENCES if name in set(table["dataset"])]
    words = "; ".join(f"{name} {_DIFFERENCES[name]}" for name in present)
    absent = [name for name in _DIFFERENCES if name not in present]
    rest = f" Not part of this run: {', '.join(absent)}." if absent else ""
    return (
        "Test split, GAUC expected under the true click probability. What makes domains differ:"
        f" {words}.{rest}"
    )


def _difference(value: float) -> str:
    return number(value, 1, unit=_ENTRY.difference_unit)


def _null_note(table: pd.DataFrame) -> str:
    """A note on methods that beat their control where there is no domain to know."""
    rows = table[(table["dataset"] == NULL_WORLD) & table["delta_control_p"].notna()]
    if rows.empty:
        return f"Null world: {NULL_WORLD} has no method that shares two runs with its control."
    beats_control = (rows["delta_control_mean"] > 0.0) & (
        rows["delta_control_p_holm_null"] < TEST_LEVEL
    )
    winners = [name_of(name) for name in rows.loc[beats_control, "method"]]
    top = max(rows.to_dict("records"), key=lambda row: row["delta_control_mean"])
    return (
        f"Null world, where knowing the domain is worth nothing: of {len(rows)} methods"
        f" {len(winners) or 'none'} beat their control at the level {TEST_LEVEL} after Holm's"
        f" correction over these alone{': ' if winners else ''}{', '.join(winners)}. The largest"
        f" advantage is {_difference(top['delta_control_mean'])} of"
        f" {name_of(top['method'])}, uncorrected p"
        f" {p_value(top['delta_control_p'])}; an advantage of less than"
        f" {_difference(float(rows['delta_control_detectable'].median()))} (median over the"
        " methods) would mostly be missed even without the correction."
    )


def _detectable_note(table: pd.DataFrame) -> str:
    """A note on the least difference that the comparisons could have found."""
    names = [f"delta_{name}_detectable" for name in _COMPARISONS]
    values = table[names].to_numpy(np.float64)
    least = values[~np.isnan(values)]
    if not least.size:
        return "Minimum detectable difference: no comparison has two runs."
    return (
        f"Minimum detectable difference of one comparison, with power {POWER} at the level"
        f" {TEST_LEVEL} before correction, in units of {units_text([_ENTRY])}: median"
        f" {_difference(float(np.median(least)))}, largest {_difference(float(least.max()))} of"
        f" {least.size}."
    )


_COLUMNS = [
    columns.MODEL,
    columns.spread("Expected GAUC", _METRIC, _ENTRY.digits),
    *columns.of_methods(
        columns.spread("Its control", f"control_{_METRIC}", _ENTRY.digits),
    ),
    columns.where_known(f"{_METRIC}_share_mean", columns.interval("Share", f"{_METRIC}_share", 2)),
    *columns.of_methods(
        *(
            one
            for name in _COMPARISONS
            for one in (
                columns.interval(f"Δ {name}", f"delta_{name}", 1, unit=_ENTRY.difference_unit),
                columns.p_value("p (Holm)", f"delta_{name}_p_holm"),
            )
        ),
    ),
    columns.RUNS,
]
TABLE = Table(
    title="Mechanisms: which method wins in which world",
    section="methods",
    position=90,
    is_folded=True,
    study="mechanisms",
    tabulate=tabulate,
    arrange=arrange,
)
