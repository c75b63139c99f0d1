"""Figure 3a: which neurons similar and different domains prune (AdaSparse, section 4.3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from reports.analysis.masks import (
    FORM,
    KINDS,
    LEAST_CONTRASTED,
    LEAST_DOMAINS,
    LEAST_ROWS,
    MOST_DOMAINS,
    STUDY,
    TITLES,
    MaskedModel,
    associations,
    contrasted,
    masked_models,
)
from reports.look.panels import counts_text, cut, titled_parts
from reports.look.part import Figure
from reports.look.table import number
from reports.reading.keys import REPLICATE
from reports.reading.load import Runs
from reports.reading.names import FORMS, data_title, model_title
from reports.statistics.permutation import Overlap, Pairs, Ranking

_BINS = 10  # of similarity
_PAIRS_PER_BIN = 5
_ROLES = ("own", "similar", "different")
STRIPS, CONTRAST, PAIRS, CURVE = "strips", "contrast", "pairs", "curve"
_NOTHING = "none"
MOST_MODELS = 2  # that fit on a printed page
_NAMES = {"own": "D_a", "similar": "D\N{COMBINING CIRCUMFLEX ACCENT}_a", "different": "D_b"}
KEPT, PRUNED = "#d55e00", "#cccccc"
_LOOKS: dict[str, dict[str, Any]] = {
    "trained": {"color": KEPT, "marker": "o"},
    "initial": {"color": "#777777", "marker": "s", "linestyle": ":"},
    "permuted": {"color": "#0072b2", "marker": "^", "linestyle": "--"},
}
_WIDTHS = {CONTRAST: 1.0, PAIRS: 1.1, CURVE: 1.0}  # of the panels below the strips
_HEIGHTS = (1.15, 2.7)  # inches, of the strips and of the panels below
_GAP = 0.22  # between the kinds of a pair of domains, pairs being 1 apart
_SHIFT = 0.012  # between the kinds of a bin
LONGEST = 30  # characters of a domain's name
_MOST_LABELS = 12  # below each other, beside the heat map
_MOST_PARTED = 200  # neurons with a line between them

_PAIR_NOTES = [
    "Middle: mask overlap of all pairs of domains after training, mean over the seeds, domains"
    " clustered by it (average linkage). Overlap is the number of pruned neurons that two"
    " domains share, above chance, as a part of the most there can be at their numbers of"
    " pruned neurons: 0 is chance, 1 is that one's contain the other's. The three"
    " domains of the top are named.",
    "Right: mean overlap of the pairs, by their similarity among pairs that share as many"
    " domain column values; bars are the range over the runs. In brackets the rank correlation"
    " within these strata less what relabelled masks give, mean over the runs. The table masks"
    " has its tests.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per number of a panel, of the widest hidden layer of each model.

    `strips` and `pairs` are of the first draw of a log, the others of every draw and seed.
    `strips`: `value` is 1 where domain `role` keeps the neuron `position` in the first seed.
    `contrast`: `value` is the Jaccard index of D_a and `role`, `chance` its chance level.
    `pairs`: `value` is the mean mask overlap of two domains after training. `curve`: `value` is the
    mean overlap of the pairs of a `position` of similarity, and `association` the correlation.
    """
    rows = [row for draws in masked_models(runs) for row in _rows(draws)]
    table = pd.DataFrame(rows)
    return table if table.empty or not _drawn(table).empty else table.iloc[:0]


