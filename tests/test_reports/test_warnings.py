"""A store with something wrong in it: the page and the log name it, and no table averages it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from benchmark.store.files import SCHEMA_VERSION
from benchmark.store.plan import read_plan, write_plan
from reports.analysis.comparisons import compare
from reports.build import build
from reports.reading.load import load_runs
from reports.reading.warnings import warnings_of
from reports.tables import claims, table1
from tests.test_reports.conftest import row_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from conftest import Folder

pytestmark = pytest.mark.usefixtures("light_tables")


def run_of(finished: Folder) -> Path:
    """The folder of one finished run."""
    return finished.store.run_folder(finished.config("dnn", "adasparse", 2))


def name_of(finished: Folder, path: Path) -> str:
    return str(path.relative_to(finished.store.out))


def row_of_table1(folder: Folder) -> pd.Series:
    """DNN +AdaSparse there."""
    return row_of(folder.tabulated(table1.TABLE), backbone="dnn", method="adasparse")


def seeds_in_table1(folder: Folder) -> int:
    return int(row_of_table1(folder)["runs"])


def test_feature_whose_values_train_lacks_is_named(finished: Folder) -> None:
    finished.write_data(unseen=0.97)

    (line,) = warnings_of(load_runs(finished.store.out))

    assert "user: 97.0% of its values in test do not occur in train" in line


@pytest.mark.parametrize(("few", "is_warned"), [(19, True), (20, False)])
def test_log_of_few_clicks_is_named_and_nothing_rests_on_it(
    finished: Folder, few: int, is_warned: bool
) -> None:
    domains = finished.domains()
    clicks = [few, *[0] * (len(domains) - 1)]
    finished.domains = lambda: domains.with_columns(dev_clicks=pl.Series(clicks))
    finished.write_data()
    runs = load_runs(finished.store.out)

    found = warnings_of(runs)
    table = claims.tabulate(runs)

    assert bool(found) == is_warned
    if is_warned:
        (line,) = found
        assert "19 clicks in dev; at least 20 of each are needed, so no star and no verdict" in line
        assert not compare(runs)["star"].any()
        settled = table[table["outcome"] != "open"]
        assert set(settled["unit"].dropna()) <= {"times"}
        assert table["to_settle"].str.contains("19 clicks in dev").any()


def test_what_a_plug_in_does_not_keep_is_on_the_page(finished: Folder) -> None:
    store, plan = finished.store, read_plan(finished.store.out)
    line = "method mine: fails the check 'e_d' of the contract with dnn: it is"
    write_plan(store, replace(plan, plugin_checks={"method mine": (line,), "method good": ()}))

    page = build(store.out).read_text(encoding="utf-8")

    assert warnings_of(load_runs(store.out)) == [line]
    assert line.replace("'", "&#39;") in page


def test_a_plan_from_before_the_checks_is_read(finished: Folder) -> None:
    path = finished.store.out / "plan.json"
    content = json.loads(path.read_text())
    del content["plugin_checks"]
    path.write_text(json.dumps(content))

    assert read_plan(finished.store.out).plugin_checks == {}


def test_a_sound_store_has_no_warnings(finished: Folder) -> None:
    assert warnings_of(load_runs(finished.store.out)) == []


@pytest.mark.parametrize("name", ["predictions.parquet", "domains.parquet", "history.csv"])
@pytest.mark.parametrize("harm", ["missing", "truncated"])
def test_a_run_with_a_harmed_file_is_named_and_left_out(
    finished: Folder, caplog: pytest.LogCaptureFixture, name: str, harm: str
) -> None:
    path = run_of(finished) / name
    path.unlink() if harm == "missing" else path.write_bytes(path.read_bytes()[:-4])

    page = build(finished.store.out).read_text(encoding="utf-8")

    line = f"{name_of(finished, path)}: missing or changed since the run"
    assert line in page
    assert line in caplog.text
    assert seeds_in_table1(finished) == 2


def test_a_foreign_file_is_named(finished: Folder) -> None:
    path = run_of(finished) / "notes.txt"
    path.write_text("mine")

    (line,) = warnings_of(load_runs(finished.store.out))

    assert line.startswith(f"{name_of(finished, path)}: foreign file")


def test_a_second_record_of_a_cell_is_named_and_left_out(finished: Folder) -> None:
    folder = run_of(finished)
    shutil.copytree(folder, folder.with_name("0" * 12))

    page = build(finished.store.out).read_text(encoding="utf-8")

    assert f"{name_of(finished, folder.with_name('0' * 12))}: plan.json does not have this" in page
    assert seeds_in_table1(finished) == 3


def test_a_record_of_another_schema_is_named_and_left_out(finished: Folder) -> None:
    path = run_of(finished) / "record.json"
    content = json.loads(path.read_text()) | {"schema_version": SCHEMA_VERSION - 1}
    path.write_text(json.dumps(content))

    (line,) = warnings_of(load_runs(finished.store.out))

    assert f"schema version {SCHEMA_VERSION - 1}" in line
    assert seeds_in_table1(finished) == 2


def test_an_undefined_metric_is_named_and_makes_its_mean_undefined(folder: Folder) -> None:
    for config in folder.plan():
        undefined = {"gauc": np.nan} if config.seed == 2 and config.model == "dnn+adasparse" else {}
        folder.run(config, **undefined)
    folder.write_data()

    warnings = warnings_of(load_runs(folder.store.out))

    own = row_of_table1(folder)
    assert warnings == [f"{name_of(folder, run_of(folder))}: gauc undefined on test"]
    assert np.isnan(own["gauc_mean"])
    assert not np.isnan(own["auc_mean"])


@pytest.mark.parametrize("change", [{"seed": 1}, {"method": "plain"}])
def test_the_record_of_another_run_in_a_planned_folder_is_named_and_left_out(
    finished: Folder, change: dict[str, object]
) -> None:
    own = {"seed": 2, "method": "adasparse"} | change
    other = finished.store.run_folder(finished.config("dnn", own["method"], own["seed"]))
    shutil.rmtree(run_of(finished))
    shutil.copytree(other, run_of(finished))

    (line,) = warnings_of(load_runs(finished.store.out))

    assert f"record.json: the record is of the run {other.name}" in line
    assert seeds_in_table1(finished) == 2
