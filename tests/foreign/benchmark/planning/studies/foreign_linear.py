"""STAR without its auxiliary network's domain alone."""

from __future__ import annotations

from benchmark.planning.studies import Change, Study

STUDY = Study(
    summary="STAR whose auxiliary network reads all embeddings",
    changes=(Change(method="star", pinned={"auxiliary_input": "all"}),),
)
