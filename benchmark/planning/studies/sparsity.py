"""Other bounds of AdaSparse's sparsity ratio."""

from __future__ import annotations

from benchmark.config import OWN, Json
from benchmark.planning.studies._study import Change, Study

SPARSITY_BOUNDS: tuple[list[Json], ...] = (  # beside AdaSparse's own, 0.15 to 0.25
    [0.05, 0.1],
    [0.1, 0.15],
    [0.25, 0.3],
    [0.3, 0.35],
    [0.35, 0.4],
)

STUDY = Study(
    order=4,
    summary="AdaSparse with other bounds of the sparsity ratio (Fig. 3d)",
    changes=tuple(
        Change(method=OWN, pinned={"sparsity_bounds": bounds}) for bounds in SPARSITY_BOUNDS
    ),
)
