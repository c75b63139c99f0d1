"""The runs of one experiment in MLflow, found by key; a few calls write each of them."""

from __future__ import annotations

import json
import os
import re
import shutil
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

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
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 1000  # runs
MOST_METRICS, MOST_PARAMS = 900, 100  # of one call, which takes 1000 of both
MOST_DIGITS = 36  # of a data set's digest
UNNAMEABLE = re.compile(r"[^\w\-. :/]")
KEY, ORIGIN = "key", "origin"  # tags

MetricPoint = tuple[str, float, int]  # name, value, step


class Runs:
    """The runs that one output folder has in an experiment, by their tag `key`.

    `artifacts` is the local folder of artifacts, None if a server keeps them. `origin` tells the
    runs of this folder from those that others sent to the same server, empty if there are none.
    """

    def __init__(
        self, client: MlflowClient, experiment: str, *, artifacts: Path | None, origin: str
    ) -> None:
        self.client = client
        self.is_local = artifacts is not None
        self.origin = {ORIGIN: origin} if origin else {}
        location = (artifacts / experiment).as_uri() if artifacts else None
        self.experiment_id = _experiment(client, experiment, location)
        self.by_key: dict[str, Run] = {}
        for run in self._search():
            if run.data.tags.get(ORIGIN, "") == origin and KEY in run.data.tags:
                self.by_key[run.data.tags[KEY]] = run

    def create(self, key: str, name: str, started: float, tags: Mapping[str, str]) -> Run:
        """Make a run."""
        run = self.client.create_run(
            self.experiment_id,
            run_name=name,
            start_time=_milliseconds(started),
            tags={**tags, **self.origin, KEY: key},
        )
        self.by_key[key] = run
        return run

    def delete(self, key: str) -> None:
        """Put a run into MLflow's bin."""
        self.client.delete_run(self.by_key.pop(key).info.run_id)

    def end(self, run_id: str, status: str, ended: float) -> None:
        """Give a run its final status; until then it counts as unfinished."""
        self.client.set_terminated(run_id, status, _milliseconds(ended))

    def log(
        self, run_id: str, points: Iterable[MetricPoint], moment: float, params: Mapping[str, str]
    ) -> None:
        """Log values as of one moment, the latest of which is shown, and unchangeable parameters.

        All in as few calls as MLflow allows, for every call has a price.
        """
        stamp = _milliseconds(moment)
        metrics = [Metric(nameable(name), value, stamp, step) for name, value, step in points]
        named = [Param(nameable(name), value) for name, value in params.items()]
        for some_metrics, some_params in zip_longest(
            _parts(metrics, MOST_METRICS), _parts(named, MOST_PARAMS), fillvalue=()
        ):
            self.client.log_batch(run_id, metrics=some_metrics, params=some_params)

    def renew_tags(self, run: Run, tags: Mapping[str, str]) -> None:
        """Set the tags that differ."""
        changed = [
            RunTag(name, value) for name, value in tags.items() if run.data.tags.get(name) != value
        ]
        if changed:
            self.client.log_batch(run.info.run_id, tags=changed)

    def log_dataset(self, run_id: str, name: str, fingerprint: str, folder: Path) -> None:
        """Tie a run to its log, whose digest is the start of the prepared data's fingerprint."""
        source = json.dumps({"uri": str(folder.resolve())})
        digest = fingerprint[:MOST_DIGITS]
        dataset = Dataset(name=name, digest=digest, source_type="local", source=source)
        tags = [InputTag(MLFLOW_DATASET_CONTEXT, "training")]
        self.client.log_inputs(run_id, datasets=[DatasetInput(dataset, tags)])

    def keep(self, run: Run, paths: Iterable[Path]) -> None:
        """Make files artifacts; on the same disk they take no space of their own."""
        if not self.is_local:
            for path in paths:
                self.client.log_artifact(run.info.run_id, str(path))
            return
        folder = Path(local_file_uri_to_path(run.info.artifact_uri))
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            _link(path, folder / path.name)

    def _search(self) -> Iterator[Run]:
        token = None
        while True:
            page = self.client.search_runs([self.experiment_id], max_results=PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def nameable(name: str) -> str:
    """A name that MLflow takes."""
    return UNNAMEABLE.sub("_", name)


def _experiment(client: MlflowClient, name: str, location: str | None) -> str:
    """The id of an experiment, made if there is none, restored if it was deleted."""
    found = client.get_experiment_by_name(name)
    if found is None:
        return str(client.create_experiment(name, artifact_location=location))
    if found.lifecycle_stage == LifecycleStage.DELETED:
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _link(path: Path, target: Path) -> None:
    """A second name of a file, or a copy on a disk without links."""
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _parts(values: Sequence, size: int) -> Iterator[Sequence]:
    return (values[low : low + size] for low in range(0, len(values), size))


def _milliseconds(seconds: float) -> int:
    return int(1000 * seconds)
