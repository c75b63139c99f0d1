"""Bounds: AdaSparse with other bounds of its sparsity ratio (after AdaSparse, figure 3d)."""

from __future__ import annotations

from functools import partial

import pandas as pd

from reports.analysis.differences import is_plain
from reports.analysis.sparsity import LAYERS_NOTE, compared_by_sparsity
from reports.look import columns
from reports.look.table import Table, TableLayout
from reports.reading.names import title_of
from reports.tables._study import GAIN_UNITS, sparsity_columns, study_layout

_NOTES = [
    "Test split. Mean ± sample standard deviation over the runs; bold is the best mean of a block."
    " Δ plain is the difference to the plain backbone, which prunes nothing, Δ main that to"
    f" AdaSparse as in Table 1, in units of {GAIN_UNITS}, taken run by run.",
    LAYERS_NOTE,
    "All but the bounds is as in the main cell, tuned values included. Bounds are what training"
    " aims at, not what it is held to: where few layers are in the band, compare by the sparsity"
    " that was reached. The paper finds that quality first rises, then falls with the sparsity, and"
    " that [0.35, 0.4] still has almost the quality of the plain backbone.",
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone: the plain backbone, then rising bounds."""
    rising = table.sort_values(["r_min", "r_max"], na_position="first", kind="stable")
    return study_layout(rising, _NOTES, extra=sparsity_columns(table), model=columns.model(_title))


def _title(row: columns.Row) -> str:
    band = "" if is_plain(row) else f"sparsity in [{row['r_min']:g}, {row['r_max']:g}]"
    return title_of(row["backbone"], row["method"], band)


TABLE = Table(
    title="Bounds of the sparsity ratio",
    section="methods",
    position=50,
    is_folded=True,
    study="sparsity",
    tabulate=partial(compared_by_sparsity, study="sparsity"),
    arrange=arrange,
)
