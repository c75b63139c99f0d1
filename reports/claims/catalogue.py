"""The claims of the AdaSparse paper, each broken into the differences that it is judged by."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.config import BASELINE, OWN, Json, RunConfig
from benchmark.store.records import RunRecord
from reports.analysis.differences import independent, rows_of
from reports.analysis.long_tail import bin_gain, bin_tuning, scores_by_run
from reports.analysis.masks import OWN_FORM, PAPER_FORM, STUDY, TITLES, WIDEST, compare_masks
from reports.analysis.sparsity import band_margins, reached
from reports.analysis_plan import ANALYSIS
from reports.claims.evidence import ComparedModel, Evidence, absent, blocked_by, counted
from reports.claims.paper import generated, individual, paper_log, paper_values
from reports.claims.verdicts import COUNTED, METRICS, Part
from reports.reading.exclusions import are_capped, cap_warning, few_test_rows
from reports.reading.keys import CELL, MODEL, family_of
from reports.reading.names import FORMS, name_of
from reports.statistics.bins import TRAIN_GROUPS, bins_by_domain, train_groups_by_domain
from reports.statistics.paired_tests import paired_interval

SIZES = {"production": ("dcnv2", "dnn"), "public": ("dnn", "dcnv2")}  # better, worse
BOTH_LOGS = "logs for both of the paper's"
PARTIAL_FORMS = ("binarization", "scaling")
HEAD, TAIL = (1, 2, 3), (4, 5)
SMALL = {number: f"domains with {name}" for number, name in enumerate(list(TRAIN_GROUPS)[:2], 1)}
OTHERS = ("maml", "star", "apg")
METHODS = (*OTHERS, OWN)
ON_THE_TAIL = ("adasparse", "maml")  # that gain there, the paper says
NOT_ON_THE_TAIL = ("star", "apg")
SEVERAL_COLUMNS = "a partition of more columns"
BOUNDS = "the study sparsity"
LOWEST: list[Json] = [0.05, 0.1]  # bounds of figure 3d
HIGHEST: list[Json] = [0.35, 0.4]
RATIO = "ratio"  # the unit of sparsity ratios
LIMITS = ANALYSIS.cost
DEARER = {  # than AdaSparse, the paper says
    "multiply_adds": ("star", "apg"),
    "parameters": ("maml", "star"),
}
LEAST = {"multiply_adds": 1.0, "parameters": LIMITS.much_less_memory}  # multiples of AdaSparse's
WORDS = {
    "multiply_adds": "multiply-adds of a row",
    "parameters": f"parameters at {LIMITS.domains:,} domains",
}
PUBLIC, PRODUCTION = "public", "production"  # sizes of the paper


def _main_cells(evidence: Evidence, better: Sequence[str], others: Sequence[str]) -> list[Part]:
    """The differences of main cells on every backbone, in AUC and in GAUC."""
    parts = []
    for backbone, *pair, metric in product(evidence.backbones(), better, others, METRICS):
        left, right = (evidence.subject(backbone, method) for method in pair)
        own, other = (evidence.printed(backbone, method, metric) for method in pair)
        parts.append(evidence.gap(left, right, metric, paper=own - other))
    return parts


def controls(evidence: Evidence) -> list[Part]:
    """AdaSparse against a plain network of its size, itself told no domain, and its placebo."""
    backbone = evidence.first_backbone
    own = evidence.subject(backbone, OWN)
    wide = evidence.subject(backbone, BASELINE, lambda config: config.matched_to == OWN)
    blind = evidence.subject(backbone, OWN, lambda config: config.is_blind)
    placebo = evidence.subject(backbone, OWN, lambda config: config.is_placebo)
    return [
        evidence.gap(own, other, metric, needs="the study controls")
        for other in (wide, blind, placebo)
        for metric in METRICS
    ]


def forms_help_and_fusion_most(evidence: Evidence) -> list[Part]:
    """Each form of the weighting factors above plain, and Fusion above the other two."""
    backbone = evidence.first_backbone
    subjects = {form: evidence.pinned(backbone, OWN, {"form": form}) for form in PARTIAL_FORMS}
    subjects |= {OWN_FORM: evidence.subject(backbone, OWN)}
    subjects |= {BASELINE: evidence.subject(backbone, BASELINE)}
    printed = paper_values()["table2"]
    pairs = [
        *product((*PARTIAL_FORMS, OWN_FORM), (BASELINE,)),
        *product((OWN_FORM,), PARTIAL_FORMS),
    ]
    return [
        evidence.gap(
            subjects[form],
            subjects[other],
            metric,
            paper=printed[form][metric] - printed[other][metric],
            needs="the study formulations",
        )
        for form, other in pairs
        for metric in METRICS
    ]


def dcnv2_by_size(evidence: Evidence) -> list[Part]:
    """DCNv2 - DNN on the log for the paper's large one, DNN - DCNv2 on that for its small one."""
    if not paper_log(evidence.family.dataset):
        return [Part(label="DCNv2 by size of the log", measure=absent, needs=BOTH_LOGS)]
    parts = []
    for log, (better, other) in SIZES.items():
        families = evidence.runs.study("main").families
        found = [family for family in families if paper_log(family.dataset) == log]
        if not found:
            label = f"{name_of(better)} against {name_of(other)} on the {log} log"
            parts.append(Part(label=label, measure=absent, needs=BOTH_LOGS))
            continue
        own = Evidence(evidence.runs, found[0])
        left, right = (own.subject(name, BASELINE) for name in (better, other))
        paper = own.printed(better, BASELINE, "auc") - own.printed(other, BASELINE, "auc")
        parts.append(replace(own.gap(left, right, "auc", paper=paper), family=own.family))
    return parts


