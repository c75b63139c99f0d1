"""Writes the store into MLflow, for browsing.

An experiment per data set, a run per cell, below it one per trial (tag `stage` is `tune`) and one
per final seed (`final`). Only the process that was started imports MLflow, never a worker.
"""

from __future__ import annotations

import logging
import os
import re
import time
import uuid
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmark.config import ConfigError
from benchmark.store.environment import own_program
from benchmark.store.files import write_text
from benchmark.store.records import RunStore
from benchmark.tracking.cells import cells_of, source_of, winners
from benchmark.tracking.database import (
    DATABASE,
    artifact_root,
    database_uri,
    ensure_database,
    experiments,
    set_aside,
)
from datasets.files import locked

if TYPE_CHECKING:
    from benchmark.store.plan import Plan

PERIOD_SECONDS = 120.0  # between two updates while the grid runs
LOCK = ".mlflow.lock"  # of the process that writes
LOCAL_SERVER = "http://127.0.0.1:5000"  # of `mlflow ui`
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
CREDENTIALS = re.compile(r"//[^/\s]*@")
CHATTY = ("alembic", "mlflow", "urllib3")

logger = logging.getLogger(__name__)


class Tracker:
    """The MLflow side of one output folder: its own database, or a server."""

    def __init__(self, out: Path, uri: str | None) -> None:
        """Take an output folder, and the address of a server if its database is not to be used.

        Raises:
            ConfigError: the address is not that of a server, or nothing answers there.
        """
        if uri is not None:
            _check(uri)
        self.out, self.uri = out, uri
        self._updated = time.monotonic()
        self._is_broken = False
        self._experiment = ""  # the id of the first one

    def sync(self, plan: Plan) -> None:
        """Write all of the plan that is new; what has been written stays as it is.

        Raises:
            ConfigError: the database is broken, or MLflow refuses.
            OSError: the folder cannot be written.
        """
        with locked(self.out / LOCK):
            self._write(plan)

    def rebuild(self, plan: Plan) -> Path | None:
        """Make the database of the folder anew; the former one gets the returned name.

        Raises:
            ConfigError: MLflow refuses.
            OSError: the folder cannot be written.
        """
        with locked(self.out / LOCK):
            former = set_aside(self.out / DATABASE)
            self._write(plan)
        return former

    def update(self, plan: Plan) -> None:
        """Write what is new, now and then."""
        if time.monotonic() - self._updated >= PERIOD_SECONDS:
            self.finish(plan)
            self._updated = time.monotonic()

    def finish(self, plan: Plan) -> str:
        """Write what is new; lines on how to browse it, empty without runs or after a problem.

        A problem is a line in the log, and nothing more is tried.
        """
        if self._is_broken:
            return ""
        try:
            self.sync(plan)
        except Exception as error:  # whatever MLflow and its libraries raise
            self._is_broken = True
            logger.warning(
                "MLflow: %s; the runs are complete without it. Later: python -m benchmark.tracking"
                " --sync --out %s",
                one_line(error),
                quote(str(self.out)),
            )
            return ""
        if not self._experiment:
            return ""
        if self.uri:
            return f"browse: {_page(masked(self.uri), self._experiment)}"
        return _browse(self.out, self._experiment)

    def _write(self, plan: Plan) -> None:
        _settle()
        import mlflow  # slow to import
        from mlflow.exceptions import MlflowException

        from benchmark.tracking.writer import Writer

        if not self.uri:
            ensure_database(self.out)
        store, uri = RunStore(self.out), self.uri or database_uri(self.out)
        artifacts = None if self.uri else artifact_root(self.out)
        origin = self._origin() if self.uri else ""
        cells = cells_of(store, plan)
        found = winners(cells)
        mlflow.set_tracking_uri(uri)
        try:
            for dataset in dict.fromkeys(cell.run.config.dataset for cell in cells):
                own = [cell for cell in cells if cell.run.config.dataset == dataset]
                source = source_of(store, own)
                writer = Writer(store, dataset, source, artifacts=artifacts, origin=origin)
                self._experiment = self._experiment or writer.experiment_id
                writer.sync(own, found.get(dataset))
        except MlflowException as error:
            raise ConfigError(f"{masked(uri)}: {one_line(error)}") from error

    def _origin(self) -> str:
        path = self.out / ORIGIN
        if not path.is_file():
            write_text(path, f"{uuid.uuid4().hex}\n")
        return path.read_text(encoding="utf-8").strip()


def stored_hint(out: Path, plan: Plan) -> str:
    """Lines on how to browse what the database of a folder holds, or on why it cannot be.

    Empty where there is none. Nothing is written, and MLflow not imported.
    """
    if not (out / DATABASE).is_file():
        return ""
    try:
        ids = experiments(out / DATABASE)
    except ConfigError as error:
        return f"MLflow: {error}"
    found = [ids[c.dataset] for c in plan.slots.values() if c.dataset in ids]
    return _browse(out, found[0]) if found else ""


def _browse(out: Path, experiment: str) -> str:
    program = quote(str(own_program("mlflow", Path.cwd())))
    command = f"{program} ui --backend-store-uri {quote(database_uri(out))}"
    page = _page(LOCAL_SERVER, experiment)
    return f"browse: {command} (takes about 20 s to start)\n  then open {page}"


def _page(server: str, experiment: str) -> str:
    """The page with the runs of an experiment; its own one shows none."""
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?workflowType=machine_learning"


def _check(uri: str) -> None:
    """Refuse an address at which no MLflow server answers."""
    start = "start one with `mlflow server`, or leave the option out to use the database in --out"
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(
            f"--tracking-uri {masked(uri)!r}: must be the address of an MLflow server, http://..."
            f" or https://..., for MLflow no longer keeps runs in folders; {start}"
        )
    _settle()
    from mlflow import MlflowClient  # slow to import
    from mlflow.exceptions import MlflowException

    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except MlflowException as error:
        reason = one_line(error)
        raise ConfigError(
            f"--tracking-uri {masked(uri)}: no MLflow server answers there ({reason}); {start}"
        ) from None


def _settle() -> None:
    """Set MLflow up before its import: quiet, without telemetry, and impatient with servers."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)


def masked(text: str) -> str:
    """A text without the user and the password of any address in it."""
    return CREDENTIALS.sub("//***@", text)


def one_line(error: BaseException) -> str:
    """An error as one line, with its type where that says something."""
    text = masked(" ".join(str(error).split()))
    return text if isinstance(error, ConfigError) else f"{type(error).__name__}: {text}"
