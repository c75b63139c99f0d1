"""The claims of the AdaSparse paper, each broken into the differences that it is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from reports import claims_of_cost, claims_of_domains
from reports.evidence import Evidence, Part, absent
from reports.names import BASELINE, TITLES
from reports.paper import paper_log, paper_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmark.config import Json, RunConfig
    from reports.evidence import Subject

METRICS = ("auc", "gauc")
INDIVIDUAL, GENERATED = ("maml", "star"), ("apg", "adasparse")  # parameters of domains
OWN = "adasparse"
SIZES = {"production": ("dcnv2", "dnn"), "public": ("dnn", "dcnv2")}  # better, worse
FORMS = ("binarization", "scaling")  # the third, fusion, is the main cell
LOWEST: list[Json] = [0.05, 0.1]  # bounds of figure 3d
HIGHEST: list[Json] = [0.35, 0.4]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim: what the paper says and shows, and its parts on a log.

    `study` makes the runs that it needs. `beside` are comparisons that a reader should see next to
    it, though they decide nothing. A claim without `parts` cannot be tested here, and `paper` says
    why.
    """

    name: str
    text: str
    where: str
    paper: str
    study: str = "main"
    parts: Callable[[Evidence], list[Part]] | None = None
    beside: Callable[[Evidence], list[Part]] | None = None


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


def _all_beat_the_backbone(evidence: Evidence) -> list[Part]:
    pairs = _pairs(evidence, (*INDIVIDUAL, *GENERATED), (BASELINE,))
    return [_between(evidence, *pair) for pair in pairs]


def _generated_beat_individual(evidence: Evidence) -> list[Part]:
    return [_between(evidence, *pair) for pair in _pairs(evidence, GENERATED, INDIVIDUAL)]


def _adasparse_is_best(evidence: Evidence) -> list[Part]:
    pairs = _pairs(evidence, (OWN,), (BASELINE, *INDIVIDUAL, "apg"))
    return [_between(evidence, *pair) for pair in pairs]


def _controls(evidence: Evidence) -> list[Part]:
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


def _forms_in_order(evidence: Evidence) -> list[Part]:
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


def _rises_and_falls(evidence: Evidence) -> list[Part]:
    """The paper's own bounds are above the lowest, and above the highest, of those tried."""
    backbone = next(iter(evidence.backbones()), "")
    main = evidence.subject(backbone, OWN)
    others = [_pinned(evidence, backbone, {"sparsity_bounds": b}) for b in (LOWEST, HIGHEST)]
    return [evidence.gap(main, other, "auc", needs="the study sparsity") for other in others]


def _sparse_is_about_the_base(evidence: Evidence) -> list[Part]:
    backbone = next(iter(evidence.backbones()), "")
    sparse = _pinned(evidence, backbone, {"sparsity_bounds": HIGHEST})
    plain = evidence.subject(backbone, BASELINE)
    return [evidence.gap(sparse, plain, "auc", expected="equal", needs="the study sparsity")]


def _dcnv2_by_size(evidence: Evidence) -> list[Part]:
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


def _apg_converges_later(evidence: Evidence) -> list[Part]:
    """The optimiser step of the kept checkpoint, later in APG than in AdaSparse."""
    return [
        Part(
            label=f"kept step of {left.title} \N{MINUS SIGN} that of {right.title}, in epochs",
            measure=evidence.by_seed(left, right, evidence.kept_epoch),
            unit="epochs",
            needs="two seeds or more of APG and AdaSparse",
        )
        for left, right in (
            (evidence.subject(backbone, "apg"), evidence.subject(backbone, OWN))
            for backbone in evidence.backbones()
        )
    ]


