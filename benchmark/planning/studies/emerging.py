"""Domains with few train rows."""

from __future__ import annotations

from benchmark.planning.studies._study import Study

STUDY = Study(
    order=12, summary="every method on domains with no, few and many train rows; the cells of main"
)
