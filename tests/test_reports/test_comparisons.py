"""Comparisons of models: which are made, their numbers, and what is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from benchmark.metrics import METRICS, SCORES, mean_influences, placements
from reports.analysis.comparisons import compare, estimate
from reports.reading.load import load_runs
from reports.reading.names import BASELINE
from reports.statistics.clusters import clusters_of, rows_component
from reports.statistics.paired_tests import contrast, holm, paired_p_value
from reports.tables import comparisons as comparisons_table
from tests.test_reports.conftest import row_of

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Folder

    from benchmark.store.records import RunRecord
    from reports.reading.load import Runs

METHODS, SEEDS = ("adasparse", "plain"), (1, 2, 3)

PLAIN = ("world", "scenario", "dnn", "plain", "")
PRUNED = ("world", "scenario", "dnn", "adasparse", "")


@pytest.fixture(scope="module")
def table(whole_grid: Path) -> pd.DataFrame:
    """All comparisons of a finished grid."""
    return compare(load_runs(whole_grid))


def test_compare_tests_each_method_against_its_backbone(
    folder: Folder, table: pd.DataFrame
) -> None:

    row = row_of(table, backbone="dnn", method="adasparse", kind="baseline", metric="auc")
    deltas = folder.over_seeds("auc", "adasparse") - folder.over_seeds("auc", "plain")
    assert row["delta_mean"] == pytest.approx(deltas.mean())
    assert row["delta_low"] < row["delta_mean"] < row["delta_high"]
    assert row["t_p"] == pytest.approx(paired_p_value(deltas))
    assert row["error"] > 0.999 * deltas.std(ddof=1) / np.sqrt(3)
    assert np.isnan(row["wilcoxon_p"])
    assert (row["pairs"], row["other"]) == (3, "plain")
    assert table["test"].tolist() == list(range(1, len(table) + 1))


def test_compare_takes_delongs_test_of_the_mean_over_the_seeds(
    folder: Folder, table: pd.DataFrame
) -> None:

    sides = [
        [
            placements(folder.label, folder.logits(folder.config("dnn", method, seed)))
            for seed in SEEDS
        ]
        for method in METHODS
    ]
    row = row_of(table, backbone="dnn", method="adasparse", kind="baseline", metric="auc")
    means = (np.mean(side, axis=0) for side in sides)
    assert row["delong_p"] == pytest.approx(contrast(folder.label, *means).p_value)
    assert 0 <= row["delong_runs"] <= 3
    assert table.loc[table["metric"] != "auc", "delong_p"].isna().all()


def test_second_best_is_chosen_on_dev(studied: Folder) -> None:
    table = compare(load_runs(studied.store.out))

    # dev and test rows are the same here, and so are their scores
    dev = {method: studied.over_seeds("auc", method).mean() for method in ("plain", "maml")}
    row = row_of(table, method="adasparse", kind="second_best", metric="gauc")
    assert row["other"] == max(dev, key=dev.get)


def test_rival_is_not_chosen_on_test(folder: Folder) -> None:
    for config in folder.plan_studies():
        is_lucky = config.method == BASELINE
        folder.run(config, **({"auc": 0.99} if is_lucky else {}))  # on test alone
    folder.write_data()
    best_on_dev = compare(load_runs(folder.store.out))

    rivals = best_on_dev[best_on_dev["kind"] == "second_best"]
    lucky = rivals[(rivals["method"] == BASELINE) & (rivals["metric"] == "auc")].iloc[0]
    assert lucky["other"] == "adasparse"  # the best on test meets the best on dev
    scores = {m: folder.scores(folder.config("dnn", m, 1))["auc"] for m in ("plain", "maml")}
    assert row_of(rivals, method="adasparse", metric="auc")["other"] == max(scores, key=scores.get)


def test_holm_covers_the_block_and_counts_a_pair_once(table: pd.DataFrame) -> None:

    block = table[table["backbone"] == "dnn"]
    baseline, rival = (block[block["kind"] == kind] for kind in ("baseline", "second_best"))
    assert len(baseline) == len(rival) == len(SCORES)  # the only rival is the backbone
    assert baseline["t_p_holm"].to_numpy() == pytest.approx(holm(baseline["t_p"]))
    assert rival["t_p_holm"].tolist() == baseline["t_p_holm"].tolist()
    assert set(block["family"]) == {f"{len(SCORES)} tests of world (domains: scenario), DNN"}


def test_star_needs_the_corrected_two_way_test(table: pd.DataFrame) -> None:

    sign = [-1.0 if METRICS[name].lower_is_better else 1.0 for name in table["metric"]]
    is_better = sign * table["delta_mean"] > 0.0
    expected = is_better & (table["two_way_p_holm"] < 0.05)
    assert table["star"].tolist() == expected.tolist()
    assert 0 < table["star"].sum() < len(table)


def records_of(runs: Runs, key: tuple[str, ...]) -> dict[int, RunRecord]:
    cells = (cell for cell in runs.cells if cell.key == key and cell.record is not None)
    return {cell.config.seed: cell.record for cell in cells}


def test_estimate_compares_cells_of_other_studies(studied: Folder) -> None:
    runs = load_runs(studied.store.out)
    changed = next(c.key for c in runs.study("formulations").cells if "Binarization" in c.key[4])
    own, other = records_of(runs, PRUNED), records_of(runs, changed)

    found, back = estimate(own, other, "gauc"), estimate(other, own, "gauc")

    gauc = [[side[seed].metrics["test"]["gauc"] for seed in SEEDS] for side in (own, other)]
    deltas = np.subtract(*gauc)
    assert (found.mean, found.num) == (pytest.approx(np.mean(deltas)), 3)
    assert found.mean == pytest.approx(-back.mean)
    assert found.p_value == pytest.approx(back.p_value)


def test_estimate_is_that_of_the_table(finished: Folder) -> None:
    runs = load_runs(finished.store.out)

    found = estimate(records_of(runs, PRUNED), records_of(runs, PLAIN), "gauc")

    row = row_of(compare(runs), backbone="dnn", method="adasparse", kind="baseline", metric="gauc")
    interval = found.interval()
    differences = (interval.mean, interval.low, interval.high, found.detectable)
    names = ["delta_mean", "delta_low", "delta_high", "mde"]
    assert row[names].tolist() == [*differences]
    assert row[["two_way_p", "pairs"]].tolist() == [found.p_value, 3]


def test_comparison_of_cells_without_common_runs_is_undefined(folder: Folder) -> None:
    folder.plan()
    folder.finish(folder.config("dnn", *run) for run in (("plain", 1), ("adasparse", 2)))
    runs = load_runs(folder.store.out)

    row = row_of(compare(runs), backbone="dnn", kind="baseline", metric="auc")

    assert row["pairs"] == estimate(records_of(runs, PRUNED), {}, "auc").num == 0
    assert np.isnan([row["delta_mean"], row["delta_low"], row["t_p"], row["delong_p"]]).all()


def test_comparison_of_one_seed_has_delongs_test_alone(folder: Folder) -> None:
    folder.finish(folder.plan(seeds=(1,)))

    row = row_of(
        compare(load_runs(folder.store.out)), backbone="dnn", kind="baseline", metric="auc"
    )

    assert row["delta_mean"] != 0.0
    assert np.isnan([row["delta_low"], row["t_p"], row["mde"]]).all()
    assert 0.0 <= row["delong_p"] <= 1.0


def test_runs_on_two_logs_are_not_compared(studied: Folder) -> None:
    runs = load_runs(studied.store.out)
    elsewhere = (studied.null_world["dataset"], *PLAIN[1:])

    with pytest.raises(ValueError, match="one prepared log"):
        estimate(records_of(runs, PRUNED), records_of(runs, elsewhere), "auc")


def test_comparisons_follow_changed_predictions(finished: Folder) -> None:
    before = compare(load_runs(finished.store.out))
    finished.log_odds = finished.log_odds + np.random.default_rng(1).normal(size=300)
    for seed in SEEDS:
        finished.run(finished.config("dnn", "adasparse", seed))

    after = compare(load_runs(finished.store.out))

    keys = {"backbone": "dnn", "method": "adasparse", "kind": "baseline", "metric": "auc"}
    assert row_of(after, **keys)["delong_p"] != row_of(before, **keys)["delong_p"]
    assert row_of(after, **keys)["error"] != row_of(before, **keys)["error"]


def test_undefined_metrics_have_no_interval_and_no_star(folder: Folder) -> None:
    folder.finish(folder.plan(), gauc=float("nan"))

    rows = compare(load_runs(folder.store.out)).query("metric == 'gauc'")

    assert rows[["delta_mean", "delta_low", "t_p", "t_p_holm"]].isna().all(axis=None)
    assert not rows["star"].any()


def test_table_of_tests_numbers_its_rows_for_links(finished: Folder) -> None:
    numbers = comparisons_table.tabulate(load_runs(finished.store.out))
    layout = comparisons_table.arrange(numbers)

    rows = [row for block in layout.blocks for row in block.rows]
    assert [row[0].anchor for row in rows] == [f"test-{n}" for n in range(1, len(rows) + 1)]
    assert rows[0][1].text == "+AdaSparse vs DNN"
    assert layout.notes[0].startswith("With 3 runs of both this report cannot be relied on to see")


@pytest.mark.parametrize("has_users", [False, True])
def test_rows_belong_together_as_the_store_says(finished: Folder, has_users: bool) -> None:
    runs = load_runs(finished.store.out)
    user = np.random.default_rng(3).integers(0, 12, 300)
    names = {"block": np.arange(300) // 30} | ({"cluster": user} if has_users else {})
    for path in finished.store.out.rglob("predictions.parquet"):
        stored = pd.read_parquet(path)
        stored.assign(**{k: np.tile(v, 2) for k, v in names.items()}).to_parquet(path)

    found = estimate(records_of(runs, PRUNED), records_of(runs, PLAIN), "auc")

    everything = np.zeros(300, np.int64)
    added = np.array(
        [
            np.subtract(
                *(
                    mean_influences(finished.label, finished.logits(config), everything, everything)
                    for config in (finished.config("dnn", method, seed) for method in METHODS)
                )
            )
            for seed in SEEDS
        ]
    )
    clusters = clusters_of(*names.values())
    expected = rows_component(np.array([clusters.sums(d) for d in added]), *clusters.groupings)
    assert found.rows.variance == pytest.approx(expected.variance)
    assert found.rows.freedom == 9
