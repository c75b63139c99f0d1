"""Masks of all domains: which neurons of the widest layer each domain prunes, clustered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from reports.analysis.masks import (
    FORM,
    LEAST_CONTRASTED,
    LEAST_ROWS,
    SEPARATOR,
    STUDY,
    MaskedModel,
    masked_models,
)
from reports.figures.fig3a import (
    KEPT,
    LONGEST,
    MOST_MODELS,
    PRUNED,
    clustered,
    models_by_title,
)
from reports.look.panels import LEGEND_HEIGHT, add_legend, add_swatches, cut, titled_parts
from reports.look.part import Figure
from reports.reading.load import Runs

Colour = str | tuple[float, float, float]

_FRAME, _ROW = 1.3, 0.035  # inches, around a heat map and of a domain
_LEAST_HEIGHT = 1.3  # inches, of a heat map
_MOST_NAMED = 12  # domains
_STRIP = 0.025  # of the width, for each domain column
_COLUMNS = [*FORM, "layer", "width", "draw", "seed", "domain", "name", "pruned_neurons"]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per model and domain, of the first draw and seed: the neurons that it prunes.

    `pruned_neurons` are their positions in the `width` neurons of the layer, with spaces between.
    """
    rows = [row for draws in masked_models(runs) for row in _rows(draws[0])]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _rows(model: MaskedModel) -> list[dict[str, object]]:
    layer = model.widest()
    seed, layers = next(iter(model.rankings["trained"].items()))
    pruned = layers[layer].pruned()
    if len(pruned) < LEAST_CONTRASTED:
        return []
    facts = {**model.keys, "layer": layer, "width": pruned.shape[1], "draw": model.draw}
    return [
        facts
        | {"seed": seed, "domain": domain, "name": name}
        | {"pruned_neurons": " ".join(map(str, np.flatnonzero(mask)))}
        for domain, name, mask in zip(
            model.domains.eval_domain_id, model.domains.names, pruned, strict=True
        )
    ]


def draw(table: pd.DataFrame) -> Canvas:
    """A heat map per model, beside it a strip for each domain column."""
    models = models_by_title(table)
    heights = [_FRAME + max(_ROW * len(rows), _LEAST_HEIGHT) for rows in models.values()]
    canvas, parts = titled_parts([*models], heights, LEGEND_HEIGHT)
    for part, rows in zip(parts, models.values(), strict=True):
        _draw_model(part, rows, rows["partition"].iloc[0].split("+"))
    add_legend(canvas, [])
    return canvas


def _draw_model(part: SubFigure, rows: pd.DataFrame, columns: list[str]) -> None:
    import seaborn as sns  # slow to import, and needed for drawing alone

    pruned = _masks(rows)
    domains, neurons = (clustered(pdist(masks, "hamming")) for masks in (pruned, pruned.T))
    *strips, heat = part.subplots(1, len(columns) + 1, width_ratios=[_STRIP] * len(columns) + [1.0])
    values = rows["name"].astype(str).str.split(SEPARATOR, expand=True).iloc[domains]
    for place, (strip, column) in enumerate(zip(strips, columns, strict=True)):
        codes = pd.factorize(values[place], sort=True)[0][:, np.newaxis]
        _draw_map(strip, codes, sns.color_palette("husl", int(codes.max()) + 1))
        strip.set_xlabel(cut(column, LONGEST), rotation=90)
    _draw_map(heat, pruned[np.ix_(domains, neurons)].astype(np.int8), [KEPT, PRUNED])
    add_swatches(heat, {"neuron that the domain keeps": KEPT, "neuron that it prunes": PRUNED})
    first = rows.iloc[0]
    heat.set_xlabel(f"the {first['width']} neurons of {first['layer']}, clustered")
    heat.yaxis.set_label_position("right")
    if len(rows) > _MOST_NAMED:
        heat.set_ylabel(f"{len(rows)} domains, clustered")
    else:
        names = rows["name"].astype(str).iloc[domains]
        heat.yaxis.tick_right()
        heat.set_yticks(
            np.arange(len(rows)) + 0.5, [cut(name, LONGEST) for name in names], rotation=0
        )


def _draw_map(panel: Axes, values: NDArray[np.integer], colours: Sequence[Colour]) -> None:
    import seaborn as sns  # slow to import, and needed for drawing alone

    options: dict[str, Any] = {"cmap": ListedColormap(colours), "vmin": 0, "vmax": len(colours) - 1}
    options |= {"cbar": False, "xticklabels": False, "yticklabels": False, "rasterized": True}
    sns.heatmap(values, ax=panel, **options)
    panel.grid(visible=False)


def _masks(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """The neurons (D, N) that each domain prunes."""
    pruned = np.zeros((len(rows), int(rows["width"].iloc[0])), np.bool_)
    for mask, neurons in zip(pruned, rows["pruned_neurons"].fillna("").astype(str), strict=True):
        mask[np.array(neurons.split(), np.intp)] = True
    return pruned


def notes(table: pd.DataFrame) -> list[str]:
    """The caption."""
    first = table.drop_duplicates(FORM)
    draws = sorted(set(first["draw"]) - {0})
    of_draw = f" of draw {draws[0]}" if draws else ""
    lines = [
        "The neurons of the widest hidden layer that each domain keeps (colour) and prunes (grey),"
        f" in the run of seed {first['seed'].iloc[0]}{of_draw}: a row per domain with at least"
        f" {LEAST_ROWS} test rows, a column per neuron. A neuron is pruned in a domain where its"
        " gate is shut for more than half of the test rows. Neurons of two seeds are not the same,"
        " so that masks of several runs cannot be averaged.",
        "Domains and neurons are clustered by the share of masks in which two of them differ"
        " (average linkage), which knows nothing of what a domain is. The strips on the left have"
        " one colour per value of a domain column: where clusters are runs of one colour, domains"
        " that share the value prune alike. They share inputs too; the table of masks has the tests"
        " against what inputs alone give.",
    ]
    if len(first) > MOST_MODELS:
        lines.append(f"The first {MOST_MODELS} of {len(first)} models are drawn; the CSV has all.")
    return lines


FIGURE = Figure(
    title="Pruned neurons of all domains, clustered",
    section="methods",
    position=20,
    is_folded=True,
    study=STUDY,
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
