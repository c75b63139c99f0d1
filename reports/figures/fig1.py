"""Volume and CTR by the values of each domain column (after AdaSparse, figures 1a and 1b)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from matplotlib.ticker import MaxNLocator
from statsmodels.stats.proportion import proportion_confint

from datasets.spec import SPLITS
from reports.look.panels import LEGEND_HEIGHT, add_legend, cut, titled_parts
from reports.look.part import Figure
from reports.reading.keys import DATA, Family, family_of
from reports.reading.load import Runs
from reports.reading.names import data_title
from reports.statistics.paired_tests import LEVEL

_MOST_VALUES = 20
_MOST_COLUMNS = 4
_MOST_DATA = 2  # data sets that fit on a page
_BAR, _FRAME, _TITLE = 0.13, 0.65, 0.25  # inches: of a value, around a panel, of a data set
_LONGEST, _LONGEST_COLUMN = 16, 30  # characters of a value, and of the name of a column
_VOLUME, _REST, _CTR = "#8c8c8c", "#d0d0d0", "#0072b2"


def tabulate(runs: Runs) -> pd.DataFrame:
    """Per data set and domain column its values by falling volume, and the rest as one row.

    `values` is 1, in the row of the rest the number of its values. The column that serves as task
    id is the first. A generated log has the numbers of every draw.
    """
    logs = runs.study("main").fingerprints or runs.fingerprints
    frames = []
    for log, fingerprint in logs.items():
        totals = _totals(runs.domains(fingerprint))
        values = runs.values_of_domains(fingerprint, log.family)
        for column in _columns(runs, log.family):
            place = {**log._asdict(), "column": column}
            numbers = _by_value(totals, values[column])
            frames.append(numbers.assign(**place)[[*place, *numbers]])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _columns(runs: Runs, family: Family) -> list[str]:
    """The domain columns of a data set, that of the task id first."""
    tasks = {c.config.task for c in runs.study("main").cells if family_of(c.config) == family}
    return sorted(family.partition.split("+"), key=lambda column: column not in tasks)


def _totals(domains: pd.DataFrame) -> pd.DataFrame:
    """Impressions and clicks of each domain in all splits."""
    counts = {
        name: domains[[f"{split}_{name}" for split in SPLITS]].sum(axis=1)
        for name in ("impressions", "clicks")
    }
    return pd.DataFrame(counts)


def _by_value(totals: pd.DataFrame, values: pd.Series) -> pd.DataFrame:
    """Share of the volume and CTR of each value of a column, the 20 largest and the rest."""
    sums = totals.groupby(values.to_numpy()).sum()
    sums = sums.sort_values("impressions", ascending=False, kind="stable")
    sums = sums.set_axis(sums.index.astype(str)).assign(values=1)
    sums = sums[sums["impressions"] > 0]
    if len(sums) > _MOST_VALUES:
        rest = sums.iloc[_MOST_VALUES:].sum().rename("the rest")
        sums = pd.concat([sums.iloc[:_MOST_VALUES], rest.to_frame().T])
    sums = sums.rename_axis("value").reset_index()
    low, high = proportion_confint(
        sums["clicks"], sums["impressions"], alpha=1.0 - LEVEL, method="wilson"
    )
    ctr = sums["clicks"] / sums["impressions"]
    return sums.assign(
        volume_share=sums["impressions"] / sums["impressions"].sum(),
        ctr=ctr,
        ctr_low=np.minimum(low, ctr),  # of a CTR of 0 or 1 a bound is off by the rounding
        ctr_high=np.maximum(high, ctr),
    )


def draw(table: pd.DataFrame) -> Canvas:
    """Two columns of panels per data set, of its first draw; bars are volume, points CTR."""
    logs = {
        data_title(*map(str, key)): _panels(rows)
        for key, rows in list(_first_draws(table).groupby(DATA, sort=False))[:_MOST_DATA]
    }
    heights = [sum(map(_height, pairs)) + _TITLE for pairs in logs.values()]
    canvas, parts = titled_parts([*logs], heights, LEGEND_HEIGHT)
    for part, pairs in zip(parts, logs.values(), strict=True):
        _draw_log(part, pairs)
    add_legend(canvas, [])
    return canvas


def _first_draws(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first draw of each data set."""
    return table[table["draw"] == table.groupby(DATA)["draw"].transform("min")]