def _drawn(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that are drawn, which models with too few domains do not have."""
    return table[table["panel"] != _NOTHING]


def _rows(draws: Sequence[MaskedModel]) -> list[dict[str, object]]:
    model = draws[0]
    layer = model.widest()
    seeds = list(model.rankings["trained"])
    width = model.rankings["trained"][seeds[0]][layer].score.shape[1]
    facts: dict[str, object] = {**model.keys, "layer": layer, "width": width}
    facts |= {"domains": len(model.domains.names), "similarity_of": model.domains.source}
    facts |= {"runs": sum(len(one.rankings["trained"]) for one in draws), "draws": len(draws)}
    facts |= {"first_draw": model.draw, "first_seed": seeds[0]}
    parts = _strips(model, layer)
    parts += [row for one in draws for row in _contrasts(one, layer)]
    known = [(one, pairs) for one in draws if (pairs := one.domains.pairs()) is not None]
    if known:
        num_bins = min(_BINS, *(pairs.place.size // _PAIRS_PER_BIN for _, pairs in known))
        parts += _pairs(known[0][0], layer, known[0][1])
        parts += [row for one, pairs in known for row in _curves(one, layer, pairs, num_bins)]
    return [facts | part for part in parts or [{"panel": _NOTHING}]]


def _strips(model: MaskedModel, layer: str) -> list[dict[str, object]]:
    chosen = model.domains.contrast()
    if chosen is None:
        return []
    pruned = next(iter(model.rankings["trained"].values()))[layer].pruned()
    return [
        {
            "panel": STRIPS,
            "role": role,
            "name": model.domains.names[domain],
            "domain": model.domains.eval_domain_id[domain],
            "position": neuron,
            "value": int(not pruned[domain, neuron]),
        }
        for role, domain in zip(_ROLES, chosen, strict=True)
        for neuron in range(pruned.shape[1])
    ]


def _contrasts(model: MaskedModel, layer: str) -> list[dict[str, object]]:
    chosen, domains = model.domains.contrast(), model.domains
    if chosen is None:
        return []
    rows = []
    for role, (kind, seeds) in product(_ROLES[1:], model.rankings.items()):
        other = getattr(chosen, role)
        facts = {
            "panel": CONTRAST,
            "role": role,
            "kind": kind,
            "name": domains.names[other],
            "shared": int((domains.codes[0] == domains.codes[other]).sum()),
            "similarity": domains.similarity[0, other],
        }
        for seed, layers in seeds.items():
            value, chance = contrasted(layers[layer], chosen.own, other)
            place = {"draw": model.draw, "seed": seed}
            rows.append(facts | place | {"value": value, "chance": chance})
    return rows


def _pairs(model: MaskedModel, layer: str, pairs: Pairs) -> list[dict[str, object]]:
    """Mean over the seeds after training."""
    ids = model.domains.eval_domain_id
    overlap = np.mean(
        [_overlap(one[layer], pairs) for one in model.rankings["trained"].values()], axis=0
    )
    names = ("domain", "other", "shared", "similarity", "value")
    columns = (ids[pairs.first], ids[pairs.second], pairs.shared, pairs.similarity, overlap)
    return [
        {"panel": PAIRS, **dict(zip(names, row, strict=True))} for row in zip(*columns, strict=True)
    ]


def _curves(model: MaskedModel, layer: str, pairs: Pairs, num_bins: int) -> list[dict[str, object]]:
    """Per kind and seed the mean overlap in equal bins of the similarity within its stratum."""
    bins = np.minimum((pairs.place * num_bins).astype(np.intp), num_bins - 1)
    found = associations(model, [layer])
    rows: list[dict[str, object]] = []
    for kind, seeds in model.rankings.items():
        for seed, layers in seeds.items():
            means = _by_bin(bins, _overlap(layers[layer], pairs), num_bins)
            facts = {"panel": CURVE, "kind": kind, "draw": model.draw, "seed": seed}
            facts["association"] = found[kind, seed, layer].value
            rows += [
                facts | {"position": (place + 0.5) / num_bins, "value": mean}
                for place, mean in enumerate(means)
            ]
    return rows


def _overlap(ranking: Ranking, pairs: Pairs) -> NDArray[np.float64]:
    return Overlap(ranking, pairs).of(ranking.pruned())


def _by_bin(bins: NDArray[np.intp], values: NDArray[np.float64], num: int) -> NDArray[np.float64]:
    counts = np.bincount(bins, minlength=num)
    totals = np.bincount(bins, values, num)
    return np.divide(totals, counts, out=np.full(num, np.nan), where=counts > 0)


def draw(table: pd.DataFrame) -> Canvas:
    """Per model the strips and below them up to three panels."""
    models = models_by_title(_drawn(table))
    heights = [sum(_HEIGHTS) if _below(rows) else _HEIGHTS[0] for rows in models.values()]
    canvas, parts = titled_parts([*models], heights)
    for part, rows in zip(parts, models.values(), strict=True):
        _draw_model(part, rows)
    return canvas


def models_by_title(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of the models that are drawn, by the titles of these."""
    found = {}
    for key, rows in list(table.groupby(FORM, sort=False))[:MOST_MODELS]:
        dataset, partition, backbone, method, form = map(str, key)
        model = model_title(backbone, method, FORMS.get(form, form))
        found[f"{data_title(dataset, partition)}, {model}"] = rows
    return found


def _below(rows: pd.DataFrame) -> list[str]:
    """The panels below the strips that have something to show."""
    return [name for name in _WIDTHS if rows.loc[rows["panel"] == name, "value"].notna().any()]


def _draw_model(part: SubFigure, rows: pd.DataFrame) -> None:
    of = {name: rows[rows["panel"] == name] for name in (STRIPS, *_WIDTHS)}
    below = _below(rows)
    top, *bottom = part.subfigures(
        1 + bool(below), 1, squeeze=False, height_ratios=_HEIGHTS[: 1 + bool(below)]
    )[:, 0]
    layer, source = str(rows["layer"].iloc[0]), str(rows["similarity_of"].iloc[0])
    _draw_strips(top.subplots(), of[STRIPS], layer)
    if not below:
        return
    widths = [_WIDTHS[name] for name in below]
    axes = bottom[0].subplots(1, len(below), squeeze=False, width_ratios=widths)[0]
    for name, panel in zip(below, axes, strict=True):
        if name == CONTRAST:
            _draw_contrast(panel, of[CONTRAST])
        elif name == PAIRS:
            _draw_heat(panel, of[PAIRS], dict(of[STRIPS].groupby("role")["domain"].first()))
        else:
            _draw_curve(panel, of[CURVE], source)


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
    panel.set_yticks(
        [0.5, 1.5, 2.5], [f"{_NAMES[role]}  {cut(names[role], LONGEST)}" for role in _NAMES]
    )
    panel.set_xlabel(f"the {width} neurons of {layer}, sorted: pruned (grey) or kept (colour)")
    panel.set_xticks([])
    panel.tick_params(length=0)
    panel.grid(visible=False)
    panel.spines[:].set_visible(False)


def _draw_contrast(panel: Axes, rows: pd.DataFrame) -> None:
    labels: dict[int, str] = {}
    for place, (role, own) in enumerate(rows.groupby("role", sort=False)):
        labels[place] = f"{_NAMES['own']}, {_NAMES[str(role)]}\n{_sharing(own)}"
        for i, kind in enumerate(KINDS):
            values = own[own["kind"] == kind]
            defined = values["value"].dropna()
            if defined.empty:
                continue
            y, mean = place + (i - 1) * _GAP, defined.mean()
            reach = [[mean - defined.min()], [defined.max() - mean]]
            look = {**_LOOKS[kind], "linestyle": "none", "label": TITLES[kind]}
            panel.errorbar(mean, y, xerr=reach, **look)
            stroke: dict[str, Any] = {"color": "black", "markersize": 8, "label": "chance"}
            panel.plot(values["chance"].mean(), y, "|", **stroke)
    handles, names = panel.get_legend_handles_labels()
    panel.set_yticks(list(labels), list(labels.values()))
    panel.set_ylim(max(labels) + 0.5, -0.5)
    panel.set_xlim(-0.02, 1.02)
    panel.set_xlabel("Jaccard index of pruned neurons")
    once = dict(zip(names, handles, strict=True))  # each label of both domains
    above: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.35, 1.0)}
    panel.legend(once.values(), once.keys(), ncols=2, columnspacing=1.0, **above)


