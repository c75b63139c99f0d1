"""The rule of verdicts, case by case as it is written down, and how often it is wrong."""

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats

from reports.claims.paper import paper_values
from reports.claims.verdicts import (
    LEVEL,
    NO_VERDICT,
    SHOWN_LEVEL,
    JudgedPart,
    Part,
    outcome_of,
    to_settle,
    words_of,
)
from reports.statistics.estimates import Component, Estimate
from reports.statistics.paired_tests import Interval, paired_interval


def contrast(low, high, *, wider=0.0, num=4, **more):
    """A part of a claim whose corrected interval is wider on both sides."""
    mean = (low + high) / 2
    interval, corrected = (Interval(mean, low - extra, high + extra, num) for extra in (0.0, wider))
    part = Part(label="a", measure=lambda _level: interval, **more)
    return JudgedPart(part, interval, corrected, SHOWN_LEVEL)


@pytest.mark.parametrize(
    ("low", "high", "wider", "outcome"),
    [
        (0.0001, 0.004, 0.01, "yes"),  # above 0, however small, without correction
        (0.0, 0.006, 0.0, "open"),  # 0 is not excluded
        (-0.001, 0.0004, 0.0, "no"),  # below what counts as a gain
        (-0.001, 0.0004, 0.0002, "open"),  # the corrected one is not
        (-0.001, 0.0006, 0.0, "open"),
        (0.0001, 0.0004, 0.0, "yes"),  # seen, though it is small
        (np.nan, np.nan, 0.0, "open"),
    ],
)
@pytest.mark.parametrize("paper", [0.01, np.nan, -0.002])
def test_a_claimed_gain_whatever_its_size_in_the_paper(low, high, wider, paper, outcome):
    assert contrast(low, high, wider=wider, paper=paper).outcome == outcome


@pytest.mark.parametrize(
    ("low", "high", "wider", "outcome"),
    [
        (-0.0009, 0.0009, 0.001, "yes"),
        (-0.0011, 0.0009, 0.0, "open"),
        (0.0011, 0.003, 0.0, "no"),
        (0.0011, 0.003, 0.0002, "open"),
        (-0.003, -0.0011, 0.0, "no"),
        (-0.002, 0.002, 0.0, "open"),
    ],
)
def test_about_equal(low, high, wider, outcome):
    assert contrast(low, high, wider=wider, expected="equal").outcome == outcome


def test_other_quantities_have_no_margin():
    assert contrast(-2.0, -0.1, unit="ratio").outcome == "no"
    assert contrast(-2.0, 0.0004, unit="ratio").outcome == "open"


def test_a_claim_of_parts_needs_all_and_falls_with_one():
    yes, no, still = contrast(1, 2), contrast(-2, -1), contrast(-1, 1)

    assert outcome_of([yes, yes]) == "yes"
    assert outcome_of([yes, still]) == "open"
    assert outcome_of([yes, still, no]) == "no"
    assert outcome_of([]) == "open"


def test_parts_share_the_level_by_which_one_is_refuted():
    levels = [contrast(1, 2).part.among(num).corrected_level for num in (1, 10)]

    assert levels == pytest.approx([0.90, 0.99])  # one-sided 5% and 0.5%
    assert levels[0] == SHOWN_LEVEL


def test_a_further_test_that_is_not_significant_leaves_it_open():
    assert contrast(0.1, 0.3, p_value=0.06).outcome == "open"
    assert contrast(0.1, 0.3, p_value=0.04).outcome == "yes"
    assert contrast(-0.3, -0.1, p_value=0.06).outcome == "open"


@pytest.mark.parametrize(
    ("outcome", "budget", "is_generated", "words"),
    [
        ("yes", "full", False, "reproduced"),
        ("no", "full", False, "not reproduced"),
        ("no", "full", True, "does not hold in this world"),
        ("yes", "small", True, "seen at this budget"),
        ("no", "small", False, "not seen at this budget"),
        ("open", "small", False, "inconclusive"),
        ("yes", "none", False, NO_VERDICT),
        ("open", "none", True, NO_VERDICT),
    ],
)
def test_words_say_no_more_than_the_budget_allows(outcome, budget, is_generated, words):
    assert words_of(outcome, budget, is_generated=is_generated) == words


