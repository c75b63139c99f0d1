"""Methods with one part changed at a time."""

from __future__ import annotations

from benchmark.config import OWN
from benchmark.planning.studies._study import Change, Study

STUDY = Study(
    order=7,
    summary="AdaSparse, STAR and APG with one part changed at a time",
    changes=(
        Change(method=OWN, pinned={"alpha_start": 5.0, "alpha_max": 5.0}),
        Change(method=OWN, pinned={"penalty": "l1"}),
        Change(method=OWN, pinned={"penalty": "l1", "penalty_weight_max": 0.1}),
        Change(method=OWN, pinned={"penalty": "l1", "penalty_weight_max": 0.01}),
        Change(method=OWN, pinned={"straight_through": "pass"}),
        Change(method=OWN, pinned={"straight_through": "none"}),
        Change(method=OWN, pinned={"r_scope": "domain"}),
        Change(method=OWN, pinned={"prune_input": False}),
        Change(method=OWN, pinned={"pruner_input": "e_d"}),
        Change(method="apg", pinned={"condition": "e_d"}),
        Change(method="star", pinned={"partitioned_norm": False}),
    ),
)
