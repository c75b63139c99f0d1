"""Other settings of the protocol."""

from __future__ import annotations

from benchmark.planning.studies._study import Study

STUDY = Study(
    order=8,
    summary="whether the order of methods is another under other settings of the protocol, on"
    " shuffled rows and in other periods of time",
    has_settings=True,
)
