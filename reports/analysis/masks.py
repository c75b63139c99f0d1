"""Pruned neurons of domains: the runs of the study of masks, and tests of what domains share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from reports.analysis.differences import independent, mean_interval, moments, with_holm
from reports.reading.keys import MODEL, REPLICATE, Cell, Log, Replicate
from reports.reading.load import Runs
from reports.statistics.permutation import Overlap, Pairs, Ranking, relabelled, two_sided

STUDY = "masks"
NO_FORM = "own"  # of a plug-in whose factors have no name
FORM = [*MODEL, "form"]
PAPER_FORM, OWN_FORM = "binarization", "fusion"  # of factors: figure 3a's, and the main cell's
KINDS = ("trained", "initial", "permuted")
TITLES = {
    "trained": "trained",
    "initial": "untrained",
    "permuted": "labels permuted",
}
LEAST_ROWS = 50  # test rows of a domain whose mask is judged
SEPARATOR = " \N{MIDDLE DOT} "  # between the values of a domain's name
MOST_DOMAINS = 100  # those with the most test rows
LEAST_CONTRASTED = 3  # domains: D_a, one like it and another
WIDEST = 2.0  # difference of two rank correlations
LEAST_DOMAINS = 8  # of a correlation over their pairs
KEPT = 0.5  # a neuron is kept where its gate is open for so many of a domain's test rows
_TIE = 1e-6  # weight of the mean factor, which orders neurons of equal keep-rates
ALL_LAYERS = "all layers"
NULLS = ("initial", "permuted")  # what trained masks are compared with


class ContrastedDomains(NamedTuple):
    """Positions of D_a, of the domain most similar to it and of the least similar one."""

    own: int
    similar: int
    different: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedDomains:
    """The domains of a prepared log that have enough test rows, the largest first.

    `source` says what `similarity` is: `planted`, which is known of generated logs and compares how
    domains click, or `observed`, which compares their inputs.
    """

    eval_domain_id: NDArray[np.intp]  # (D,)
    names: list[str]
    codes: NDArray[np.intp]  # (D, K), values numbered within each domain column
    similarity: NDArray[np.float64]  # (D, D)
    source: str

    def contrast(self) -> ContrastedDomains | None:
        """D_a, the largest domain, and its counterparts by the similarity; None if too few."""
        if len(self.names) < LEAST_CONTRASTED:
            return None
        to_own = self.similarity[0, 1:]
        return ContrastedDomains(0, 1 + int(to_own.argmax()), 1 + int(to_own.argmin()))

    def pairs(self) -> Pairs | None:
        """All pairs; None if there are too few for a correlation."""
        return Pairs(self.codes, self.similarity) if len(self.names) >= LEAST_DOMAINS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedModel:
    """The finished runs of one model on one draw of a log.

    Per kind and seed they are the ranking of every layer's neurons.
    """

    keys: dict[str, str]  # the values of `FORM`
    draw: int
    planned_runs: int
    domains: JudgedDomains
    rankings: Mapping[str, Mapping[int, Mapping[str, Ranking]]]

    @property
    def layers(self) -> list[str]:
        """`layer0`, which is x_0 if it is pruned, then the hidden layers."""
        return sorted(next(iter(self.rankings["trained"].values())))

    def widest(self) -> str:
        """The hidden layer with the most neurons, the first of equal ones."""
        layers = next(iter(self.rankings["trained"].values()))
        hidden = [name for name in self.layers if name != "layer0"]
        return max(hidden, key=lambda name: layers[name].score.shape[1])


def masked_models(runs: Runs) -> list[list[MaskedModel]]:
    """The models of the study that prune and have a finished run on the given labels, by draw.

    Of a log and backbone the paper's form of the factors comes first.
    """
    runs = runs.study(STUDY)
    found: dict[tuple[str, ...], dict[Log, list[Cell]]] = {}
    for log in runs.fingerprints:
        for cell in runs.of_log(log).cells:
            key = (*cell.key[: len(MODEL)], str(cell.config.method_config.get("form", NO_FORM)))
            found.setdefault(key, {}).setdefault(log, []).append(cell)
    models = []
    places = {model: place for place, model in enumerate(dict.fromkeys(key[:-1] for key in found))}
    for key in sorted(found, key=lambda key: (places[key[:-1]], key[-1] != PAPER_FORM)):
        keys, by_log = dict(zip(FORM, key, strict=True)), found[key]
        draws = [_masked(runs, keys, log, cells) for log, cells in by_log.items()]
        models.append([model for model in draws if model])
    return [draws for draws in models if draws]


def _masked(runs: Runs, keys: dict[str, str], log: Log, cells: list[Cell]) -> MaskedModel | None:
    """A model on one draw; None without such a run."""
    domains = _domains(runs, log)
    rankings = _rankings(runs, cells, domains) if domains else {}
    if domains is None or not rankings.get("trained"):
        return None
    return MaskedModel(
        keys=keys,
        draw=log.draw,
        planned_runs=sum(cell.config.labels == "given" for cell in cells),
        domains=domains,
        rankings=rankings,
    )


def _domains(runs: Runs, log: Log) -> JudgedDomains | None:
    """The domains of a log whose masks are judged; None if nothing is known of their similarity."""
    fingerprint = runs.fingerprints[log]
    similarity = runs.similarity(fingerprint)
    if similarity is None:
        return None
    source = "planted" if np.ptp(similarity.get("planted", np.zeros(1))) > 0.0 else "observed"
    known = similarity["planted_eval_domain_id" if source == "planted" else "eval_domain_id"]
    table = runs.domains(fingerprint)
    table = table[
        (table["test_impressions"] >= LEAST_ROWS) & table["eval_domain_id"].isin(known)
    ].sort_values("test_impressions", ascending=False, kind="stable")[:MOST_DOMAINS]
    ids = table["eval_domain_id"].to_numpy(np.intp)
    position = pd.Index(known).get_indexer(ids)
    values = runs.values_of_domains(fingerprint, log.family).loc[table.index]
    return JudgedDomains(
        eval_domain_id=ids,
        names=[_name_of(row) for row in values.to_numpy()],
        codes=np.column_stack([pd.factorize(values[name])[0] for name in values]),
        similarity=similarity[source][np.ix_(position, position)].astype(np.float64),
        source=source,
    )


def _name_of(values: Iterable[object]) -> str:
    """The name of a domain, which `SEPARATOR` cuts into its values again."""
    return SEPARATOR.join(str(value).replace(SEPARATOR, SEPARATOR.strip()) for value in values)


def _rankings(
    runs: Runs, cells: list[Cell], domains: JudgedDomains
) -> dict[str, dict[int, dict[str, Ranking]]]:
    found: dict[str, dict[int, dict[str, Ranking]]] = {kind: {} for kind in KINDS}
    for cell in cells:
        if cell.record is None:
            continue
        arrays = runs.masks(cell.record)
        trained, initial = _layers(arrays, domains.eval_domain_id)
        if not trained:
            continue
        seed = cell.config.seed
        if cell.config.labels == "permuted":
            found["permuted"][seed] = trained
        else:
            found["trained"][seed], found["initial"][seed] = trained, initial
    return found


def _layers(
    arrays: Mapping[str, NDArray[np.float32]], rows: NDArray[np.intp]
) -> tuple[dict[str, Ranking], dict[str, Ranking]]:
    """The rankings after training and, with as many pruned neurons, before it."""
    trained, initial = {}, {}
    for name in arrays:
        layer, _, kind = name.partition("_")
        if kind != "keep_rate":
            continue
        kept = arrays[name][rows]
        num_pruned = (kept < KEPT).sum(axis=1)
        score = kept + np.float32(_TIE) * arrays[f"{layer}_mean_factor"][rows]
        trained[layer] = Ranking(score, num_pruned)
        initial[layer] = Ranking(arrays[f"{layer}_initial_factor"][rows], num_pruned)
    return trained, initial


def jaccard(pruned: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """The Jaccard index of two sets of pruned neurons (N,); undefined if both are empty."""
    either = np.count_nonzero(pruned | other)
    return np.count_nonzero(pruned & other) / either if either else np.nan


def chance_jaccard(num_pruned: int, num_other: int, width: int) -> float:
    """The expected Jaccard index of so many of `width` neurons, drawn twice independently.

    The number that both hold is hypergeometric. Undefined if both are empty.
    """
    if num_pruned == num_other == 0:
        return np.nan
    both = np.arange(min(num_pruned, num_other) + 1)
    p = stats.hypergeom.pmf(both, width, num_pruned, num_other)
    return float(p @ (both / (num_pruned + num_other - both)))


def contrasted(ranking: Ranking, own: int, other: int) -> tuple[float, float]:
    """The Jaccard index of two domains' pruned neurons and its chance level."""
    pruned, counts = ranking.pruned(), ranking.num_pruned
    chance = chance_jaccard(int(counts[own]), int(counts[other]), pruned.shape[1])
    return jaccard(pruned[own], pruned[other]), chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """The correlation of mask overlap and similarity, and what it is for relabelled masks.

    `raw` is the correlation, `drawn` are those of relabelled masks.
    """

    raw: float
    drawn: NDArray[np.float64]
    by_stratum: dict[int, float]  # by how many values the domains share

    @property
    def value(self) -> float:
        """The part of `raw` above what counts of pruned neurons and shared values alone give."""
        return self.raw - float(self.drawn.mean())


