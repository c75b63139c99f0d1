"""Domain awareness or capacity."""

from __future__ import annotations

from benchmark.config import OWN
from benchmark.planning.studies._study import Change, Study

STUDY = Study(
    order=6,
    summary="whether gains come from domain awareness or from capacity alone, and from which"
    " domains a method sees",
    changes=(
        Change(method=OWN, num_columns=1),
        Change(method="apg", num_columns=1),
        Change(method="star", ids="partition_as_task"),
        Change(method="maml", ids="partition_as_task"),
    ),
    has_blind_controls=True,
    has_placebos=True,
    has_matched=True,
)
