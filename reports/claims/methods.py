"""The parts of the claims on methods and forms (AdaSparse, section 4.2)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from benchmark.config import BASELINE, OWN
from reports.claims.evidence import Evidence, absent
from reports.claims.paper import generated, individual, paper_log, paper_values
from reports.claims.verdicts import Part
from reports.reading.names import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator


METRICS = ("auc", "gauc")
SIZES = {"production": ("dcnv2", "dnn"), "public": ("dnn", "dcnv2")}  # better, worse
BOTH_LOGS = "logs for both of the paper's"
FORMS, FUSION = ("binarization", "scaling"), "fusion"  # the last is the main cell


def _pairs(
    evidence: Evidence, better: tuple[str, ...], others: tuple[str, ...]
) -> Iterator[tuple[str, str, str, str]]:
    """Backbone, method, other method and metric of every comparison."""
    yield from product(evidence.backbones(), better, others, METRICS)


def _between(evidence: Evidence, backbone: str, method: str, other: str, metric: str) -> Part:
    """The difference of two main cells on one backbone."""
    own, others = (evidence.printed(backbone, name, metric) for name in (method, other))
    left, right = (evidence.subject(backbone, name) for name in (method, other))
    return evidence.gap(left, right, metric, paper=own - others)


def all_beat_the_backbone(evidence: Evidence) -> list[Part]:
    """Every method above its plain backbone, in AUC and in GAUC."""
    pairs = _pairs(evidence, (*individual(), *generated()), (BASELINE,))
    return [_between(evidence, *pair) for pair in pairs]


def generated_beat_individual(evidence: Evidence) -> list[Part]:
    """APG and AdaSparse above MAML and STAR."""
    return [_between(evidence, *pair) for pair in _pairs(evidence, generated(), individual())]


def adasparse_is_best(evidence: Evidence) -> list[Part]:
    """AdaSparse above the plain backbone and every other method."""
    pairs = _pairs(evidence, (OWN,), (BASELINE, *individual(), "apg"))
    return [_between(evidence, *pair) for pair in pairs]


def controls(evidence: Evidence) -> list[Part]:
    """AdaSparse against a plain network of its size, itself told no domain, and its placebo."""
    backbone = next(iter(evidence.backbones()), "")
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
    backbone = next(iter(evidence.backbones()), "")
    subjects = {form: evidence.pinned(backbone, OWN, {"form": form}) for form in FORMS}
    subjects |= {FUSION: evidence.subject(backbone, OWN)}
    subjects |= {BASELINE: evidence.subject(backbone, BASELINE)}
    printed = paper_values()["table2"]
    pairs = [(form, BASELINE) for form in (*FORMS, FUSION)] + [(FUSION, form) for form in FORMS]
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


def generated_parameters_harm(evidence: Evidence) -> list[Part]:
    """The plain backbone above APG, which generates whole matrices, in AUC and in GAUC."""
    return [_between(evidence, *pair) for pair in _pairs(evidence, (BASELINE,), ("apg",))]


def dcnv2_by_size(evidence: Evidence) -> list[Part]:
    """DCNv2 - DNN on the log for the paper's large one, DNN - DCNv2 on that for its small one."""
    if not paper_log(evidence.dataset):
        return [Part(label="DCNv2 by size of the log", measure=absent, needs=BOTH_LOGS)]
    parts = []
    for log, (better, other) in SIZES.items():
        found = [keys for keys in evidence.main_logs() if paper_log(keys[0]) == log]
        if not found:
            label = f"{name_of(better)} against {name_of(other)} on the {log} log"
            parts.append(Part(label=label, measure=absent, needs=BOTH_LOGS))
            continue
        own = Evidence(evidence.runs, *found[0])
        left, right = (own.subject(name, BASELINE) for name in (better, other))
        paper = own.printed(better, BASELINE, "auc") - own.printed(other, BASELINE, "auc")
        parts.append(replace(own.gap(left, right, "auc", paper=paper), family=own.family))
    return parts
