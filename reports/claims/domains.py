"""The parts of the claims on masks, on bins of domains, and on partitions (AdaSparse, 4.3)."""

from __future__ import annotations

import math
from collections import defaultdict
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

from benchmark.config import OWN
from reports.analysis import mask_tests
from reports.analysis.differences import independent, rows_of
from reports.analysis.long_tail import bin_gain, bin_tuning, scores_by_run
from reports.analysis.masks import OWN_FORM, PAPER_FORM, STUDY, TITLES
from reports.analysis.peers import peers_of
from reports.claims.evidence import absent, blocked_by
from reports.claims.verdicts import Part
from reports.reading.exclusions import are_capped, cap_warning, few_test_rows
from reports.reading.keys import DATA, family_of
from reports.reading.names import BASELINE, FORMS
from reports.statistics.bins import TRAIN_GROUPS, bins_by_domain, train_groups_by_domain
from reports.statistics.paired_tests import paired_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from benchmark.config import RunConfig
    from benchmark.store.records import RunRecord
    from reports.claims.evidence import ComparedModel, Evidence

HEAD, TAIL = (1, 2, 3), (4, 5)
NUM_SMALL = 2  # groups of `TRAIN_GROUPS` that have few train rows or none
METHODS = ("maml", "star", "apg", "adasparse")
ON_THE_TAIL = ("adasparse", "maml")  # that gain there, the paper says
NOT_ON_THE_TAIL = ("star", "apg")
INDIVIDUAL = "star"
SEVERAL_COLUMNS = "a partition of more columns"


def similar_domains_share_masks(evidence: Evidence) -> list[Part]:
    """The overlap of masks follows similarity, with the factors that the paper draws."""
    return _overlap_follows_similarity(evidence, PAPER_FORM)


def fusion_masks(evidence: Evidence) -> list[Part]:
    """The overlap of masks follows similarity, with the factors of the main cell."""
    return _overlap_follows_similarity(evidence, OWN_FORM)


def _overlap_follows_similarity(evidence: Evidence, form: str) -> list[Part]:
    """The overlap of the widest layer's masks, more than in either null, run by run."""
    table = mask_tests.tabulate(evidence.runs)
    nothing = Part(label="overlap of masks", measure=absent, needs="the study masks")
    if table.empty:
        return [nothing]
    rows = rows_of(table, {**dict(zip(DATA, evidence.family, strict=True)), "form": form})
    rows = rows[rows["layer"] == rows["widest"]]
    if rows.empty:
        return [nothing]
    by_run, pooled = rows[rows["seed"].notna()].set_index("draw"), rows[rows["seed"].isna()]
    return [
        Part(
            label=f"{FORMS[form]}, rank correlation of similarity and overlap,"
            f" trained \N{MINUS SIGN} {title}",
            measure=partial(paired_interval, independent(by_run[f"delta_{kind}_mean"])),
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
    """Why the study's runs on the log settle nothing; empty where they may."""
    found: defaultdict[str, list[RunRecord]] = defaultdict(list)
    for record in evidence.runs.study(STUDY).records:
        config = record.config
        if family_of(config) == evidence.family and config.method_config.get("form") == form:
            found[config.labels].append(record)
    capped = [f"the study masks, labels {name}" for name in found if are_capped(found[name])]
    return cap_warning(capped) if capped else ""


def all_gain_on_the_head(evidence: Evidence) -> list[Part]:
    """Every method above its backbone in GAUC, in bins 1 to 3."""
    return _in_bins(evidence, product(METHODS, (BASELINE,), HEAD))


def adasparse_and_maml_gain_on_the_tail(evidence: Evidence) -> list[Part]:
    """Both are above the backbone and the other two methods in bins 4 and 5."""
    return _in_bins(evidence, product(ON_THE_TAIL, (BASELINE, *NOT_ON_THE_TAIL), TAIL))


def adasparse_is_best_in_every_bin(evidence: Evidence) -> list[Part]:
    """AdaSparse above the backbone and every other method, in bins 1 to 5."""
    others = (BASELINE, *(method for method in METHODS if method != OWN))
    return _in_bins(evidence, product((OWN,), others, (*HEAD, *TAIL)))


def adasparse_gains_on_small_domains(evidence: Evidence) -> list[Part]:
    """AdaSparse above the backbone where train shows nothing of a domain, and little."""
    names = {number: name for number, name in enumerate(TRAIN_GROUPS, 1) if number <= NUM_SMALL}
    wanted = product((OWN,), (BASELINE,), names)
    return _in_groups(
        evidence, wanted, train_groups_by_domain, {n: f"domains with {names[n]}" for n in names}
    )


def _in_bins(evidence: Evidence, wanted: Iterable[tuple[str, str, int]]) -> list[Part]:
    names = {number: f"bin {number}" for number in (*HEAD, *TAIL)}
    return _in_groups(evidence, wanted, bins_by_domain, names)


def _in_groups(
    evidence: Evidence,
    wanted: Iterable[tuple[str, str, int]],
    groups_of: Callable[[pd.DataFrame], NDArray[np.int64]],
    names: Mapping[int, str],
) -> list[Part]:
    """Differences in GAUC over groups of domains, on every backbone: method, other and group."""
    comparisons = list(wanted)
    methods = {name for *pair, _ in comparisons for name in pair}
    few = {
        number: few_test_rows(evidence.runs, evidence.family, groups_of, number)
        for *_, number in comparisons
    }
    parts = []
    for backbone in evidence.backbones():
        subjects = {name: evidence.subject(backbone, name) for name in methods}
        scores = {
            name: scores_by_run(evidence.runs, subject.runs, groups_of)
            for name, subject in subjects.items()
        }
        peers = peers_of(evidence.runs, evidence.family, backbone)
        tuning = {
            number: bin_tuning(evidence.runs, peers, number, "gauc", groups_of)
            for *_, number in comparisons
        }
        parts += [
            Part(
                label=f"{subjects[method].title} \N{MINUS SIGN} {subjects[other].title},"
                f" GAUC of {names[number]}",
                measure=found.interval,
                estimate=found,
                needs=f"two seeds or more of both, with both classes in {names[number]}",
                blocked=blocked_by(subjects[method], subjects[other]) or few[number],
                replicates=evidence.replicates,
            )
            for method, other, number in comparisons
            for found in [bin_gain(scores[method], scores[other], number, "gauc", tuning[number])]
        ]
    return parts


def star_leads_with_few_domains(evidence: Evidence) -> list[Part]:
    """STAR - AdaSparse with one domain column, AdaSparse - STAR with all."""
    columns = evidence.num_columns
    return _steps(evidence, [(INDIVIDUAL, 1, OWN, 1), (OWN, columns, INDIVIDUAL, columns)])


def finer_helps(evidence: Evidence) -> list[Part]:
    """AdaSparse with the last but one partition against one column."""
    return _steps(evidence, [(OWN, evidence.num_columns - 1, OWN, 1)])


def too_fine_hurts(evidence: Evidence) -> list[Part]:
    """AdaSparse with the last but one partition against the finest."""
    return _steps(evidence, [(OWN, evidence.num_columns - 1, OWN, evidence.num_columns)])


def _steps(evidence: Evidence, wanted: Sequence[tuple[str, int, str, int]]) -> list[Part]:
    """Differences in AUC between cells of the nested series on the first backbone."""
    backbone = next(iter(evidence.backbones()), "")
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