def overlap_follows_similarity(evidence: Evidence, form: str) -> list[Part]:
    """The overlap of the widest layer's masks with these factors, more than in either null."""
    rows = compare_masks(evidence.runs)
    if len(rows):
        rows = rows_of(rows, {**evidence.family._asdict(), "form": form})
        rows = rows[rows["layer"] == rows["widest"]]
    if rows.empty:
        return [Part(label="overlap of masks", measure=absent, needs="the study masks")]
    by_run, pooled = rows[rows["seed"].notna()].set_index("draw"), rows[rows["seed"].isna()]
    return [
        Part(
            label=f"{FORMS[form]}, rank correlation of similarity and overlap,"
            f" trained \N{MINUS SIGN} {title}",
            measure=partial(
                paired_interval, independent(by_run[f"delta_{kind}_mean"]), limit=WIDEST
            ),
            unit="correlation",
            p_value=float(pooled[f"delta_{kind}_p_holm"].iloc[0]) if len(pooled) else math.nan,
            needs="the study masks with two seeds or more",
            blocked=_capped_masks(evidence, form),
            replicates=evidence.replicates,
        )
        for kind, title in TITLES.items()
        if kind != "trained"
    ]


def _capped_masks(evidence: Evidence, form: str) -> str:
    """The reason why the study's runs on the log settle nothing; empty where they may."""
    found: defaultdict[str, list[RunRecord]] = defaultdict(list)
    for record in evidence.runs.study(STUDY).records:
        config = record.config
        if family_of(config) == evidence.family and config.method_config.get("form") == form:
            found[config.labels].append(record)
    capped = [f"the study masks, labels {name}" for name in found if are_capped(found[name])]
    return cap_warning(capped)


def _in_bins(
    evidence: Evidence, methods: Sequence[str], others: Sequence[str], bins: Sequence[int]
) -> list[Part]:
    names = {number: f"bin {number}" for number in bins}
    return _in_groups(evidence, methods, others, bins_by_domain, names)


def _in_groups(
    evidence: Evidence,
    better: Sequence[str],
    others: Sequence[str],
    groups_of: Callable[[pd.DataFrame], NDArray[np.int64]],
    names: Mapping[int, str],
) -> list[Part]:
    """Differences in GAUC over the named groups of domains, on every backbone."""
    few = {n: few_test_rows(evidence.runs, evidence.family, groups_of, n) for n in names}
    parts = []
    for backbone in evidence.backbones():
        subjects = {name: evidence.subject(backbone, name) for name in (*better, *others)}
        scores = {
            name: scores_by_run(evidence.runs, subject.runs, groups_of)
            for name, subject in subjects.items()
        }
        peers = evidence.peers(backbone)
        tuning = {n: bin_tuning(evidence.runs, peers, n, "gauc", groups_of) for n in names}
        parts += [
            Part(
                label=f"{subjects[method].title} \N{MINUS SIGN} {subjects[other].title},"
                f" GAUC of {names[number]}",
                measure=found.interval,
                estimate=found,
                unit="gauc",
                needs=f"two seeds or more of both, with both classes in {names[number]}",
                blocked=blocked_by(subjects[method], subjects[other]) or few[number],
                replicates=evidence.replicates,
            )
            for method, other, number in product(better, others, names)
            for found in [bin_gain(scores[method], scores[other], number, "gauc", tuning[number])]
        ]
    return parts


def _steps(evidence: Evidence, wanted: Sequence[tuple[str, int, str, int]]) -> list[Part]:
    """Differences in AUC between cells of the nested series on the first backbone."""
    backbone = evidence.first_backbone
    parts = []
    for method, k, other, j in wanted:
        if k >= 1 and (method, k) != (other, j):
            left, right = (_step(evidence, backbone, *step) for step in ((method, k), (other, j)))
            parts.append(evidence.gap(left, right, "auc", needs="the study partitions"))
    missing = Part(label="steps of the partition", measure=absent, needs=SEVERAL_COLUMNS)
    return parts if evidence.num_columns > 1 and parts else [missing]


