"""Scores of STAR with one part changed, beside the main cells."""

from __future__ import annotations

from functools import partial

import pandas as pd

from reports.analysis.differences import compared
from reports.look.table import Table
from reports.tables._study import GAIN_UNITS, study_layout

NOTES = [
    "Test split. Mean ± sample standard deviation over the runs; bold is the best mean of a block."
    " Δ plain is the difference to the plain backbone, Δ main that to the method as in Table 1, in"
    f" units of {GAIN_UNITS}, taken run by run.",
]


def tabulate(runs: object) -> pd.DataFrame:
    """One row per cell of the study."""
    return compared(runs.study("foreign_linear"))


TABLE = Table(
    title="STAR whose auxiliary network reads all embeddings",
    section="methods",
    position=90,
    study="foreign_linear",
    tabulate=tabulate,
    arrange=partial(study_layout, notes=NOTES, extra=()),
)