CLAIMS = (
    Claim(
        name="all_beat_backbone",
        text="All multi-domain methods are better than their backbone.",
        where="section 4.2, table 1",
        paper="AUC +0.0025 to +0.0101, GAUC +0.0021 to +0.0187; but the LogLoss of DCNv2 +MAML on"
        " the production log is worse than that of DCNv2",
        parts=_all_beat_the_backbone,
    ),
    Claim(
        name="generated_beat_individual",
        text="Generated parameters (APG, AdaSparse) are better than individual ones (MAML, STAR).",
        where="section 4.2, table 1",
        paper="AUC +0.0019 to +0.0076",
        parts=_generated_beat_individual,
        beside=_controls,
    ),
    Claim(
        name="adasparse_best",
        text="AdaSparse is better than all competitors.",
        where="section 4.2, table 1",
        paper="AUC and GAUC above the second best, APG, by +0.0019 to +0.0031, p < 0.05 by a test"
        " that is not named",
        parts=_adasparse_is_best,
        beside=_controls,
    ),
    Claim(
        name="forms",
        text="Fusion > Binarization > Scaling > DNN.",
        where="section 4.2, table 2",
        paper="AUC 0.7359 > 0.7355 > 0.7334 > 0.7266, on the production log and DNN alone",
        study="formulations",
        parts=_forms_in_order,
        beside=_controls,
    ),
    Claim(
        name="masks",
        text="Similar domains share masks, different ones do not.",
        where="section 4.3.1, figure 3a",
        paper="a drawing of three domains",
        study="masks",
        parts=claims_of_domains.similar_domains_share_masks,
    ),
    Claim(
        name="head_gains",
        text="All methods gain on the top domains, bins 1 to 3.",
        where="section 4.3.1, figure 3b",
        paper="a drawing",
        parts=claims_of_domains.all_gain_on_the_head,
    ),
    Claim(
        name="tail_gains",
        text="On the long tail, bins 4 and 5, only AdaSparse and MAML gain.",
        where="section 4.3.1, figure 3b",
        paper="a drawing; MAML has one column for tasks, AdaSparse all",
        parts=claims_of_domains.adasparse_and_maml_gain_on_the_tail,
        beside=_controls,
    ),
    Claim(
        name="star_crossover",
        text="STAR is slightly ahead of AdaSparse with few domains, and behind with many.",
        where="section 4.3.2, figure 3c",
        paper="a drawing; footnote 4 says that STAR cannot be used for thousands of domains",
        study="partitions",
        parts=claims_of_domains.star_leads_with_few_domains,
        beside=_controls,
    ),
    Claim(
        name="finer_helps",
        text="Finer partitions help AdaSparse.",
        where="section 4.3.2, figure 3c",
        paper="a drawing",
        study="partitions",
        parts=claims_of_domains.finer_helps,
    ),
    Claim(
        name="too_fine_hurts",
        text="Too fine a partition hurts.",
        where="section 4.3.2, figure 3c",
        paper="a drawing",
        study="partitions",
        parts=claims_of_domains.too_fine_hurts,
    ),
    Claim(
        name="sparsity_peak",
        text="Quality rises and then falls as more is pruned.",
        where="section 4.3.3, figure 3d",
        paper="a drawing",
        study="sparsity",
        parts=_rises_and_falls,
    ),
    Claim(
        name="sparse_as_base",
        text="With bounds [0.35, 0.40] AdaSparse is about as good as the backbone.",
        where="section 4.3.3, figure 3d",
        paper="almost the same performance as the base DNN",
        study="sparsity",
        parts=_sparse_is_about_the_base,
    ),
    Claim(
        name="cheaper",
        text="AdaSparse needs less computation and much less memory than individual parameters.",
        where="abstract, section 3.1.3",
        paper="O(.) alone: no time, parameter or operation count is printed",
        study="cost",
        parts=claims_of_cost.cheaper_than_individual,
    ),
    Claim(
        name="individual_impractical",
        text="Individual parameters cannot be used for thousands of domains.",
        where="footnote 4",
        paper="a statement",
        study="cost",
        parts=claims_of_cost.individual_impractical,
    ),
    Claim(
        name="dcnv2_by_size",
        text="DCNv2 is better than DNN on the large log, and worse on the small one.",
        where="section 4.2, table 1",
        paper="AUC +0.0016 and \N{MINUS SIGN}0.0009; GAUC +0.0015 and +0.0001",
        parts=_dcnv2_by_size,
    ),
    Claim(
        name="hard_to_converge",
        text="Models that generate many parameters are hard to converge.",
        where="section 1",
        paper="a statement",
        parts=_apg_converges_later,
    ),
    Claim(
        name="online",
        text="Online, AdaSparse raises CTR by 4.63%, lowers CPC by 3.82%, and lifts 90% of the"
        " domains.",
        where="section 4.4",
        paper="ten days of live traffic, which no log can repeat; the offline analogues are the"
        " tables of domains and of the simulated A/B test",
    ),
)
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
