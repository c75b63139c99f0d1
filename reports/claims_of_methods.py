"""The parts of the claims on methods, forms and bounds (AdaSparse, sections 4.2 and 4.3.3)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from reports.evidence import Evidence, Part, absent, blocked_by
from reports.names import BASELINE, TITLES
from reports.paper import paper_log, paper_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmark.config import Json, RunConfig
    from reports.evidence import Subject

METRICS = ("auc", "gauc")
INDIVIDUAL, GENERATED = ("maml", "star"), ("apg", "adasparse")  # parameters of domains
OWN = "adasparse"
SIZES = {"production": ("dcnv2", "dnn"), "public": ("dnn", "dcnv2")}  # better, worse
FORMS = ("binarization", "scaling")  # the third, fusion, is the main cell
LOWEST: list[Json] = [0.05, 0.1]  # bounds of figure 3d
HIGHEST: list[Json] = [0.35, 0.4]


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
    pairs = _pairs(evidence, (*INDIVIDUAL, *GENERATED), (BASELINE,))
    return [_between(evidence, *pair) for pair in pairs]


def generated_beat_individual(evidence: Evidence) -> list[Part]:
    """APG and AdaSparse above MAML and STAR."""
    return [_between(evidence, *pair) for pair in _pairs(evidence, GENERATED, INDIVIDUAL)]


def adasparse_is_best(evidence: Evidence) -> list[Part]:
    """AdaSparse above the plain backbone and every other method."""
    pairs = _pairs(evidence, (OWN,), (BASELINE, *INDIVIDUAL, "apg"))
    return [_between(evidence, *pair) for pair in pairs]


def controls(evidence: Evidence) -> list[Part]:
    """AdaSparse against a plain network of its size, and against itself told no domain."""
    backbone = next(iter(evidence.backbones()), "")
    own = evidence.subject(backbone, OWN)
    wide = evidence.subject(backbone, BASELINE, _is_width_matched)
    blind = evidence.subject(backbone, OWN, lambda config: config.is_blind)
    return [
        evidence.gap(own, other, metric, needs="the study controls")
        for other in (wide, blind)
        for metric in METRICS
    ]


def _is_width_matched(config: RunConfig) -> bool:
    return any(word.startswith("hidden=") for word in config.changes)


def _pinned(evidence: Evidence, backbone: str, pins: Mapping[str, Json]) -> Subject:
    """AdaSparse with hyper-parameters that a study fixes."""
    return evidence.subject(backbone, OWN, lambda config: config.pinned == pins)


def forms_in_order(evidence: Evidence) -> list[Part]:
    """Each form of the weighting factors above the next, and the last above plain."""
    backbone = next(iter(evidence.backbones()), "")
    fusion, plain = evidence.subject(backbone, OWN), evidence.subject(backbone, BASELINE)
    binary, scaling = (_pinned(evidence, backbone, {"form": form}) for form in FORMS)
    printed = paper_values()["table2"]
    steps = [
        ("fusion", fusion, "binarization", binary),
        ("binarization", binary, "scaling", scaling),
        ("scaling", scaling, "plain", plain),
    ]
    return [
        evidence.gap(
            left,
            right,
            metric,
            paper=printed[name][metric] - printed[other][metric],
            needs="the study formulations",
        )
        for name, left, other, right in steps
        for metric in METRICS
    ]


def rises_and_falls(evidence: Evidence) -> list[Part]:
    """The paper's own bounds are above the lowest, and above the highest, of those tried."""
    backbone = next(iter(evidence.backbones()), "")
    main = evidence.subject(backbone, OWN)
    others = [_pinned(evidence, backbone, {"sparsity_bounds": b}) for b in (LOWEST, HIGHEST)]
    return [evidence.gap(main, other, "auc", needs="the study sparsity") for other in others]


def sparse_is_about_the_base(evidence: Evidence) -> list[Part]:
    """AdaSparse with the highest bounds against the plain backbone."""
    backbone = next(iter(evidence.backbones()), "")
    sparse = _pinned(evidence, backbone, {"sparsity_bounds": HIGHEST})
    plain = evidence.subject(backbone, BASELINE)
    return [evidence.gap(sparse, plain, "auc", expected="equal", needs="the study sparsity")]


def dcnv2_by_size(evidence: Evidence) -> list[Part]:
    """DCNv2 - DNN on the log for the paper's large one, DNN - DCNv2 on that for its small one."""
    parts = []
    for log, (better, other) in SIZES.items():
        found = [keys for keys in evidence.main_logs() if paper_log(keys[0]) == log]
        if not found:
            label = f"{TITLES[better]} against {TITLES[other]} on the {log} log"
            parts.append(Part(label=label, measure=absent, needs="logs for both of the paper's"))
            continue
        own = Evidence(evidence.runs, *found[0])
        left, right = (own.subject(name, BASELINE) for name in (better, other))
        paper = own.printed(better, BASELINE, "auc") - own.printed(other, BASELINE, "auc")
        parts.append(own.gap(left, right, "auc", paper=paper))
    return parts


def apg_converges_later(evidence: Evidence) -> list[Part]:
    """The optimiser step of the kept checkpoint, later in APG than in AdaSparse."""
    return [
        Part(
            label=f"kept step of {left.title} \N{MINUS SIGN} that of {right.title}, in epochs",
            measure=evidence.by_run(left, right, evidence.kept_epoch),
            unit="epochs",
            blocked=blocked_by(left, right),
            replicates=evidence.replicates,
            needs="two seeds or more of APG and AdaSparse",
        )
        for left, right in (
            (evidence.subject(backbone, "apg"), evidence.subject(backbone, OWN))
            for backbone in evidence.backbones()
        )
    ]
