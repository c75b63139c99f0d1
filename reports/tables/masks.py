"""Masks: whether domains that are alike prune the same neurons, beyond what inputs alone give."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from reports.intervals import bounds, interval_entry
from reports.layout import Block, Entry, Layout, Table, blocks_of, number, p_value, spread
from reports.load import MODEL
from reports.masks import (
    KINDS,
    LEAST_DOMAINS,
    LEAST_ROWS,
    MOST_DOMAINS,
    STUDY,
    associations,
    contrasted,
    masked_models,
)
from reports.paired import moments, seeds_entry
from reports.relabelling import DRAWS, two_sided
from reports.stats import holm, paired_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.load import Runs
    from reports.masks import Association, MaskedModel

ALL_LAYERS = "all layers"
_NULLS = ("initial", "permuted")  # what trained masks are compared with
_COLUMNS = (
    *("Layer", "trained", "untrained", "labels permuted"),
    *("Δ untrained", "p (Holm)", "Δ labels permuted", "p (Holm)"),
    *("Jaccard D_a, similar (chance)", "Jaccard D_a, different (chance)", "Seeds"),
)
_NOTES = [
    "trained, untrained, labels permuted: rank correlation, over pairs of domains, of how similar"
    " two domains are with how many pruned neurons they share; mean ± sample standard deviation"
    " over the seeds. Shared neurons count above what is expected by chance from the two numbers of"
    " pruned neurons, as a part of the most there can be (Cole's coefficient, Loevinger's H). Ranks"
    " are taken among pairs that share as many domain column values, since those share inputs. From"
    " every correlation that of relabelled masks (below) is subtracted: 0 is no association.",
    "untrained: the same pruner before training; in each domain and layer as many neurons are"
    " pruned, those of the lowest weighting factor. labels permuted: the same model, trained on"
    " labels that were shuffled within each domain; it can learn each domain's click rate, but not"
    " what is clicked there. Δ is trained minus that, seed by seed, with the 95% t interval over"
    " the seeds, which holds the noise of training alone.",
    f"p: permutation test of Δ, two-sided, mean over the seeds, {DRAWS} draws, after Holm's"
    " correction over all comparisons of this table. A neuron's scores are split into a sum of one"
    " effect per value of each domain column, and a rest. A draw permutes the values of each"
    " column, for both kinds of masks alike, and the rests over the domains, and each domain prunes"
    " as many neurons as before: domains that share values go on to share effects. A plain"
    " permutation of domains (Mantel's test) would take pairs with a value in common as"
    " independent; with one domain column the two tests are the same. Assumed is that similarity"
    " has nothing to do with which value has which effect, and for labels permuted that those parts"
    " of the two masks which differ have nothing to do with it; where their numbers of pruned"
    " neurons differ too the test is somewhat too eager. It speaks of this log alone.",
    "D_a is the domain with the most test rows; the most and the least similar one are chosen by"
    " similarity, never by masks. Jaccard of their pruned neurons after training, mean over the"
    " seeds; in brackets that expected of as many neurons drawn independently. A neuron is pruned"
    " in a domain where its gate is shut for more than half of the test rows."
    " layer0 is x_0, the input of the backbone.",
    "The file masks.csv has the same of every seed, of every stratum of pairs, the correlations"
    " before the subtraction (`_raw`), and uncorrected p values, those of each kind alone among"
    " them.",
]


@lru_cache(maxsize=1)  # a claim rests on it too
def tabulate(runs: Runs) -> pd.DataFrame:
    """Per model and layer a row for every seed and, without a seed, one for all of them.

    `<trained, initial or permuted>_mean` and `_std` are correlations above those of relabelled
    masks, `_raw` before that, `_p` their tests, `_shared_<n>` those of the pairs that share n
    values; `delta_<initial or permuted>_mean`, `_low`, `_high`, `_p` and `_p_holm` the differences.
    """
    rows = [row for model in masked_models(runs) for row in _rows(model)]
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    names = [f"delta_{kind}_p" for kind in _NULLS]
    corrected = np.full((len(table), len(names)), np.nan)
    is_pooled = table["seed"].isna().to_numpy()
    p_values = table.loc[is_pooled, names].to_numpy(np.float64)
    corrected[is_pooled] = holm(p_values.ravel()).reshape(p_values.shape)
    table = table.assign(**{f"{name}_holm": corrected[:, i] for i, name in enumerate(names)})
    return table.astype({name: "Int64" for name in ("seed", "seeds", "planned_seeds")})


def _rows(model: MaskedModel) -> list[dict[str, object]]:
    domains, pairs, chosen = model.domains, model.domains.pairs(), model.domains.contrast()
    facts: dict[str, object] = {**model.keys, "domains": len(domains.names)}
    facts["similarity"] = domains.source
    strata = {} if pairs is None else dict(zip(pairs.strata, pairs.sizes, strict=True))
    facts |= {f"pairs_shared_{shared}": size for shared, size in strata.items()}
    if chosen:
        names = ("domain_a", "domain_similar", "domain_different")
        facts |= {name: domains.names[i] for name, i in zip(names, chosen, strict=True)}
    found = associations(model, model.layers)
    seeds = list(model.rankings["trained"])
    rows = []
    for layer in [*model.layers, ALL_LAYERS]:
        layers = model.layers if layer == ALL_LAYERS else [layer]
        for of in [*([seed] for seed in seeds), seeds]:
            row = facts | {"layer": layer, "planned_seeds": model.planned_seeds, "seeds": len(of)}
            row["seed"] = pd.NA
            rows.append(row | _jaccards(model, of, layers) | _tests(found, of, layers, strata))
            if of is not seeds:
                rows[-1] |= {"seed": of[0], "planned_seeds": 1}
    return rows


def _jaccards(model: MaskedModel, seeds: Sequence[int], layers: Sequence[str]) -> dict[str, object]:
    """Of D_a with both of its counterparts after training, mean over seeds; of one layer alone."""
    chosen = model.domains.contrast()
    row: dict[str, object] = {}
    for name in ("similar", "different"):
        values = [
            contrasted(model.rankings["trained"][seed][layers[0]], 0, getattr(chosen, name))
            for seed in seeds
            if chosen and len(layers) == 1
        ]
        mean, chance = np.mean(values, axis=0) if values else (np.nan, np.nan)
        row |= {f"jaccard_{name}": mean, f"jaccard_{name}_chance": chance}
    return row


def _tests(
    found: Mapping[tuple[str, int, str], Association],
    seeds: Sequence[int],
    layers: Sequence[str],
    strata: Mapping[int, int],
) -> dict[str, object]:
    """Correlations of all kinds and their differences, mean over the layers."""
    by_kind = {
        kind: {
            seed: [found[kind, seed, layer] for layer in layers]
            for seed in seeds
            if (kind, seed, layers[0]) in found
        }
        for kind in KINDS
    }
    row: dict[str, object] = {}
    for kind, of_seeds in by_kind.items():
        values, raw, drawn = _means(list(of_seeds.values()))
        row |= moments(kind, pd.Series(values))
        mean_raw = float(raw.mean()) if raw.size else np.nan
        row |= {f"{kind}_raw": mean_raw, f"{kind}_p": two_sided(mean_raw, drawn)}
        parts = [one.by_stratum for several in of_seeds.values() for one in several]
        means = np.mean(parts, axis=0) if parts else np.full(len(strata), np.nan)
        row |= {f"{kind}_shared_{shared}": mean for shared, mean in zip(strata, means, strict=True)}
    for kind in _NULLS:
        common = [seed for seed in by_kind["trained"] if seed in by_kind[kind]]
        own, other = (_means([by_kind[k][seed] for seed in common]) for k in ("trained", kind))
        row |= bounds(f"delta_{kind}", paired_interval(own[0] - other[0]))
        raw = own[1] - other[1]
        row[f"delta_{kind}_p"] = two_sided(raw.mean() if raw.size else np.nan, own[2] - other[2])
    return row


def _means(
    of_seeds: Sequence[Sequence[Association]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values and raw correlations (S,), mean over layers, and draws of the latters' mean (B,)."""
    values = np.array([[one.value for one in layers] for layers in of_seeds])
    raw = np.array([[one.raw for one in layers] for layers in of_seeds])
    if not of_seeds:
        return np.empty(0), np.empty(0), np.empty(0)
    drawn = np.array([[one.drawn for one in layers] for layers in of_seeds])
    return values.mean(axis=1), raw.mean(axis=1), drawn.mean(axis=(0, 1))


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone, the rows of all seeds."""
    pooled = table[table["seed"].isna()]
    first = pooled.drop_duplicates(MODEL).to_dict("records")
    notes = [_domains_note(cast("Mapping[str, Any]", row)) for row in first]
    if pooled["permuted_mean"].isna().all():
        notes.append(
            "labels permuted: no run, so that nothing here tells what is learned from labels from"
            f" what inputs and click rates give; run_all.py --only {STUDY} makes it."
        )
    blocks: list[Block] = blocks_of(pooled, _block)
    return Layout(columns=list(_COLUMNS), blocks=blocks, notes=[*notes, *_NOTES])


def _domains_note(row: Mapping[str, Any]) -> str:
    """How many domains and pairs there are, and what their similarity is."""
    judged = (
        f"{row['dataset']}: {row['domains']} domains, those with at least {LEAST_ROWS} test rows,"
        f" at most {MOST_DOMAINS}."
    )
    sizes = {
        name.removeprefix("pairs_shared_"): size
        for name, size in row.items()
        if name.startswith("pairs_shared_") and not pd.isna(size)
    }
    if not sizes:
        return f"{judged} Too few for a correlation, which takes {LEAST_DOMAINS}."
    pairs = ", ".join(f"{size:,.0f} share {shared}" for shared, size in sizes.items())
    source = {
        "planted": "in this world similarity is known: that of how domains click",
        "observed": "similarity is that of the domains' inputs, not of how they click",
    }[row["similarity"]]
    contrast = (
        f"D_a {row['domain_a']}, similar {row['domain_similar']}, different"
        f" {row['domain_different']}"
    )
    return f"{judged} Pairs by the domain column values they share: {pairs}; {source}. {contrast}."


def _block(block: pd.DataFrame) -> list[list[Entry]]:
    return [_entries(row) for row in block.to_dict("records")]


def _entries(row: dict) -> list[Entry]:
    compared = [
        [interval_entry(row, f"delta_{kind}", 3), Entry(p_value(row[f"delta_{kind}_p_holm"]))]
        for kind in _NULLS
    ]
    jaccards = [
        ""
        if row["layer"] == ALL_LAYERS
        else f"{number(row[name], 2)} ({number(row[f'{name}_chance'], 2)})"
        for name in ("jaccard_similar", "jaccard_different")
    ]
    return [
        Entry(row["layer"]),
        *(Entry(spread(row[f"{kind}_mean"], row[f"{kind}_std"], 3)) for kind in KINDS),
        *(entry for pair in compared for entry in pair),
        *map(Entry, jaccards),
        seeds_entry(row),
    ]


TABLE = Table(
    title="Masks: do similar domains prune the same neurons?",
    position=11,
    study="masks",
    tabulate=tabulate,
    arrange=arrange,
)
