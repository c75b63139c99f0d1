"""Domain awareness or capacity."""

from __future__ import annotations

from benchmark.config import BASELINE, OWN
from benchmark.planning.studies._study import Change, Study

STUDY = Study(
    order=6,
    summary="whether gains come from domain awareness or from capacity alone, and from which"
    " domains a method sees",
    changes=(
        Change(method=BASELINE, match=OWN),
        Change(method=OWN, ids="blind"),
        Change(method=OWN, num_columns=1),
        Change(method="apg", num_columns=1),
        Change(method="star", ids="partition_as_task"),
        Change(method="maml", ids="partition_as_task"),
    ),
    has_placebos=True,
)
