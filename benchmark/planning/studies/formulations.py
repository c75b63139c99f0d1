"""The forms of AdaSparse's weighting factors."""

from __future__ import annotations

from benchmark.config import OWN
from benchmark.planning.studies._study import Change, Study

STUDY = Study(
    order=2,
    summary="AdaSparse's three forms of weighting factors (Table 2)",
    changes=(
        Change(method=OWN, pinned={"form": "binarization"}),
        Change(method=OWN, pinned={"form": "scaling"}),
    ),
)
