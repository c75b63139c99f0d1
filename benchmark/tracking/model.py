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

from benchmark.store.environment import PACKAGES, copy_program
from benchmark.store.records import SCHEMA, WEIGHTS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from benchmark.store.records import RunStore
    from benchmark.tracking.cells import ShownRun

logger = logging.getLogger(__name__)


def log_model(client: MlflowClient, run: Run, store: RunStore, final: ShownRun) -> bool:
    """Log the model of a final run; false, with a line in the log, if it lacks a part.

    MLflow logs models to the address that `mlflow.set_tracking_uri` was given, which must be that
    of `client`.

    Raises:
        MlflowException: MLflow cannot be reached or refuses.
    """
    config = final.config
    weights = store.run_folder(config) / WEIGHTS
    schema = store.data_folder(config.data_fingerprint) / SCHEMA
    lacking = [str(path) for path in (weights, schema) if not path.is_file()]
    lacking += [f"the code of the plug-in {name}" for name in config.plugins]
    if lacking:
        logger.info("%s is not kept as a model: it lacks %s", config.title, ", ".join(lacking))
        return False
    from benchmark.tracking.pyfunc import CONFIG, input_columns, read_schema  # torch is slow

    model = client.create_logged_model(
        run.info.experiment_id, name="winner", source_run_id=run.info.run_id, params=final.params
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on what MLflow cannot infer, which is given
        data = Path(folder, "data")
        data.mkdir()
        for path in (weights, schema):
            shutil.copy(path, data)
        (data / CONFIG).write_text(json.dumps(config.to_json(), indent=1), encoding="utf-8")
        Model.log(
            artifact_path=None,
            flavor=mlflow.pyfunc,
            run_id=run.info.run_id,
            model_id=model.model_id,
            loader_module="benchmark.tracking.pyfunc",
            data_path=str(data),
            code_paths=[str(path) for path in copy_program(Path(folder, "code"))],
            signature=_signature(input_columns(read_schema(schema))),
            pip_requirements=[f"{p}=={metadata.version(p)}" for p in ("mlflow", *PACKAGES)],
        )
    return True


def _signature(columns: list[str]) -> ModelSignature:
    """Encoded rows, without what only metrics need, to one logit each."""
    return ModelSignature(
        inputs=Schema([ColSpec("long", column) for column in columns]),
        outputs=Schema([ColSpec("float", "logit")]),
    )
