"""Masks: whether domains that are alike prune the same neurons, beyond what inputs alone give."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from reports.intervals import bounds, interval_entry
from reports.keys import DATA, REPLICATE, Replicate
from reports.layout import Block, Entry, Layout, Table, blocks_of, number, p_value, spread
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
from reports.names import FORMS
from reports.paired import draws_note, independent, mean_interval, moments, runs_entry
from reports.relabelling import DRAWS, two_sided
from reports.stats import holm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.load import Runs
    from reports.masks import Association, MaskedModel

    Found = Mapping[tuple[str, Replicate, str], Association]  # kind, run, layer

ALL_LAYERS = "all layers"
_NULLS = ("initial", "permuted")  # what trained masks are compared with
_COLUMNS = (
    *("Factors", "Layer", "trained", "untrained", "labels permuted"),
    *("Δ untrained", "p (Holm)", "Δ labels permuted", "p (Holm)"),
    *("Jaccard D_a, similar (chance)", "Jaccard D_a, different (chance)", "Runs"),
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
    " what is clicked there. Δ is trained minus that, run by run, with the 95% t interval over"
    " the seeds, which holds the noise of training alone.",
    f"p: permutation test of Δ, two-sided, mean over the runs, {DRAWS} permutations, after Holm's"
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
    """Per model and layer a row for every draw and seed and, without them, one for all.

    `<trained, initial or permuted>_mean` and `_std` are correlations above those of relabelled
    masks, `_raw` before that, `_p` their tests, `_shared_<n>` those of the pairs that share n
    values; `delta_<initial or permuted>_mean`, `_low`, `_high`, `_p` and `_p_holm` the differences.
    Of several draws domains and pairs are counted over all, and those named are of the first.
    """
    rows = [row for draws in masked_models(runs) for row in _rows(draws)]
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    names = [f"delta_{kind}_p" for kind in _NULLS]
    corrected = np.full((len(table), len(names)), np.nan)
    is_pooled = table["seed"].isna().to_numpy()
    p_values = table.loc[is_pooled, names].to_numpy(np.float64)
    corrected[is_pooled] = holm(p_values.ravel()).reshape(p_values.shape)
    table = table.assign(**{f"{name}_holm": corrected[:, i] for i, name in enumerate(names)})
    return table.astype({name: "Int64" for name in (*REPLICATE, "runs", "planned_runs")})


def _rows(draws: Sequence[MaskedModel]) -> list[dict[str, object]]:
    """The runs of a model one by one, then all together, layer by layer."""
    found = {
        (kind, Replicate(model.draw, seed), layer): association
        for model in draws
        for (kind, seed, layer), association in associations(model, model.layers).items()
    }
    rows = []
    for layer in [*draws[0].layers, ALL_LAYERS]:
        layers = draws[0].layers if layer == ALL_LAYERS else [layer]
        for model in draws:
            for seed in model.rankings["trained"]:
                run = Replicate(model.draw, seed)
                place = {**run._asdict(), "planned_runs": 1, "draws": 1, "layer": layer}
                rows.append(_facts([model]) | place | _numbers(found, {run: model}, layers))
        planned = sum(model.planned_runs for model in draws)
        place = {**dict.fromkeys(REPLICATE, pd.NA), "planned_runs": planned, "draws": len(draws)}
        everything = {
            Replicate(model.draw, seed): model
            for model in draws
            for seed in model.rankings["trained"]
        }
        numbers = _numbers(found, everything, layers)
        rows.append(_facts(draws) | place | {"layer": layer} | numbers)
    return rows


def _facts(draws: Sequence[MaskedModel]) -> dict[str, object]:
    """How many domains and pairs the draws have, and which domains are compared in the first."""
    first = draws[0].domains
    domains = sum(len(model.domains.names) for model in draws)
    facts: dict[str, object] = {**draws[0].keys, "domains": domains, "similarity": first.source}
    facts |= {"widest": draws[0].widest()}
    sizes: Counter[int] = Counter()
    for pairs in (model.domains.pairs() for model in draws):
        sizes.update({} if pairs is None else dict(zip(pairs.strata, pairs.sizes, strict=True)))
    facts |= {f"pairs_shared_{shared}": sizes[shared] for shared in sorted(sizes)}
    chosen = first.contrast()
    if chosen:
        names = ("domain_a", "domain_similar", "domain_different")
        facts |= {name: first.names[i] for name, i in zip(names, chosen, strict=True)}
    return facts


def _numbers(
    found: Found, models: Mapping[Replicate, MaskedModel], layers: Sequence[str]
) -> dict[str, object]:
    """What these runs say together."""
    jaccards = _jaccards(models, layers)
    return {"runs": len(models)} | jaccards | _tests(found, list(models), layers)


def _jaccards(models: Mapping[Replicate, MaskedModel], layers: Sequence[str]) -> dict[str, object]:
    """Of D_a with both of its counterparts after training, mean over runs; of one layer alone."""
    row: dict[str, object] = {}
    for name in ("similar", "different"):
        values = [
            contrasted(model.rankings["trained"][run.seed][layers[0]], 0, getattr(chosen, name))
            for run, model in models.items()
            if (chosen := model.domains.contrast()) and len(layers) == 1
        ]
        mean, chance = np.mean(values, axis=0) if values else (np.nan, np.nan)
        row |= {f"jaccard_{name}": mean, f"jaccard_{name}_chance": chance}
    return row


def _tests(found: Found, runs: Sequence[Replicate], layers: Sequence[str]) -> dict[str, object]:
    """Correlations of all kinds and their differences, mean over the layers."""
    by_kind = {
        kind: {
            run: [found[kind, run, layer] for layer in layers]
            for run in runs
            if (kind, run, layers[0]) in found
        }
        for kind in KINDS
    }
    known = (one for of_runs in by_kind.values() for several in of_runs.values() for one in several)
    strata = sorted({shared for one in known for shared in one.by_stratum})
    row: dict[str, object] = {}
    for kind, of_runs in by_kind.items():
        values, raw, drawn = _means(of_runs)
        row |= moments(kind, values)
        row |= {f"{kind}_raw": raw, f"{kind}_p": two_sided(raw, drawn)}
        parts = [one.by_stratum for several in of_runs.values() for one in several]
        for shared in strata:
            of_stratum = [part[shared] for part in parts if shared in part]
            row[f"{kind}_shared_{shared}"] = np.mean(of_stratum) if of_stratum else np.nan
    for kind in _NULLS:
        both = [run for run in by_kind["trained"] if run in by_kind[kind]]
        own, other = (_means({run: by_kind[k][run] for run in both}) for k in ("trained", kind))
        row |= bounds(f"delta_{kind}", mean_interval(own[0] - other[0]))
        row[f"delta_{kind}_p"] = two_sided(own[1] - other[1], own[2] - other[2])
    return row


def _means(
    of_runs: Mapping[Replicate, Sequence[Association]],
) -> tuple[pd.Series, float, np.ndarray]:
    """The value of each run by draw, the raw correlation, and draws of the latter (B,).

    All are means over the layers, the latter two over the draws of the log. Relabellings of one
    number are alike in two logs; those of a further log are shifted, so that all are independent.
    """
    logs = pd.Index([run.draw for run in of_runs], name="draw")
    values = pd.Series(
        [np.mean([one.value for one in layers]) for layers in of_runs.values()], logs
    )
    raw = pd.Series([np.mean([one.raw for one in layers]) for layers in of_runs.values()], logs)
    if values.empty:
        return values.astype(np.float64), np.nan, np.empty(0)
    drawn = np.array([[one.drawn for one in layers] for layers in of_runs.values()]).mean(axis=1)
    by_log = [np.roll(drawn[logs == log].mean(axis=0), i) for i, log in enumerate(logs.unique())]
    return values, float(independent(raw).mean()), np.mean(by_log, axis=0)


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone, the rows of all seeds."""
    pooled = table[table["seed"].isna()]
    first = pooled.drop_duplicates(DATA).to_dict("records")
    notes = [_domains_note(cast("Mapping[str, Any]", row)) for row in first]
    if pooled["permuted_mean"].isna().all():
        notes.append(
            "labels permuted: no run, so that nothing here tells what is learned from labels from"
            f" what inputs and click rates give; run_all.py --only {STUDY} makes it."
        )
    blocks: list[Block] = blocks_of(pooled, _block)
    notes += draws_note(pooled)
    return Layout(columns=list(_COLUMNS), blocks=blocks, notes=[*notes, *_NOTES])


def _domains_note(row: Mapping[str, Any]) -> str:
    """How many domains and pairs there are, and what their similarity is."""
    several = f" of {row['draws']} draws" if row["draws"] > 1 else ""
    judged = (
        f"{row['dataset']}: {row['domains']} domains{several}, those with at least {LEAST_ROWS}"
        f" test rows, at most {MOST_DOMAINS}{' of each' if several else ''}."
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
        f"{'In the first draw ' if several else ''}D_a {row['domain_a']}, similar"
        f" {row['domain_similar']}, different {row['domain_different']}"
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
        Entry(FORMS.get(row["form"], row["form"])),
        Entry(row["layer"]),
        *(Entry(spread(row[f"{kind}_mean"], row[f"{kind}_std"], 3)) for kind in KINDS),
        *(entry for pair in compared for entry in pair),
        *map(Entry, jaccards),
        runs_entry(row),
    ]


TABLE = Table(
    title="Masks: do similar domains prune the same neurons?",
    position=11,
    study="masks",
    tabulate=tabulate,
    arrange=arrange,
)
