"""One thing about the plan, a log or a search is falsified, and exactly that is named."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import polars as pl
import pytest

from reports.verify import verify
from tests.test_reports.conftest import reseal

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store


def test_verify_of_a_half_finished_grid_notes_what_is_missing(store: Store) -> None:
    shutil.rmtree(store.run())
    path = store.out / "plan.json"
    content = json.loads(path.read_text())
    content["slots"][store.folder.config("dnn", "plain", 1).slot_id]["state"] = "missing"
    path.write_text(json.dumps(content))

    findings = verify(store.out)

    assert not findings.differences
    assert findings.notes[0] == ("1 of 8 planned runs are missing: world/scenario dnn+plain seed 1")


def test_verify_names_the_run_id_of_a_plan(store: Store) -> None:
    path = store.out / "plan.json"
    path.write_text(path.read_text().replace(f'"run_id": "{store.run().name}"', '"run_id": "0"'))

    (line,) = store.differences()
    assert line.startswith("plan.json: run_id of world/scenario dnn+plain seed 1: stored 0, ")


def test_verify_names_a_cell_of_another_protocol(store: Store) -> None:
    path = store.out / "plan.json"
    text = path.read_text()
    start = text.index('"learning_rate": 0.001')
    path.write_text(text[:start] + '"learning_rate": 0.002' + text[start + 22 :])

    lines = store.differences()

    assert any(line.startswith("plan.json: protocol of world/scenario") for line in lines)


def test_verify_names_a_cell_without_a_seed(store: Store) -> None:
    path = store.out / "plan.json"
    content = json.loads(path.read_text())
    slot = store.folder.config("dcnv2", "plain", 2).slot_id
    del content["slots"][slot]
    path.write_text(json.dumps(content))
    study = store.out / "studies" / "main.json"
    study.write_text(study.read_text().replace(f'"{slot}",', ""))

    (line,) = [line for line in store.differences() if "seeds" in line]
    assert line.endswith(
        "draws and seeds of world/scenario dcnv2+plain in main: stored ('seed 1',), recomputed"
        " ('seed 1', 'seed 2')"
    )


@pytest.mark.parametrize(("key", "value"), [("fingerprint", "0"), ("num_domains", 4)])
def test_verify_names_a_fact_of_a_card(store: Store, key: str, value: object) -> None:
    path = store.out / "data" / ("f" * 16) / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))

    (line,) = store.differences()
    assert line.startswith(f"{store.name(path)}: {key}: stored {value}, ")


def test_verify_names_a_truth_that_fits_no_run(store: Store) -> None:
    path = store.out / "data" / ("f" * 16) / "truth.parquet"
    truth = pl.read_parquet(path)
    truth.with_columns(p_click=pl.col("p_click") * 0.5).write_parquet(path)

    lines = store.differences()

    assert any("card.json: ceiling test expected_auc" in line for line in lines)
    assert any("record.json: test expected_logloss" in line for line in lines)


def test_verify_names_the_value_of_a_trial_with_its_seal(store: Store) -> None:
    folder = store.tuning()
    reseal(folder / "trial_000.json", value=0.99)

    name = store.name(folder / "best.json")
    assert store.differences() == [
        f"{name}: index: stored 1, recomputed 0",
        f"{name}: value: stored 0.63, recomputed 0.99",
    ]


def test_verify_names_the_value_of_a_trial_without_its_seal(store: Store) -> None:
    path = store.tuning() / "trial_001.json"
    path.write_text(path.read_text().replace("0.63", "0.64"))

    lines = store.differences()

    assert lines[0].startswith(f"{store.name(path)}: changed since it was written")
    assert lines[1].startswith("tuning: unequal budgets: world/scenario dnn+plain: 1 of 2 trials")
    assert len(lines) == 2


def test_verify_names_a_choice_that_no_trial_made(store: Store) -> None:
    path = store.tuning(method="adasparse") / "best.json"
    config = json.loads(path.read_text())["config"]
    config["regularisers"]["dropout"] = 0.25
    reseal(path, config=config)

    (line,) = store.differences()
    assert line == f"{store.name(path)}: regularisers.dropout: stored 0.25, recomputed 0.0"


def forge_dropout(path: Path) -> None:
    """Give a trial another dropout."""
    trial = json.loads(path.read_text())
    trial["config"]["regularisers"]["dropout"] = trial["params"]["regularisers.dropout"] = 0.25
    reseal(path, config=trial["config"], params=trial["params"])


@pytest.mark.parametrize("index", [0, 1])
def test_verify_names_regularisers_that_another_search_did_not_draw(
    store: Store, index: int
) -> None:
    forge_dropout(store.tuning(method="adasparse") / f"trial_00{index}.json")

    line = (
        f"tuning: unequal budgets: world/scenario dnn+adasparse: trial {index} tried"
        " regularisers.dropout 0.25, other methods 0.0"
    )
    assert line in store.differences()


def test_verify_names_final_runs_that_left_the_choice(store: Store) -> None:
    folder = store.tuning(method="adasparse")
    for path in folder.glob("trial_*.json"):
        forge_dropout(path)

    lines = store.differences()

    for seed in (1, 2):
        name = store.name(store.run(method="adasparse", seed=seed))
        assert f"{name}: regularisers.dropout: stored 0.0, recomputed 0.25" in lines
    others = [line for line in lines if not line.startswith("runs/")]
    assert all(line.startswith((store.name(folder), "tuning: unequal budgets:")) for line in others)
