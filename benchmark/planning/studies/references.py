"""Models that are no networks."""

from __future__ import annotations

from benchmark.planning.studies._study import Study

STUDY = Study(
    order=10,
    summary="what one would use instead: logistic regression and boosted trees",
    references=("logistic_regression", "boosted_trees"),
)
