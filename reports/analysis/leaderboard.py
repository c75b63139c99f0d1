"""The leaderboard of a log: the scores of every main model, its gain over plain, and its cost."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pandas as pd

from benchmark.metrics import SCORES
from reports.analysis.comparisons import compare, estimate
from reports.analysis.differences import averages, differences, plain_of, rows_of, run_pairs
from reports.analysis.retuned import num_searches
from reports.reading.keys import CELL, DATA, MODEL, Family
from reports.reading.load import Runs
from reports.reading.names import BASELINE, CEILING, REFERENCE

COSTS = {  # of which a model's multiple is known, and its name in `Runs.costs`
    "training": "train_compute_seconds",
    "latency": "latency_batch256_p50_milliseconds",
    "parameters": "served_parameters",
}
_FIRST = next(iter(SCORES))
_ENDS = ("delta_low", "delta_high")


@lru_cache(maxsize=1)  # a table, a figure and the answer are made of it
def leaderboard(runs: Runs) -> pd.DataFrame:
    """A row per planned model and reference, then a `ceiling` per data set of known probability.

    That is the mean of the ceilings of the draws. `capped` is the share of runs that the cap on
    epochs stopped.
    `<metric>_mean` and `_std` are over the finished `runs`, `<metric>_delta_mean` and `_std` over
    the `pairs` with a run of plain that has the same draw and seed: the plain backbone of a method,
    the first one of a reference. `_low` and `_high` bound the interval of the difference, of a
    method that of `comparisons`; `<metric>_test` is its number there and `<metric>_p` its p value
    after Holm's correction. `<metric>_star_test` is the number of the comparison with the second
    best where that earns a star. `<cost>_ratio` is the cost of `COSTS` in multiples of the plain
    backbone's. Undefined numbers are nan. `searches` is how many each network had, and `has_tuning`
    says whether the intervals contain what they add.
    """
    tests = compare(runs)
    runs = runs.study("main", "references")
    scores, costs = runs.metrics(), _costs(runs)
    if scores.empty:
        return pd.DataFrame()
    rows: list[dict[str, object]] = []
    for model in runs.models.to_dict("records"):
        keys = {name: model[name] for name in MODEL}
        beside = _compared_keys(runs, keys)
        own, plain = rows_of(scores, keys), plain_of(scores, beside)
        rows.append(
            keys
            | {name: model[name] for name in ("planned_runs", "draws")}
            | {"runs": len(own), "pairs": len(run_pairs(own, plain, _FIRST))}
            | averages(own)
            | differences(own, plain, "delta")
            | _tested(runs, tests, keys)
            | _ratios(rows_of(costs, keys), rows_of(costs, {**beside, "method": BASELINE}))
        )
    rows += [
        {**family._asdict(), "backbone": "", "method": CEILING}
        | {f"{metric}_mean": best[metric].mean(skipna=False) for metric in SCORES}
        for family in runs.families
        for best in [runs.ceilings(family)]
        if len(best)
    ]
    counts = [f"{metric}_{kind}" for metric in SCORES for kind in ("test", "star_test")]
    has_tuning = len(tests) > 0 and bool(tests["has_tuning"].all())
    table = pd.DataFrame(rows).assign(searches=num_searches(runs), has_tuning=has_tuning)
    return table.astype(dict.fromkeys(("runs", "pairs", "planned_runs", "draws", *counts), "Int64"))


def _compared_keys(runs: Runs, keys: Mapping[str, str]) -> dict[str, str]:
    """The keys by which the plain backbone of a model is found: a reference has the first one."""
    if keys["method"] != REFERENCE:
        return dict(keys)
    return {**keys, "backbone": _first_backbone(runs, Family(*(keys[name] for name in DATA)))}


def _first_backbone(runs: Runs, family: Family) -> str:
    """The first plain backbone of a log; empty without one."""
    models = runs.models
    plain = models[(models["method"] == BASELINE) & (models[DATA] == list(family)).all(axis=1)]
    return next(iter(plain["backbone"]), "")


def _tested(runs: Runs, tests: pd.DataFrame, keys: Mapping[str, str]) -> dict[str, object]:
    """The intervals of a model's differences, the numbers of their tests, and its stars."""
    row: dict[str, object] = {}
    own = tests if tests.empty else rows_of(tests, keys)
    for metric in SCORES:
        row |= {f"{metric}_test": None, f"{metric}_star_test": None, f"{metric}_p": np.nan}
        row |= {f"{metric}_{end}": np.nan for end in _ENDS}
        for test in own[own["metric"] == metric].to_dict("records") if len(own) else []:
            if test["kind"] == "baseline":
                row |= {f"{metric}_test": test["test"], f"{metric}_p": test["two_way_p_holm"]}
                row |= {f"{metric}_{end}": test[end] for end in _ENDS}
            elif test["star"]:
                row[f"{metric}_star_test"] = test["test"]
        if keys["method"] == REFERENCE:
            row |= _interval_of_reference(runs, keys, metric)
    return row


def _interval_of_reference(runs: Runs, keys: Mapping[str, str], metric: str) -> dict[str, object]:
    """The interval of the difference of a reference to the first plain backbone."""
    sides = (dict(keys), _compared_keys(runs, keys) | {"method": BASELINE})
    own, plain = (
        runs.finished.get(tuple({**side, "changes": ""}[name] for name in CELL), {})
        for side in sides
    )
    if not own.keys() & plain.keys():
        return {}
    interval = estimate(own, plain, metric).interval()
    return {f"{metric}_delta_low": interval.low, f"{metric}_delta_high": interval.high}


def _costs(runs: Runs) -> pd.DataFrame:
    """The costs of the finished runs; parameters are those outside the embedding table."""
    costs = runs.costs().reindex(columns=[*CELL, "embedding_parameters", *COSTS.values()])
    served = costs[COSTS["parameters"]] - costs["embedding_parameters"]
    served = served.where(costs["method"] != REFERENCE)  # leaves and weights are no such parameters
    return costs.assign(**{COSTS["parameters"]: served})


def _ratios(own: pd.DataFrame, plain: pd.DataFrame) -> dict[str, object]:
    """The mean costs of some runs in multiples of those of others."""
    is_known = len(own) > 0 and len(plain) > 0
    return {
        f"{name}_ratio": own[column].mean() / plain[column].mean() if is_known else np.nan
        for name, column in COSTS.items()
    }
