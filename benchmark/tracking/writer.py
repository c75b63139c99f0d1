"""Makes the runs of a data set in MLflow equal to those of the store.

A run is found by its tag `key`. One below a cell is whole once its status is a final one: what a
killed process left unfinished, or what has changed in the store since, is deleted and made anew.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    Metric,
    Param,
    RunTag,
)
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from benchmark.store.files import RecordError
from benchmark.tracking.cells import MEASURED, SEAL
from benchmark.tracking.model import log_model, logged_model, register
from datasets.files import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlflow.entities import Run

    from benchmark.store.records import RunStore
    from benchmark.tracking.cells import Point, ShownCell, ShownRun

logger = logging.getLogger(__name__)

ENDED = ("FINISHED", "FAILED")
KEY, ORIGIN, WINNER = "key", "origin", "winner"  # tags
REPORT = "report"  # key and name of the run that holds it
DESCRIPTION = """\
{source}

A run is a cell: a model, with what a study changes of it. Below it are the trials of its search
(`tags.stage = 'tune'`) and its final seeds (`tags.stage = 'final'`).

- `dev/...` and `test/...` are metrics of the checkpoint that is kept; of a cell, their mean and
  deviation over seeds. `.../by_seed` are the seeds one after the other.
- `curve/...` are the scores during training, `schedule/...` the values of a method's schedules.
- `tags.winner = 'true'` is the model with the best mean dev AUC; the run `report` holds the report.
"""
DIGEST_LENGTH = 36  # of a data set, at most
UNNAMEABLE = re.compile(r"[^\w\-. :/]")


class Writer:
    """Writes the runs of one output folder into the experiment of a data set.

    `source` says what the data set is. MLflow's address is the one that `mlflow.set_tracking_uri`
    was given. `artifacts` is the local
    folder of artifacts, None if a server keeps them. `origin` tells the runs of this folder from
    those that others sent to the same server, empty if there are none.
    """

    def __init__(
        self, store: RunStore, dataset: str, source: str, *, artifacts: Path | None, origin: str
    ) -> None:
        self.store = store
        self.is_local = artifacts is not None
        self.origin = {ORIGIN: origin} if origin else {}
        self.client = mlflow.MlflowClient()
        location = (artifacts / dataset).as_uri() if artifacts else None
        self.experiment_id = self._experiment(dataset, location, DESCRIPTION.format(source=source))
        found = mlflow.search_runs([self.experiment_id], output_format="list")
        self.runs = {
            run.data.tags[KEY]: run
            for run in found
            if KEY in run.data.tags and run.data.tags.get(ORIGIN, "") == origin
        }

    def sync(self, cells: Iterable[ShownCell], winner: ShownRun | None) -> None:
        """Write what is new, and bring what has grown up to date."""
        for cell in cells:
            run_id = self._write_cell(cell.run)
            for child in cell.children:
                self._write_child(child, run_id)
            self._drop_replaced_trials(cell, run_id)
        self._write_report()
        self._mark_winner(winner)

    def _experiment(self, name: str, location: str | None, note: str) -> str:
        """The id of an experiment, made if there is none, restored if it was deleted."""
        tags, found = {MLFLOW_RUN_NOTE: note}, self.client.get_experiment_by_name(name)
        if found is None:
            return self.client.create_experiment(name, artifact_location=location, tags=tags)
        if tags.items() - found.tags.items():
            self.client.set_experiment_tag(found.experiment_id, MLFLOW_RUN_NOTE, note)
        if found.lifecycle_stage == LifecycleStage.DELETED:
            self.client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def _write_cell(self, shown: ShownRun) -> str:
        """Make the run of a cell, or renew its tags, metrics and status; its id."""
        run = self.runs.get(shown.key)
        if run is None:
            return self._create(shown, shown.tags)
        run_id, differing = str(run.info.run_id), _differing(run, shown.tags)
        self._rename(run, shown.name)
        points = shown.points() if SEAL in differing else ()
        self._log(run_id, time.time(), points, tags=differing)
        if shown.status == "RUNNING":
            if run.info.status != "RUNNING":
                self.client.update_run(run_id, status="RUNNING")
        elif SEAL in differing or run.info.status != shown.status:
            self._end(run_id, shown.status, shown.ended)
        return run_id

    def _write_child(self, shown: ShownRun, parent_id: str) -> None:
        """Make a run below a cell unless it is there as it is."""
        tags = {**shown.tags, MLFLOW_PARENT_RUN_ID: parent_id}
        run = self.runs.get(shown.key)
        if run:
            differing = _differing(run, tags)
            if run.info.status in ENDED and not {SEAL, MLFLOW_PARENT_RUN_ID} & differing.keys():
                if MEASURED in differing:
                    self._keep(run, shown.files)
                self._log(run.info.run_id, time.time(), (), tags=differing)
                self._rename(run, shown.name)
                return
            self._delete(shown.key)
        try:
            if shown.is_final:
                self.store.read_run(shown.config)  # checks the digests of its files
        except RecordError as error:
            logger.warning("not imported into MLflow: %s", error)
            return
        self._create(shown, tags)

    def _create(self, shown: ShownRun, tags: Mapping[str, str]) -> str:
        """Make a run, all of it; its id."""
        run = self._start(shown.key, shown.name, shown.started, tags)
        run_id = str(run.info.run_id)
        self._log(run_id, shown.ended, shown.points(), params=shown.params)
        self._log_dataset(run_id, shown)
        self._keep(run, shown.files)
        if shown.status != "RUNNING":
            self._end(run_id, shown.status, shown.ended)
        return run_id

    def _start(self, key: str, name: str, started: float, tags: Mapping[str, str]) -> Run:
        run = self.runs[key] = self.client.create_run(
            self.experiment_id,
            run_name=name,
            start_time=_milliseconds(started),
            tags={**tags, **self.origin, KEY: key},
        )
        return run

    def _rename(self, run: Run, name: str) -> None:
        """Give a run the name that it has now: cells on other domains make names longer."""
        if run.info.run_name != name:
            self.client.update_run(run.info.run_id, name=name)

    def _end(self, run_id: str, status: str, ended: float) -> None:
        """Give a run its final status; until then it counts as unfinished."""
        self.client.set_terminated(run_id, status, _milliseconds(ended))

    def _delete(self, key: str) -> None:
        """Put a run into MLflow's bin."""
        self.client.delete_run(self.runs.pop(key).info.run_id)

    def _log(
        self,
        run_id: str,
        moment: float,
        points: Iterable[Point],
        *,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log metrics as of one moment, the latest of which is shown, parameters and tags."""
        stamp = _milliseconds(moment)
        self.client.log_batch(
            run_id,
            [Metric(nameable(name), value, stamp, step) for name, value, step in points],
            [Param(nameable(name), value) for name, value in (params or {}).items()],
            [RunTag(name, value) for name, value in (tags or {}).items()],
        )

    def _log_dataset(self, run_id: str, shown: ShownRun) -> None:
        """Tie a run to its log, whose digest is the start of the prepared data's fingerprint."""
        fingerprint = shown.config.data_fingerprint
        folder = self.store.data_folder(fingerprint).resolve()
        dataset = Dataset(
            name=shown.config.dataset,
            digest=fingerprint[:DIGEST_LENGTH],
            source_type="local",
            source=json.dumps({"uri": str(folder)}),
        )
        tags = [InputTag(MLFLOW_DATASET_CONTEXT, "training")]
        self.client.log_inputs(run_id, datasets=[DatasetInput(dataset, tags)])

    def _keep(self, run: Run, paths: Iterable[Path]) -> None:
        """Make files artifacts; on the same disk they take no space of their own."""
        for path in paths:
            if self.is_local:
                _link(path, Path(local_file_uri_to_path(run.info.artifact_uri)) / path.name)
            else:
                self.client.log_artifact(run.info.run_id, str(path))

    def _drop_replaced_trials(self, cell: ShownCell, run_id: str) -> None:
        """Delete the trials of a search that another one has replaced."""
        trials = {child.key for child in cell.children if child.tags["stage"] == "tune"}
        for key, run in list(self.runs.items()):
            tags = run.data.tags
            is_trial = tags.get(MLFLOW_PARENT_RUN_ID) == run_id and tags["stage"] == "tune"
            if trials and is_trial and key not in trials:
                self._delete(key)

    def _write_report(self) -> None:
        """Keep the report in a run of its own: it is of all cells, and is written anew at times."""
        path = self.store.out / "report" / "index.html"
        if not path.is_file():
            return
        digest, run = file_digest(path), self.runs.get(REPORT)
        if run:
            if run.info.status in ENDED and run.data.tags.get(SEAL) == digest:
                return
            self._delete(REPORT)
        written = path.stat().st_mtime
        run = self._start(REPORT, REPORT, written, {"stage": REPORT, SEAL: digest})
        self._keep(run, [path])
        self._end(run.info.run_id, "FINISHED", written)

    def _mark_winner(self, winner: ShownRun | None) -> None:
        """Keep the winner as a model of its run, register it, and mark that run alone."""
        if winner is None:
            return
        for key, other in self.runs.items():
            if key != winner.key and other.data.tags.get(WINNER) == "true":
                self.client.set_tag(other.info.run_id, WINNER, "false")
        run = self.runs.get(winner.key)  # absent if its files cannot be trusted
        mark = run and run.data.tags.get(WINNER)
        if run is None or mark == "true":
            return
        model_id = logged_model(self.client, run) if mark else None
        model_id = model_id or log_model(self.client, run, self.store, winner)
        if model_id:
            register(self.client, winner.config.dataset, model_id, run)
            self.client.set_tag(run.info.run_id, WINNER, "true")


def nameable(name: str) -> str:
    """A name that MLflow takes."""
    return UNNAMEABLE.sub("_", name)


def _differing(run: Run, tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that a run has not."""
    return {name: value for name, value in tags.items() if run.data.tags.get(name) != value}


def _link(path: Path, target: Path) -> None:
    """A second name of a file, or a copy on a disk without links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _milliseconds(seconds: float) -> int:
    return int(1000 * seconds)
