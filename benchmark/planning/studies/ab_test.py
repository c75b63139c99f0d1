"""A simulated A/B test."""

from __future__ import annotations

from benchmark.planning.studies._study import Study

STUDY = Study(
    order=13, summary="a simulated A/B test on generated logs; the cells of main", needs_truth=True
)
