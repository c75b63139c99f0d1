"""Worlds whose domains differ in known ways."""

from __future__ import annotations

from benchmark.planning.studies._study import WORLDS, Study

STUDY = Study(
    order=11,
    summary="which method wins in worlds whose domains differ in known ways, and against its"
    " domain-blind control",
    has_blind_controls=True,
    worlds=WORLDS,
)
