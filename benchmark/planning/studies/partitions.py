"""Ever finer domains."""

from __future__ import annotations

from benchmark.planning.studies._study import Study

STUDY = Study(
    order=3,
    summary="every method with ever finer domains, one column after the other (Fig. 3c)",
    is_nested=True,
)
