"""The claims of the AdaSparse paper, each broken into the differences that it is judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.claims import cost, domains, methods, sparsity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reports.claims.evidence import Evidence
    from reports.claims.verdicts import Part

    Parts = Callable[[Evidence], list[Part]]

PARTS: Mapping[str, Parts] = {  # of the claims of the analysis plan; without any it is not testable
    "all_beat_backbone": methods.all_beat_the_backbone,
    "generated_beat_individual": methods.generated_beat_individual,
    "adasparse_best": methods.adasparse_is_best,
    "forms": methods.forms_help_and_fusion_most,
    "masks": domains.similar_domains_share_masks,
    "head_gains": domains.all_gain_on_the_head,
    "tail_gains": domains.adasparse_and_maml_gain_on_the_tail,
    "best_in_every_bin": domains.adasparse_is_best_in_every_bin,
    "small_domains": domains.adasparse_gains_on_small_domains,
    "star_crossover": domains.star_leads_with_few_domains,
    "finer_helps": domains.finer_helps,
    "too_fine_hurts": domains.too_fine_hurts,
    "band_reached": sparsity.band_is_reached,
    "l1_misses": sparsity.l1_misses_the_band,
    "sparsity_peak": sparsity.rises_and_falls,
    "sparse_as_base": sparsity.sparse_is_about_the_base,
    "cheaper": cost.cheaper,
    "individual_impractical": cost.individual_impractical,
    "dcnv2_by_size": methods.dcnv2_by_size,
    "generated_harm": methods.generated_parameters_harm,
}
BESIDE: Mapping[str, Parts] = {  # what a reader should see next to a claim
    "controls": methods.controls,
    "fusion": domains.fusion_masks,
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
