"""The sparsity ratios that models reach, and whether they lie in the band that training aims at."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from reports.analysis.differences import compared
from reports.analysis_plan import ANALYSIS
from reports.reading.keys import CELL, REPLICATE
from reports.reading.load import Runs

TOLERANCE = ANALYSIS.exclusions.outside_band  # by which a ratio may lie outside of the band
LAYERS_NOTE = (
    "layer0 (x_0, the input of the backbone), layer1, ...: the share of a layer's neurons that are"
    " pruned, mean over the test rows and the runs. In band: how many of these layers lie within"
    f" {TOLERANCE} of the band [r_min, r_max] at which training aims."
)
SPARSITY = "_sparsity"  # ends the name of the column that has the ratio of a layer


def compared_by_sparsity(runs: Runs, study: str) -> pd.DataFrame:
    """The scores and differences of `differences.compared`, and the sparsity of `reached`."""
    runs = runs.study(study)
    table = compared(runs)
    return table if table.empty else table.merge(reached(runs), on=CELL, how="left")


def reached(runs: Runs) -> pd.DataFrame:
    """The bounds `r_min` and `r_max` of planned cells with a band, and what finished runs reach.

    That is `<layer>_sparsity`, mean over the runs, `layers` and `layers_in_band`.
    """
    bands = _bands(runs)
    means = runs.sparsity().drop(columns=REPLICATE).groupby(CELL).mean().add_suffix(SPARSITY)
    own = bands.reindex(means.index)
    low, high = own["r_min"] - TOLERANCE, own["r_max"] + TOLERANCE
    is_inside = means.ge(low, axis=0) & means.le(high, axis=0)
    counts = {"layers": means.notna().sum(axis=1), "layers_in_band": is_inside.sum(axis=1)}
    return bands.join(means.assign(**counts), how="outer").reset_index()


def _bands(runs: Runs) -> pd.DataFrame:
    """`r_min` and `r_max` by the values of `CELL`."""
    bands = pd.DataFrame(
        [
            [*cell.key, *cast("list[float]", cell.config.method_config["sparsity_bounds"])]
            for cell in runs.cells
            if "sparsity_bounds" in cell.config.method_config
        ],
        columns=[*CELL, "r_min", "r_max"],
    )
    return bands.groupby(CELL).first()


def band_margins(runs: Runs) -> pd.DataFrame:
    """One row per finished run that aims at a band, with its keys.

    `inside` is how far the ratio of the layer that is furthest out lies inside of the band, widened
    by `TOLERANCE`; it is negative outside.
    """
    ratios = runs.sparsity().set_index([*CELL, *REPLICATE])
    bands = ratios[[]].join(_bands(runs), on=CELL)
    low, high = bands["r_min"], bands["r_max"]
    to_bounds = np.minimum(ratios.sub(low, axis=0), -ratios.sub(high, axis=0))
    return (to_bounds.min(axis=1) + TOLERANCE).rename("inside").reset_index()


def layers_of(table: pd.DataFrame) -> list[str]:
    """The layers of which a table has the sparsity."""
    return [name.removesuffix(SPARSITY) for name in table.columns if name.endswith(SPARSITY)]
