"""Uplifts: worked by hand, and intervals against what chance does."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.statistics.auction import MIXED, candidates_of, hold_auctions
from reports.statistics.uplift import uplift_intervals, uplifted_domains


def excludes_zero(interval):
    return interval.low > 0.0 or interval.high < 0.0


def uplifts_of(totals):
    """CTR, CPC and revenue in percent, from sums of clicks and revenue, and those of the other."""
    clicks, revenue, other_clicks, other_revenue = totals.T
    ratios = clicks / other_clicks, revenue / other_revenue
    return [100.0 * (r - 1.0) for r in (ratios[0], ratios[1] / ratios[0], ratios[1])]


def test_uplifts_are_relative_and_taken_seed_by_seed():
    summands = np.zeros((2, 2, 4))  # clicks, revenue, clicks and revenue of the other
    summands[0] = [[0.2, 0.4, 0.1, 0.1], [0.4, 0.2, 0.3, 0.2]]  # 0.6, 0.6; 0.4, 0.3
    summands[1] = [[0.2, 0.1, 0.1, 0.1], [0.2, 0.1, 0.3, 0.3]]  # 0.4, 0.2; 0.4, 0.4

    intervals = uplift_intervals(summands)

    assert intervals["ctr"].mean == pytest.approx((50.0 + 0.0) / 2)
    assert intervals["cpc"].mean == pytest.approx((100 * (1 / 0.75 - 1) - 50.0) / 2)
    assert intervals["revenue"].mean == pytest.approx((100.0 - 50.0) / 2)


def test_uplift_over_no_revenue_is_undefined():
    summands = np.array([[[0.2, 0.0, 0.1, 0.0]] * 5] * 2)

    intervals = uplift_intervals(summands)

    assert intervals["ctr"].mean == pytest.approx(100.0)
    assert np.isnan([intervals["cpc"].mean, intervals["revenue"].mean]).all()
    assert np.isnan(intervals["revenue"].low)


def test_uplift_without_seeds_is_undefined_and_of_one_seed_has_no_bounds():
    summands = np.random.default_rng(0).random((1, 30, 4))

    assert np.isnan(uplift_intervals(summands[:0])["ctr"].mean)
    assert not np.isnan(uplift_intervals(summands)["ctr"].mean)
    assert np.isnan(uplift_intervals(summands)["ctr"].low)


def test_identical_models_have_no_uplift():
    own = np.random.default_rng(1).random((3, 200, 2))

    intervals = uplift_intervals(np.concatenate([own, own], axis=2))

    for interval in intervals.values():
        assert interval.mean == 0.0
        assert np.isnan([interval.low, interval.high]).all()


def test_interval_of_uplifts_is_about_that_of_resampled_requests():
    random = np.random.default_rng(8)
    summands = random.uniform(0.5, 1.5, (1, 300, 4))
    drawn = summands[0, random.integers(0, 300, (2000, 300))].sum(axis=1)  # (2000, 4)

    found = uplift_intervals(np.concatenate([summands, summands]))

    for name, spread in zip(("ctr", "cpc", "revenue"), uplifts_of(drawn), strict=True):
        half = (found[name].high - found[name].low) / 2
        assert half == pytest.approx(stats.t.ppf(0.975, 299) * spread.std(), rel=0.06)


class NoisyModels:
    """Auctions ranked by the truth with noise, more or less of it for each seed."""

    def __init__(self, seed, num_requests=50, num_candidates=4):
        self.random = np.random.default_rng(seed)
        rows = num_requests * num_candidates
        self.log_p = np.log(self.random.uniform(0.02, 0.3, rows))
        table = {"request_id": np.repeat(np.arange(num_requests), num_candidates)}
        table |= {"bid": self.random.lognormal(size=rows), "p_click": np.exp(self.log_p)}
        self.candidates = candidates_of(pd.DataFrame(table | {"eval_domain_id": 0}))

    def outcome(self, sigma):
        spread = sigma * self.random.lognormal(0.0, 0.3)
        noise = spread * self.random.normal(size=self.log_p.size)
        outcome = hold_auctions(self.candidates, self.log_p + noise)
        return [outcome.clicks, outcome.revenue]

    def intervals(self, sigma, other_sigma, num_seeds=3):
        pairs = [self.outcome(sigma) + self.outcome(other_sigma) for _ in range(num_seeds)]
        return uplift_intervals(np.array(pairs).transpose(0, 2, 1))


def test_equally_noisy_models_differ_as_often_as_the_level_says():
    found = []
    for seed in range(300):
        intervals = NoisyModels(seed).intervals(0.7, 0.7)
        found.append([excludes_zero(interval) for interval in intervals.values()])

    assert np.mean(found, axis=0) == pytest.approx(0.05, abs=0.035)


def test_less_noisy_model_has_more_clicks_and_revenue():
    intervals = NoisyModels(9, num_requests=1500).intervals(0.1, 1.5, num_seeds=8)

    assert intervals["ctr"].low > 0.0
    assert intervals["revenue"].low > 0.0


def test_uplifted_domains_are_the_worked_ones():
    domain = np.repeat([3, 5, 8, 9, MIXED], [10, 10, 12, 9, 20])
    plain = np.full((2, domain.size), 0.1)
    clicks = plain.copy()
    clicks[0, domain == 3] += 0.02  # up in one seed, down in the other
    clicks[1, domain == 3] -= 0.01
    clicks[1, domain == 8] += 0.01  # up in one seed, tied in the other
    clicks[:, domain == 9] += 0.5  # too few requests
    clicks[:, domain == MIXED] += 0.5

    found = uplifted_domains(clicks, plain, domain)

    assert found.num == 3
    assert found.share.mean == pytest.approx(100 / 3)  # one of three in each seed
    assert found.chance == pytest.approx(50 * (1 + 2) / 6)
    assert found.by_request == pytest.approx(100 * (10 / 2 + 12 / 2) / 32)
    assert found.by_request_chance == pytest.approx(50 * (10 + 12 / 2) / 32)


def test_interval_of_the_share_is_the_worked_one():
    domain, plain = np.repeat(np.arange(6), 10), np.zeros((2, 60))
    clicks = np.where(domain < 3, 1.0, -1.0) * np.ones((2, 1))

    share = uplifted_domains(clicks, plain, domain).share

    error = np.sqrt(0.25 / 10)  # 5 of 10 with two of each kind added; the seeds agree
    half = 100 * stats.t.ppf(0.975, 5) * error
    assert (share.mean, share.low, share.high) == pytest.approx((50, 50 - half, 50 + half))


def test_share_of_all_domains_is_not_certain():
    domain, plain = np.repeat(np.arange(6), 10), np.zeros((2, 60))

    share = uplifted_domains(plain + 1.0, plain, domain).share

    assert share.high == share.mean == 100.0
    assert share.low < 80.0


def test_share_of_equally_good_models_is_missed_no_more_often_than_the_level_says():
    domain, plain = np.repeat(np.arange(25), 12), np.zeros((3, 300))
    missed = []
    for seed in range(150):
        random = np.random.default_rng(seed)
        gains = random.normal(size=(1, 300)) + random.normal(size=(3, 300))
        share = uplifted_domains(gains, plain, domain).share
        missed.append(not share.low <= 50.0 <= share.high)

    assert np.mean(missed) < 0.1


def test_no_domain_is_uplifted_between_identical_models():
    clicks = np.random.default_rng(6).random((3, 100))
    domain = np.repeat(np.arange(5), 20)

    found = uplifted_domains(clicks, clicks, domain)

    assert (found.num, found.share.mean, found.chance) == (5, 0.0, 0.0)
    assert found.share.low == 0.0


def test_without_judged_domains_the_shares_are_undefined():
    found = uplifted_domains(np.ones((1, 9)), np.zeros((1, 9)), np.zeros(9, np.int64))

    assert found.num == 0
    assert np.isnan([found.share.mean, found.chance, found.by_request]).all()
