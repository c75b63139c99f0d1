"""The answer and the leaderboard of each log as plain text, for the end of a run."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from benchmark.metrics import SCORES
from reports.analysis.answer import METRIC
from reports.analysis.differences import rows_of
from reports.analysis.leaderboard import leaderboard
from reports.look.table import interval_text, number, spread
from reports.look.units import units_text
from reports.reading.keys import Family
from reports.reading.load import Runs
from reports.reading.names import CEILING, data_title, model_title

MOST_LINES = 12  # of a log
_GAP = "  "


def summary(runs: Runs, answers: Mapping[Family, str]) -> str:
    """The text: for each log its answer, then its best models, a line each, the best AUC first."""
    table = leaderboard(runs)
    parts = []
    for family, text in answers.items():
        own = rows_of(table, family._asdict()) if len(table) else table
        lines = _lines(own) if len(own) else []
        parts.append("\n".join([data_title(*family), *([text] if text else []), *lines]) + "\n")
    return "\n".join(parts)


def _lines(own: pd.DataFrame) -> list[str]:
    """Aligned columns: the model, its AUC, its gain over plain, its cost of training."""
    score = SCORES[METRIC]
    own = own[own[f"{METRIC}_mean"].notna() & (own["method"] != CEILING)]
    ranked = own.sort_values(f"{METRIC}_mean", ascending=False, kind="stable")
    heads = ["", score.title, f"Δ {score.title} ({units_text([score])})", "training"]
    rows = [heads, *map(_texts, ranked.head(MOST_LINES).to_dict("records"))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_aligned(row, widths) for row in rows]
    left = len(ranked) - MOST_LINES
    return [*lines, f"and {left} more in the report"] if left > 0 else lines


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    """The first text to the left, the others to the right of their columns."""
    others = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
    return _GAP.join([row[0].ljust(widths[0]), *others]).rstrip()


def _texts(row: Mapping[Hashable, Any]) -> list[str]:
    score = SCORES[METRIC]
    gain = row[f"{METRIC}_delta_mean"]
    ratio = row["training_ratio"]
    return [
        model_title(row["backbone"], row["method"]),
        spread(row[f"{METRIC}_mean"], row[f"{METRIC}_std"], score.digits),
        ""
        if pd.isna(gain)
        else interval_text(row, f"{METRIC}_delta", 1, unit=score.difference_unit),
        "" if pd.isna(ratio) else f"{number(ratio, 1)} x",
    ]
