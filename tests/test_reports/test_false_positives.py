"""How often intervals exclude a true 0: the tables of docs/inference.md come from here."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from benchmark.metrics import mean_influences
from reports.statistics.clusters import clusters_of, rows_component
from reports.statistics.estimates import (
    NONE,
    Component,
    Estimate,
    own_component,
    tuning_component,
    two_way_estimate,
)

LEVELS = (0.05, 0.0031)  # of one test, and of one of sixteen after Bonferroni
ROWS = 19  # degrees of freedom of 20 blocks
FAMILIES = "two families share an effect of three times the spread"
SPREADS = {  # of five models, of which the first two are compared
    "equal": (1, 1, 1, 1, 1),
    "one of the two has twice the spread": (2, 1, 1, 1, 1),
    "a third has twice the spread": (1, 1, 2, 1, 1),
    "one of the two has three times the spread": (3, 1, 1, 1, 1),
    "one of the two has five times the spread": (5, 1, 1, 1, 1),
    "a third has five times the spread": (1, 1, 5, 1, 1),
    FAMILIES: (1, 1, 1, 1, 1),
}
OF_FAMILY = (0, 1, 0, 1, 1)  # the two that are compared are of different ones
SHARES = {"seeds": 20.0, "both": 1.0, "rows": 0.05}  # of the variance: seeds' over rows'


def is_found(found: Estimate, level: float) -> bool:
    return abs(found.mean) > found.critical(level / 2) * found.error


def satterthwaite(values, rows, level):
    """Whether the spread of the difference alone finds one, with Satterthwaite's freedom."""
    own = own_component(values)
    total = own.variance + rows.variance
    freedom = total**2 / (own.variance**2 / own.freedom + rows.variance**2 / rows.freedom)
    return abs(values.mean()) > stats.t.isf(level / 2, freedom) * np.sqrt(total)


def seed_rates(spread, num_seeds, ratio, times=4000, seed=1):
    """(2, levels) of two equal models of five on the same seeds and rows, and as of old."""
    random, deviations = np.random.default_rng([seed, num_seeds]), np.array(SPREADS[spread], float)
    own = (deviations[:2] ** 2).sum() + (18.0 if spread == FAMILIES else 0.0)
    of_rows = own / num_seeds / SHARES[ratio]
    found = np.zeros((2, len(LEVELS)))
    for _ in range(times):
        table = (
            random.normal(size=num_seeds)
            + random.normal(size=(5, num_seeds)) * (deviations[:, np.newaxis])
        )
        if spread == FAMILIES:
            table += 3.0 * random.normal(size=(2, num_seeds))[list(OF_FAMILY)]
        table[0] += np.sqrt(of_rows) * random.normal()
        rows = Component(of_rows * random.chisquare(ROWS) / ROWS, ROWS)
        values = table[0] - table[1]
        estimate = two_way_estimate(values, lambda rows=rows: rows, table=table)
        found[0] += [is_found(estimate, level) for level in LEVELS]
        found[1] += [satterthwaite(values, rows, level) for level in LEVELS]
    return found / times


