"""Figure 3a: which neurons similar and different domains prune (AdaSparse, section 4.3.1)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.analysis.masks import (
    FORM,
    LEAST_CONTRASTED,
    LEAST_DOMAINS,
    LEAST_ROWS,
    MOST_DOMAINS,
    STUDY,
    associations,
    contrasted,
    masked_models,
)
from reports.figures._mask_panels import CONTRAST, CURVE, MOST_MODELS, PAIRS, STRIPS, draw
from reports.look.figure import Figure
from reports.reading.names import FORMS, data_title
from reports.statistics.permutation import Overlap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from reports.analysis.masks import MaskedModel
    from reports.reading.load import Runs
    from reports.statistics.permutation import Pairs, Ranking

_BINS = 10  # of similarity
_PAIRS_PER_BIN = 5
_ROLES = ("own", "similar", "different")


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per number of a panel, of the widest hidden layer of each model.

    `strips` and `pairs` are of the first draw of a log, the others of every draw and seed.
    `strips`: `value` is 1 where domain `role` keeps the neuron `position` in the first seed.
    `contrast`: `value` is the Jaccard index of D_a and `role`, `chance` its chance level.
    `pairs`: `value` is the mean mask overlap of two domains after training. `curve`: `value` is the
    mean overlap of the pairs of a `position` of similarity, and `association` the correlation.
    """
    rows = [row for draws in masked_models(runs) for row in _rows(draws)]
    return pd.DataFrame(rows)


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
    return [facts | part for part in parts or [{"panel": "none"}]]


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


def notes(table: pd.DataFrame) -> list[str]:
    """What the panels show, the chance levels, what bars are, and what is missing."""
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
    """Which panels are of one draw, where the log has several."""
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
    if len(table[FORM].drop_duplicates()) > MOST_MODELS:
        found.append(f"The first {MOST_MODELS} of these are drawn; the CSV file has all.")
    return found


FIGURE = Figure(
    title="Figure 3a: pruned neurons of similar and different domains",
    section="domains",
    position=20,
    study=STUDY,
    tabulate=tabulate,
    draw=draw,
    notes=notes,
)
