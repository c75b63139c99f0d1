"""The cost of methods."""

from __future__ import annotations

from benchmark.planning.studies._study import Study

STUDY = Study(order=9, summary="what every method costs in parameters and time; the cells of main")