@pytest.mark.slow
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("num_seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("ratio", SHARES)
def test_few_seeds_find_a_difference_of_nothing_as_rarely_as_they_say(spread, num_seeds, ratio):
    (usual, corrected), _ = seed_rates(spread, num_seeds, ratio)

    assert usual < 0.07  # standard error 0.0034
    assert corrected < (0.024 if num_seeds == 2 else 0.011)  # standard error 0.0013 at most


@pytest.mark.slow
def test_satterthwaite_with_two_seeds_finds_far_too_much():
    _, (usual, corrected) = seed_rates("equal", 2, "seeds")

    assert usual > 0.1
    assert corrected > 0.04


def test_test_of_three_seeds_is_wrong_about_as_often_as_its_level():
    (usual, _), _ = seed_rates("equal", 3, "seeds", times=500)

    assert usual < 0.05 + 0.03  # three standard errors


def tuning_rates(num_models, num_seeds, moved, times=4000):
    """(2, levels) of two equal models, each searched twice, with the component and without."""
    random = np.random.default_rng([2, num_models, num_seeds])
    found = np.zeros((2, len(LEVELS)))
    for _ in range(times):
        tuned = moved * random.normal(size=(2, num_models, 1))
        first, second = tuned + random.normal(size=(2, num_models, num_seeds))
        values, tuning = first[0] - first[1], tuning_component(first - second)
        for place, part in enumerate((tuning, NONE)):
            estimate = two_way_estimate(values, lambda: NONE, table=first, tuning=part)
            found[place] += [is_found(estimate, level) for level in LEVELS]
    return found / times


@pytest.mark.slow
@pytest.mark.parametrize("num_models", [5, 9])
@pytest.mark.parametrize("num_seeds", [5, 10])
@pytest.mark.parametrize("moved", [0.0, 0.5, 1.0, 3.0])
def test_tuning_is_covered_where_models_were_searched_twice(num_models, num_seeds, moved):
    (usual, corrected), (without, _) = tuning_rates(num_models, num_seeds, moved)

    assert usual < 0.07
    assert corrected < 0.0031 + 0.008
    assert without > 0.1 or moved == 0.0


USERS, ROWS_OF_USER, BLOCKS, POINTS = 120, 167, 20, 400
CASES = {  # deviations of users and of the drift, for rows of 1, and its correlation time
    "independent rows": (0.0, 0.0, 0.0),
    "users": (0.104, 0.0, 0.0),
    "drift, 0.5 % of the period": (0.0, 0.2, 0.005),
    "drift, 1 % of the period": (0.0, 0.1, 0.01),
    "drift, 2 % of the period": (0.0, 0.1, 0.02),
    "drift, 5 % of the period": (0.0, 0.1, 0.05),
    "users and drift, 1 %": (0.104, 0.1, 0.01),
}


def drift(random, length):
    """(POINTS,) an autoregression with this correlation time, as a part of the period."""
    kept = np.exp(-1.0 / (length * POINTS))
    steps = random.normal(size=POINTS) * np.sqrt(1.0 - kept**2)
    steps[0] = random.normal()
    return lfilter([1.0], [1.0, -kept], steps)


def row_rates(case, times=2000):
    """Of blocks and users, of blocks, and of 100 blocks as if independent, at the level of 5 %."""
    of_user, of_time, length = CASES[case]
    random, num_rows = np.random.default_rng(3), USERS * ROWS_OF_USER
    user = np.repeat(np.arange(USERS), ROWS_OF_USER)
    found = np.zeros(3)
    for _ in range(times):
        point = random.integers(0, POINTS, num_rows)
        values = of_user * random.normal(size=USERS)[user] + random.normal(size=num_rows)
        if of_time:
            values += of_time * drift(random, length)[point]
        estimates = [mean_of(values, *way) for way in ((point // 20, user), (point // 20,))]
        sums = np.bincount(point // 4, values - values.mean()) / num_rows
        error = np.sqrt((sums**2).sum() * 100 / 99)
        found[:2] += [is_found(estimate, 0.05) for estimate in estimates]
        found[2] += abs(values.mean()) > stats.t.isf(0.025, 99) * error
    return found / times


def mean_of(values, *groupings):
    """The mean of rows that all seeds share."""
    clusters, mean = clusters_of(*groupings), values.mean()
    sums = clusters.sums((values - mean) / values.size)
    rows = rows_component(np.array([sums, sums]), *clusters.groupings)
    return Estimate(mean, 2, Component(0.0, 1), rows)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["independent rows", "users", "users and drift, 1 %"])
def test_blocks_and_users_are_covered_where_both_are_known(case):
    with_users, blocks, _ = row_rates(case)

    assert with_users == pytest.approx(0.05, abs=0.03)  # 2 points, and two standard errors of 0.5
    assert blocks > 0.08 or case == "independent rows"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["drift, 0.5 % of the period", "drift, 1 % of the period"])
def test_blocks_cover_a_drift_that_is_short_beside_them(case):
    _, blocks, many = row_rates(case)

    assert blocks == pytest.approx(0.05, abs=0.03)
    assert many > 0.1


def auc_comparison(random, num_users=40, rows_of_user=50, num_seeds=3):
    """The p value of two models that are good for different users, and equally good."""
    num_rows = num_users * rows_of_user
    user = random.permutation(np.repeat(np.arange(num_users), rows_of_user))
    label = (random.random(num_rows) < 0.3).astype(np.int8)
    signal = label + random.normal(size=num_rows)
    everything, clusters = (
        np.zeros(num_rows, np.int64),
        clusters_of(np.arange(num_rows) * BLOCKS // num_rows, user),
    )
    scores, added = [], []
    for _ in range(2):
        skill = random.gamma(2.0, 0.5, num_users)[user]
        shared = skill * signal + random.normal(size=num_rows)
        logits = (shared + 0.5 * random.normal(size=(num_seeds, num_rows))).astype(np.float32)
        aucs = [mean_influences(label, logit, everything, everything) for logit in logits]
        scores.append([auc_of(label, logit) for logit in logits])
        added.append([clusters.sums(one) for one in aucs])
    rows = rows_component(np.subtract(*np.array(added)), *clusters.groupings)
    return two_way_estimate(np.subtract(*np.array(scores)), lambda: rows).p_value


def auc_of(label, logit):
    ranks = stats.rankdata(logit)[label == 1]
    num = ranks.size
    return (ranks.sum() - num * (num + 1) / 2) / num / (label.size - num)


@pytest.mark.slow
def test_difference_of_aucs_of_models_that_suit_other_users_is_covered():
    random = np.random.default_rng(4)

    found = np.array([auc_comparison(random) for _ in range(1000)])

    assert not np.isnan(found).any()
    assert (found < 0.05).mean() == pytest.approx(0.04, abs=0.03)
