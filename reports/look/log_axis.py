"""Logarithmic axes, with ticks as readers write numbers: 0.5, 20, 50k or 2M."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_SUFFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_MOST_DECADES = 3  # with ticks at 3, 30, 300 too
_LEAST_ROOM = 1.25  # factor beyond the values, which may all be equal


def fit_log_axis(panel: Axes, name: Literal["x", "y"], values: pd.Series) -> None:
    """Show these positive values with some room, and a few ticks however far they spread."""
    low, high = float(values.min()), float(values.max())
    room = max((high / low) ** 0.12, _LEAST_ROOM)
    low, high = low / room, high * room
    subs = (1.0, 3.0) if high < 10.0**_MOST_DECADES * low else (1.0,)
    is_wide = high > 10.0 * low
    panel.set(**{f"{name}scale": "log", f"{name}lim": (low, high)})
    axis = panel.xaxis if name == "x" else panel.yaxis
    axis.set_major_locator(
        LogLocator(subs=subs, numticks=6) if is_wide else MaxNLocator(3, steps=[1, 2, 5])
    )
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.set_minor_locator(NullLocator())


def short(value: float) -> str:
    """A number with few characters."""
    factor, suffix = next((pair for pair in _SUFFIXES if value >= pair[0]), (1.0, ""))
    return f"{value / factor:g}{suffix}"
