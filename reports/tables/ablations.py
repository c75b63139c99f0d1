"""Ablations: methods with one part changed at a time, and the sparsity that AdaSparse reaches."""

from __future__ import annotations

from functools import partial

import pandas as pd

from reports.analysis.sparsity import LAYERS_NOTE, compared_by_sparsity
from reports.look.table import Table, TableLayout
from reports.tables._study import GAIN_UNITS, sparsity_columns, study_layout

_NOTES = [
    "Test split. Mean ± sample standard deviation over the runs; bold is the best mean of a block."
    " Δ plain is the difference to the plain backbone, Δ main that to the method as in Table 1, in"
    f" units of {GAIN_UNITS}, taken run by run.",
    "All else is as tuned for Table 1 (see the settings of each model). Where tuning itself chose"
    " what a row changes, the row's runs are those of Table 1 and its Δ main is 0.0, and no row has"
    " the default. Alpha 5 from the start is alpha 5 at the end too, whatever was tuned.",
    LAYERS_NOTE,
    "The l1 penalty is tried with the weight lambda-hat of the band's penalty and with two smaller"
    " ones; it has nothing that stops it at a ratio.",
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone."""
    return study_layout(table, _NOTES, extra=sparsity_columns(table))


TABLE = Table(
    title="Ablations: one part changed at a time",
    section="methods",
    position=80,
    is_folded=True,
    study="ablations",
    tabulate=partial(compared_by_sparsity, study="ablations"),
    arrange=arrange,
)
