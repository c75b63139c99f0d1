"""Logs a final run's weights as a model that MLflow can load, with its code and its signature."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow.pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, Schema

from benchmark.store.environment import PACKAGES, ROOT
from benchmark.store.records import WEIGHTS
from benchmark.tracking.content import flat

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from benchmark.config import RunConfig
    from benchmark.store.records import RunStore
    from benchmark.tracking.children import Child

logger = logging.getLogger(__name__)

CODE = ("benchmark", "datasets", "models")
NOT_CODE = ("data", "runs", "speed", "__pycache__")
SERVER = Path(__file__).with_name("pyfunc.py")


def log_model(client: MlflowClient, run: Run, store: RunStore, child: Child) -> bool:
    """Log the model of a final run; false, with a line in the log, if it lacks a part.

    MLflow logs models to the address that `mlflow.set_tracking_uri` was given, which must be that
    of `client`.

    Raises:
        MlflowException: MLflow cannot be reached or refuses.
    """
    config = child.config
    weights = child.path / WEIGHTS
    schema = store.data_folder(config.data_fingerprint) / "schema.json"
    lacking = [str(path) for path in (weights, schema) if not path.is_file()]
    lacking += [f"the code of the plug-in {name}" for name in config.plugins]
    if lacking:
        logger.info("%s is not kept as a model: it lacks %s", config.title, ", ".join(lacking))
        return False
    model = client.create_logged_model(
        run.info.experiment_id,
        name="winner",
        source_run_id=run.info.run_id,
        params=flat(config.to_json()),
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on what MLflow cannot infer, which is given
        Model.log(
            artifact_path=None,
            flavor=mlflow.pyfunc,
            run_id=run.info.run_id,
            model_id=model.model_id,
            python_model=str(SERVER),
            artifacts={
                "config": str(_write_config(Path(folder), config)),
                "schema": str(schema),
                "weights": str(weights),
            },
            code_paths=_copy_code(Path(folder)),
            signature=_signature(schema),
            pip_requirements=[f"{p}=={metadata.version(p)}" for p in ("mlflow", *PACKAGES)],
        )
    return True


def _write_config(folder: Path, config: RunConfig) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(config.to_json(), indent=1), encoding="utf-8")
    return path


def _signature(schema: Path) -> ModelSignature:
    """Encoded rows, without what only metrics need, to one logit each."""
    from benchmark.tracking.schema import input_columns, read_schema  # torch is slow to import

    columns = input_columns(read_schema(schema))
    return ModelSignature(
        inputs=Schema([ColSpec("long", column) for column in columns]),
        outputs=Schema([ColSpec("float", "logit")]),
    )


def _copy_code(folder: Path) -> list[str]:
    """Copies of the packages that the model needs, their Python files alone."""
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=_other_than_code)
    return [str(folder / name) for name in CODE]


def _other_than_code(folder: str, names: list[str]) -> list[str]:
    paths = [Path(folder) / name for name in names]
    return [
        path.name
        for path in paths
        if path.name in NOT_CODE or (path.is_file() and path.suffix != ".py")
    ]