def _step(evidence: Evidence, backbone: str, method: str, num_columns: int) -> ComparedModel:
    """The method whose domains, and tasks, are the joint values of so many columns."""
    if num_columns == evidence.num_columns and method == OWN:
        return evidence.subject(backbone, method)

    def is_wanted(config: RunConfig) -> bool:
        if num_columns == evidence.num_columns:
            return config.has_full_task
        return config.has_own_domains and len(config.domain_columns) == num_columns

    return evidence.subject(backbone, method, is_wanted)


def rises_and_falls(evidence: Evidence) -> list[Part]:
    """The paper's own bounds are above the lowest, and above the highest, of those tried."""
    backbone = evidence.first_backbone
    main = evidence.subject(backbone, OWN)
    missed = _missed_bands(evidence, backbone)
    return [
        replace(part, blocked=part.blocked or missed.get((), "") or missed.get(tuple(bounds), ""))
        for bounds in (LOWEST, HIGHEST)
        for other in [evidence.pinned(backbone, OWN, {"sparsity_bounds": bounds})]
        for part in [evidence.gap(main, other, "auc", needs=BOUNDS)]
    ]


def sparse_is_about_the_base(evidence: Evidence) -> list[Part]:
    """AdaSparse with the highest bounds against the plain backbone."""
    backbone = evidence.first_backbone
    sparse = evidence.pinned(backbone, OWN, {"sparsity_bounds": HIGHEST})
    plain = evidence.subject(backbone, BASELINE)
    part = evidence.gap(sparse, plain, "auc", expected="equal", needs=BOUNDS)
    blocked = _missed_bands(evidence, backbone).get(tuple(HIGHEST), "")
    return [replace(part, blocked=part.blocked or blocked)]


def _missed_bands(evidence: Evidence, backbone: str) -> dict[tuple[Json, ...], str]:
    """The bounds that AdaSparse did not keep to, with what that asks for; () of the main cell.

    A claim about a sparsity ratio says nothing of a model that has another one.
    """
    table = reached(evidence.runs.study("sparsity"))
    keys = dict(zip(MODEL, (*evidence.family, backbone, OWN), strict=True))
    own = rows_of(table, keys)
    missed = own[own["layers_in_band"] < own["layers"]]
    return {
        (row["r_min"], row["r_max"]) if row["changes"] else (): (
            f"a model that keeps to [{row['r_min']:g}, {row['r_max']:g}], as"
            f" {row['layers_in_band']:.0f} of {row['layers']:.0f} layers do"
        )
        for row in missed.to_dict("records")
    }


def _ratios(
    evidence: Evidence, study: str, label: str, pins: Mapping[str, Json], *, is_inside: bool
) -> list[Part]:
    """Distances of the ratios of a study's AdaSparse cells inside, or outside, of their bounds.

    The cells are those on the first backbone with these pinned hyper-parameters. Without any there
    is one part with this `label`.
    """
    words, sign = ("inside", 1.0) if is_inside else ("outside", -1.0)
    runs, backbone = evidence.runs.study(study), evidence.first_backbone
    model = (*evidence.family, backbone, OWN)
    margins, parts = band_margins(runs), []
    for key in dict.fromkeys(
        cell.key
        for cell in runs.cells
        if cell.key[:4] == model and pins.items() <= cell.config.pinned.items()
    ):
        own = rows_of(margins, dict(zip(CELL, key, strict=True))).set_index("draw")["inside"]
        subject = evidence.of_cell(key)
        parts.append(
            Part(
                label=f"sparsity ratio of {subject.title}, {words} of its bounds",
                measure=partial(paired_interval, independent(sign * own), limit=1.0),
                unit=RATIO,
                needs="two seeds or more whose ratios differ",
                blocked=blocked_by(subject),
                replicates=evidence.replicates,
            )
        )
    return parts or [Part(label=label, measure=absent, needs=f"the study {study}")]


def cheaper(evidence: Evidence) -> list[Part]:
    """Fewer multiply-adds of a row than STAR and APG; far fewer parameters than MAML and STAR."""
    parts = []
    for quantity, limit in LEAST.items():
        counts = _counts(evidence, PUBLIC, quantity)
        for other in DEARER[quantity]:
            label = f"{WORDS[quantity]}, {name_of(other)} : {name_of(OWN)}, claimed above {limit:g}"
            ratio = counts.get(other, math.nan) / counts.get(OWN, math.nan)
            parts.append(_part(label, ratio, limit))
    return parts


