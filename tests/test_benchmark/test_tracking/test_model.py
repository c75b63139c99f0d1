"""The winner as a model of MLflow that scores raw rows, also where only its packages are."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import polars as pl
import pytest
from mlflow import MlflowClient
from mlflow.utils.file_utils import local_file_uri_to_path
from packaging.requirements import Requirement

from benchmark.planning.cells import configure
from benchmark.planning.studies import Change
from benchmark.running.grid import prepare_log
from benchmark.running.network_run import run_cell
from benchmark.store.data_folder import store_data
from benchmark.store.plan import Plan
from benchmark.store.records import RunStore
from benchmark.tasks import RunTask
from benchmark.tracking.cells import cells_of
from benchmark.tracking.database import DATABASE, artifact_root, database_uri
from benchmark.tracking.tracker import Tracker
from benchmark.tracking.writer import Writer
from tests.conftest import write_tiny_log

LOAD = """
import sys
sys.path.insert(0, sys.argv[1])
import mlflow
import pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[2])
model.predict(pd.read_csv(sys.argv[3])).to_parquet(sys.argv[4])
"""


@pytest.fixture(scope="module")
def tracked(tmp_path_factory, select, empty_database):
    """A store of two trained cells whose winner, MAML, has been registered: log and raw file."""
    folder = tmp_path_factory.mktemp("tracked")
    spec = write_tiny_log(folder)
    log = prepare_log(str(spec), None, folder / "cache", select())
    store, slots = RunStore(folder / "out"), {}
    store_data(store, log)
    for method in ("maml", "plain"):
        config = configure(select(), "tiny", log, "dnn", Change(method=method))
        run_cell(RunTask(config=config, data=log, out=store.out))
        slots[config.slot_id] = config
    plan = Plan(preset="smoke", slots=slots, studies={"main": tuple(slots)})
    (store.out / DATABASE).write_bytes(empty_database.read_bytes())
    mlflow.set_tracking_uri(database_uri(store.out))
    cells = cells_of(store, plan)
    sync(store, cells, 0)
    return store, cells, folder / "tiny.csv"


def sync(store, cells, winner):
    """Write the cells, of which this one is the winner."""
    writer = Writer(store, "tiny", "", artifacts=artifact_root(store.out), origin="")
    writer.sync(cells, cells[winner].finals[0])


def versions(store):
    """The versions of the registered model, the oldest first."""
    found = MlflowClient(database_uri(store.out)).search_model_versions("name = 'tiny'")
    return sorted(found, key=lambda version: int(version.version))


def stored_scores(store, cell):
    """The rows of test by their place in the file, and their probabilities."""
    path = store.run_folder(cell.finals[0].config) / "predictions.parquet"
    test = pl.read_parquet(path).filter(split="test")
    return test["row_id"].to_numpy(), 1 / (1 + np.exp(-test["logit"].cast(pl.Float64).to_numpy()))


def test_the_winner_scores_what_pandas_reads_of_the_raw_file(tracked):
    store, cells, file = tracked
    rows, scores = stored_scores(store, cells[0])

    model = mlflow.pyfunc.load_model("models:/tiny/1")

    found = model.predict(pd.read_csv(file).iloc[rows])
    assert found.columns.to_list() == ["p_ctr"]
    assert found.index.to_list() == rows.tolist()
    assert found["p_ctr"].to_numpy() == pytest.approx(scores, abs=1e-7)
    as_text = pd.read_csv(file, dtype=str, keep_default_na=False).iloc[rows]
    assert model.predict(as_text).equals(found)


def test_its_signature_is_of_the_columns_of_the_log(tracked):
    model = mlflow.pyfunc.load_model("models:/tiny/1")

    signature, example = model.metadata.signature, model.input_example

    assert signature.inputs.input_names() == ["place", "item", "price", "tags"]
    assert signature.outputs.input_names() == ["p_ctr"]
    assert list(example.columns) == ["place", "item", "price", "tags"]
    assert model.predict(example)["p_ctr"].between(0.0, 1.0).all()


def test_a_missing_column_is_named(tracked):
    model = mlflow.pyfunc.load_model("models:/tiny/1")
    rows = pd.read_csv(tracked[2]).drop(columns="item")

    with pytest.raises(mlflow.MlflowException, match=r"Model is missing inputs \['item'\]"):
        model.predict(rows)


def test_values_of_several_types_and_missing_ones_in_a_column_are_scored(tracked):
    model = mlflow.pyfunc.load_model("models:/tiny/1")
    rows = pd.DataFrame({"place": ["0", 1, None], "item": [1.0, None, 3.0], "price": 0.5})
    texts = pd.DataFrame({"place": ["0", "1", ""], "item": ["1", "", "3"], "price": "0.50"})

    found, expected = (model.predict(frame.assign(tags=None)) for frame in (rows, texts))

    assert found.equals(expected)


def test_it_lists_releases_of_packages_and_takes_no_code_of_training(tracked):
    folder = folder_of(versions(tracked[0])[0])

    listed = (folder / "requirements.txt").read_text().split()

    assert f"torch=={metadata.version('torch').partition('+')[0]}" in listed
    assert not [line for line in listed if "+" in line or "==" not in line]
    code = {path.relative_to(folder / "code").as_posix() for path in folder.rglob("code/**/*.py")}
    assert {"models/saved.py", "benchmark/tracking/pyfunc.py"} <= code
    assert not [name for name in code if "catalog" in name or "trainer" in name]


def test_a_version_is_made_when_the_winner_changes_and_at_no_other_time(tracked):
    store, cells, _ = tracked

    sync(store, cells, 0)
    before = len(versions(store))
    sync(store, cells, 1)
    sync(store, cells, 1)
    sync(store, cells, 0)

    first, second, third = versions(store)
    assert before == 1
    assert first.source == third.source != second.source
    assert first.run_id == third.run_id != second.run_id


@pytest.mark.slow
def test_it_scores_where_only_the_packages_are_that_it_lists(tracked, tmp_path):
    store, cells, file = tracked
    folder = folder_of(versions(store)[0])
    names = [line.split("==")[0] for line in (folder / "requirements.txt").read_text().split()]
    link_packages(names, tmp_path / "packages")
    (tmp_path / "load.py").write_text(LOAD)

    done = subprocess.run(
        [sys.executable, "-I", "-S", "load.py", "packages", folder, file, "scores.parquet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    rows, scores = stored_scores(store, cells[0])
    found = pl.read_parquet(tmp_path / "scores.parquet")["p_ctr"].to_numpy()[rows]
    assert found == pytest.approx(scores, abs=1e-7)


def folder_of(version):
    """The folder of the model of a version."""
    client = MlflowClient(mlflow.get_tracking_uri())
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    return Path(local_file_uri_to_path(model.artifact_location))


def link_packages(names, folder):
    """Link the files of these packages and of all that they require into a folder."""
    found, open_names = {}, [*names]
    while open_names:
        name = open_names.pop().lower().replace("_", "-")
        if name not in found:
            found[name] = metadata.distribution(name)
            needed = map(Requirement, found[name].requires or ())
            here = [one for one in needed if not one.marker or one.marker.evaluate({"extra": ""})]
            open_names += [one.name for one in here]
    for package in found.values():
        for path in package.files:
            target = folder / path
            is_own = ".." not in path.parts and path.suffix != ".pyc"
            if is_own and not target.is_symlink():  # two packages share the files of mlflow
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(package.locate_file(path))


def test_a_run_without_weights_is_no_model_and_says_so(synced, caplog):
    with caplog.at_level("INFO", logger="benchmark"):
        Tracker(synced.out, None).sync(synced.made)

    client = MlflowClient(database_uri(synced.out))
    experiment = client.get_experiment_by_name("synthetic")
    assert client.search_logged_models(experiment_ids=[experiment.experiment_id]) == []
    assert "is not kept as a model: it lacks" in caplog.text
    assert "weights.npz" in caplog.text
