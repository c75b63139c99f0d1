"""Forest plot: every model's gain over plain with its interval, and its cost beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from matplotlib.ticker import MaxNLocator

from benchmark.metrics import SCORES
from reports.analysis.differences import PLAIN, rows_of, run_deltas
from reports.analysis.leaderboard import COSTS, leaderboard
from reports.look.panels import titled_parts
from reports.look.part import Figure, draws_note
from reports.look.style import look_of
from reports.look.table import interval_text, multiple, number, p_value
from reports.look.tooltips import tip
from reports.look.units import units_text
from reports.reading.clock import LATENCY_NOTE, NOTE
from reports.reading.exclusions import may_be_told
from reports.reading.keys import DATA, MODEL
from reports.reading.load import Runs
from reports.reading.names import (
    BASELINE,
    CEILING,
    REFERENCE,
    TRUTH,
    data_title,
    is_alone,
    model_title,
    title_of,
)
from reports.statistics.paired_tests import TEST_LEVEL

Row = Mapping[Hashable, Any]

METRICS = ("auc", "gauc")
_PARTS = ("mean", "low", "high")
_ROW, _ENDS = 0.17, 0.62  # inches: of a row, and of what is above and below all rows
_RIGHT_ENDS = (0.32, 0.62, 1.0)  # of the columns of costs
_MUTED = "#a8a8a8"
_ARMS = {"placebo": ("o", "placebo"), "blind": ("s", "domain-blind")}  # marker, words
_ARM_SIZE = 3.0
_TICKS = 4  # intervals between ticks, at most
_REACH = 4.0  # median ends of intervals: what lies beyond is cut
_ROOM = 1.08  # around all that is shown
_SHARES = (0.17, 0.27, 0.27, 0.29)  # of the width: names, two panels, costs


def tabulate(runs: Runs) -> pd.DataFrame:
    """The rows of `leaderboard` with a score: gains, p values and costs.

    `<metric>_is_told` says that the difference to plain is significant after Holm's correction, of
    a reference that its interval, which is not corrected, leaves 0 out. None is told at a preset
    without verdicts, or on a log with few rows of a class. `<metric>_placebo_mean` and
    `<metric>_blind_mean` are the gains of a method's placebo and of its domain-blind control.
    """
    table = leaderboard(runs)
    if table.empty:
        return table
    table = table[table[f"{METRICS[0]}_mean"].notna()].copy()
    for metric in METRICS:
        table = _with_ceiling(table, metric)
        low, high, p = (table[f"{metric}_{end}"] for end in ("delta_low", "delta_high", "p"))
        is_clear = (p < TEST_LEVEL) | (p.isna() & ((low > 0.0) | (high < 0.0)))
        table[f"{metric}_is_told"] = is_clear & may_be_told(runs, table)
        table = table.assign(**_arms(runs, table, metric))
    ends = ("mean", "std", *(f"delta_{part}" for part in _PARTS), "p", "is_told")
    ends += tuple(f"{arm}_mean" for arm in _ARMS)
    shown = [f"{metric}_{end}" for metric in METRICS for end in ends]
    ratios = [f"{cost}_ratio" for cost in COSTS]
    return table[[*MODEL, "runs", "draws", *shown, *ratios]].reset_index(drop=True)


def _arms(runs: Runs, table: pd.DataFrame, metric: str) -> dict[str, list[float]]:
    """The mean gains over plain of the controls of each row's method; nan of what has none."""
    runs = runs.study("controls")
    scores = runs.metrics()
    cells = {
        "placebo": {cell.key for cell in runs.cells if cell.config.is_placebo},
        "blind": {cell.key for cell in runs.cells if cell.config.is_blind},
    }

    def gain(arm: str, model: Row) -> float:
        keys = {name: model[name] for name in MODEL}
        own = [key for key in cells[arm] if key[: len(MODEL)] == tuple(keys.values())]
        if not own or scores.empty:
            return math.nan
        rows = rows_of(scores, keys | {"changes": own[0][-1]})
        return float(run_deltas(rows, rows_of(scores, keys | PLAIN), metric).mean())

    models = table.to_dict("records")
    return {f"{metric}_{arm}_mean": [gain(arm, model) for model in models] for arm in _ARMS}


