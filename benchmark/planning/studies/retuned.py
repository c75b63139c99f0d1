"""The values of a second search."""

from __future__ import annotations

from benchmark.planning.studies._study import Study

STUDY = Study(
    order=14,
    summary="the cells of main with the values of a second search, where the preset has one",
    is_searched_again=True,
)