def _sharing(rows: pd.DataFrame) -> str:
    """The mean similarity of the two domains and their counts of shared values, over the draws."""
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
    panel.axhline(0.0, color="black", linewidth=0.6, label="chance")
    panel.set_xlim(0.0, 1.0)
    panel.set_xticks([0.0, 0.5, 1.0], ["least", "median", "most"])
    panel.set_xlabel(f"{source} similarity, among\npairs sharing as many values")
    panel.set_ylabel("mask overlap")
    panel.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0))


def notes(table: pd.DataFrame) -> list[str]:
    """The caption: panels, chance levels, bars, and what is missing."""
    first = table.drop_duplicates(FORM).to_dict("records")
    return [
        *(_facts(row) for row in first),
        *_missing(table),
        "Top: the neurons that D_a (the domain with the most test rows), the most and the least"
        " similar domain keep (colour) and prune (grey), sorted by what they prune. The domains are"
        " chosen by similarity, never by masks. A neuron is pruned in a domain where its gate is"
        " shut for more than half of the test rows.",
        "Left: Jaccard index of the neurons that D_a and the other domain prune, mean and range"
        " over the runs; the vertical strokes are its chance level, expected of as many neurons"
        " drawn independently (hypergeometric). Untrained: the same pruner before training, with as"
        " many neurons pruned in each domain. Labels permuted: trained on labels that were shuffled"
        " within each domain, which keep each domain's click rate and nothing else of it.",
        *(_PAIR_NOTES if (table["panel"] == PAIRS).any() else []),
    ]


