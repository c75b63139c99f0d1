"""The table of emerging domains: worked by hand, and against the metrics of the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats

from benchmark.store.files import write_parquet
from reports.analysis.differences import delta_interval
from reports.tables.emerging import TABLE
from tests.test_reports.conftest import bounds_of, forge_record, row_of

if TYPE_CHECKING:
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
T_HALF_WIDTH = 4.302653 * 0.01 / np.sqrt(3)  # of the differences 0.01, 0.02, 0.03


def write_study(folder: Folder) -> list[RunConfig]:
    """The plan of the study on one backbone."""
    configs = [folder.config("dnn", method, seed) for seed in GAIN for method in METHODS]
    folder.plan_of({"emerging": configs})
    return configs


def write_runs(folder: Folder, domains: dict, *, is_world: bool = True) -> None:
    """Runs with the scores above on these domains."""
    for config in write_study(folder):
        folder.run(config)
        gain = GAIN[config.seed] if config.method == "adasparse" else 0.0
        scores = {"auc": AUC + gain}
        if is_world:
            scores |= {"expected_auc": EXPECTED + gain, "expected_logloss": EXPECTED - gain}
        run = folder.store.run_folder(config)
        write_parquet(run / "domains.parquet", pl.DataFrame(domains | scores))
        forge_record(run)
    folder.write_data(with_truth=False)
    known = CEILING if is_world else {}
    write_parquet(
        folder.store.data_folder("f" * 16) / "domains.parquet", pl.DataFrame(domains | known)
    )


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

    row = row_of(folder.tabulated(TABLE), group=group, method="plain")

    assert (row["domains"], row["gauc_domains"], row["test_rows"]) == counts
    assert row["gauc_mean"] == pytest.approx(gauc)
    assert row["expected_gauc_mean"] == pytest.approx(expected)
    assert row["expected_logloss_mean"] == pytest.approx(expected)
    assert row["gauc_std"] == pytest.approx(0.0)


@pytest.mark.parametrize("metric", ["gauc", "expected_gauc", "expected_logloss"])
def test_differences_are_taken_seed_by_seed_with_a_t_interval(folder: Folder, metric: str) -> None:
    write_runs(folder, DOMAINS)

    row = row_of(folder.tabulated(TABLE), group="no train rows", method="adasparse")

    delta = bounds_of(row, f"{metric}_delta")
    mean = -0.02 if metric == "expected_logloss" else 0.02
    assert delta == pytest.approx([mean, mean - T_HALF_WIDTH, mean + T_HALF_WIDTH], rel=1e-6)


def test_ceiling_is_that_of_the_group(folder: Folder) -> None:
    write_runs(folder, DOMAINS)

    row = row_of(folder.tabulated(TABLE), group="no train rows", method="ceiling")

    assert row["expected_gauc_mean"] == pytest.approx((10 * 0.9 + 30 * 0.7) / 40)
    assert row["expected_logloss_mean"] == pytest.approx((10 * 0.1 + 30 * 0.2) / 40)


def test_empty_group_is_counted_and_undefined(folder: Folder) -> None:
    write_runs(folder, DOMAINS | {"train_impressions": [0, 0, 100, 100, 50]})

    table = folder.tabulated(TABLE)

    row = row_of(table, group="1 to 99 train rows", method="adasparse")
    assert (row["domains"], row["gauc_domains"], row["test_rows"]) == (0, 0, 0)
    assert np.isnan([row["gauc_mean"], row["expected_gauc_delta_mean"]]).all()
    block = TABLE.arrange(table).blocks[1]
    assert block.heading.endswith("domains with 1 to 99 train rows: 0 with 0 test rows")
    assert [entry.text for entry in block.rows[1][1:-1]] == ["0 of 0", *["n/a"] * 6]


def test_log_without_a_known_truth_has_no_expected_metrics(folder: Folder) -> None:
    write_runs(folder, DOMAINS, is_world=False)

    table = folder.tabulated(TABLE)

    assert set(table["method"]) == set(METHODS)
    row = row_of(table, group="100 or more train rows", method="adasparse")
    assert row["gauc_delta_mean"] == pytest.approx(0.02)
    assert np.isnan(row["expected_gauc_mean"])


def test_group_of_all_domains_has_the_gauc_of_the_record(folder: Folder) -> None:
    folder.finish(write_study(folder))  # every domain has more than 100 train rows

    row = row_of(folder.tabulated(TABLE), group="100 or more train rows", method="adasparse")

    assert row["gauc_mean"] == pytest.approx(folder.over_seeds("gauc", "adasparse").mean())
    assert (row["domains"], row["gauc_domains"]) == (5, 4)


@pytest.mark.parametrize(("metric", "is_bounded"), [("gauc", True), ("logloss", False)])
def test_interval_of_far_apart_seeds_stays_within_what_is_possible(
    metric: str, *, is_bounded: bool
) -> None:
    own, plain = (
        pd.DataFrame({"draw": 0, "seed": [1, 2], metric: values})
        for values in ([0.9, 0.5], [0.4, 0.6])
    )

    found = delta_interval(own, plain, metric)

    half = 0.3 * stats.t.ppf(0.975, 1)  # the differences are 0.5 and -0.1
    expected = [-1.0, 1.0] if is_bounded else [0.2 - half, 0.2 + half]
    assert [found.low, found.high] == pytest.approx(expected)
