"""The auction: worked by hand, against a loop over requests, and what its price means."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from reports.statistics.auction import (
    MIXED,
    CandidateAds,
    candidates_of,
    hold_auctions,
    log_probability,
    random_clicks,
)


def requests_of(sizes, bid, p_click):
    table = {"request_id": np.repeat(np.arange(len(sizes)) * 3, sizes), "bid": bid}
    return candidates_of(pd.DataFrame(table | {"p_click": p_click, "eval_domain_id": 0}))


def random_requests(seed, num=300):
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 8, num)
    p_click = random.uniform(0.01, 0.3, sizes.sum())
    candidates = requests_of(sizes, random.lognormal(size=p_click.size), p_click)
    return candidates, random.uniform(0.01, 0.3, p_click.size)


def test_winner_pays_the_least_bid_that_keeps_its_place():
    candidates = requests_of([3], [1.0, 2.0, 4.0], [0.2, 0.25, 0.05])

    outcome = hold_auctions(candidates, np.log([0.5, 0.3, 0.1]))  # ranks 0.5, 0.6, 0.4

    assert outcome.winner.tolist() == [1]
    assert outcome.price == pytest.approx([1.0 * 0.5 / 0.3])
    assert outcome.clicks == pytest.approx([0.25])
    assert outcome.revenue == pytest.approx([0.25 * 5 / 3])


def test_first_of_equal_candidates_wins_at_its_own_bid():
    candidates = requests_of([3], [2.0, 2.0, 1.0], [0.1, 0.2, 0.3])

    outcome = hold_auctions(candidates, np.log([0.25, 0.25, 0.25]))

    assert outcome.winner.tolist() == [0]
    assert outcome.price == pytest.approx([2.0])


def test_auctions_are_those_of_a_loop_over_requests():
    candidates, p_ctr = random_requests(1)
    bounds = [*candidates.start, candidates.bid.size]

    outcome = hold_auctions(candidates, np.log(p_ctr))

    for request, (low, high) in enumerate(pairwise(bounds)):
        ranks = candidates.bid[low:high] * p_ctr[low:high]
        winner = low + int(np.argmax(ranks))
        second = sorted(ranks)[-2] if high - low > 1 else 0.0
        assert outcome.winner[request] == winner
        assert outcome.price[request] == pytest.approx(second / p_ctr[winner])
        assert outcome.revenue[request] == pytest.approx(
            candidates.p_click[winner] * second / p_ctr[winner]
        )


def test_price_is_at_most_the_bid_and_just_enough_to_win():
    candidates, p_ctr = random_requests(2)
    outcome = hold_auctions(candidates, np.log(p_ctr))
    has_rival = outcome.price > 0.0

    winners = []
    for factor in (1.0 + 1e-9, 1.0 - 1e-9):
        bid = candidates.bid.copy()
        bid[outcome.winner[has_rival]] = outcome.price[has_rival] * factor
        again = CandidateAds(bid, candidates.p_click, candidates.start, candidates.domain)
        winners.append(hold_auctions(again, np.log(p_ctr)).winner == outcome.winner)

    assert (outcome.price <= candidates.bid[outcome.winner]).all()
    assert has_rival.sum() > 200
    assert winners[0][has_rival].all()
    assert not winners[1][has_rival].any()


def test_predictions_too_high_by_a_factor_change_nothing():
    candidates, p_ctr = random_requests(3)

    one, other = (hold_auctions(candidates, np.log(p_ctr * factor)) for factor in (1.0, 3.0))

    assert (one.winner == other.winner).all()
    assert one.price == pytest.approx(other.price)


def test_oracle_shows_the_most_valuable_candidates():
    candidates, _ = random_requests(4)
    random = np.random.default_rng(5)
    value = candidates.bid * candidates.p_click
    log_p = np.log(candidates.p_click)

    noise = [sigma * random.normal(size=log_p.size) for sigma in (0.0, 0.1, 0.5, 2.0)]
    totals = [value[hold_auctions(candidates, log_p + error).winner].sum() for error in noise]

    assert totals[0] == pytest.approx(np.maximum.reduceat(value, candidates.start).sum())
    assert totals == sorted(totals, reverse=True)


def test_logits_whose_sigmoid_underflows_have_a_price():
    candidates = requests_of([2], [1.0, 1.0], [0.1, 0.2])

    outcome = hold_auctions(candidates, log_probability(np.array([-2001.0, -2000.0], np.float32)))

    assert outcome.winner.tolist() == [1]
    assert outcome.price == pytest.approx([np.exp(-1.0)])


def test_log_probability_is_that_of_the_sigmoid():
    logit = np.array([-3.0, 0.0, 2.5], np.float32)

    assert np.exp(log_probability(logit)) == pytest.approx(1 / (1 + np.exp(-logit)))


def test_random_winner_gets_the_mean_of_its_request():
    candidates = requests_of([1, 3], [1.0] * 4, [0.4, 0.1, 0.2, 0.6])

    assert random_clicks(candidates) == pytest.approx([0.4, 0.3])


def test_domain_of_a_request_is_that_of_all_its_candidates():
    table = pd.DataFrame(
        {
            "request_id": [4, 4, 7, 7, 9],
            "bid": 1.0,
            "p_click": 0.5,
            "eval_domain_id": np.array([6, 6, 2, 3, 0], np.int32),
        }
    )

    candidates = candidates_of(table)

    assert candidates.start.tolist() == [0, 2, 4]
    assert candidates.domain.tolist() == [6, MIXED, 0]
