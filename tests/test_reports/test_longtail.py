"""Gains by bin of domains and their figure: against other metrics, by hand, on partial grids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.metrics import evaluate, mean_influences
from reports.analysis.long_tail import METRICS, bin_gain, bin_scores, scores_of, tabulate
from reports.figures.fig3b import FIGURE
from reports.look.part import rendered
from reports.reading.keys import Replicate
from reports.reading.load import load_runs
from reports.reading.predictions import ScoredRows, file_of, scored_rows
from reports.statistics.bins import bins_by_domain
from reports.statistics.clusters import clusters_of, rows_component

if TYPE_CHECKING:
    from conftest import Folder

NUM_BINS = 5
PLACES = (Replicate(0, 1), Replicate(0, 2))


@pytest.fixture(scope="module")
def rows() -> ScoredRows:
    """Of 30 domains of falling size, in the order of time, in 20 blocks."""
    random = np.random.default_rng(3)
    domain = (random.zipf(1.3, 6000) - 1) % 30
    label = (random.random(6000) < 0.2).astype(np.int8)
    logit = (random.normal(size=6000) + label).astype(np.float32)
    return ScoredRows(label, logit, domain.astype(np.int32), np.arange(6000) // 300)


def part(rows: ScoredRows, kept: np.ndarray) -> ScoredRows:
    return ScoredRows(*(values[kept] for values in rows[:4]))


@pytest.fixture(scope="module")
def bins() -> np.ndarray:
    return np.repeat([1, 2, 3, 4, 5], [1, 3, 6, 8, 12])


def test_scores_of_a_bin_are_the_metrics_of_its_rows(rows, bins):
    scores = bin_scores(rows, bins).scores

    for number in range(1, NUM_BINS + 1):
        own = part(rows, bins[rows.domain] == number)
        expected = evaluate(own.label, own.logit, own.domain)
        assert scores[number - 1].tolist() == pytest.approx([expected[m] for m in METRICS])
        assert scores[number - 1, 1] == pytest.approx(roc_auc_score(own.label, own.logit))


@pytest.mark.parametrize("metric", METRICS)
def test_gain_of_a_bin_varies_as_that_of_its_rows_alone(rows, bins, metric):
    random = np.random.default_rng(4)
    others = [rows._replace(logit=random.normal(size=6000).astype(np.float32)) for _ in range(4)]
    own, plain = (dict(zip(PLACES, others[k : k + 2], strict=True)) for k in (0, 2))

    scores = [
        {place: bin_scores(one, bins) for place, one in side.items()} for side in (own, plain)
    ]
    found = bin_gain(*scores, 1, metric)

    kept = bins[rows.domain] == 1  # one large domain, whose GAUC is its AUC
    everything = np.zeros(kept.sum(), np.int64)
    added = [
        mean_influences(rows.label[kept], one.logit[kept], everything, everything) for one in others
    ]
    deltas = np.array([added[0] - added[2], added[1] - added[3]])
    clusters = clusters_of(rows.block[kept])
    expected = rows_component(np.array([clusters.sums(d) for d in deltas]), *clusters.groupings)
    assert found.rows.variance == pytest.approx(expected.variance)
    assert (found.num, found.rows.freedom) == (2, 19)


@pytest.mark.parametrize("metric", METRICS)
def test_sums_of_a_bin_are_those_of_its_rows_where_another_bin_has_none(rows, bins, metric):
    without = part(rows, bins[rows.domain] != 2)
    row_bin = bins[without.domain]

    found = {number: bin_scores(without, bins).sums(number, metric) for number in range(1, 6)}

    group = without.domain if metric == "gauc" else row_bin
    added = mean_influences(without.label, without.logit, group, row_bin)
    for number, of_bin in found.items():
        blocks = np.bincount(without.block, np.where(row_bin == number, added, 0.0))
        assert of_bin.sums.tolist() == blocks[of_bin.groupings[0]].tolist()
        assert of_bin.groupings[0].size == (0 if number == 2 else 20)


def test_bin_without_both_classes_has_no_score(rows, bins):
    without = rows._replace(label=np.where(bins[rows.domain] == 4, 0, rows.label))

    scores = bin_scores(without, bins).scores

    assert np.isnan(scores).tolist() == [[number == 4] * 2 for number in range(1, NUM_BINS + 1)]


def test_gain_is_the_mean_difference_of_the_seeds_that_both_have(finished: Folder):
    runs = load_runs(finished.store.out)
    records = {(r.config.model, r.config.seed): r for r in runs.records}
    bins = bins_by_domain(runs.domains("f" * 16))

    table = tabulate(runs)

    own = table[table["backbone"] == "dnn"]
    scores = {
        method: np.array(
            [scores_of(records[f"dnn+{method}", seed], bins).scores for seed in (1, 2, 3)]
        )
        for method in ("plain", "adasparse")
    }
    gain = (scores["adasparse"] - scores["plain"]).mean(axis=0)
    assert own["method"].unique().tolist() == ["adasparse"]
    assert own["pairs"].tolist() == [3] * NUM_BINS
    for j, metric in enumerate(METRICS):
        mean = own[f"{metric}_delta_mean"]
        np.testing.assert_allclose(mean, gain[:, j])
        has_score = mean.notna()
        assert (own[f"{metric}_delta_low"] < mean)[has_score].all()
        assert (own[f"{metric}_delta_high"] > mean)[has_score].all()


def test_counts_of_bins_are_those_of_the_log(finished: Folder):
    runs = load_runs(finished.store.out)
    domains = runs.domains("f" * 16)

    own = tabulate(runs).query("backbone == 'dnn'")

    assert own["domains"].sum() == len(domains)
    assert own["test_rows"].sum() == domains["test_impressions"].sum()
    assert own["gauc_domains"].sum() == (domains["test_clicks"] > 0).sum()


def test_only_common_seeds_are_pairs(folder: Folder):
    left_out = {("plain", 1), ("adasparse", 2)}
    folder.finish(one for one in folder.plan() if (one.method, one.seed) not in left_out)

    table = tabulate(load_runs(folder.store.out))

    assert set(table["pairs"]) == {1}
    assert table["auc_delta_mean"].notna().any()
    assert table["auc_delta_low"].isna().all()  # one seed has no interval
    assert rendered(FIGURE, table).png


@pytest.mark.parametrize("missing", ["plain", "adasparse"])
def test_nothing_to_compare_makes_no_figure(folder: Folder, missing):
    folder.finish(config for config in folder.plan() if config.method != missing)

    assert tabulate(load_runs(folder.store.out)).empty


def test_figure_shows_domains_and_rows_of_every_bin(finished: Folder):
    table = tabulate(load_runs(finished.store.out))

    canvas = FIGURE.draw(table)

    assert len(canvas.axes) == 4  # two backbones, two metrics
    first = table[table["backbone"] == "dnn"].iloc[0]
    label = canvas.axes[0].get_xticklabels()[0].get_text()
    assert label == f"BIN1\n{first['domains']}\n{first['test_rows']}"
    assert "(3)" in FIGURE.notes(table)[0]


def test_figure_of_many_blocks_draws_four_and_says_so(finished: Folder):
    one = tabulate(load_runs(finished.store.out)).query("backbone == 'dnn'")
    many = pd.concat([one.assign(dataset=f"log {i}", method=f"my_{i}") for i in range(5)])

    canvas = FIGURE.draw(many)

    assert len(canvas.axes) == 8
    assert "the first 4 of 5 data sets" in FIGURE.notes(many)[-1]


def test_scored_rows_are_the_test_rows_as_stored(folder: Folder):
    folder.plan(seeds=(1,))
    config = folder.config("dnn", "plain", 1)
    folder.run(config)
    record = folder.store.read_run(config)
    path = record.path / "predictions.parquet"
    stored = pd.read_parquet(path)
    stored.loc[stored["split"] == "dev", ["logit", "label"]] = 9
    stored.to_parquet(path)

    found = scored_rows(file_of(record))

    assert found.logit.tolist() == folder.logits(config).tolist()
    assert found.label.tolist() == folder.label.tolist()
    assert found.domain.tolist() == folder.domain.tolist()
