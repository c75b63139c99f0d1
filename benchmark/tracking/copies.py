"""The copies of the store for browsing: MLflow's runs and Optuna's journals.

A copy that fails is a line, never a failed cell: the run folders are what counts.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from benchmark.tracking.database import DATABASE
from benchmark.tracking.tracker import Tracker, check

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.store.plan import Plan

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 120.0  # between two imports into MLflow while the grid runs


class Copies:
    """MLflow, unless it is not wanted, and the journals of one output folder."""

    def __init__(self, out: Path, uri: str | None, *, has_mlflow: bool) -> None:
        """Find out whether a server answers, if one is named.

        Raises:
            ConfigError: it does not.
        """
        self._out, self._uri = out, uri
        self._tracker = Tracker(out, uri) if has_mlflow else None
        self._last = time.monotonic()
        if uri and has_mlflow:
            check(uri)

    def update(self, plan: Plan) -> None:
        """Import what is new into MLflow, now and then."""
        if time.monotonic() - self._last >= PERIOD_SECONDS:
            self._sync(plan)
            self._last = time.monotonic()

    def finish(self, plan: Plan) -> None:
        """Bring all copies up to date."""
        self._sync(plan)
        if plan.searches:
            from benchmark.tuning.sampler import write_journals  # optuna is slow to import

            try:
                write_journals(self._out, plan)
            except OSError as error:
                logger.warning("no Optuna journals: %s; the runs are complete without them", error)

    @property
    def hint(self) -> str:
        """How to browse the runs; empty without MLflow."""
        if not self._tracker:
            return ""
        uri = self._uri or f"sqlite:///{self._out / DATABASE}"
        return f"browse: mlflow ui --backend-store-uri {uri} (takes about 20 s to start)"

    def _sync(self, plan: Plan) -> None:
        """Import what is new; after a problem, which is logged once, nothing more is tried."""
        problem = self._tracker.try_sync(plan) if self._tracker else ""
        if problem:
            logger.warning(
                "%s; the runs are complete without it. Later: python -m benchmark.tracking --sync"
                " --out %s",
                problem,
                self._out,
            )
            self._tracker = None
