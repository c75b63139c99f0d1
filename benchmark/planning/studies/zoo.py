"""All methods in one table, with their controls."""

from __future__ import annotations

from benchmark.planning.studies._study import Study

STUDY = Study(
    order=15,
    summary="every method there is, or those of --methods, on every backbone, ranked beside their"
    " controls and the references (the leaderboard); only where --only names it",
    beside=("main", "controls", "references"),
)
