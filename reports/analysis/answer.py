"""The answer of a report to its first question: which methods beat the plain backbone on a log."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmark.metrics import SCORES
from benchmark.protocol import PRESETS
from reports.analysis.comparisons import compare
from reports.analysis.differences import rows_of
from reports.analysis.leaderboard import leaderboard
from reports.look.table import number, spread
from reports.reading.exclusions import few_rows
from reports.reading.keys import Family
from reports.reading.load import Runs
from reports.reading.names import REFERENCE, in_words, model_title, name_of, networks, title_of
from reports.statistics.paired_tests import TEST_LEVEL

Row = Mapping[Hashable, Any]

METRIC = "auc"  # that models are ranked by
_SCORE = SCORES[METRIC]


def answer(runs: Runs, family: Family) -> str:
    """The sentences that answer the first question about a log; empty without a finished model.

    A method beats its backbone where its AUC is better and the two-way test of the difference is
    significant after Holm's correction. Nothing is judged at a preset without verdicts, or on a log
    with few rows of a class.
    """
    table = leaderboard(runs)
    if table.empty:
        return ""
    if not PRESETS[runs.preset].has_verdicts:
        return f"The preset {runs.preset} shows that everything works, not which method is better."
    own = rows_of(table, family._asdict())
    known = own[own[f"{METRIC}_mean"].notna()]
    models = networks(known)
    if models.empty:
        return ""
    sentences = [_verdict(runs, family, models), _best(known, models), _detectable(runs, family)]
    return " ".join(filter(None, sentences))


def _verdict(runs: Runs, family: Family, models: pd.DataFrame) -> str:
    if few := few_rows(runs, family):
        return f"On {family.dataset} no method can be told from another: {few}."
    return f"On {family.dataset} {_who_beats(models)}."


def _who_beats(models: pd.DataFrame) -> str:
    """The methods that beat their backbone, those of one backbone after those of another."""
    is_told = models[f"{METRIC}_p"] < TEST_LEVEL
    better, worse = (
        models[is_told & (sign * models[f"{METRIC}_delta_mean"] > 0.0)] for sign in (1.0, -1.0)
    )
    plains = {name: f"plain {name_of(str(name))}" for name in models["backbone"].unique()}
    if better.empty:
        text = f"no method beats {' or '.join(plains.values())} in {_SCORE.title}"
    else:
        parts = [_beat(better[better["backbone"] == name], plain) for name, plain in plains.items()]
        text = f"{'; '.join(parts)}, in {_SCORE.title}"
    if worse.empty:
        return text
    verb = "is worse than its backbone" if len(worse) == 1 else "are worse than their backbones"
    return f"{text}; {in_words(map(_full_title, _rows(worse)))} {verb}"


def _beat(better: pd.DataFrame, plain: str) -> str:
    if better.empty:
        return f"none beats {plain}"
    names = [
        f"{title_of(row['backbone'], row['method'])}"
        f" ({number(row[f'{METRIC}_delta_mean'], _SCORE.digits, signed=True)})"
        for row in _rows(better)
    ]
    return f"{in_words(names)} {'beats' if len(names) == 1 else 'beat'} {plain}"


def _best(known: pd.DataFrame, models: pd.DataFrame) -> str:
    """The network with the best mean, and the references that are above it."""
    top = max(_rows(models), key=lambda row: row[f"{METRIC}_mean"])
    text = f"The best network is {_full_title(top)}: {_SCORE.title} {_score(top)}"
    above = known[
        (known["method"] == REFERENCE) & (known[f"{METRIC}_mean"] > top[f"{METRIC}_mean"])
    ]
    if above.empty:
        return f"{text}."
    names = [f"{name_of(row['backbone'])} ({_score(row)})" for row in _rows(above)]
    return f"{text}, below {in_words(names)}."


def _detectable(runs: Runs, family: Family) -> str:
    """The difference that could have been seen: the median over the comparisons with plain."""
    tests = compare(runs)
    if tests.empty:
        return ""
    own = rows_of(tests, {**family._asdict(), "metric": METRIC, "kind": "baseline"})
    least = own["mde"].to_numpy(np.float64)
    if not np.isfinite(least).any():
        return "One run of each model cannot tell a difference from chance."
    kind = "draws" if (own["draws"] > 1).any() else "seeds and rows"
    seen = number(float(np.nanmedian(least)), _SCORE.digits)
    return f"With these {kind} a difference of {seen} or more could be seen."


def _score(row: Row) -> str:
    return spread(row[f"{METRIC}_mean"], row[f"{METRIC}_std"], _SCORE.digits)


def _full_title(row: Row) -> str:
    return model_title(row["backbone"], row["method"])


def _rows(table: pd.DataFrame) -> list[Row]:
    return [*table.to_dict("records")]