def individual_impractical(evidence: Evidence) -> list[Part]:
    """More bytes than a machine has that serves them."""
    counts = _counts(evidence, PRODUCTION, "served_bytes")
    limit = LIMITS.impractical_gib
    return [
        _part(
            f"GiB that {name_of(method)} serves at {LIMITS.domains:,} domains, the embedding table"
            f" too, claimed above {limit:g}",
            counts.get(method, math.nan) / 2**30,
            limit,
        )
        for method in individual()
    ]


def _part(label: str, multiple: float, limit: float) -> Part:
    """A count that is claimed to be above `limit`."""
    return Part(
        label=label,
        measure=counted(math.log10(multiple / limit)),
        unit=COUNTED,
        limit=limit,
        needs="the study cost",
    )


def _counts(evidence: Evidence, sizes: str, quantity: str) -> dict[str, float]:
    """The known counts at `LIMITS.domains`, by method."""
    table = evidence.runs.cost("scaling.csv", ["sizes", "method", "num_domains", quantity])
    own = table[(table["num_domains"] == LIMITS.domains) & (table["sizes"] == sizes)]
    return dict(zip(own["method"], own[quantity].astype(float), strict=True))


Parts = Callable[[Evidence], list[Part]]

PARTS: Mapping[str, Parts] = {  # of the claims of the analysis plan; without any it is not testable
    "all_beat_backbone": lambda one: _main_cells(one, (*individual(), *generated()), (BASELINE,)),
    "generated_beat_individual": lambda one: _main_cells(one, generated(), individual()),
    "adasparse_best": lambda one: _main_cells(one, (OWN,), (BASELINE, *individual(), "apg")),
    "forms": forms_help_and_fusion_most,
    "masks": partial(overlap_follows_similarity, form=PAPER_FORM),
    "head_gains": lambda one: _in_bins(one, METHODS, (BASELINE,), HEAD),
    "tail_gains": lambda one: _in_bins(one, ON_THE_TAIL, (BASELINE, *NOT_ON_THE_TAIL), TAIL),
    "best_in_every_bin": lambda one: _in_bins(one, (OWN,), (BASELINE, *OTHERS), (*HEAD, *TAIL)),
    "small_domains": lambda one: _in_groups(
        one, (OWN,), (BASELINE,), train_groups_by_domain, SMALL
    ),
    "star_crossover": lambda one: _steps(
        one, [("star", 1, OWN, 1), (OWN, one.num_columns, "star", one.num_columns)]
    ),
    "finer_helps": lambda one: _steps(one, [(OWN, one.num_columns - 1, OWN, 1)]),
    "too_fine_hurts": lambda one: _steps(one, [(OWN, one.num_columns - 1, OWN, one.num_columns)]),
    "band_reached": partial(
        _ratios, study="sparsity", label="bounds of the ratio", pins={}, is_inside=True
    ),
    "l1_misses": partial(
        _ratios, study="ablations", label="l1 norm", pins={"penalty": "l1"}, is_inside=False
    ),
    "sparsity_peak": rises_and_falls,
    "sparse_as_base": sparse_is_about_the_base,
    "cheaper": cheaper,
    "individual_impractical": individual_impractical,
    "dcnv2_by_size": dcnv2_by_size,
    "generated_harm": lambda one: _main_cells(one, (BASELINE,), ("apg",)),
}
BESIDE: Mapping[str, Parts] = {  # what a reader should see next to a claim
    "controls": controls,
    "fusion": partial(overlap_follows_similarity, form=OWN_FORM),
}
CONTRADICTIONS = (
    "\N{LEFT DOUBLE QUOTATION MARK}All multi-domain methods achieve better"
    " performance\N{RIGHT DOUBLE QUOTATION MARK}: the LogLoss of DCNv2 +MAML on the production log,"
    " 0.063619, is worse than DCNv2's 0.063602.",
    "DCNv2 is called worse than DNN on the public log: so its AUC is, but its GAUC is 0.6443"
    " against 0.6442.",
    "AdaSparse is counted among generated parameters with O(D N_l) per layer; its pruner is a fully"
    " connected layer, N_l (N_l + E_d) multiply-adds per row.",
    "The abstract claims a lower computational cost; no time, parameter or operation count is"
    " given.",
    "On the long tail MAML is trained on the domains of one column and AdaSparse on all; bins can"
    " be compared only if all are evaluated on the same partition, as here.",
    "Figure 3c has STAR at a growing number of domains, footnote 4 says that it cannot be used for"
    " thousands.",
    "No significance is claimed for LogLoss.",
    "Pruning is said to help, and [0.35, 0.40] to give almost the performance of DNN, so that the"
    " gain of table 1 would be gone at twice the sparsity.",
    "Table 2 is of the production log and DNN alone.",
)
