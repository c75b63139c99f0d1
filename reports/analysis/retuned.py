"""Two searches of each main cell: how far their outcomes are apart, and what tables say of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmark.config import SECOND_SEARCH
from benchmark.metrics import SCORES
from reports.analysis.comparisons import peers_of
from reports.analysis.differences import differences, rows_of, run_pairs
from reports.reading.keys import BLOCK, MODEL, Block
from reports.reading.load import Runs
from reports.statistics.estimates import NONE

STUDY = "retuned"


def compare_searches(runs: Runs) -> pd.DataFrame:
    """One row per model that is searched twice, over the `runs` that both its cells have.

    `<metric>_first` and `<metric>_second` are the means on test with the values of either search,
    `<metric>_delta_mean` and `_std` are second minus first, run by run. `<metric>_anew` is the
    standard deviation by which a comparison of two models of the backbone changes when both are
    searched anew: before and after it holds the luck of two searches each. `planned_runs` and
    `draws` are those of the second search.
    """
    everything, runs = runs, runs.study(STUDY)
    scores = runs.metrics()
    if scores.empty:
        return pd.DataFrame()
    again = runs.models[runs.models["changes"] == SECOND_SEARCH]
    rows = []
    for model in again.to_dict("records"):
        keys = {name: model[name] for name in MODEL}
        first, second = (
            rows_of(scores, keys | {"changes": changes}) for changes in ("", SECOND_SEARCH)
        )
        row: dict[str, object] = {**keys, "runs": len(run_pairs(second, first, "auc"))}
        row |= {name: model[name] for name in ("planned_runs", "draws")}
        peers = peers_of(everything, Block(*(model[name] for name in BLOCK)))
        for metric in SCORES:
            pairs = run_pairs(second, first, metric).mean(skipna=False)
            found = peers.tuning(metric)
            size = np.nan if found == NONE else np.sqrt(2.0 * found.variance)
            row[f"{metric}_anew"] = size
            row |= {f"{metric}_first": pairs["other"], f"{metric}_second": pairs["own"]}
        rows.append(row | differences(second, first, "delta"))
    return pd.DataFrame(rows)


def num_searches(runs: Runs) -> int:
    """The number of searches of each network of the main table, 0 where nothing was tuned."""
    if runs.tuned_from:
        return 1
    return max((entry.search.number for entry in runs.searches), default=0)


def search_notes(table: pd.DataFrame, *, is_contained: bool) -> list[str]:
    """The note of a table of comparisons on the luck of tuning, by its column `searches`."""
    searches = table["searches"].iloc[0]
    if searches == 1:
        return [
            "Every model was searched once: intervals and tests do not contain the variance of"
            " tuning. Another search may choose other values and so change a difference."
        ]
    if searches > 1:
        contained = "contain" if is_contained else "do not contain"
        return [
            f"Every network was searched a second time: intervals and tests {contained} how far the"
            " two are apart, which the table of second searches shows."
        ]
    return []
