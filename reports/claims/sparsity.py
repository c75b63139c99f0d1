"""The parts of the claims on sparsity ratios and their bounds (AdaSparse, 3.2 and 4.3.3)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from benchmark.config import OWN
from reports.analysis.differences import independent, rows_of
from reports.analysis.sparsity import band_margins, reached
from reports.claims.evidence import absent, blocked_by
from reports.claims.verdicts import Part
from reports.reading.keys import CELL, MODEL
from reports.reading.names import BASELINE
from reports.statistics.paired_tests import paired_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmark.config import Json
    from reports.claims.evidence import Evidence

BOUNDS = "the study sparsity"
LOWEST: list[Json] = [0.05, 0.1]  # bounds of figure 3d
HIGHEST: list[Json] = [0.35, 0.4]
RATIO = "ratio"  # the unit of sparsity ratios


def rises_and_falls(evidence: Evidence) -> list[Part]:
    """The paper's own bounds are above the lowest, and above the highest, of those tried."""
    backbone = next(iter(evidence.backbones()), "")
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
    backbone = next(iter(evidence.backbones()), "")
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


def band_is_reached(evidence: Evidence) -> list[Part]:
    """All layers within the bounds, of the main cell and of all bounds that were tried."""
    found = _ratios(evidence, "sparsity", "inside of its bounds", 1.0, lambda _pins: True)
    return found or [Part(label="bounds of the ratio", measure=absent, needs=BOUNDS)]


def l1_misses_the_band(evidence: Evidence) -> list[Part]:
    """A layer outside of the bounds, with every weight of the l1 norm that was tried."""

    def is_l1(pins: Mapping[str, Json]) -> bool:
        return pins.get("penalty") == "l1"

    found = _ratios(evidence, "ablations", "outside of its bounds", -1.0, is_l1)
    return found or [Part(label="l1 norm", measure=absent, needs="the study ablations")]


def _ratios(
    evidence: Evidence,
    study: str,
    words: str,
    sign: float,
    is_wanted: Callable[[Mapping[str, Json]], bool],
) -> list[Part]:
    """Distances of the ratios of a study's AdaSparse cells inside of their bounds, times `sign`.

    The cells are those on the first backbone whose pinned hyper-parameters are wanted.
    """
    runs, backbone = evidence.runs.study(study), next(iter(evidence.backbones()), "")
    model = (*evidence.family, backbone, OWN)
    margins, parts = band_margins(runs), []
    for key in dict.fromkeys(
        cell.key for cell in runs.cells if cell.key[:4] == model and is_wanted(cell.config.pinned)
    ):
        own = rows_of(margins, dict(zip(CELL, key, strict=True))).set_index("draw")["inside"]
        subject = evidence.of_cell(key)
        parts.append(
            Part(
                label=f"sparsity ratio of {subject.title}, {words}",
                measure=partial(paired_interval, independent(sign * own)),
                unit=RATIO,
                needs="two seeds or more whose ratios differ",
                blocked=blocked_by(subject),
                replicates=evidence.replicates,
            )
        )
    return parts
