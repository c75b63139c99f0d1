"""One thing about a run is falsified at a time, and exactly that is named."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import polars as pl
import pytest

from reports.verify import verify
from tests.test_reports.conftest import forge_record

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store


def record_of(run: Path) -> dict:
    return json.loads((run / "record.json").read_text(encoding="utf-8"))


def test_verify_names_a_metric_that_was_changed_with_its_seal(store: Store) -> None:
    run = store.run()
    metrics = record_of(run)["metrics"]
    true = metrics["test"]["gauc"]
    metrics["test"]["gauc"] = true + 1e-6
    forge_record(run, metrics=metrics)

    name = store.name(run / "record.json")
    assert store.differences() == [
        f"{name}: test gauc: stored {true + 1e-6}, recomputed {true}",
    ]


@pytest.mark.parametrize(
    ("split", "metric", "change", "line"),
    [
        ("test", "macro_auc", {"macro_auc": None}, "test macro_auc: stored nan, recomputed 0."),
        ("dev", "expected_auc", {}, "dev expected_auc: stored nothing, recomputed 0."),
        ("dev", "macro_auc", {}, "dev macro_auc: stored nothing, recomputed 0."),
    ],
    ids=["undefined", "left out", "left out of one split"],
)
def test_verify_names_a_metric_that_a_record_does_not_give(
    store: Store, split: str, metric: str, change: dict, line: str
) -> None:
    run = store.run()
    metrics = record_of(run)["metrics"]
    del metrics[split][metric]
    metrics[split] |= change

    forge_record(run, metrics=metrics)

    (found,) = store.differences()
    assert line in found


def test_verify_notes_metrics_without_predictions(store: Store) -> None:
    run = store.run()
    metrics = record_of(run)["metrics"]
    metrics["dev"]["unadapted_auc"] = 0.5
    forge_record(run, metrics=metrics)

    findings = verify(store.out)

    assert not findings.differences
    assert findings.notes[0].startswith("dev unadapted_auc of dnn+plain runs: no predictions")


def test_verify_names_a_changed_prediction_by_the_metrics_that_move(store: Store) -> None:
    run = store.run()
    frame = pl.read_parquet(run / "predictions.parquet")
    flipped = pl.when((pl.col("split") == "test") & (pl.col("row_id") == 300)).then(
        -pl.col("logit")
    )
    changed = frame.with_columns(logit=flipped.otherwise(pl.col("logit")))
    store.forge_frame(run, "predictions.parquet", changed)

    lines = store.differences()

    name = store.name(run)
    assert any(line.startswith(f"{name}/record.json: test logloss: stored") for line in lines)
    assert any(line.startswith(f"{name}/domains.parquet: logloss of domain") for line in lines)
    assert all(line.startswith(name) for line in lines)
    assert not any(": dev " in line for line in lines)


@pytest.mark.parametrize("has_truth", [True, False])
def test_verify_names_a_label_that_one_run_has_alone(store: Store, has_truth: bool) -> None:
    run = store.run(method="adasparse", seed=2)
    frame = pl.read_parquet(run / "predictions.parquet")
    is_row = (pl.col("split") == "dev") & (pl.col("row_id") == 7)
    label = frame.filter(is_row)["label"][0]
    other = pl.when(is_row).then(1 - label).otherwise(pl.col("label")).cast(pl.Int8)
    store.forge_frame(run, "predictions.parquet", frame.with_columns(label=other))
    if not has_truth:
        (store.out / "data" / ("f" * 16) / "truth.parquet").unlink()

    lines = store.differences()

    name = store.name(run)
    what = f"label of row 7 (1 rows differ): stored {1 - label}, recomputed {label}"
    assert f"{name}/predictions.parquet: {what}" in lines
    assert all(line.startswith(name) for line in lines)


@pytest.mark.parametrize("cluster", [None, 9])
def test_verify_names_a_cluster_that_one_run_has_alone(store: Store, cluster: int | None) -> None:
    run, first = store.run(seed=2), pl.col("row_id") == 0
    for record in store.folder.store.out.glob("runs/**/record.json"):
        frame = pl.read_parquet(record.parent / "predictions.parquet")
        frame = frame.with_columns(cluster=pl.lit(1, pl.Int32))
        if record.parent == run:
            other = pl.when(first).then(cluster).otherwise("cluster").alias("cluster")
            frame = frame.with_columns(other) if cluster else frame.drop("cluster")
        store.forge_frame(record.parent, "predictions.parquet", frame)
    (store.out / "data" / ("f" * 16) / "truth.parquet").unlink()

    (line,) = store.differences()

    assert line.startswith(f"{store.name(run)}/predictions.parquet: c")
    assert ("cluster of row 0" in line) == (cluster is not None)


def test_verify_names_a_logit_that_is_not_finite(store: Store) -> None:
    run = store.run()
    frame = pl.read_parquet(run / "predictions.parquet")
    store.forge_frame(
        run, "predictions.parquet", frame.with_columns(logit=pl.lit(float("inf"), pl.Float32))
    )

    (line,) = store.differences()
    assert line.endswith("predictions.parquet: finite logits: stored 0, recomputed 600")


def test_verify_names_a_column_of_the_domains(store: Store) -> None:
    run = store.run()
    domains = pl.read_parquet(run / "domains.parquet")
    changed = domains.with_columns(train_clicks=pl.col("train_clicks") + 1)
    store.forge_frame(run, "domains.parquet", changed)

    (line,) = store.differences()
    assert line.startswith(f"{store.name(run)}/domains.parquet: train_clicks: ")


@pytest.mark.parametrize("name", ["predictions.parquet", "record.json"])
def test_verify_names_a_truncated_file_alone(store: Store, name: str) -> None:
    path = store.run() / name
    path.write_bytes(path.read_bytes()[:-20])

    (line,) = store.differences()
    assert store.name(path) in line


def test_verify_names_a_truncated_file_with_a_seal_of_its_own(store: Store) -> None:
    run = store.run()
    path = run / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    forge_record(run)

    (line,) = store.differences()
    assert line.startswith(f"{store.name(run)}: ")


def test_verify_names_a_missing_record(store: Store) -> None:
    path = store.run() / "record.json"
    path.unlink()

    (line,) = store.differences()
    assert line == f"{store.name(path)}: record: stored done in plan.json, recomputed missing"


@pytest.mark.parametrize("place", ["run", "runs", "data", "tuning"])
def test_verify_names_a_foreign_file(store: Store, place: str) -> None:
    folders = {"run": store.run(), "tuning": store.tuning()}
    path = folders.get(place, store.out / place) / "notes.txt"
    path.write_text("mine")

    (line,) = store.differences()
    assert line.startswith(f"{store.name(path)}: foreign file: ")


def test_verify_names_a_copy_of_a_run(store: Store) -> None:
    run = store.run()
    copy = run.with_name("0" * 12)
    shutil.copytree(run, copy)

    (line,) = store.differences()
    expected = f"folder: stored {store.name(copy)}, recomputed {store.name(run)}"
    assert line == f"{store.name(copy)}/record.json: {expected}"


def test_verify_notes_a_second_run_of_a_cell(store: Store) -> None:
    config = store.folder.config("dnn", "plain", 1, backbone_config={"dropout": 0.5})
    store.folder.run(config)
    store.make_true(config)

    findings = verify(store.out)

    assert not findings.differences
    assert store.run().name in findings.notes[0]
    assert findings.notes[0].startswith(store.name(store.folder.store.run_folder(config)))


def test_verify_names_another_run_id(store: Store) -> None:
    run = store.run()
    forge_record(run, run_id="0" * 12)

    (line,) = store.differences()
    assert line.endswith(f"run_id: stored {'0' * 12}, recomputed {run.name}")