def half(error, num):
    """Half of the shown interval of a mean of so many values with this error each."""
    return stats.t.ppf(1 - LEVEL, num - 1) * error / math.sqrt(num)


def test_num_needed_find_the_estimate_with_the_power_that_is_said():
    error, mean = 0.004, 0.002
    reach = half(error, 4)
    wide = contrast(mean - reach, mean + reach)
    rng = np.random.default_rng(5)

    def power(num):
        drawn = rng.normal(mean, error, (20_000, num))
        low = drawn.mean(axis=1) - stats.t.ppf(1 - LEVEL, num - 1) * drawn.std(
            axis=1, ddof=1
        ) / math.sqrt(num)
        return (low > 0).mean()

    assert wide.outcome == "open"
    assert power(wide.num_needed) == pytest.approx(0.8, abs=0.03)
    expected = f"about {wide.num_needed} seeds for the hardest open part, to settle it with a power"
    assert expected in to_settle([wide])
    assert to_settle([contrast(1, 2)]) == ""


def estimated(of_rows=0.0, of_tuning=0.0, freedom=3):
    """A part of four seeds with a standard error of 0.002 over all, and one of 0.001."""
    own = Component(0.002**2 - of_rows**2 - of_tuning**2, freedom)
    found = Estimate(0.001, 4, own, Component(of_rows**2, 19), Component(of_tuning**2, 6))
    interval = found.interval(SHOWN_LEVEL)
    return contrast(interval.low, interval.high, estimate=found)


def test_rows_that_are_the_noise_cannot_be_made_up_for_by_seeds():
    rows, both, alone = estimated(0.0019), estimated(0.0003), estimated()

    assert rows.noise == "test rows"
    assert to_settle([rows]).startswith("more test rows, which are the noise of an open part")
    assert both.noise == alone.noise == ""
    assert both.num_needed > alone.num_needed > 4


def test_tuning_that_is_the_noise_asks_for_searches():
    assert estimated(0.0005, 0.0018).noise == "searches"
    assert to_settle([estimated(0.0005, 0.0018)]).startswith("more searches")


def test_estimate_of_one_component_needs_as_many_as_students_interval():
    alone = estimated()

    assert alone.num_needed == contrast(alone.interval.low, alone.interval.high).num_needed


def test_pooled_spread_needs_fewer_seeds():
    assert estimated(freedom=12).num_needed < estimated().num_needed


def test_a_claim_that_failed_needs_nothing_and_hopeless_counts_are_not_printed():
    close = contrast(-0.1, 0.1004)

    assert to_settle([contrast(-2, -1), close]) == ""
    assert "more than 1,000 seeds" in to_settle([close])


def test_what_is_missing_is_named_once():
    gone = contrast(np.nan, np.nan, needs="run the study sparsity")

    assert to_settle([gone, gone]) == "run the study sparsity"


def judged(gains, spread, num, rng):
    """The outcome of a claim of these true gains, from normal differences of so many runs."""
    drawn = rng.normal(gains, spread, (num, len(gains))).T
    parts = [Part(label="", measure=partial(paired_interval, values)) for values in drawn]
    return outcome_of([part.among(len(parts)) for part in parts])


def papers_gains(share):
    """Of AdaSparse over each other model of the paper's Table 1, AUC and GAUC of both backbones."""
    models = paper_values()["table1"]["production"].values()
    return share * np.array(
        [
            rows["adasparse"][metric] - rows[other][metric]
            for rows in models
            for other in ("plain", "maml", "star", "apg")
            for metric in ("auc", "gauc")
        ]
    )


def shares(gains, *, spread=0.002, num=10, times=400):
    rng = np.random.default_rng(11)
    found = [judged(gains, spread, num, rng) for _ in range(times)]
    return {name: found.count(name) / times for name in ("yes", "no", "open")}


def test_a_true_claim_of_the_papers_size_is_seen_and_one_of_a_quarter_is_not_called_wrong():
    assert shares(papers_gains(1.0))["yes"] > 0.8
    assert shares(papers_gains(0.25))["no"] < 0.05


def test_a_claim_of_which_one_part_is_false_is_seldom_seen_and_one_without_gains_is_refuted():
    gains = papers_gains(1.0)
    gains[3] = 0.0

    assert shares(gains)["yes"] < LEVEL + 0.02
    assert shares(0.0 * gains, num=50)["no"] > 0.8
