"""Draws figure 3a: strips of kept neurons, their Jaccard index, the heat map, the association."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Canvas
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from reports.analysis.masks import FORM, KINDS, TITLES
from reports.look.panels import counts_text
from reports.look.style import PAGE
from reports.look.table import number
from reports.reading.keys import REPLICATE
from reports.reading.names import FORMS, data_title, model_title

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure
    from numpy.typing import NDArray

STRIPS, CONTRAST, PAIRS, CURVE = "strips", "contrast", "pairs", "curve"
MOST_MODELS = 2  # that fit on a printed page
_NAMES = {"own": r"$D_a$", "similar": r"$\hat{D}_a$", "different": r"$D_b$"}
KEPT, PRUNED = "#d55e00", "#cccccc"
_LOOKS: dict[str, dict[str, Any]] = {
    "trained": {"color": KEPT, "marker": "o"},
    "initial": {"color": "#777777", "marker": "s", "linestyle": ":"},
    "permuted": {"color": "#0072b2", "marker": "^", "linestyle": "--"},
}
_HEIGHTS = (1.15, 2.7)  # inches, of the strips and of the panels below
_GAP = 0.22  # between the kinds of a pair of domains, pairs being 1 apart
_SHIFT = 0.012  # between the kinds of a bin
_LONGEST = 30  # characters of a domain's name
_MOST_LABELS = 12  # below each other, beside the heat map
_MOST_PARTED = 200  # neurons with a line between them


def draw(table: pd.DataFrame) -> Canvas:
    """Per model the strips and below them three panels."""
    models = list(table.groupby(FORM, sort=False))[:MOST_MODELS]
    canvas = Canvas(figsize=(PAGE, sum(_HEIGHTS) * len(models)), layout="constrained")
    parts = canvas.subfigures(len(models), 1, squeeze=False)[:, 0]
    for part, (key, rows) in zip(parts, models, strict=True):
        dataset, partition, backbone, method, form = map(str, key)
        title = f"{data_title(dataset, partition)}, "
        title += model_title(backbone, method, FORMS.get(form, form))
        part.suptitle(title, x=0.01, ha="left", fontsize="medium")
        _draw_model(part, rows)
    return canvas


def _draw_model(part: SubFigure, rows: pd.DataFrame) -> None:
    top, bottom = part.subfigures(2, 1, squeeze=False, height_ratios=_HEIGHTS)[:, 0]
    contrast, heat, curve = bottom.subplots(1, 3, width_ratios=(1.0, 1.1, 1.0))
    first = rows.iloc[0]
    of = {name: rows[rows["panel"] == name] for name in (STRIPS, CONTRAST, PAIRS, CURVE)}
    if of[STRIPS].empty:
        _say(top.subplots(), f"{first['domains']} domains with enough rows: too few to compare")
        _say(contrast, "too few domains")
    else:
        _draw_strips(top.subplots(), of[STRIPS], str(first["layer"]))
        _draw_contrast(contrast, of[CONTRAST])
    if of[PAIRS].empty:
        _say(heat, "too few domains")
        _say(curve, "too few domains")
    else:
        chosen = dict(rows[rows["panel"] == STRIPS].groupby("role")["domain"].first())
        _draw_heat(heat, of[PAIRS], chosen)
        _draw_curve(curve, of[CURVE], str(first["similarity_of"]))


def _say(panel: Axes, text: str) -> None:
    panel.set_axis_off()
    panel.text(0.5, 0.5, text, ha="center", va="center", transform=panel.transAxes)


def _draw_strips(panel: Axes, rows: pd.DataFrame, layer: str) -> None:
    """The neurons from the left: those that D_a prunes first, then by the others."""
    kept = rows.pivot_table(index="role", columns="position", values="value").loc[list(_NAMES)]
    values = kept.to_numpy()
    order = np.lexsort(values[::-1])
    colours = ListedColormap([PRUNED, KEPT])
    width = values.shape[1]
    lines: dict[str, Any] = (
        {"edgecolors": "white", "linewidth": 0.4} if width <= _MOST_PARTED else {}
    )
    panel.pcolormesh(values[:, order], cmap=colours, vmin=0, vmax=1, rasterized=True, **lines)
    panel.invert_yaxis()
    for edge in (1, 2):
        panel.axhline(edge, color="white", linewidth=3)
    names = rows.groupby("role")["name"].first().astype(str)
    panel.set_yticks([0.5, 1.5, 2.5], [f"{_NAMES[role]}  {short(names[role])}" for role in _NAMES])
    panel.set_xlabel(f"the {width} neurons of {layer}, sorted: pruned (grey) or kept (colour)")
    panel.set_xticks([])
    panel.tick_params(length=0)
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)


def short(name: str) -> str:
    """The beginning of a name that would leave the strips no room."""
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _draw_contrast(panel: Axes, rows: pd.DataFrame) -> None:
    labels: dict[int, str] = {}
    named: set[str] = set()  # what the legend has
    for place, (role, own) in enumerate(rows.groupby("role", sort=False)):
        labels[place] = f"{_NAMES['own']}, {_NAMES[str(role)]}\n{_sharing(own)}"
        for i, kind in enumerate(KINDS):
            values = own[own["kind"] == kind]
            defined = values["value"].dropna()
            if defined.empty:
                continue
            y, mean = place + (i - 1) * _GAP, defined.mean()
            reach = [[mean - defined.min()], [defined.max() - mean]]
            look = {**_LOOKS[kind], "linestyle": "none"}
            panel.errorbar(mean, y, xerr=reach, **look, label=_once(TITLES[kind], named))
            chance, label = values["chance"].mean(), _once("chance", named)
            panel.plot(chance, y, "|", color="black", markersize=8, label=label)
    if not named:
        _say(panel, "no neuron is pruned")
        return
    panel.set_yticks(list(labels), list(labels.values()))
    panel.set_ylim(max(labels) + 0.5, -0.5)
    panel.set_xlim(-0.02, 1.02)
    panel.set_xlabel("Jaccard index of pruned neurons")
    panel.legend(loc="lower center", bbox_to_anchor=(0.35, 1.0), ncols=2, columnspacing=1.0)


def _once(label: str, named: set[str]) -> str | None:
    """A label for the legend, unless it is there."""
    if label in named:
        return None
    named.add(label)
    return label


def _sharing(rows: pd.DataFrame) -> str:
    """What the two domains have in common: mean similarity, and all counts, over the draws."""
    by_draw = rows.groupby("draw")[["similarity", "shared"]].first()
    similarity = number(by_draw["similarity"].mean(), 2)
    return f"similarity {similarity}\n{counts_text(by_draw['shared'])} values shared"


def _draw_heat(panel: Axes, rows: pd.DataFrame, chosen: dict[str, float]) -> None:
    """Overlap of all domains, clustered; the three of the strips are named."""
    ids = np.unique(rows[["domain", "other"]].to_numpy())
    matrix = np.full((ids.size, ids.size), np.nan)
    first, second = (np.searchsorted(ids, rows[name]) for name in ("domain", "other"))
    matrix[first, second] = matrix[second, first] = rows["value"]
    order = clustered(squareform(1.0 - matrix, checks=False))
    shown = matrix[np.ix_(order, order)]
    scale: dict[str, Any] = {"cmap": "PuOr_r", "vmin": -1.0, "vmax": 1.0}
    image = panel.imshow(shown, **scale, interpolation="nearest", aspect="auto")
    places = {_NAMES[role]: np.flatnonzero(ids[order] == one)[0] for role, one in chosen.items()}
    panel.set_yticks(*_apart(places, ids.size / _MOST_LABELS))
    panel.set_xticks([])
    panel.set_title(f"{ids.size} domains, clustered")
    panel.grid(visible=False)
    place = panel.inset_axes((0.0, -0.1, 1.0, 0.06))
    bar = panel.figure.colorbar(image, cax=place, orientation="horizontal", ticks=[-1, 0, 1])
    bar.set_label("mask overlap (0: chance, 1: most)")


def _apart(places: dict[str, int], gap: float) -> tuple[list[float], list[str]]:
    """Ticks and their labels, those of ticks closer than the gap on one line."""
    groups: list[list[str]] = []
    for name in sorted(places, key=places.__getitem__):
        if groups and places[name] - places[groups[-1][-1]] < gap:
            groups[-1].append(name)
        else:
            groups.append([name])
    ticks = [float(np.mean([places[name] for name in group])) for group in groups]
    return ticks, [", ".join(group) for group in groups]


def clustered(distance: NDArray[np.float64]) -> NDArray[np.intp]:
    """The order of n things by average linkage, alike ones beside each other.

    `distance` (n (n - 1) / 2,) is between every two of them, as `scipy.spatial.distance.pdist`
    orders them.
    """
    tree = linkage(distance, "average", optimal_ordering=True)
    return leaves_list(tree).astype(np.intp)


def _draw_curve(panel: Axes, rows: pd.DataFrame, source: str) -> None:
    for i, kind in enumerate(KINDS):
        own = rows[rows["kind"] == kind]
        if own.empty:
            continue
        runs = own.pivot_table(index="position", columns=REPLICATE, values="value")
        mean = runs.mean(axis=1)
        reach = [mean - runs.min(axis=1), runs.max(axis=1) - mean]
        association = own.groupby(REPLICATE)["association"].first().mean()
        label = f"{TITLES[kind]} ({number(association, 2, signed=True)})"
        panel.errorbar(mean.index + (i - 1) * _SHIFT, mean, yerr=reach, label=label, **_LOOKS[kind])
    panel.axhline(0.0, color="black", linewidth=0.6)
    panel.set_xlim(0.0, 1.0)
    panel.set_xticks([0.0, 0.5, 1.0], ["least", "median", "most"])
    panel.set_xlabel(f"{source} similarity, among\npairs sharing as many values")
    panel.set_ylabel("mask overlap")
    panel.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0))
