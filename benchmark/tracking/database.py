"""The MLflow database of an output folder: made once, whole, and never harmed when broken."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from urllib.parse import quote as urlquote

from benchmark.config import ConfigError
from benchmark.store.files import write_whole

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
LOCK_SECONDS = 30.0
EXPERIMENTS = "SELECT name, experiment_id FROM experiments WHERE lifecycle_stage = 'active'"


def database_uri(out: Path) -> str:
    """The absolute address of the database of an output folder."""
    return _address(out / DATABASE)


def artifact_root(out: Path) -> Path:
    """The folder of the artifacts of an output folder's runs."""
    return out.resolve() / ARTIFACTS


def ensure_database(out: Path) -> None:
    """Make the database if there is none; the caller is the sole importer.

    Raises:
        ConfigError: there is one that cannot be used.
        OSError: the folder cannot be written.
    """
    path = out / DATABASE
    if path.exists():
        refuse_broken(path)
    else:
        write_whole(path, lambda part: _create(part, artifact_root(out)))


def refuse_broken(path: Path) -> None:
    """Look at a database without changing it.

    Raises:
        ConfigError: it cannot be used: why, and how to make a new one.
    """
    try:
        problem = _problem_of(path)
    except sqlite3.Error as error:
        problem = str(error)
        if "locked" in problem:
            raise ConfigError(f"{path}: another process holds it ({problem}); try again") from None
    if problem:
        raise ConfigError(
            f"{path}: not a usable MLflow database ({problem}); it is left as it is: run `python -m"
            f" benchmark.tracking --rebuild --out {quote(str(path.parent))}` to make a new one from"
            " the runs"
        )


def experiments(path: Path) -> dict[str, str]:
    """The ids of the experiments of a database by name, read without MLflow.

    Raises:
        ConfigError: it cannot be used: why, and how to make a new one.
    """
    refuse_broken(path)
    with closing(_read_only(path)) as connection:
        return {name: str(own) for name, own in connection.execute(EXPERIMENTS)}


def set_aside(path: Path) -> Path | None:
    """Give a database another name, which tells the time; None if there is none."""
    if not path.exists():
        return None
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    return path.rename(path.with_name(f"{path.name}.{moment}"))


def _problem_of(path: Path) -> str:
    """The fault of a database, empty for none."""
    with closing(_read_only(path)) as connection:
        unfinished = "SELECT name FROM sqlite_master WHERE name GLOB '_alembic_tmp_*'"
        if left := connection.execute(unfinished).fetchone():
            return f"its creation was interrupted: there is a table {left[0]}"
        if connection.execute("SELECT count(*) FROM alembic_version").fetchone() != (1,):
            return "its version is unknown"
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return "" if verdict == "ok" else " ".join(str(verdict).split())


def _read_only(path: Path) -> sqlite3.Connection:
    address = f"{path.resolve().as_uri()}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=LOCK_SECONDS)


def _create(path: Path, artifacts: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # slow to import

    path.unlink(missing_ok=True)  # what a killed process left
    SqlAlchemyStore(_address(path), artifacts.as_uri()).engine.dispose()


def _address(path: Path) -> str:
    """A database as SQLAlchemy names it, its path quoted, so that %, ? and # are themselves.

    The driver is named because MLflow makes folders of what follows a bare `sqlite:///`.
    """
    return f"sqlite+pysqlite:///{urlquote(str(path.resolve()))}"
