"""Makes what MLflow holds of a data set equal to what the store holds.

A run is whole once its status is a final one: what a killed process left unfinished, or what has
changed in the store since, is deleted and made anew.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from benchmark.store.sealed import RecordError
from benchmark.tracking.content import flat
from benchmark.tracking.model import log_model
from benchmark.tracking.runs import nameable
from datasets.files import file_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.config import RunConfig
    from benchmark.store.records import RunStore
    from benchmark.tracking.children import Child
    from benchmark.tracking.content import Parent
    from benchmark.tracking.runs import Runs

logger = logging.getLogger(__name__)

ENDED = ("FINISHED", "FAILED")
SEAL, WINNER = "seal", "winner"  # tags
REPORT = "report"  # key and name of the run that holds it


class Mirror:
    """One data set in the store, and its runs in MLflow."""

    def __init__(self, store: RunStore, runs: Runs) -> None:
        self.store = store
        self.runs = runs

    def sync(self, parents: Sequence[Parent], winner: Child | None) -> None:
        """Import what is new, and bring what has grown up to date."""
        for parent in parents:
            run_id = self._parent(parent)
            for child in parent.children:
                self._child(run_id, child)
            self._drop_superseded(run_id, parent)
            self._renew(parent)
        self._report()
        if winner:
            self._winner(winner)

    def _parent(self, parent: Parent) -> str:
        """The id of a parent's run, made if there is none."""
        run = self.runs.by_key.get(parent.key)
        if run:
            return str(run.info.run_id)
        started = min(child.started for child in parent.children)
        run_id = self.runs.create(parent.key, parent.name, started, parent.tags).info.run_id
        self.runs.log(run_id, [], started, parent.params)
        self._log_dataset(run_id, parent.config)
        return str(run_id)

    def _child(self, parent_id: str, child: Child) -> None:
        """Import a child unless it is there as it is."""
        run = self.runs.by_key.get(child.key)
        tags = {**child.tags, SEAL: child.seal, MLFLOW_PARENT_RUN_ID: parent_id}
        if run:
            is_whole = run.info.status in ENDED
            if is_whole and all(
                run.data.tags.get(n) == tags[n] for n in (SEAL, MLFLOW_PARENT_RUN_ID)
            ):
                self.runs.renew_tags(run, tags)
                return
            self.runs.delete(child.key)
        try:
            if child.is_final and not child.is_failed:
                self.store.read(child.path)  # checks the digests of its files
        except RecordError as error:
            logger.warning("not imported into MLflow: %s", error)
            return
        run = self.runs.create(child.key, child.name, child.started, tags)
        run_id = run.info.run_id
        points = [*((name, value, 0) for name, value in child.metrics.items()), *child.history()]
        self.runs.log(run_id, points, child.ended, flat(child.config.to_json()))
        self._log_dataset(run_id, child.config)
        self.runs.keep(run, child.files())
        self.runs.end(run_id, "FAILED" if child.is_failed else "FINISHED", child.ended)

    def _log_dataset(self, run_id: str, config: RunConfig) -> None:
        fingerprint = config.data_fingerprint
        folder = self.store.data_folder(fingerprint)
        self.runs.log_dataset(run_id, config.dataset, fingerprint, folder)

    def _drop_superseded(self, parent_id: str, parent: Parent) -> None:
        """Delete the trials of a search that another one has replaced."""
        if not parent.search:
            return
        for key, run in list(self.runs.by_key.items()):
            tags = run.data.tags
            search = tags.get("search", parent.search)
            if tags.get(MLFLOW_PARENT_RUN_ID) == parent_id and search != parent.search:
                self.runs.delete(key)

    def _renew(self, parent: Parent) -> None:
        """Renew a parent's tags, metrics and status where they differ."""
        run = self.runs.by_key[parent.key]
        run_id, stored = run.info.run_id, run.data.metrics
        self.runs.renew_tags(run, parent.tags)
        changed = [
            (name, value, 0)
            for name, value in parent.metrics.items()
            if not _same(stored.get(nameable(name)), value)
        ]
        self.runs.log(run_id, changed, time.time(), {})
        if parent.status == "RUNNING":
            if run.info.status != "RUNNING":
                self.runs.client.update_run(run_id, status="RUNNING")
        elif changed or run.info.status != parent.status:
            ended = max(child.ended for child in parent.children)
            self.runs.end(run_id, parent.status, ended)

    def _report(self) -> None:
        """Keep the report in a run of its own: it is of all cells, and is written anew at times."""
        path = self.store.out / "report" / "index.html"
        if not path.is_file():
            return
        digest, run = file_digest(path), self.runs.by_key.get(REPORT)
        if run and run.data.tags.get(SEAL) == digest:
            return
        written = path.stat().st_mtime
        tags = {"stage": REPORT}
        run = run or self.runs.create(REPORT, REPORT, written, tags)
        self.runs.keep(run, [path])
        self.runs.client.set_tag(run.info.run_id, SEAL, digest)
        self.runs.end(run.info.run_id, "FINISHED", written)

    def _winner(self, child: Child) -> None:
        """Keep the winner as a model of its run, and mark that run alone."""
        client, by_key = self.runs.client, self.runs.by_key
        for key, other in by_key.items():
            if key != child.key and other.data.tags.get(WINNER) == "true":
                client.set_tag(other.info.run_id, WINNER, "false")
        run = by_key.get(child.key)  # absent if its files cannot be trusted
        mark = run and run.data.tags.get(WINNER)
        if run is None or mark == "true":
            return
        if mark == "false" or log_model(client, run, self.store, child):
            client.set_tag(run.info.run_id, WINNER, "true")


def _same(stored: float | None, value: float) -> bool:
    return stored is not None and (stored == value or (math.isnan(stored) and math.isnan(value)))
