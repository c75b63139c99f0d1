"""Logs a final run's model as one that MLflow can load, with its code and its signature."""

from __future__ import annotations

import logging
import tempfile
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow.pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType

from benchmark.store.environment import copy_scorer
from benchmark.store.files import RecordError
from datasets.spec import DataError

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from benchmark.store.records import RunStore
    from benchmark.tracking.cells import ShownRun

PACKAGES = ("mlflow", "filelock", "numpy", "pandas", "polars", "pyarrow", "torch")  # that score

logger = logging.getLogger(__name__)


def log_model(client: MlflowClient, run: Run, store: RunStore, final: ShownRun) -> str | None:
    """Log the model of a final run; its id, or none, with a line in the log, if it lacks a part.

    MLflow logs models to the address that `mlflow.set_tracking_uri` was given, which must be that
    of `client`.

    Raises:
        MlflowException: MLflow cannot be reached or refuses.
    """
    from benchmark.training.kept import kept_model  # torch is slow
    from models.saved import SCORE, ModelError

    try:
        kept = kept_model(store, final.config)
    except (ModelError, DataError, RecordError) as error:
        logger.info("%s", error)
        return None
    model = client.create_logged_model(
        run.info.experiment_id, name="winner", source_run_id=run.info.run_id, params=final.params
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on what MLflow cannot infer, which is given
        saved = Path(folder, "model")
        kept.write(saved)
        Model.log(
            artifact_path=None,
            flavor=mlflow.pyfunc,
            run_id=run.info.run_id,
            model_id=model.model_id,
            loader_module="benchmark.tracking.pyfunc",
            data_path=str(saved),
            code_paths=[str(path) for path in copy_scorer(Path(folder, "code"))],
            signature=_signature(kept.encoders.columns, SCORE),
            input_example=kept.encoders.examples.to_pandas(),
            pip_requirements=[f"{name}=={_release(name)}" for name in PACKAGES],
        )
    return str(model.model_id)


def logged_model(client: MlflowClient, run: Run) -> str | None:
    """The id of the model of a run that was logged before."""
    found = client.search_logged_models(
        experiment_ids=[run.info.experiment_id],
        filter_string=f"source_run_id = '{run.info.run_id}'",
        max_results=1,
    )
    return str(found[0].model_id) if found else None


def register(client: MlflowClient, name: str, model_id: str, run: Run) -> None:
    """Make a logged model the newest version of the registered model of this name.

    Raises:
        MlflowException: MLflow cannot be reached or refuses.
    """
    try:
        client.create_registered_model(name)
    except mlflow.MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
    client.create_model_version(
        name, f"models:/{model_id}", run_id=run.info.run_id, model_id=model_id
    )


def _signature(columns: tuple[str, ...], score: str) -> ModelSignature:
    """Raw rows, of whatever types readers of files give their columns, to one score each."""
    return ModelSignature(
        inputs=Schema([ColSpec(AnyType(), column) for column in columns]),
        outputs=Schema([ColSpec("double", score)]),
    )


def _release(package: str) -> str:
    """The version of a package without the mark of its build, which indexes do not know."""
    return metadata.version(package).partition("+")[0]