def associations(
    model: MaskedModel, layers: Sequence[str]
) -> dict[tuple[str, int, str], Association]:
    """The associations by kind, seed and layer; none where there are too few domains."""
    pairs = model.domains.pairs()
    if pairs is None:
        return {}
    rankings = {
        (kind, seed, layer): by_layer[layer]
        for kind, seeds in model.rankings.items()
        for seed, by_layer in seeds.items()
        for layer in layers
    }
    drawn = relabelled(list(rankings.values()), model.domains.codes, pairs)
    found = {}
    for (key, ranking), column in zip(rankings.items(), drawn.T, strict=True):
        overlap = Overlap(ranking, pairs).of(ranking.pruned())
        strata = dict(zip(map(int, pairs.strata), pairs.correlations(overlap), strict=True))
        found[key] = Association(raw=pairs.correlation(overlap), drawn=column, by_stratum=strata)
    return found


Found = Mapping[tuple[str, Replicate, str], Association]  # kind, run, layer


@lru_cache(maxsize=1)  # a claim rests on it too
def compare_masks(runs: Runs) -> pd.DataFrame:
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
    p_values = table[[f"delta_{kind}_p" for kind in NULLS]]
    table = with_holm(table, p_values.where(table["seed"].isna()))
    return table.astype({name: "Int64" for name in (*REPLICATE, "runs", "planned_runs")})


