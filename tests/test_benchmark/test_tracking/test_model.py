"""The winner as a model that MLflow loads, with its code, and without this repository."""

import json
import os
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pandas as pd
import polars as pl
import pytest
from mlflow import MlflowClient

from benchmark.store.files import write_text
from benchmark.store.plan import Plan, write_plan
from benchmark.tracking.database import database_uri
from benchmark.tracking.tracker import Tracker
from benchmark.training.build import assemble, build, seen_schema
from datasets.loader import EncodedRows, column_names
from datasets.spec import EncodedSchema
from models.predictors import predict, predictor_of, weights_of
from models.registry import load_backbone, load_method

NUM_ROWS = 50
SCHEMA = EncodedSchema(
    fields=("scenario", "item"),
    field_sizes=(4, 6),
    num_domain_fields=1,
    bags=("tags",),
    bag_sizes=(5,),
    bag_lengths=(2,),
    num_domains=4,
    num_tasks=4,
)
LOAD = """
import sys
import pandas as pd
import mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
rows = pd.read_parquet(sys.argv[2])
model.predict(rows).to_parquet(sys.argv[3])
"""


class Support:
    """All rows as `TrainRows`, for methods that adapt."""

    batch_size = 16

    def __init__(self, rows):
        whole = rows.range(0, len(rows))
        self.domain_id, self.task_id = whole.domain_id, whole.task_id
        self.batch = rows.batch


@pytest.fixture
def rows():
    """Encoded rows of a log of three domains."""
    rng = np.random.default_rng(5)
    domain = rng.integers(0, 4, NUM_ROWS)
    tags = rng.integers(1, 5, (NUM_ROWS, 2))
    label = rng.integers(0, 2, NUM_ROWS)
    columns = [domain, rng.integers(0, 6, NUM_ROWS), *tags.T, domain, domain, domain, label]
    return np.stack(columns, axis=1).astype(np.int32)


@pytest.fixture
def trained(make_config, rows):
    """A function that makes a run: its configuration, its weights, its logits of all rows."""

    def make(method):
        config = make_config(
            method=method,
            backbone_config=asdict(load_backbone("dnn").config()),
            method_config=asdict(load_method(method).config()),
        )
        schema = seen_schema(config, SCHEMA)
        encoded = EncodedRows(rows, schema)
        model = build(config, schema, base_rate=0.3)
        model.eval()
        predictor = model.method.adapt(model, Support(encoded))
        return config, weights_of(model, predictor), predict(predictor, encoded, range(NUM_ROWS))

    return make


@pytest.mark.parametrize("method", ["plain", "star", "maml", "apg", "adasparse"])
def test_weights_make_the_predictor_again(trained, rows, method):
    config, weights, logits = trained(method)
    schema = seen_schema(config, SCHEMA)

    predictor = predictor_of(assemble(config, schema), weights)

    again = predict(predictor, EncodedRows(rows, schema), range(NUM_ROWS))
    assert again.tolist() == logits.tolist()


def test_weights_without_the_tasks_of_a_method_that_adapts_are_refused(trained):
    config, weights, _ = trained("maml")
    bare = {name: value for name, value in weights.items() if not name.startswith("adapted")}

    with pytest.raises(ValueError, match="adapts to its tasks"):
        predictor_of(assemble(config, seen_schema(config, SCHEMA)), bare)


def write_winner(world, config, weights):
    world.store.write(config, world.result(0.7, weights=weights))
    write_text(
        world.store.data_folder(config.data_fingerprint) / "schema.json", json.dumps(asdict(SCHEMA))
    )
    slots = {config.slot_id: config}
    plan = Plan(preset="smoke", slots=slots, studies={"main": tuple(slots)})
    write_plan(world.store, plan)
    return plan


def test_the_winner_loads_anywhere_and_predicts_the_logits_of_the_run(
    world, empty_database, trained, rows, tmp_path
):
    config, weights, logits = trained("maml")
    plan = write_winner(world, config, weights)
    (world.out / "mlflow.db").write_bytes(empty_database.read_bytes())

    Tracker(world.out, None).sync(plan)
    Tracker(world.out, None).sync(plan)

    (model,) = models_of(world.out)
    frame = pd.DataFrame(rows, columns=column_names(SCHEMA)).astype("int64")
    frame = frame.drop(columns=["eval_domain_id", "label"])
    frame.to_parquet(tmp_path / "rows.parquet")
    script, answer = tmp_path / "load.py", tmp_path / "logits.parquet"
    script.write_text(LOAD)
    subprocess.run(
        [sys.executable, script, model.artifact_location, tmp_path / "rows.parquet", answer],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        check=True,
    )
    assert pl.read_parquet(answer)["logit"].to_list() == logits.tolist()


def test_a_run_without_weights_is_no_model_and_says_so(synced, caplog):
    with caplog.at_level("INFO", logger="benchmark"):
        Tracker(synced.out, None).sync(synced.made)

    assert models_of(synced.out) == []
    assert "is not kept as a model: it lacks" in caplog.text
    assert "weights.npz" in caplog.text


def models_of(out):
    client = MlflowClient(database_uri(out))
    experiment = client.get_experiment_by_name("synthetic")
    return list(client.search_logged_models(experiment_ids=[experiment.experiment_id]))
