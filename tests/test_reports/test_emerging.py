"""The table of emerging domains: worked by hand, and against the metrics of the records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from benchmark.store.files import write_parquet, write_sealed
from benchmark.store.records import RECORD
from datasets.files import file_digest
from reports.reading.load import load_runs
from reports.tables.emerging import TABLE

if TYPE_CHECKING:
    import pandas as pd
    from conftest import Folder

    from benchmark.config import RunConfig

METHODS = ("plain", "adasparse")
DOMAINS = {  # unseen, unseen with one class, 99 and 100 train rows, not in test
    "eval_domain_id": [0, 1, 2, 3, 4],
    "train_impressions": [0, 0, 99, 100, 500],
    "test_impressions": [10, 30, 20, 40, 0],
    "test_clicks": [3, 0, 5, 10, 0],
}
CEILING = {
    "ceiling_expected_auc": [0.9, 0.7, 0.8, 0.85, np.nan],
    "ceiling_expected_logloss": [0.1, 0.2, 0.3, 0.4, np.nan],
}
AUC = np.array([0.6, np.nan, 0.7, 0.8, np.nan])
EXPECTED = np.array([0.65, 0.55, 0.6, 0.7, np.nan])
GAIN = {1: 0.01, 2: 0.02, 3: 0.03}  # of AdaSparse over plain, by seed
T_HALF_WIDTH = 4.302653 * 100.0 / np.sqrt(3)  # of the differences 100, 200, 300


def write_study(folder: Folder, seeds: tuple[int, ...] = (1, 2, 3)) -> list[RunConfig]:
    """The plan of the study on one backbone."""
    configs = [folder.config("dnn", method, seed) for seed in seeds for method in METHODS]
    folder.plan_of({"emerging": configs})
    return configs


def replace_scores(folder: Folder, config: RunConfig, domains: pl.DataFrame) -> None:
    """Put another table of domains into a finished run."""
    run = folder.store.run_folder(config)
    write_parquet(run / "domains.parquet", domains)
    record = json.loads((run / RECORD).read_text())
    record["digests"]["domains.parquet"] = file_digest(run / "domains.parquet")
    write_sealed(run / RECORD, record)


def write_runs(folder: Folder, domains: dict, *, is_world: bool = True) -> None:
    """Runs with the scores above on these domains."""
    for config in write_study(folder):
        folder.run(config)
        gain = GAIN[config.seed] if config.method == "adasparse" else 0.0
        scores = {"auc": AUC + gain}
        if is_world:
            scores |= {"expected_auc": EXPECTED + gain, "expected_logloss": EXPECTED - gain}
        replace_scores(folder, config, pl.DataFrame(domains | scores))
    folder.write_data(with_truth=False)
    known = CEILING if is_world else {}
    write_parquet(
        folder.store.data_folder("f" * 16) / "domains.parquet", pl.DataFrame(domains | known)
    )


def tabulated(folder: Folder) -> pd.DataFrame:
    return TABLE.tabulate(load_runs(folder.store.out))


def row_of(table: pd.DataFrame, group: str, method: str) -> pd.Series:
    (position,) = np.flatnonzero((table["group"] == group) & (table["method"] == method))
    return table.iloc[position]


@pytest.mark.parametrize(
    ("group", "counts", "gauc", "expected"),
    [
        ("no train rows", (2, 1, 40), 0.6, (10 * 0.65 + 30 * 0.55) / 40),
        ("1 to 99 train rows", (1, 1, 20), 0.7, 0.6),
        ("100 or more train rows", (1, 1, 40), 0.8, 0.7),
    ],
)
def test_groups_are_those_of_the_train_rows(
    folder: Folder, group: str, counts: tuple, gauc: float, expected: float
) -> None:
    write_runs(folder, DOMAINS)

    row = row_of(tabulated(folder), group, "plain")

    assert (row["domains"], row["gauc_domains"], row["test_rows"]) == counts
    assert row["gauc_mean"] == pytest.approx(gauc)
    assert row["expected_gauc_mean"] == pytest.approx(expected)
    assert row["expected_logloss_mean"] == pytest.approx(expected)
    assert row["gauc_std"] == pytest.approx(0.0)


@pytest.mark.parametrize("metric", ["gauc", "expected_gauc", "expected_logloss"])
def test_differences_are_taken_seed_by_seed_with_a_t_interval(folder: Folder, metric: str) -> None:
    write_runs(folder, DOMAINS)

    row = row_of(tabulated(folder), "no train rows", "adasparse")

    delta = [row[f"{metric}_delta_e4_{part}"] for part in ("mean", "low", "high")]
    mean = -200.0 if metric == "expected_logloss" else 200.0
    assert delta == pytest.approx([mean, mean - T_HALF_WIDTH, mean + T_HALF_WIDTH], rel=1e-6)


def test_ceiling_is_that_of_the_group(folder: Folder) -> None:
    write_runs(folder, DOMAINS)

    row = row_of(tabulated(folder), "no train rows", "ceiling")

    assert row["expected_gauc_mean"] == pytest.approx((10 * 0.9 + 30 * 0.7) / 40)
    assert row["expected_logloss_mean"] == pytest.approx((10 * 0.1 + 30 * 0.2) / 40)


def test_empty_group_is_counted_and_undefined(folder: Folder) -> None:
    write_runs(folder, DOMAINS | {"train_impressions": [0, 0, 100, 100, 50]})

    table = tabulated(folder)

    row = row_of(table, "1 to 99 train rows", "adasparse")
    assert (row["domains"], row["gauc_domains"], row["test_rows"]) == (0, 0, 0)
    assert np.isnan([row["gauc_mean"], row["expected_gauc_delta_e4_mean"]]).all()
    block = TABLE.arrange(table).blocks[1]
    assert block.heading.endswith("domains with 1 to 99 train rows: 0 with 0 test rows")
    assert [entry.text for entry in block.rows[1][1:-1]] == ["0 of 0", *["n/a"] * 6]


def test_log_without_a_known_truth_has_no_expected_metrics(folder: Folder) -> None:
    write_runs(folder, DOMAINS, is_world=False)

    table = tabulated(folder)

    assert set(table["method"]) == set(METHODS)
    row = row_of(table, "100 or more train rows", "adasparse")
    assert row["gauc_delta_e4_mean"] == pytest.approx(200.0)
    assert np.isnan(row["expected_gauc_mean"])


def test_group_of_all_domains_has_the_gauc_of_the_record(folder: Folder) -> None:
    for config in write_study(folder):
        folder.run(config)
    folder.write_data(with_truth=False)  # every domain has more than 100 train rows

    row = row_of(tabulated(folder), "100 or more train rows", "adasparse")

    scores = [folder.scores(folder.config("dnn", "adasparse", seed)) for seed in (1, 2, 3)]
    assert row["gauc_mean"] == pytest.approx(np.mean([score["gauc"] for score in scores]))
    assert (row["domains"], row["gauc_domains"]) == (5, scores[0]["gauc_domains"])


def test_one_seed_has_a_difference_without_bounds(folder: Folder) -> None:
    configs = write_study(folder)
    for config in configs[:2]:
        folder.run(config)
    folder.write_data(with_truth=False)

    table = tabulated(folder)

    row = row_of(table, "100 or more train rows", "adasparse")
    assert not np.isnan(row["gauc_delta_e4_mean"])
    assert np.isnan(row["gauc_delta_e4_low"])
    assert TABLE.arrange(table).blocks[-1].rows[1][-1].text == "1 of 3"


def test_methods_without_the_baseline_have_no_differences(folder: Folder) -> None:
    _, config, *_ = write_study(folder)
    folder.run(config)
    folder.write_data(with_truth=False)

    row = row_of(tabulated(folder), "100 or more train rows", "adasparse")

    assert not np.isnan(row["gauc_mean"])
    assert np.isnan(row["gauc_delta_e4_mean"])