def _rows(draws: Sequence[MaskedModel]) -> list[dict[str, object]]:
    """The runs of a model one by one, then all together, layer by layer."""
    found = {
        (kind, Replicate(model.draw, seed), layer): association
        for model in draws
        for (kind, seed, layer), association in associations(model, model.layers).items()
    }
    runs = {
        Replicate(model.draw, seed): model for model in draws for seed in model.rankings["trained"]
    }
    planned = sum(model.planned_runs for model in draws)
    rows = []
    for layer in [*draws[0].layers, ALL_LAYERS]:
        layers = draws[0].layers if layer == ALL_LAYERS else [layer]
        for run, model in runs.items():
            place = {**run._asdict(), "planned_runs": 1, "draws": 1, "layer": layer}
            rows.append(_facts([model]) | place | _numbers(found, {run: model}, layers))
        place = {**dict.fromkeys(REPLICATE, pd.NA), "planned_runs": planned, "draws": len(draws)}
        rows.append(_facts(draws) | place | {"layer": layer} | _numbers(found, runs, layers))
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
    permuted = sum(run.seed in model.rankings.get("permuted", {}) for run, model in models.items())
    counts = {"runs": len(models), "permuted_runs": permuted}
    return counts | jaccards | _tests(found, list(models), layers)


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
        row |= mean_interval(own[0] - other[0], WIDEST).named(f"delta_{kind}")
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
