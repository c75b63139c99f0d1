"""Every method on every backbone."""

from __future__ import annotations

from benchmark.planning.studies._study import Study

STUDY = Study(order=1, summary="every method on every backbone (Table 1)")
