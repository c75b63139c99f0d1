"""The table of the simulated A/B test: worked by hand, and what it must not find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from benchmark.store.files import write_parquet
from reports.look.table import Entry
from reports.tables.ab_test import TABLE
from tests.test_reports.conftest import forge_record, row_of

if TYPE_CHECKING:
    from conftest import Folder

    from benchmark.config import RunConfig

METHODS = ("plain", "adasparse")
SEEDS = (1, 2, 3)
WORKED = {  # request 0 with two candidates, request 1 with one
    "request_id": [0, 0, 1],
    "bid": [2.0, 1.0, 3.0],
    "p_click": [0.1, 0.3, 0.5],
    "eval_domain_id": [0, 0, 1],
}
PLAIN = [0.2, 0.2, 0.1]  # shows the first for 1.0 per click
BETTER = [0.1, 0.4, 0.1]  # shows the second for 0.5 per click


def write_study(folder: Folder, candidates: dict) -> list[RunConfig]:
    """The plan of the study on one backbone, and what its requests are."""
    configs = [folder.config("dnn", method, seed) for seed in SEEDS for method in METHODS]
    folder.plan_of({"ab_test": configs})
    folder.write_data()
    path = folder.store.data_folder("f" * 16) / "candidates.parquet"
    write_parquet(path, pl.DataFrame(candidates))
    return configs


def run(folder: Folder, config: RunConfig, logit: np.ndarray) -> None:
    """Write a finished run with these logits of the candidates."""
    folder.run(config)
    path = folder.store.run_folder(config)
    write_parquet(path / "candidates.parquet", pl.DataFrame({"logit": logit.astype(np.float32)}))
    forge_record(path)


def log_odds(p_ctr: list[float]) -> np.ndarray:
    return np.log(p_ctr) - np.log1p(np.negative(p_ctr))


def random_candidates(num_requests: int = 150, num_domains: int = 6) -> dict:
    random = np.random.default_rng(11)
    rows = 5 * num_requests
    return {
        "request_id": np.repeat(np.arange(num_requests), 5),
        "bid": random.lognormal(size=rows),
        "p_click": random.uniform(0.01, 0.4, rows),
        "eval_domain_id": np.repeat(random.integers(0, num_domains, num_requests), 5),
    }


@pytest.fixture
def worked(folder: Folder) -> Folder:
    """Two requests, the same predictions for every seed of a method."""
    for config in write_study(folder, WORKED):
        run(folder, config, log_odds(PLAIN if config.method == "plain" else BETTER))
    return folder


def test_measures_are_those_of_the_winners(worked: Folder) -> None:
    table = worked.tabulated(TABLE)

    plain, better = row_of(table, method="plain"), row_of(table, method="adasparse")
    assert plain["ctr_percent_mean"] == pytest.approx(100 * (0.1 + 0.5) / 2)
    assert plain["revenue_per_1000_mean"] == pytest.approx(1000 * 0.1 * 1.0 / 2)
    assert plain["cpc_mean"] == pytest.approx(0.1 / 0.6)
    assert better["ctr_percent_mean"] == pytest.approx(100 * (0.3 + 0.5) / 2)
    assert better["revenue_per_1000_mean"] == pytest.approx(1000 * 0.3 * 0.5 / 2)
    assert better["cpc_mean"] == pytest.approx(0.15 / 0.8)
    assert better["ctr_percent_std"] == pytest.approx(0.0)
    assert (better["requests"], better["pairs"], better["planned_runs"]) == (2, 3, 3)


def test_uplifts_are_relative_to_the_plain_backbone(worked: Folder) -> None:
    row = row_of(worked.tabulated(TABLE), method="adasparse")

    assert row["ctr_uplift_percent_mean"] == pytest.approx(100 * (0.8 / 0.6 - 1))
    assert row["revenue_uplift_percent_mean"] == pytest.approx(50.0)
    assert row["cpc_uplift_percent_mean"] == pytest.approx(100 * (0.1875 * 6 - 1))


def test_references_are_what_no_and_perfect_predictions_lead_to(worked: Folder) -> None:
    table = worked.tabulated(TABLE)

    random, bid, oracle = (row_of(table, method=name) for name in ("random", "bid", "oracle"))
    assert random["ctr_percent_mean"] == pytest.approx(100 * (0.2 + 0.5) / 2)
    assert np.isnan([random["cpc_mean"], random["revenue_per_1000_mean"]]).all()
    assert bid["ctr_percent_mean"] == pytest.approx(30.0)
    assert bid["revenue_per_1000_mean"] == pytest.approx(50.0)  # 0.1 x 1 of one request
    assert oracle["ctr_percent_mean"] == pytest.approx(40.0)
    assert oracle["revenue_per_1000_mean"] == pytest.approx(1000 * 0.3 * (0.2 / 0.3) / 2)


def test_truth_is_an_uplift_in_every_domain_over_noise(folder: Folder) -> None:
    candidates = random_candidates()
    truth = log_odds(list(candidates["p_click"]))
    random = np.random.default_rng(13)
    for config in write_study(folder, candidates):
        sigma = 2.0 if config.method == "plain" else 0.0
        run(folder, config, truth + sigma * random.normal(size=truth.size))

    table = folder.tabulated(TABLE)

    row, oracle = row_of(table, method="adasparse"), row_of(table, method="oracle")
    assert row["ctr_uplift_percent_low"] > 0.0
    assert row["uplifted_percent_mean"] == pytest.approx(100 * 16 / 18)  # of 6 domains in 3 seeds
    assert 40.0 < row["uplifted_percent_low"] < row["uplifted_percent_mean"]
    assert row["uplifted_percent_by_chance"] == 50.0
    assert row["ctr_percent_mean"] == pytest.approx(oracle["ctr_percent_mean"])
    assert row["revenue_per_1000_mean"] == pytest.approx(oracle["revenue_per_1000_mean"], rel=1e-5)


def test_seeds_that_only_one_model_has_are_no_pairs(folder: Folder) -> None:
    done = write_study(folder, WORKED)[:3]  # plain and AdaSparse of seed 1, plain of seed 2
    for config in done:
        run(folder, config, log_odds(PLAIN if config.method == "plain" else BETTER))

    table = folder.tabulated(TABLE)

    row = row_of(table, method="adasparse")
    assert (row["runs"], row["pairs"], row["planned_runs"]) == (1, 1, 3)
    assert row["ctr_uplift_percent_mean"] == pytest.approx(100 / 3)
    assert np.isnan(row["ctr_uplift_percent_low"])


def test_missing_baseline_leaves_the_comparison_undefined(folder: Folder) -> None:
    _, config, *_ = write_study(folder, WORKED)
    run(folder, config, log_odds(BETTER))

    table = folder.tabulated(TABLE)

    assert np.isnan(row_of(table, method="adasparse")["ctr_uplift_percent_mean"])
    texts = [entry.text for entry in TABLE.arrange(table).blocks[0].rows[1]]
    assert texts[4:] == ["n/a", "n/a", "n/a", "n/a", "n/a", "0", "1 of 3"]


def test_references_have_a_block_of_their_own(worked: Folder) -> None:
    table = worked.tabulated(TABLE)

    layout = TABLE.arrange(table)

    assert len(table) == 5
    plain = layout.blocks[0].rows[0]
    assert plain[4:10] == [Entry("")] * 6  # plain has nothing to be compared with
    assert layout.blocks[-1].heading.endswith("references: 2 requests")


def test_log_without_candidates_has_no_table(folder: Folder) -> None:
    write_study(folder, {name: values[:0] for name, values in WORKED.items()})
    folder.run(folder.config("dnn", "plain", 1))

    empty = folder.tabulated(TABLE)
    (folder.store.data_folder("f" * 16) / "candidates.parquet").unlink()

    assert empty.empty
    assert folder.tabulated(TABLE).empty
