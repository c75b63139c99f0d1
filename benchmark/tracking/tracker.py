"""Copies the store into MLflow, for browsing.

An experiment per data set, a run per cell, below it one per trial (tag `stage` is `tune`) and one
per final seed (`final`). Only the process that was started imports MLflow, never a worker.
"""

from __future__ import annotations

import contextlib
import logging
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmark.config import ConfigError
from benchmark.store.files import write_text
from benchmark.store.records import RunStore
from benchmark.tracking.content import parents_of, winners
from benchmark.tracking.database import (
    DATABASE,
    artifact_root,
    database_uri,
    ensure_database,
    set_aside,
    sole_importer,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmark.store.plan import Plan
    from benchmark.tracking.content import Parent

ORIGIN = "mlflow_origin.txt"  # tells the runs of this folder from others on the same server
SETTINGS = {  # of MLflow, read when it is imported or used; what the user has set is kept
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",  # seconds
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # holds no database that was set aside
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "4"}
CHATTY = ("alembic", "mlflow", "urllib3")


class Tracker:
    """The MLflow side of one output folder: its own database, or a server."""

    def __init__(self, out: Path, uri: str | None) -> None:
        """Take an output folder, and the address of a server if its database is not to be used.

        Raises:
            ConfigError: the address is not that of a server.
        """
        if uri is not None:
            _refuse_other_than_server(uri)
        self.out = out
        self.uri = uri

    def sync(self, plan: Plan) -> None:
        """Import all of the plan that is new; what has been imported stays as it is.

        Raises:
            ConfigError: the database is broken, or the server does not answer or refuses.
            OSError: the folder cannot be written.
        """
        if self.uri:
            check(self.uri)
        with sole_importer(self.out):
            self._import(plan)

    def try_sync(self, plan: Plan) -> str:
        """Do the same, but never fail: the problem in one line, empty if there was none."""
        try:
            self.sync(plan)
        except Exception as error:  # whatever MLflow and its libraries raise
            return f"MLflow: {one_line(error)}"
        return ""

    def rebuild(self, plan: Plan) -> Path | None:
        """Make the database of the folder anew; the former one gets the returned name.

        Raises:
            ConfigError: MLflow refuses.
            OSError: the folder cannot be written.
        """
        with sole_importer(self.out):
            former = set_aside(self.out / DATABASE)
            self._import(plan)
        return former

    def _import(self, plan: Plan) -> None:
        parents = parents_of(RunStore(self.out), plan)
        _settle()
        from mlflow.exceptions import MlflowException  # slow to import

        if not self.uri:
            ensure_database(self.out)
        uri = self.uri or database_uri(self.out)
        try:
            self._mirror(uri, parents)
        except MlflowException as error:
            raise ConfigError(f"{uri}: {one_line(error)}") from error

    def _mirror(self, uri: str, parents: Sequence[Parent]) -> None:
        import mlflow

        from benchmark.tracking.mirror import Mirror
        from benchmark.tracking.runs import Runs

        mlflow.set_tracking_uri(uri)  # models can be logged to no other
        best = winners(parents)
        for dataset, members in _by_dataset(parents).items():
            runs = Runs(
                mlflow.MlflowClient(uri),
                dataset,
                artifacts=None if self.uri else artifact_root(self.out),
                origin=self._origin() if self.uri else "",
            )
            Mirror(RunStore(self.out), runs).sync(members, best.get(dataset))

    def _origin(self) -> str:
        path = self.out / ORIGIN
        if not path.is_file():
            write_text(path, f"{uuid.uuid4().hex}\n")
        return path.read_text(encoding="utf-8").strip()


def check(uri: str) -> None:
    """Make sure that a server answers.

    Raises:
        ConfigError: the address is not that of a server, or nothing answers there.
    """
    _refuse_other_than_server(uri)
    _settle()
    from mlflow import MlflowClient  # slow to import
    from mlflow.exceptions import MlflowException

    with _patience():
        try:
            MlflowClient(uri).search_experiments(max_results=1)
        except MlflowException as error:
            raise ConfigError(
                f"--tracking-uri {uri}: no MLflow server answers there ({one_line(error)}); start"
                " one with `mlflow server`, or leave the option out to use the database in --out"
            ) from None


def _refuse_other_than_server(uri: str) -> None:
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https") and parts.netloc:
        return
    reason = "MLflow no longer keeps runs in folders" if parts.scheme in ("", "file") else "unknown"
    raise ConfigError(
        f"--tracking-uri {uri!r}: must be the address of an MLflow server, http://... or"
        f" https://... ({reason}); leave the option out to use the database in --out"
    )


def _settle() -> None:
    """Set MLflow up before its import: quiet, without telemetry, and impatient with servers."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Wait less for the first answer than later ones may take."""
    before = {name: os.environ[name] for name in PATIENCE}
    os.environ.update(PATIENCE)
    try:
        yield
    finally:
        os.environ.update(before)


def _by_dataset(parents: Sequence[Parent]) -> Mapping[str, list[Parent]]:
    members: dict[str, list[Parent]] = {}
    for parent in parents:
        members.setdefault(parent.config.dataset, []).append(parent)
    return members


def one_line(error: BaseException) -> str:
    """An error as one line, with its type where that says something."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ConfigError) else f"{type(error).__name__}: {text}"
