"""The ranks of all models of a log, and of models over several logs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from benchmark.store.focus import FLAG
from reports.analysis.comparisons import Replicates
from reports.analysis.differences import rows_of
from reports.analysis.focus import compare_focus
from reports.analysis.leaderboard import leaderboard
from reports.reading.exclusions import may_be_told
from reports.reading.keys import CELL, DATA, MODEL
from reports.reading.load import Runs
from reports.reading.names import BASELINE, networks
from reports.reading.predictions import clusters, influence_sums
from reports.statistics.paired_tests import TEST_LEVEL
from reports.statistics.ranks import rank_intervals

STUDY = "zoo"
METRIC = "auc"  # that models are ranked by; higher is better
FAIRNESS = "calibration"  # predicted over observed clicks


def ranking(runs: Runs) -> pd.DataFrame:
    """The networks of `leaderboard` with a score, the best of each log first; none without `zoo`.

    `rank` is that of the mean AUC among all networks of the log; `rank_low` and `rank_high` bound
    its 95% interval as in `rank_intervals`, over the runs that all of them have. `auc_is_told` says
    that the difference to plain is significant after Holm's correction, `best_delta_mean` is the
    AUC that the backbone's best model on dev has more, with `best_is_told` after Holm's correction
    over all pairs of models of the backbone. `calibration_mean` is over the runs, `searched` the
    number of values of the method's own that were tuned; of plain there are none.
    """
    board = leaderboard(runs)
    if board.empty or not runs.study(STUDY).cells:
        return pd.DataFrame()
    table = networks(board)
    table = table[table[f"{METRIC}_mean"].notna()].reset_index(drop=True)
    told = may_be_told(runs, table)
    table = table.assign(
        calibration_mean=_means(runs, table, FAIRNESS),
        searched=pd.array([_searched(runs, row) for row in table.to_dict("records")], "Int64"),
        **{f"{METRIC}_is_told": told & (table[f"{METRIC}_p"] < TEST_LEVEL)},
    )
    table = table.merge(_behind_best(runs), on=MODEL, how="left")
    parts = [_ranked(runs, part) for _, part in table.groupby(DATA, sort=False)]
    return pd.concat(parts, ignore_index=True)


def over_logs(table: pd.DataFrame) -> pd.DataFrame:
    """A row per model of a `ranking`: its mean rank, and on how many of its logs it gains.

    `gains` counts the logs on which the AUC is above that of plain, `told` those on which the
    difference is told from 0; both are undefined for plain. The best mean rank comes first.
    """
    rows: list[dict[str, object]] = []
    for (backbone, method), part in table.groupby(["backbone", "method"], sort=False):
        is_gain = part[f"{METRIC}_delta_mean"] > 0.0
        gains: dict[str, object] = {
            "gains": is_gain.sum(),
            "told": (is_gain & part[f"{METRIC}_is_told"]).sum(),
        }
        rows.append(
            {"backbone": backbone, "method": method}
            | {"logs": len(part), "mean_rank": part["rank"].mean()}
            | (dict.fromkeys(gains, pd.NA) if method == BASELINE else gains)
        )
    found = pd.DataFrame(rows).astype({"gains": "Int64", "told": "Int64"})
    return found.sort_values(["mean_rank"], kind="stable", ignore_index=True)


def _means(runs: Runs, table: pd.DataFrame, metric: str) -> list[float]:
    scores = runs.study("main").metrics()
    keys = table[MODEL].assign(changes="").to_dict("records")
    return [rows_of(scores, {str(k): v for k, v in key.items()})[metric].mean() for key in keys]


def _searched(runs: Runs, row: Mapping[Hashable, Any]) -> int | None:
    """The number of values of its own that the search of a model tuned; none without a search."""
    found = [
        len(entry.search.own_dimensions)
        for entry in runs.searches
        if (entry.search.backbone, entry.search.method) == (row["backbone"], row["method"])
    ]
    return found[0] if found else None


def _behind_best(runs: Runs) -> pd.DataFrame:
    """The gain of the best model of a backbone, chosen on dev, over each other."""
    unnamed = replace(runs, call={k: v for k, v in runs.call.items() if k != FLAG})
    table = compare_focus(unnamed)
    names = {f"{METRIC}_delta_mean": "best_delta_mean", f"{METRIC}_star": "best_is_told"}
    if table.empty:
        return pd.DataFrame(columns=[*MODEL, *names.values()])
    return table[[*MODEL, *names]].rename(columns=names)


def _ranked(runs: Runs, part: pd.DataFrame) -> pd.DataFrame:
    """The models of a log by rank, with the intervals of their ranks."""
    part = part.assign(rank=part[f"{METRIC}_mean"].rank(ascending=False))
    finished = runs.study("main").finished
    keys = part[MODEL].assign(changes="")[CELL].itertuples(index=False, name=None)
    models = [finished[key] for key in keys]
    bounds = _bounds(models)
    part = part.assign(rank_low=bounds[:, 0], rank_high=bounds[:, 1])
    return part.sort_values("rank", kind="stable")


def _bounds(models: Sequence[Replicates]) -> np.ndarray:
    """The intervals (M, 2) of ranks over the runs that all models have; nan below two."""
    places = sorted(set.intersection(*(set(records) for records in models)))
    if len(places) < 2:
        return np.full((len(models), 2), np.nan)
    values = [[own[place].metrics["test"][METRIC] for place in places] for own in models]
    draws = [place.draw for place in places]
    rows = None
    if len(set(draws)) == 1:
        sums = [[influence_sums(own[place], METRIC) for place in places] for own in models]
        means = np.array([np.mean(one, axis=0) for one in sums])
        rows = (means, clusters(models[0][places[0]]).groupings)
    return rank_intervals(np.array(values), draws, rows)
