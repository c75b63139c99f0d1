"""Cost against the number of domains, beside what the paper claims (AdaSparse, section 3.1.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from reports.look.panels import add_legend, fit_log_axis, short
from reports.look.part import Figure
from reports.look.style import PAGE, in_order, look_of, panels
from reports.reading.load import Runs
from reports.reading.names import rank

_COUNTED, _CLAIMED, _TIMED = "counted", "claimed", "timed"
_QUANTITIES = {
    "parameters": "Parameters served",
    "multiply_adds": "Multiply-adds of a row",
    "serving_memory_mib": "Memory to serve, MiB",
    "latency_batch1_p50_milliseconds": "1 row, ms",
    "latency_batch256_p50_milliseconds": "256 rows, ms",
    "step_milliseconds": "Training step, ms",
}
_COUNTED_ONLY, _TIMED_ONLY = list(_QUANTITIES)[:2], list(_QUANTITIES)[2:]
_KEYS = ["backbone", "method", "num_domains"]
_SIZES = "public"  # of the paper, as those that are timed
_COLUMNS = 3
_CLAIM = "claimed, O(D ...)"
_COUNT_NOTES = [
    "Both axes are logarithmic: a line of slope 1 grows as the number of domains D does, a flat one"
    " does not grow. Lines with markers are counted exactly, for a DNN 128-64-32 on 22 fields of"
    " embedding 16 with default hyper-parameters, and have no uncertainty. Parameters are all that"
    " is served beside the embedding table; multiply-adds are those of the matrix products of one"
    " row's prediction. Plug-ins are not counted.",
    "Dotted: the paper's complexities of a layer, O(D N_l N_{l+1}) of STAR, O(D (N_l K +"
    " N_{l+1} K)) of APG and O(D N_l) of AdaSparse, with a factor of 1 and summed over the hidden"
    " layers: an O(.) leaves the factor open, so that only slopes can be compared.",
    "No computation of a row has the factor D: a row is computed for its own domain, so that"
    " multiply-adds are flat for every method, and a batch for the domains in it. With D the first"
    " is the memory of STAR, which the claim meets; MAML's copies grow alike. The other two are"
    " nobody's memory, since APG's factors and AdaSparse's pruners are shared by all domains. Per"
    " row APG adds K^2 and its generation, and a pruner is N_l (N_l + E_d), not N_l.",
]
_TIME_NOTE = (
    "Memory, latency and training steps are measured once per model, in a process of its own on one"
    " thread. Latency is the median of the calls, and the bar reaches to their 99th percentile;"
    " a step is the median of its repetitions. There is no interval: another machine, or another"
    " moment, gives other times."
)
_UNTIMED_NOTE = "Latency and memory: `python -m benchmark.speed scaling --out DIR` adds them."


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per method, number of domains and quantity: counted, timed, or what is claimed of it.

    `value_high` of a latency is the 99th percentile. Empty where nothing was counted or timed.

    Raises:
        RecordError: a file of `<out>/cost` cannot be read or lacks a column.
    """
    table = pd.concat([_counts(runs), _times(runs)])
    if table.empty:
        return table
    by_rank = table.sort_values("method", key=lambda names: names.map(rank), kind="stable")
    return by_rank.reset_index(drop=True)


def _counts(runs: Runs) -> pd.DataFrame:
    """The counts of the public sizes, and per quantity the claim of it."""
    counts = runs.cost("scaling.csv", ["sizes", *_KEYS, *_COUNTED_ONLY, "claim"])
    counts = counts[counts["sizes"] == _SIZES]
    own = counts.melt(_KEYS, _COUNTED_ONLY, "quantity", "value").assign(kind=_COUNTED)
    claims = [
        counts[[*_KEYS, "claim"]].rename(columns={"claim": "value"}).assign(quantity=name)
        for name in _COUNTED_ONLY
    ]
    claimed = pd.concat(claims).assign(kind=_CLAIMED).dropna(subset="value")
    return pd.concat([own, claimed])


def _times(runs: Runs) -> pd.DataFrame:
    """The measurements of the speed program beside the counts."""
    tails = [name.replace("p50", "p99") for name in _TIMED_ONLY if "p50" in name]
    times = runs.cost("domains.csv", ["model", "num_domains", *_TIMED_ONLY, *tails])
    times[["backbone", "method"]] = (
        times["model"].str.split("+", n=1, expand=True).reindex(columns=[0, 1])
    )
    own = times.melt(_KEYS, _TIMED_ONLY, "quantity", "value").assign(kind=_TIMED)
    high = times[tails].rename(columns=lambda name: name.replace("p99", "p50"))
    return own.assign(value_high=high.reindex(columns=_TIMED_ONLY).melt()["value"])


def draw(table: pd.DataFrame) -> Canvas:
    """One panel per quantity; the claims are in those that are counted."""
    names = [name for name in _QUANTITIES if (table["quantity"] == name).any()]
    columns = min(len(names), _COLUMNS)
    canvas = panels(-(-len(names) // columns), columns, width=PAGE, height=2.3)
    for panel, name in zip(canvas.axes, names, strict=False):
        own = table[table["quantity"] == name]
        _draw_panel(panel, own)
        panel.set(ylabel=_QUANTITIES[name], xlabel="Domains D")
        fit_log_axis(panel, "y", pd.concat([own["value"], own["value_high"]]))
        fit_log_axis(panel, "x", table["num_domains"])
        places = sorted(set(table["num_domains"]))
        panel.set_xticks(places, [short(place) for place in places])
    for panel in canvas.axes[len(names) :]:
        panel.remove()
    add_legend(canvas, table["method"])
    return canvas


def _draw_panel(panel: Axes, rows: pd.DataFrame) -> None:
    for (method, kind), own in rows.groupby(["method", "kind"], sort=False):
        look: dict[str, Any] = {**look_of(str(method))}
        if kind == _CLAIMED:
            look |= {"marker": None, "linestyle": ":", "label": None}
        reach = (own["value_high"] - own["value"]).to_numpy(np.float64)
        bars = np.array([np.zeros(len(own)), reach]) if np.isfinite(reach).all() else None
        panel.errorbar(
            own["num_domains"],
            own["value"],
            yerr=bars,
            markerfacecolor="none",
            elinewidth=0.6,
            **look,
        )
    if (rows["kind"] == _CLAIMED).any():
        panel.plot([], [], color="#777777", linestyle=":", label=_CLAIM)


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    is_timed = (table["kind"] == _TIMED).any()
    is_counted = (table["kind"] == _COUNTED).any()
    return [
        *([*_COUNT_NOTES, _growth(table)] if is_counted else []),
        _TIME_NOTE if is_timed else _UNTIMED_NOTE,
    ]


def _growth(table: pd.DataFrame) -> str:
    """A sentence on the growth of parameters from the fewest to the most domains."""
    own = table[(table["kind"] == _COUNTED) & (table["quantity"] == "parameters")]
    least, most = own["num_domains"].min(), own["num_domains"].max()
    values = own.pivot_table(index="method", columns="num_domains", values="value")
    times = (values[most] / values[least]).dropna()
    words = [f"{look_of(name)['label']} {times[name]:,.0f}" for name in in_order(times.index)]
    return (
        f"Parameters at {most:,} domains, as a multiple of those at {least:,}: {', '.join(words)}."
    )


FIGURE = Figure(
    title="Cost against the number of domains",
    section="cost",
    position=30,
    is_folded=True,
    study="cost",
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
