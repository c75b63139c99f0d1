"""The neurons that AdaSparse prunes in each domain."""

from __future__ import annotations

from benchmark.config import OWN
from benchmark.planning.studies._study import Change, Study

STUDY = Study(
    order=5,
    summary="which neurons AdaSparse prunes where, and on labels permuted within domains (Fig. 3a)",
    changes=(
        Change(method=OWN, pinned={"form": "binarization"}),
        Change(method=OWN, pinned={"form": "binarization"}, labels="permuted"),
        Change(method=OWN, labels="permuted"),
    ),
)