def _with_ceiling(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The table with the gain of the true probability over the first plain backbone of its log."""
    plain = table[table["method"] == BASELINE].drop_duplicates(DATA)
    base = table[DATA].merge(plain[[*DATA, f"{metric}_mean"]], on=DATA, how="left")
    gain = table[f"{metric}_mean"] - base[f"{metric}_mean"].to_numpy()
    name = f"{metric}_delta_mean"
    return table.assign(**{name: table[name].where(table["method"] != CEILING, gain)})


def draw(table: pd.DataFrame) -> Canvas:
    """A part per log: a row per model, a panel per metric, and the costs as numbers."""
    logs = list(table.groupby(DATA, sort=False))
    titles = [data_title(*map(str, keys)) for keys, _ in logs]
    heights = [_ENDS + _ROW * len(rows) for _, rows in logs]
    canvas, parts = titled_parts(titles, heights)
    for part, (_, rows) in zip(parts, logs, strict=True):
        _draw_log(part, rows.reset_index(drop=True))
    return canvas


def _draw_log(part: SubFigure, rows: pd.DataFrame) -> None:
    names, *panels, costs = part.subplots(1, len(_SHARES), sharey=True, width_ratios=_SHARES)
    for metric, panel in zip(METRICS, panels, strict=True):
        _draw_panel(panel, metric, rows)
    for place, row in enumerate(rows.to_dict("records")):
        is_plain = row["method"] == BASELINE
        title = _title(row)
        indent = 0.0 if is_alone(row["method"]) else 0.08
        names.text(indent, place, title, va="center", weight="bold" if is_plain else None)
    for x, cost in zip(_RIGHT_ENDS, COSTS, strict=True):
        costs.text(x, -1.0, cost, ha="right", va="center")
        for place, ratio in enumerate(rows[f"{cost}_ratio"]):
            costs.text(x, place, multiple(ratio), ha="right", va="center")
    names.set_ylim(len(rows) - 0.4, -1.6)
    for panel in (names, costs):
        panel.set_xlim(0.0, 1.0)
        panel.axis("off")


def _title(row: Row, title: Callable[[str, str], str] = title_of) -> str:
    """The model in words."""
    return TRUTH if row["method"] == CEILING else title(row["backbone"], row["method"])


def _draw_panel(panel: Axes, metric: str, rows: pd.DataFrame) -> None:
    """The gains in a metric, with a line at 0."""
    score = SCORES[metric]
    unit = score.difference_unit
    gains = rows[[f"{metric}_delta_{part}" for part in _PARTS]] / unit
    arms = rows[[f"{metric}_{arm}_mean" for arm in _ARMS]].to_numpy(np.float64) / unit
    limit = _limit(gains[rows["method"] != CEILING].to_numpy(np.float64), arms)
    panel.axvline(0.0, color="#555555", linewidth=0.8, zorder=1)
    for place, row in enumerate(rows.to_dict("records")):
        _draw_row(panel, place, row, metric, limit)
    panel.set_xlim(-limit, limit)
    panel.set_title(f"\N{GREEK CAPITAL LETTER DELTA} {score.title} ({units_text([score])})")
    panel.tick_params(left=False, labelleft=False)
    panel.xaxis.set_major_locator(MaxNLocator(_TICKS, symmetric=True))
    panel.grid(visible=False, axis="y")
    panel.spines["left"].set_visible(False)


def _limit(gains: np.ndarray, arms: np.ndarray) -> float:
    """The end of a symmetric axis: all means, of controls too, and most ends of intervals."""
    sizes = np.abs(gains)
    ends = sizes[:, 1:].max(axis=1)
    means = np.concatenate([sizes[:, 0], np.abs(arms).ravel()])
    means, ends = (one[np.isfinite(one)] for one in (means, ends))
    near = min(ends.max(), _REACH * float(np.median(ends))) if len(ends) else 0.0
    return _ROOM * max(means.max(initial=0.0), near) or 1.0


def _draw_row(panel: Axes, place: int, row: Row, metric: str, limit: float) -> None:
    """The mean and interval of a model; what leaves the panel ends in an arrow."""
    unit = SCORES[metric].difference_unit
    is_plain = row["method"] == BASELINE
    mean, low, high = (row[f"{metric}_delta_{part}"] / unit for part in _PARTS)
    mean = 0.0 if is_plain else mean
    if math.isnan(mean):
        return
    look = look_of(row["backbone"] if row["method"] == REFERENCE else row["method"])
    is_shown = is_plain or row[f"{metric}_is_told"]
    colour = look["color"] if is_shown else _MUTED
    if abs(mean) > limit:
        _draw_beyond(panel, place, mean, limit, _tip_text(row, metric))
        return
    if not math.isnan(low):
        panel.plot([max(low, -limit), min(high, limit)], [place] * 2, color=colour, zorder=2)
        for is_cut, x, marker in ((low < -limit, -limit, "<"), (high > limit, limit, ">")):
            if is_cut:
                panel.plot(x, place, color=colour, marker=marker, clip_on=False, markersize=3.5)
    fill = colour if is_shown else "white"
    (point,) = panel.plot(mean, place, color=colour, marker=look["marker"], mfc=fill, zorder=3)
    tip(point, _tip_text(row, metric))
    _draw_arms(panel, place, row, metric)


def _draw_arms(panel: Axes, place: int, row: Row, metric: str) -> None:
    """Hollow marks for the controls of a method."""
    score, colour = SCORES[metric], look_of(row["method"])["color"]
    for arm, (marker, words) in _ARMS.items():
        gain = row[f"{metric}_{arm}_mean"] / score.difference_unit
        if math.isnan(gain):
            continue
        style: dict[str, Any] = {"marker": marker, "mfc": "white", "markersize": _ARM_SIZE}
        (point,) = panel.plot(gain, place, color=colour, linestyle="none", zorder=2.5, **style)
        amount = number(gain, 1, signed=True)
        tip(point, f"{_title(row, model_title)}, {words}: difference {amount}")


def _draw_beyond(panel: Axes, place: int, mean: float, limit: float, text: str) -> None:
    """The number of a mean that is outside the panel, with an arrow to its side."""
    gain = number(mean, 0, signed=True)
    if mean > 0.0:
        shown, side = f"{gain} \N{RIGHTWARDS ARROW}", "right"
    else:
        shown, side = f"\N{LEFTWARDS ARROW} {gain}", "left"
    x = math.copysign(limit, mean)
    tip(panel.text(x, place, shown, ha=side, va="center"), text)


def _tip_text(row: Row, metric: str) -> str:
    """The model with its score, its gain and the p value of that."""
    score = SCORES[metric]
    text = (
        f"{_title(row, model_title)}: {score.title} {number(row[f'{metric}_mean'], score.digits)}"
    )
    if math.isnan(row[f"{metric}_delta_mean"]):
        return text
    gain = interval_text(row, f"{metric}_delta", 1, unit=score.difference_unit)
    p = row[f"{metric}_p"]
    return f"{text}, difference {gain}" + ("" if math.isnan(p) else f", p {p_value(p)}")


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    units = units_text(SCORES[metric] for metric in METRICS)
    lines = [
        f"Gain over the plain backbone on test, in units of {units}, with 95% intervals; hollow and"
        " grey where no difference can be told.",
        "A method is compared with its own backbone, and told from it where the two-way test is"
        f" significant after Holm's correction (p < {TEST_LEVEL}). A reference is compared with the"
        " first backbone, and told from it where its interval, which is not corrected, leaves 0"
        " out. An arrow marks what lies outside the panel.",
        "Costs are multiples of the plain backbone's: the whole training; the median time to score"
        " 256 rows on one thread; parameters that are served, without the embedding table."
        f" {NOTE} {LATENCY_NOTE}",
        *draws_note(table),
    ]
    arms = table[[f"{metric}_{arm}_mean" for metric in METRICS for arm in _ARMS]]
    if arms.notna().any(axis=None):
        lines.append(
            "Small hollow marks on the line of a method, without intervals: its placebo (circle),"
            " which has the same parameters and is told wrong domains, and its domain-blind control"
            " (square). What lies between placebo and method is domain awareness, what lies between"
            " 0 and placebo is capacity; the table awareness has the intervals."
        )
    if (table["method"] == CEILING).any():
        lines.append(
            "True probability: the score that the true click probabilities reach on the same rows,"
            " less that of the first backbone; no model can be expected to reach it."
        )
    return lines


FIGURE = Figure(
    title="Gain over the plain backbone, and its cost",
    section="result",
    position=10,
    study="main, references, controls",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
