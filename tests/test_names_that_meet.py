"""A log whose columns bear the names of ours, with odd values, into an oddly named folder."""

import json

import mlflow
import numpy as np
import polars as pl
import pytest
from mlflow import MlflowClient
from mlflow.pyfunc import load_model

from benchmark.store.plan import read_plan
from benchmark.store.records import RunStore
from benchmark.tracking.database import database_uri
from reports.verify import verify

pytestmark = pytest.mark.slow
PARTITION = ["impressions", "domain_id", "auc", "train_clicks"]
OTHERS = ["label", "eval_domain_id", "task_id", "p_click", "row_id", "*", "tags[0]"]
OUT = "a%20b c?d#e exp[2024]*\N{LATIN SMALL LETTER U WITH DIAERESIS}"
SPEC = {
    **{"name": "ours", "files": "log.parquet", "label": "logit", "timestamp": "block"},
    **{"cluster": "cluster", "partition": PARTITION},
}


@pytest.fixture(scope="module")
def out(run_all, tmp_path_factory):
    """The output folder of a run on a log of such names alone, MLflow included."""
    folder, rng = tmp_path_factory.mktemp("ours"), np.random.default_rng(3)
    columns = {name: rng.integers(0, 2, 300).astype(str) for name in [*PARTITION, *OTHERS]}
    columns |= {"block": np.arange(300), "cluster": rng.integers(0, 40, 300)}
    columns |= {"logit": rng.integers(0, 2, 300), "tags": [["x", "y"]] * 300}
    columns["impressions"] = np.where(
        columns["auc"] == "1", "$0-$1_0 \\frac", "\N{CJK UNIFIED IDEOGRAPH-6570}"
    )
    pl.DataFrame(columns).write_parquet(folder / "log.parquet")
    lines = [f"{key} = {json.dumps(value)}" for key, value in SPEC.items()]
    names = ", ".join(map(json.dumps, [*PARTITION, *OTHERS]))
    lines.append(f"features = [{names}, {{name = 'tags', kind = 'bag', max_length = 2}}]")
    (folder / "spec.toml").write_text("\n".join(lines))
    done = run_all(
        *("--preset", "smoke", "--data", folder / "spec.toml", "--out", folder / OUT),
        *("--only", "main", "--backbones", "dnn", "--methods", "plain", "adasparse"),
        *("--seeds", 1, "--trials", 0),
        has_mlflow=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / OUT


@pytest.mark.usefixtures("all_figures")
def test_a_report_of_such_names_is_whole_and_verified(out):
    assert verify(out).differences == []

    values = pl.read_csv(out / "report" / "figures" / "fig1.csv", glob=False)
    assert values["column"].unique(maintain_order=True).sort().to_list() == sorted(PARTITION)


def test_nothing_is_written_beside_the_folder(out):
    beside = {path.name for path in out.parent.iterdir()}

    assert beside == {"log.parquet", "spec.toml", OUT}


def test_domains_of_a_run_hold_the_values_and_the_numbers(out):
    store = RunStore(out)
    record = store.read(store.run_folder(next(iter(read_plan(out).slots.values()))))

    table = pl.read_parquet(record.path / "domains.parquet", glob=False)

    aside = ["impressions", "domain_id_", "auc_", "train_clicks_"]
    assert table.columns[:6] == ["eval_domain_id", "domain_id", *aside]
    assert table.select(aside).n_unique() == 8
    assert table["auc"].dtype == pl.Float64
    assert table["train_clicks"].dtype == pl.Int64


def test_the_winner_has_an_input_for_each_column_that_it_reads(out, tmp_path):
    client = MlflowClient(database_uri(out))
    (experiment,) = [e for e in client.search_experiments() if e.name == "ours"]
    (model,) = client.search_logged_models([experiment.experiment_id])

    mlflow.set_tracking_uri(database_uri(out))
    kept = load_model(f"models:/{model.model_id}", dst_path=str(tmp_path))

    inputs = kept.metadata.signature.inputs.input_names()
    assert sorted(inputs) == sorted([*PARTITION, *OTHERS, "tags"])