def _panels(rows: pd.DataFrame) -> list[list[pd.DataFrame]]:
    """The columns of one data set, two beside each other."""
    columns = [own for _, own in rows.groupby("column", sort=False)][:_MOST_COLUMNS]
    return [columns[start : start + 2] for start in range(0, len(columns), 2)]


def _height(pair: Sequence[pd.DataFrame]) -> float:
    return _BAR * max(map(len, pair)) + _FRAME


def _draw_log(part: SubFigure, pairs: list[list[pd.DataFrame]]) -> None:
    ratios = {"height_ratios": [_height(pair) for pair in pairs]}
    axes = part.subplots(len(pairs), 4, squeeze=False, gridspec_kw=ratios)
    for row, pair in zip(axes, pairs, strict=True):
        for number in range(2):
            volume, ctr = row[2 * number : 2 * number + 2]
            if number < len(pair):
                _draw_column(volume, ctr, pair[number])
            else:
                volume.remove()
                ctr.remove()


def _draw_column(volume: Axes, ctr: Axes, rows: pd.DataFrame) -> None:
    """The values from top to bottom by falling volume."""
    places = range(len(rows))
    colours = [_VOLUME if values == 1 else _REST for values in rows["values"]]
    volume.barh(places, 100.0 * rows["volume_share"], color=colours, height=0.75)
    volume.set_yticks(places, [_label(row) for row in rows.to_dict("records")])
    column = cut(str(rows["column"].iloc[0]), _LONGEST_COLUMN)
    volume.set_title(f"{column}: {rows['values'].sum():,} values", loc="left")
    volume.set_xlabel("share of impressions, %")
    percent = 100.0 * rows[["ctr", "ctr_low", "ctr_high"]]
    reach = [percent["ctr"] - percent["ctr_low"], percent["ctr_high"] - percent["ctr"]]
    style: dict[str, Any] = {"fmt": "o", "color": _CTR, "markersize": 2.5, "elinewidth": 0.8}
    label = "CTR of a value, 95% interval"
    ctr.errorbar(percent["ctr"], places, xerr=reach, label=label, **style)
    overall = 100.0 * rows["clicks"].sum() / rows["impressions"].sum()
    line: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 0.8}
    ctr.axvline(overall, label="CTR of all impressions", **line)
    ctr.set_yticks(places, [])
    ctr.set_xlabel("CTR, %")
    for panel in (volume, ctr):
        panel.set_ylim(len(rows) - 0.4, -0.6)
        panel.set_xlim(left=0.0)
        panel.xaxis.set_major_locator(MaxNLocator(3))
        panel.grid(visible=False, axis="y")


def _label(row: dict[Any, Any]) -> str:
    if row["values"] > 1:
        return f"{row['values']:,} others"
    return cut(str(row["value"]), _LONGEST)


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    return [
        "Impressions and clicks of train, dev and test together, as prepared. Values by falling"
        f" volume; where a column has more than {_MOST_VALUES}, the others are one bar, the last.",
        "Points: CTR, clicks over impressions, with the 95% Wilson interval of a binomial share,"
        " which takes impressions as independent; dashed: the CTR of all impressions.",
        "The first panel is the column that MAML and STAR take as task (the paper's figure 1a, by"
        " scenario), the others are the further domain columns (1b, by ad position). Figures 1c and"
        " 2 of the paper are diagrams without numbers and are not drawn.",
        *_left_out(table),
    ]


def _left_out(table: pd.DataFrame) -> list[str]:
    num_logs = len(table[DATA].drop_duplicates())
    num_columns = table.groupby(DATA)["column"].nunique().max()
    cuts = ["the first draw of each generated log"] if len(_first_draws(table)) < len(table) else []
    if num_logs > _MOST_DATA:
        cuts.append(f"the first {_MOST_DATA} of {num_logs} data sets")
    if num_columns > _MOST_COLUMNS:
        cuts.append(f"at most {_MOST_COLUMNS} of up to {num_columns} columns of a data set")
    return [f"Drawn are {' and '.join(cuts)}; the CSV file has all."] if cuts else []


FIGURE = Figure(
    title="Volume and CTR of domains",
    section="domains",
    position=60,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
