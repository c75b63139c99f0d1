"""Scores of models over runs, and their differences run by run, as numbers and as entries."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.metrics import SCORES, metric_of
from reports.reading.exclusions import capped_share
from reports.reading.keys import CELL
from reports.reading.load import Runs
from reports.reading.names import BASELINE
from reports.statistics.estimates import by_draw
from reports.statistics.paired_tests import ENDS, Interval, holm, paired_interval

LEAST_WAY = 0.005
SHARE_NOTE = (
    "Share: the gain over the plain backbone as a part of what lies between it and the ceiling,"
    " run by run against the ceiling of the run's own log, with the 95% t interval of its mean over"
    " the seeds of a log that was drawn once, which holds the noise of training, not that of the"
    " test rows nor of the draw, or over the draws; none is corrected for the number of"
    f" comparisons. Blank where in any run less than {LEAST_WAY} lies between."
)
PLAIN = {"method": BASELINE, "changes": ""}  # the cell of a backbone that others are compared with
OWN_SHARE = "whole_statistics"  # in the history of a method that normalises by task


def rows_of(scores: pd.DataFrame, keys: Mapping[str, object]) -> pd.DataFrame:
    """The rows, one per finished run, whose columns have these values."""
    found = np.ones(len(scores), dtype=bool)
    for name, value in keys.items():
        found &= (scores[name] == value).to_numpy()
    return scores[found]


def plain_of(scores: pd.DataFrame, keys: Mapping[str, object]) -> pd.DataFrame:
    """The runs of the plain backbone that a model is compared with; none for itself.

    Its method, and what a study changed if that tells models apart, are among its `keys`.
    """
    plain = {**keys, **{name: value for name, value in PLAIN.items() if name in keys}}
    return scores.iloc[:0] if plain == keys else rows_of(scores, plain)


def averages(own: pd.DataFrame) -> dict[str, object]:
    """`<metric>_mean` and `_std` over the runs, and the share that is `capped`."""
    row: dict[str, object] = {"capped": capped_share(own)}
    for metric in SCORES:
        row |= moments(metric, own[metric])
    return row


def differences(own: pd.DataFrame, other: pd.DataFrame, name: str) -> dict[str, object]:
    """`<metric>_<name>_mean` and `_std` over the draws and seeds that both have."""
    row: dict[str, object] = {}
    for metric in SCORES:
        row |= moments(f"{metric}_{name}", run_deltas(own, other, metric))
    return row


def run_pairs(own: pd.DataFrame, other: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A metric of both, `own` and `other`, over the draws and seeds that both have, by `draw`."""
    mine, theirs = (_by_run(frame, metric) for frame in (own, other))
    both = [run for run in mine if run in theirs]
    pairs = {"own": [mine[run] for run in both], "other": [theirs[run] for run in both]}
    draws = pd.Index([draw for draw, _ in both], name="draw")
    return pd.DataFrame(pairs, index=draws, dtype=np.float64)


def _by_run(scores: pd.DataFrame, metric: str) -> dict[tuple[int, int], float]:
    return dict(zip(zip(scores["draw"], scores["seed"], strict=True), scores[metric], strict=True))


def run_deltas(own: pd.DataFrame, other: pd.DataFrame, metric: str) -> pd.Series:
    """The differences of a metric over the draws and seeds that both have, by draw."""
    pairs = run_pairs(own, other, metric)
    return pairs["own"] - pairs["other"]


def independent(values: pd.Series) -> NDArray[np.float64]:
    """The values under intervals and tests: means of draws where there are several, else all."""
    return by_draw(values.to_numpy(np.float64), values.index)


def mean_interval(values: pd.Series, limit: float = math.inf) -> Interval:
    """The t interval of a mean over runs, from values by draw; no mean can be beyond +-`limit`."""
    return paired_interval(independent(values), limit=limit)


def delta_interval(own: pd.DataFrame, other: pd.DataFrame, metric: str) -> Interval:
    """The t interval of the mean of `run_deltas`, within what the metric can differ by."""
    return mean_interval(run_deltas(own, other, metric), metric_of(metric).widest)


