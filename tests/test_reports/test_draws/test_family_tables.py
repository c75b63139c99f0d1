"""Tables of a log with several draws: by hand, draw by draw, and not as pooled rows would give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from benchmark.metrics import evaluate, group_scores
from reports.analysis.comparisons import compare
from reports.analysis.leaderboard import leaderboard
from reports.figures import fig3d, significance
from reports.reading.load import load_runs
from reports.statistics.auction import candidates_of
from reports.statistics.estimates import pooled_component
from reports.statistics.paired_tests import paired_interval
from reports.tables import (
    ab_test,
    ceiling,
    coverage,
    domains,
    draws,
    emerging,
    partitions,
    worse_domains,
)
from reports.tables.ab_test import hold_auctions, log_probability
from tests.test_reports.conftest import printed, row_of

if TYPE_CHECKING:
    from conftest import Family, Folder

    from reports.reading.load import Runs

SEEDS = (1, 2)


def deltas(family: Family, method: str, metric: str) -> list[float]:
    """Of each draw the mean gain over the plain backbone."""
    return [
        float((one.over_seeds(metric, method) - one.over_seeds(metric, "plain")).mean())
        for one in family.draws
    ]


def ends(values: list[float]) -> tuple[float, float]:
    """The 95% t interval."""
    found = paired_interval(values)
    return found.low, found.high


def pooled_ends(family: Family, method: str, metric: str) -> tuple[float, float]:
    """The 95% interval of a gain, the spread over draws being pooled over the methods."""
    names = (method, "plain", "maml")
    table = np.array(
        [[one.over_seeds(metric, name).mean() for one in family.draws] for name in names]
    )
    gains, spread = table[0] - table[1], pooled_component(table)
    half = stats.t.ppf(0.975, spread.freedom) * np.sqrt(spread.variance)
    return gains.mean() - half, gains.mean() + half


def pooled(family: Family) -> tuple[np.ndarray, ...]:
    """Labels, log-odds and domains of all draws as if they were of one log."""
    rows = [(one.label, one.log_odds, one.domain) for one in family.draws]
    return tuple(np.concatenate(parts) for parts in zip(*rows, strict=True))


@pytest.mark.parametrize("metric", ["logloss", "auc", "gauc"])
def test_table_1_has_means_over_runs_and_intervals_over_draws(whole_family, runs, metric):
    row = row_of(leaderboard(runs), method="adasparse")

    all_runs = np.concatenate([one.over_seeds(metric, "adasparse") for one in whole_family.draws])
    of_draws = deltas(whole_family, "adasparse", metric)
    assert row[f"{metric}_mean"] == pytest.approx(all_runs.mean())
    assert row[f"{metric}_std"] == pytest.approx(all_runs.std(ddof=1))
    assert row[f"{metric}_delta_mean"] == pytest.approx(np.mean(of_draws))
    found = (row[f"{metric}_delta_low"], row[f"{metric}_delta_high"])
    expected = pooled_ends(whole_family, "adasparse", metric)
    assert found == pytest.approx(expected)
    assert (row["runs"], row["pairs"], row["draws"]) == (6, 6, 3)


def test_ceiling_of_table_1_is_the_mean_of_the_ceilings_of_the_draws(whole_family, runs):
    row = row_of(leaderboard(runs), method="ceiling")

    best = [evaluate(one.label, one.log_odds, one.domain)["auc"] for one in whole_family.draws]
    assert row["auc_mean"] == pytest.approx(np.mean(best))
    assert row["auc_mean"] != pytest.approx(evaluate(*pooled(whole_family))["auc"], abs=1e-3)


def test_tests_are_over_the_means_of_draws(whole_family, runs):
    row = row_of(compare(runs), method="adasparse", kind="baseline", metric="auc")

    of_draws = deltas(whole_family, "adasparse", "auc")
    assert row["t_p"] == pytest.approx(stats.ttest_1samp(of_draws, 0.0).pvalue)
    found = (row["delta_low"], row["delta_high"])
    assert found == pytest.approx(pooled_ends(whole_family, "adasparse", "auc"))
    assert np.isnan(row["delong_p"])
    assert 0 <= row["delong_runs"] <= row["pairs"] == 6


def test_shares_are_against_the_ceiling_of_their_own_draw(whole_family, runs):
    row = row_of(ceiling.tabulate(runs), method="adasparse", scope=0)

    shares = []
    for one in whole_family.draws:
        best = one.expected(one.p_click, one.log_odds, one.domain)["expected_auc"]
        own, plain = (one.over_seeds("expected_auc", name) for name in ("adasparse", "plain"))
        shares.append(float(((own - plain) / (best - plain)).mean()))
    assert row["expected_auc_share_mean"] == pytest.approx(np.mean(shares))
    found = (row["expected_auc_share_low"], row["expected_auc_share_high"])
    assert found == pytest.approx(ends(shares))
    assert (row["domains"], row["test_rows"]) == (15, 900)


def uprs(family: Family) -> tuple[list[float], int]:
    """The percentage of judged domains with a gain on each draw, and how many are judged."""
    shares, num = [], 0
    for one in family.draws:
        kept = judged(one)
        num += int(kept.sum())
        gains = [(aucs(one, "adasparse", seed) - aucs(one, "plain", seed))[kept] for seed in SEEDS]
        shares.append(100.0 * float((np.array(gains) > 1e-12).mean()))
    return shares, num


def judged(folder: Folder) -> np.ndarray:
    found = group_scores(folder.label, np.zeros(folder.label.size), folder.domain)
    return (found.clicks >= 10) & (found.clicks < found.impressions)


def aucs(folder: Folder, method: str, seed: int) -> np.ndarray:
    logit = folder.logits(folder.config("dnn", method, seed))
    return group_scores(folder.label, logit, folder.domain).auc


def test_share_of_better_domains_is_the_mean_over_draws(whole_family, runs):
    row = row_of(domains.tabulate(runs), method="adasparse")

    shares, num = uprs(whole_family)
    low, high = np.clip(ends(shares), 0.0, 100.0)
    assert row["upr_percent_mean"] == pytest.approx(np.mean(shares))
    assert (row["upr_percent_low"], row["upr_percent_high"]) == pytest.approx((low, high))
    assert row["judged_domains"] == num == row["domains_up"] + row["domains_down"]


def test_worse_domains_belong_to_their_draw(whole_family, runs):
    table = worse_domains.tabulate(runs)
    rows = table[table["method"] == "adasparse"]

    assert rows.groupby("draw").size().tolist() == [
        int(judged(f).sum()) for f in whole_family.draws
    ]
    second = whole_family.draws[1]
    row = row_of(rows, draw=2, domain="scenario=s0")
    assert row["auc"] == pytest.approx(np.mean([aucs(second, "adasparse", s)[0] for s in SEEDS]))
    assert (
        worse_domains.arrange(table.assign(is_worse=True))
        .blocks[0]
        .rows[0][0]
        .text.startswith("draw ")
    )


def test_counts_of_coverage_are_totals_over_draws(whole_family, runs):
    row = row_of(coverage.tabulate(runs), method="plain")

    found = [group_scores(f.label, np.zeros(f.label.size), f.domain) for f in whole_family.draws]
    undefined = sum(int((one.clicks == 0).sum()) for one in found)
    assert (row["domains"], row["domains_without_clicks"]) == (15, undefined)
    assert row["gauc_domains"] == 15 - undefined


def test_gains_on_emerging_domains_are_over_draws(whole_family, runs):
    table = emerging.tabulate(runs)
    row = row_of(table, method="adasparse", group="100 or more train rows")

    of_draws = deltas(whole_family, "adasparse", "gauc")
    assert row["gauc_delta_mean"] == pytest.approx(np.mean(of_draws))
    assert row["gauc_delta_low"] == pytest.approx(ends(of_draws)[0])
    assert (row["domains"], row["test_rows"]) == (15, 900)


def uplifts(runs: Runs, folder: Folder) -> float:
    """The uplift of CTR in percent, mean over the seeds of one draw."""
    candidates = candidates_of(runs.candidates(folder.fingerprint))
    clicks = {
        (method, seed): hold_auctions(
            candidates, log_probability(folder.logits(folder.config("dnn", method, seed)))
        ).clicks.mean()
        for method in ("adasparse", "plain")
        for seed in SEEDS
    }
    ratios = [clicks["adasparse", seed] / clicks["plain", seed] for seed in SEEDS]
    return 100.0 * (float(np.mean(ratios)) - 1.0)


def test_uplifts_are_over_draws_with_auctions_of_their_own(whole_family, runs):
    row = row_of(ab_test.tabulate(runs), method="adasparse")

    of_draws = [uplifts(runs, folder) for folder in whole_family.draws]
    assert row["ctr_uplift_percent_mean"] == pytest.approx(np.mean(of_draws))
    found = (row["ctr_uplift_percent_low"], row["ctr_uplift_percent_high"])
    assert found == pytest.approx(ends(of_draws))
    assert (row["requests"], row["runs"], row["pairs"]) == (300, 6, 6)


def test_ranks_are_over_draws(runs):
    assert set(significance.tabulate(runs)["blocks"]) == {3}


def test_number_of_domains_of_a_step_is_the_mean_over_draws(runs):
    assert set(partitions.tabulate(runs)["num_domains"]) == {5}


@pytest.mark.parametrize("draw", [1, 2, 3])
def test_draws_are_named_with_their_numbers(whole_family, runs, draw):
    row = row_of(draws.tabulate(runs), method="adasparse", draw=draw)

    folder = whole_family.draws[draw - 1]
    best = evaluate(folder.label, folder.log_odds, folder.domain)
    rate = folder.label.mean()
    assert (row["rows"], row["domains"], row["click_rate"]) == (1800, 5, pytest.approx(rate))
    assert row["ceiling_gauc"] == pytest.approx(best["gauc"])
    assert row["auc_delta_mean"] == pytest.approx(
        deltas(whole_family, "adasparse", "auc")[draw - 1]
    )


def test_table_of_draws_ends_with_their_spread(whole_family, runs):
    layout = draws.arrange(draws.tabulate(runs))

    texts = printed(layout)
    gains = [1e4 * gain for gain in deltas(whole_family, "adasparse", "auc")]
    assert [row["Draw"] for row in texts] == ["draw 1", "draw 2", "draw 3", "all draws"]
    assert texts[-1]["Δ +AdaSparse AUC"] == f"{np.mean(gains):+.1f} ± {np.std(gains, ddof=1):.1f}"
    assert texts[0]["Rows"] == "1,800"


def test_friedman_has_a_block_for_each_draw_and_not_for_each_seed(family: Family) -> None:
    for one in family.draws:
        for config in [c.config for c in load_runs(family.out).study("main").cells]:
            if config.draw == one.draw:
                auc = {"plain": 0.5, "maml": 0.6, "adasparse": 0.7}[config.method]
                one.run(config, auc=auc, logloss=1 - auc)

    table = significance.tabulate(load_runs(family.out))

    rows = table[table["metric"] == "logloss"].set_index("method")
    assert rows["mean_rank"].to_dict() == {"plain": 3.0, "maml": 2.0, "adasparse": 1.0}
    # 12 / (3 * 3 * 4) * (3^2 + 6^2 + 9^2) - 3 * 3 * 4 = 6, chi square with two degrees: exp(-3)
    assert rows["friedman_p"].tolist() == pytest.approx([np.exp(-3)] * 3)


def test_figures_show_the_difference_to_plain_over_draws(whole_family, runs) -> None:
    row = row_of(fig3d.tabulate(runs), method="adasparse", changes="")

    of_draws = deltas(whole_family, "adasparse", "auc")
    reach = (ends(of_draws)[1] - ends(of_draws)[0]) / 2
    found = (row["auc_low"], row["auc_high"])
    assert found == pytest.approx((row["auc_mean"] - reach, row["auc_mean"] + reach))