def _facts(row: dict) -> str:
    source = {
        "planted": "similarity is that of how domains click, known in this world",
        "observed": "similarity is that of the domains' inputs",
    }[row["similarity_of"]]
    form = FORMS.get(row["form"], row["form"])
    return (
        f"{data_title(row['dataset'], row['partition'])}, {form}: {row['layer']}, the widest hidden"
        f" layer, {row['width']} neurons; {row['domains']} domains (at least {LEAST_ROWS} test"
        f" rows, at most {MOST_DOMAINS}); {row['runs']} run{'s' if row['runs'] > 1 else ''}, the"
        f" top panel of seed {row['first_seed']}; {source}.{_of_draws(row)}"
    )


def _of_draws(row: dict) -> str:
    """A sentence on the panels of one draw, where the log has several."""
    if row["draws"] == 1:
        return ""
    return (
        f" The {row['draws']} draws of the log have each their own domains: the count of domains,"
        f" the top and the middle are of draw {row['first_draw']} alone, left and right are over"
        " the runs of all draws, each compared within its own."
    )


def _missing(table: pd.DataFrame) -> list[str]:
    found = []
    for _, rows in table.groupby(FORM, sort=False):
        name, num = rows["dataset"].iloc[0], rows["domains"].iloc[0]
        if num < LEAST_DOMAINS:
            least = "a correlation" if num >= LEAST_CONTRASTED else "a comparison"
            found.append(f"{name}: {num} domains are too few for {least}.")
        elif not (rows["kind"] == "permuted").any():
            found.append(
                f"{name}: no run on permuted labels; run_all.py --only {STUDY} makes them."
            )
    if len(_drawn(table)[FORM].drop_duplicates()) > MOST_MODELS:
        found.append(f"The first {MOST_MODELS} of these are drawn; the CSV file has all.")
    return found


FIGURE = Figure(
    title="Figure 3a: pruned neurons of similar and different domains",
    section="methods",
    position=10,
    study=STUDY,
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