def interval_around(scores: pd.DataFrame, keys: Mapping[str, object], metric: str) -> Interval:
    """The mean of a cell's metric, with the reach of its difference to the plain backbone.

    The part that a draw or a seed adds to both cancels in the difference. The interval excludes the
    plain backbone's mean where that of the difference excludes 0, if both have the same runs. It is
    undefined for the plain backbone itself.
    """
    own = rows_of(scores, keys)
    gap = delta_interval(own, plain_of(scores, keys), metric)
    mean = own[metric].mean(skipna=False)
    around = Interval(mean, mean + gap.low - gap.mean, mean + gap.high - gap.mean, gap.num)
    return around.clipped(0.0, metric_of(metric).widest)


def achieved_share(
    own: pd.DataFrame, plain: pd.DataFrame, metric: str, ceiling: pd.Series
) -> Interval:
    """The part of the way from the plain backbone to the ceiling of the draw, over runs of both.

    The metric is an expected one, which no model has beyond the ceiling: no share exceeds 1.
    Undefined where that way is shorter than `LEAST_WAY` in any run: a share of nothing is noise.
    """
    pairs = run_pairs(own, plain, metric)
    way = ceiling.loc[pairs.index].to_numpy(np.float64) - pairs["other"]
    if ((-way if metric_of(metric).lower_is_better else way) < LEAST_WAY).any():
        way[:] = np.nan
    return mean_interval((pairs["own"] - pairs["other"]) / way).clipped(-math.inf, 1.0)


def moments(name: str, values: pd.Series) -> dict[str, object]:
    """Mean and sample standard deviation; undefined where a value is, or where there is none."""
    return {
        f"{name}_mean": values.mean(skipna=False) if len(values) else np.nan,
        f"{name}_std": values.std(ddof=1, skipna=False),
    }


def compared(runs: Runs) -> pd.DataFrame:
    """One row per planned cell of a study: its scores, and the differences to two others.

    `<metric>_delta_plain_*` are those to the plain backbone, `<metric>_delta_main_*` those to the
    main cell that the study changed, a width-matched plain network's being the method that it is
    matched to. A cell's
    difference to itself is nan. `capped` is the share of runs that the cap on epochs stopped.
    """
    scores = runs.metrics()
    if scores.empty:
        return pd.DataFrame()
    matched_to = {cell.key: cell.config.matched_to for cell in runs.cells}
    rows = []
    for model in runs.models.to_dict("records"):
        keys = {name: model[name] for name in CELL}
        changed = matched_to.get(tuple(keys.values())) or model["method"]
        main = rows_of(scores, keys | {"changes": "", "method": changed})
        own = rows_of(scores, keys)
        rows.append(
            model
            | {"runs": len(own)}
            | averages(own)
            | differences(own, plain_of(scores, keys), "delta_plain")
            | differences(own, main if model["changes"] else main.iloc[:0], "delta_main")
        )
    return pd.DataFrame(rows)


def with_holm(table: pd.DataFrame, p_values: pd.DataFrame) -> pd.DataFrame:
    """The table with `<name>_holm`, Holm's correction over all p values of its rows."""
    values = p_values.to_numpy(np.float64)
    corrected = pd.DataFrame(holm(values.ravel()).reshape(values.shape), columns=p_values.columns)
    return table.join(corrected.add_suffix("_holm"))


def is_plain(row: Mapping[Hashable, object]) -> bool:
    """True of the plain backbone's main cell, with which others are compared."""
    return all(row[name] == value for name, value in PLAIN.items())


def with_intervals(table: pd.DataFrame, runs: Runs, metrics: Sequence[str]) -> pd.DataFrame:
    """The cells of a table with finished runs, with `<metric>_low` and `_high`.

    The interval is that of `interval_around`.
    """
    scores, found = runs.metrics(), table[table["runs"] > 0]
    keys = found[CELL].itertuples(index=False, name=None)
    cells = [dict(zip(CELL, key, strict=True)) for key in keys]
    for metric in metrics:
        intervals = [interval_around(scores, cell, metric) for cell in cells]
        ends = {f"{metric}_{end}": [getattr(one, end) for one in intervals] for end in ENDS}
        found = found.assign(**ends)
    return found


def with_own_statistics(table: pd.DataFrame, runs: Runs) -> pd.DataFrame:
    """The table with `whole_statistics` of its cells, nan where a method does not normalise so."""
    last = runs.last_values().reindex(columns=[*CELL, OWN_SHARE])
    return table.merge(last.groupby(CELL, as_index=False).mean(), on=CELL, how="left")
