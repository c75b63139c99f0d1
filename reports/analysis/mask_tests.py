"""Tests that similar domains prune the same neurons, beyond what inputs alone give."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.analysis.differences import independent, mean_interval, moments
from reports.analysis.masks import (
    KINDS,
    associations,
    contrasted,
    masked_models,
)
from reports.look.entries import bounds
from reports.reading.keys import REPLICATE, Replicate
from reports.statistics.paired_tests import holm
from reports.statistics.permutation import two_sided

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reports.analysis.masks import Association, MaskedModel
    from reports.reading.load import Runs

    Found = Mapping[tuple[str, Replicate, str], Association]  # kind, run, layer

ALL_LAYERS = "all layers"
NULLS = ("initial", "permuted")  # what trained masks are compared with


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
    names = [f"delta_{kind}_p" for kind in NULLS]
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
    """The numbers of domains and pairs of the draws, and the domains compared in the first."""
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
    """The numbers of these runs together."""
    jaccards = _jaccards(models, layers)
    return {"runs": len(models)} | jaccards | _tests(found, list(models), layers)


def _jaccards(models: Mapping[Replicate, MaskedModel], layers: Sequence[str]) -> dict[str, object]:
    """Jaccard indices of D_a and its counterparts after training, mean over runs; of one layer."""
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
    for kind in NULLS:
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
