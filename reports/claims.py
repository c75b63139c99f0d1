"""The claims of the AdaSparse paper, each broken into the differences that it is judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports import claims_of_cost, claims_of_domains, claims_of_methods

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.evidence import Evidence, Part


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


CLAIMS = (
    Claim(
        name="all_beat_backbone",
        text="All multi-domain methods are better than their backbone.",
        where="section 4.2, table 1",
        paper="AUC +0.0025 to +0.0101, GAUC +0.0021 to +0.0187; but the LogLoss of DCNv2 +MAML on"
        " the production log is worse than that of DCNv2",
        parts=claims_of_methods.all_beat_the_backbone,
    ),
    Claim(
        name="generated_beat_individual",
        text="Generated parameters (APG, AdaSparse) are better than individual ones (MAML, STAR).",
        where="section 4.2, table 1",
        paper="AUC +0.0019 to +0.0076",
        parts=claims_of_methods.generated_beat_individual,
        beside=claims_of_methods.controls,
    ),
    Claim(
        name="adasparse_best",
        text="AdaSparse is better than all competitors.",
        where="section 4.2, table 1",
        paper="AUC and GAUC above the second best, APG, by +0.0019 to +0.0031, p < 0.05 by a test"
        " that is not named",
        parts=claims_of_methods.adasparse_is_best,
        beside=claims_of_methods.controls,
    ),
    Claim(
        name="forms",
        text="Binarization, Scaling and Fusion are each better than DNN, and Fusion is the best.",
        where="section 4.2, table 2",
        paper="AUC 0.7359 > 0.7355 > 0.7334 > 0.7266, on the production log and DNN alone",
        study="formulations",
        parts=claims_of_methods.forms_help_and_fusion_most,
        beside=claims_of_methods.controls,
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
        text="On the long tail, bins 4 and 5, only AdaSparse and MAML still gain by a large"
        " margin.",
        where="section 4.3.1, figure 3b",
        paper="a drawing; MAML has one column for tasks, AdaSparse all",
        parts=claims_of_domains.adasparse_and_maml_gain_on_the_tail,
        beside=claims_of_methods.controls,
    ),
    Claim(
        name="best_in_every_bin",
        text="AdaSparse has the best generalization across all domains, bins 1 to 5.",
        where="section 4.3.1, figure 3b",
        paper="a drawing",
        parts=claims_of_domains.adasparse_is_best_in_every_bin,
        beside=claims_of_methods.controls,
    ),
    Claim(
        name="star_crossover",
        text="STAR is slightly ahead of AdaSparse with few domains, and behind with many.",
        where="section 4.3.2, figure 3c",
        paper="a drawing; footnote 4 says that STAR cannot be used for thousands of domains",
        study="partitions",
        parts=claims_of_domains.star_leads_with_few_domains,
        beside=claims_of_methods.controls,
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
        parts=claims_of_methods.rises_and_falls,
    ),
    Claim(
        name="sparse_as_base",
        text="With bounds [0.35, 0.40] AdaSparse is about as good as the backbone.",
        where="section 4.3.3, figure 3d",
        paper="almost the same performance as the base DNN",
        study="sparsity",
        parts=claims_of_methods.sparse_is_about_the_base,
    ),
    Claim(
        name="cheaper",
        text="AdaSparse needs less computation than STAR and APG, and much less memory than"
        " individual parameters.",
        where="abstract, section 3.1.3",
        paper="O(.) alone: no time, parameter or operation count is printed",
        study="cost",
        parts=claims_of_cost.cheaper,
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
        parts=claims_of_methods.dcnv2_by_size,
    ),
    Claim(
        name="generated_harm",
        text="Generating a large number of parameters, as APG does, harms generalization.",
        where="section 1",
        paper="a statement; its own table 1 has APG above every backbone",
        parts=claims_of_methods.generated_parameters_harm,
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
