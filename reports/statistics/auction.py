"""A simulated ad auction: one slot, generalised second price, judged by the true probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MIXED = -1  # the domain of a request whose candidates are of several


@dataclass(frozen=True, slots=True)
class CandidateAds:
    """The candidate ads of R requests in N rows; rows of one request are adjacent."""

    bid: NDArray[np.float64]  # (N,), per click
    p_click: NDArray[np.float64]  # (N,), the true probability
    start: NDArray[np.int64]  # (R,), the first row of each request
    domain: NDArray[np.int64]  # (R,), eval domain of all candidates of a request, or MIXED


@dataclass(frozen=True, slots=True)
class AuctionOutcome:
    """The outcomes of R requests, expected under the true click probability of the winner."""

    winner: NDArray[np.int64]  # (R,), its row
    price: NDArray[np.float64]  # (R,), per click
    clicks: NDArray[np.float64]  # (R,)
    revenue: NDArray[np.float64]  # (R,)


def candidates_of(table: pd.DataFrame) -> CandidateAds:
    """The candidates of a table with the columns request_id, bid, p_click and eval_domain_id."""
    request = table["request_id"].to_numpy(np.int64)
    domain = table["eval_domain_id"].to_numpy(np.int64)
    start = np.flatnonzero(np.diff(request, prepend=request[0] - 1))
    first, last = np.minimum.reduceat(domain, start), np.maximum.reduceat(domain, start)
    return CandidateAds(
        bid=table["bid"].to_numpy(np.float64),
        p_click=table["p_click"].to_numpy(np.float64),
        start=start,
        domain=np.where(first == last, first, MIXED),
    )


def log_probability(logit: NDArray[np.floating]) -> NDArray[np.float64]:
    """The logarithm of the sigmoid in float64; finite where the sigmoid itself would be 0."""
    return -np.logaddexp(0.0, -logit.astype(np.float64))


def hold_auctions(candidates: CandidateAds, log_p_ctr: NDArray[np.float64]) -> AuctionOutcome:
    """Give each request to the candidate of the highest bid x predicted CTR; first one at a tie.

    A click costs the least bid that keeps the place, bid_2 x pctr_2 / pctr_1, which never exceeds
    the winner's own bid. Without a second candidate it costs the reserve, which is 0.

    Args:
        candidates: the requests.
        log_p_ctr: (N,) logarithms of the predicted CTR; they neither underflow nor divide by 0.
    """
    start = candidates.start
    score = np.log(candidates.bid) + log_p_ctr
    top = np.maximum.reduceat(score, start)  # (R,)
    size = np.diff(start, append=score.size)
    is_top = np.flatnonzero(score == np.repeat(top, size))
    winner = is_top[np.searchsorted(is_top, start)]
    score[winner] = -np.inf
    second = np.maximum.reduceat(score, start)
    price = np.minimum(np.exp(second - log_p_ctr[winner]), candidates.bid[winner])
    clicks = candidates.p_click[winner]
    return AuctionOutcome(winner, price, clicks, clicks * price)


def random_clicks(candidates: CandidateAds) -> NDArray[np.float64]:
    """(R,) expected clicks if every candidate of a request were shown with equal chance."""
    size = np.diff(candidates.start, append=candidates.p_click.size)
    return np.add.reduceat(candidates.p_click, candidates.start) / size
