"""The rule of verdicts, case by case as it is written down."""

import numpy as np
import pytest
from scipy import stats

from reports.stats import Interval
from reports.verdicts import Contrast, corrected_level, outcome_of, to_settle


def contrast(low, high, *, num=4, **more):
    return Contrast(label="a", interval=Interval((low + high) / 2, low, high, num), **more)


@pytest.mark.parametrize(
    ("low", "high", "paper", "outcome"),
    [
        (0.0001, 0.004, 0.01, "yes"),  # above 0, however small
        (-0.001, 0.0049, 0.01, "no"),  # below half of 0.01
        (-0.001, 0.0051, 0.01, "open"),
        (0.0, 0.006, 0.01, "open"),  # 0 is not excluded
        (-0.001, 0.0004, np.nan, "no"),  # below half of the margin
        (-0.001, 0.0006, np.nan, "open"),
        (-0.001, 0.0004, -0.002, "no"),  # the paper's own difference has another sign
        (np.nan, np.nan, 0.01, "open"),
    ],
)
def test_a_claimed_gain(low, high, paper, outcome):
    assert contrast(low, high, paper=paper).outcome == outcome


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-0.0009, 0.0009, "yes"),
        (-0.0011, 0.0009, "open"),
        (0.0011, 0.003, "no"),
        (-0.003, -0.0011, "no"),
        (-0.002, 0.002, "open"),
    ],
)
def test_about_equal(low, high, outcome):
    assert contrast(low, high, expected="equal").outcome == outcome


def test_a_claim_of_parts_needs_all_and_falls_with_one():
    yes, no, still = contrast(1, 2), contrast(-2, -1), contrast(-1, 1)

    assert outcome_of([yes, yes]) == "yes"
    assert outcome_of([yes, still]) == "open"
    assert outcome_of([yes, still, no]) == "no"
    assert outcome_of([]) == "open"


def test_levels_share_five_percent():
    assert corrected_level(1) == 0.95
    assert corrected_level(10) == pytest.approx(0.995)
    assert corrected_level(1, "equal") == 0.90


def test_what_is_said_not_to_gain_is_judged_the_other_way_round():
    assert contrast(0.0001, 0.004, expected="not above").outcome == "no"
    assert contrast(-0.001, 0.0004, expected="not above").outcome == "yes"
    assert contrast(-0.001, 0.0006, expected="not above").outcome == "open"


def test_a_further_test_that_is_not_significant_leaves_it_open():
    assert contrast(0.1, 0.3, p_value=0.06).outcome == "open"
    assert contrast(0.1, 0.3, p_value=0.04).outcome == "yes"
    assert contrast(-0.3, -0.1, p_value=0.06).outcome == "open"


def test_num_needed_are_the_fewest_whose_interval_is_short_enough():
    wide = contrast(-0.002, 0.004, paper=0.001, level=0.95)  # mean 0.001, half width 0.003, 4 seeds
    error = 0.003 / stats.t.ppf(0.975, 3) * np.sqrt(4)  # of one seed

    def half(num):
        return stats.t.ppf(0.975, num - 1) * error / np.sqrt(num)

    assert half(wide.num_needed) < 0.001 <= half(wide.num_needed - 1)
    assert f"about {wide.num_needed} seeds for the hardest open part" in to_settle([wide])
    assert to_settle([contrast(1, 2)]) == ""


def test_a_claim_that_failed_needs_nothing_and_hopeless_counts_are_not_printed():
    close = contrast(-0.1, 0.1001, paper=0.0001)

    assert to_settle([contrast(-2, -1), close]) == ""
    assert "more than 1000 seeds" in to_settle([close])


def test_what_is_missing_is_named_once():
    gone = contrast(np.nan, np.nan, needs="run the study sparsity")

    assert to_settle([gone, gone]) == "run the study sparsity"
