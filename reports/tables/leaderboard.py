"""Leaderboard: every model of a log by rank, with its gain, its cost, and what it leaves open."""

from __future__ import annotations

from functools import partial

import pandas as pd

from benchmark.metrics import METRICS, SCORES
from reports.analysis.leaderboard import COSTS
from reports.analysis.ranking import FAIRNESS, METRIC, ranking
from reports.look import columns
from reports.look.table import Table, TableLayout, interval_text, multiple, number
from reports.look.units import units_text
from reports.reading.clock import LATENCY_NOTE, NOTE
from reports.reading.keys import DATA
from reports.reading.names import data_title, model_title
from reports.statistics.paired_tests import TEST_LEVEL
from reports.statistics.ranks import RESAMPLES

_GAINS = ("auc", "gauc")
_NOTES = [
    f"Test split, every network of a log by mean {METRICS[METRIC].title}. Rank: with its 95%"
    f" interval, percentiles of {RESAMPLES:,} resamples; of several draws of a log these are"
    " resampled, of one log the seeds, for all models alike, and the clusters of test rows. With"
    " few draws or seeds such intervals are too narrow.",
    f"Δ: the difference to the plain backbone, in units of {units_text(SCORES[m] for m in _GAINS)},"
    " with its 95% interval for other seeds and test rows, or other draws, not corrected. * told"
    f" from plain: p < {TEST_LEVEL} after Holm's correction over the tests of the backbone.",
    "Behind: what the best model of the backbone, chosen by mean AUC on dev, has more; * told from"
    " it after Holm's correction over all pairs of models of the backbone.",
    "Calibration: predicted over observed click rate. Costs are multiples of the plain backbone's:"
    " the whole training, the median time to score 256 rows, the parameters that are served outside"
    f" the embedding table. {NOTE} {LATENCY_NOTE}",
    "Own: how many hyper-parameters of the method's own were searched, beside those that all models"
    " of a backbone share.",
]


def _title(row: columns.Row) -> str:
    return model_title(row["backbone"], row["method"])


def _rank(row: columns.Row) -> str:
    text = number(row["rank"], 0)
    if pd.isna(row["rank_low"]):
        return text
    return f"{text} [{number(row['rank_low'], 0)}, {number(row['rank_high'], 0)}]"


def _gain(metric: str, row: columns.Row) -> str:
    text = interval_text(row, f"{metric}_delta", 1, unit=SCORES[metric].difference_unit)
    return f"{text} *" if metric == METRIC and row[f"{METRIC}_is_told"] else text


def _behind(row: columns.Row) -> str:
    if pd.isna(row["best_delta_mean"]):
        return ""
    text = number(row["best_delta_mean"], 1, unit=SCORES[METRIC].difference_unit)
    return f"{text} *" if row["best_is_told"] else text


def _cost(cost: str, row: columns.Row) -> str:
    return multiple(row[f"{cost}_ratio"])


def _searched(row: columns.Row) -> str:
    return "" if pd.isna(row["searched"]) else str(row["searched"])


_COLUMNS = [
    columns.model(_title),
    columns.text("Rank", _rank),
    columns.spread(SCORES[METRIC].title, METRIC, SCORES[METRIC].digits),
    *columns.of_methods(
        *(
            columns.of_metric(m, columns.text(f"Δ {SCORES[m].title}", partial(_gain, m)))
            for m in _GAINS
        )
    ),
    columns.text(f"Behind, {SCORES[METRIC].title}", _behind),
    columns.spread(SCORES["logloss"].title, "logloss", SCORES["logloss"].digits),
    columns.number(METRICS[FAIRNESS].title, f"{FAIRNESS}_mean", 3),
    *(
        columns.text(title, partial(_cost, cost))
        for cost, title in zip(COSTS, ("Training", "Latency", "Parameters"), strict=True)
    ),
    columns.text("Own", _searched),
    columns.RUNS,
]


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per log, the best model first."""
    return columns.laid_out(
        table, _COLUMNS, _NOTES, by=DATA, heading=lambda row: data_title(*(row[k] for k in DATA))
    )


TABLE = Table(
    title="Leaderboard: every method on every backbone",
    section="result",
    position=15,
    study="zoo",
    tabulate=ranking,
    arrange=arrange,
)
