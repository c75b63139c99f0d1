"""Gains of one model over another in the same auctions, with their errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from reports.statistics.auction import MIXED
from reports.statistics.clusters import rows_component
from reports.statistics.estimates import Component, Estimate, own_component, two_way_estimate
from reports.statistics.paired_tests import NO_INTERVAL, Interval, over_draws

MEASURES = ("ctr", "cpc", "revenue")
LEAST_UPLIFT = -100.0  # percent: that of nothing over something
LEAST_REQUESTS = 10  # of a domain that is judged
TIE = 1e-12  # sums of the same numbers in another order differ by less


@dataclass(frozen=True, slots=True)
class UpliftedDomains:
    """The percentage of `num` domains with a higher score than before; nan without a domain.

    `chance` is the share that two equally good models have in expectation: half of the domains
    that are not tied. `by_request` and its `by_request_chance` weight domains by requests or rows.
    """

    num: int
    share: Interval
    chance: float
    by_request: float
    by_request_chance: float


def uplift_intervals(summands: NDArray[np.float64]) -> dict[str, Interval]:
    """The relative uplift of each of `MEASURES` in percent: mean over seeds and interval.

    It allows for other seeds and other requests. To first order a request adds to the uplift of a
    sum its share of that sum less its share of the other model's.

    Args:
        summands: (S, R, 4): per seed and request clicks and revenue, then those of the other model.
    """
    totals = summands.sum(axis=1, keepdims=True)  # (S, 1, 4)
    uplift = _percent(totals)[:, 0]  # (S, 3)
    clicks, revenue, other_clicks, other_revenue = np.moveaxis(_ratio(summands, totals), -1, 0)
    of_clicks, of_revenue = clicks - other_clicks, revenue - other_revenue  # (S, R)
    shares = np.stack([of_clicks, of_revenue - of_clicks, of_revenue], axis=-1)
    added = (uplift[:, np.newaxis] + 100.0) * shares  # (S, R, 3)
    requests = np.arange(summands.shape[1])
    found = {
        name: two_way_estimate(
            uplift[:, i], partial(rows_component, added[:, :, i], None, requests)
        )
        for i, name in enumerate(MEASURES)
    }
    return {name: one.interval().clipped(LEAST_UPLIFT, math.inf) for name, one in found.items()}


def uplifted_domains(
    clicks: NDArray[np.float64], other: NDArray[np.float64], domain: NDArray[np.int64]
) -> UpliftedDomains:
    """Domains whose requests get more clicks than from the other model, seed by seed.

    Domains with fewer than `LEAST_REQUESTS` requests are left out, and so are requests whose
    candidates are of several domains. A tie is no uplift.

    Args:
        clicks: (S, R) expected clicks of each request.
        other: (S, R) those of the other model.
        domain: (R,) eval domain of each request, or `MIXED`.
    """
    found, requests = np.unique(domain[domain != MIXED], return_counts=True)
    judged, requests = found[requests >= LEAST_REQUESTS], requests[requests >= LEAST_REQUESTS]
    gains = [(clicks - other)[:, domain == one].sum(axis=1) for one in judged]
    return uplifted(np.array(gains).reshape(judged.size, len(clicks)).T, requests)


def uplifted(gain: NDArray[np.float64], weight: NDArray[np.int64]) -> UpliftedDomains:
    """Domains of (S, J) with a positive gain over another model; a tie is no uplift.

    `weight` (J,) are the requests, or rows, of each domain.
    """
    if gain.size == 0:
        return UpliftedDomains(0, NO_INTERVAL, *[np.nan] * 3)
    is_up, is_untied = gain > TIE, np.abs(gain) > TIE  # (S, J)
    return UpliftedDomains(
        num=gain.shape[1],
        share=_share(is_up),
        chance=float(50.0 * is_untied.mean()),
        by_request=float(100.0 * np.average(is_up.mean(axis=0), weights=weight)),
        by_request_chance=float(50.0 * np.average(is_untied.mean(axis=0), weights=weight)),
    )


def over_all_draws(parts: Sequence[UpliftedDomains]) -> UpliftedDomains:
    """One draw as it is; of several draws the means, and the interval of the shares.

    `num` is the total. A draw without a judged domain, or without runs, is left out.
    """
    known = [part for part in parts if part.num] or list(parts[:1])
    share = over_draws([part.share for part in known]).clipped(0.0, 100.0)
    names = ("chance", "by_request", "by_request_chance")
    means = {name: float(np.mean([getattr(part, name) for part in known])) for name in names}
    return UpliftedDomains(num=sum(part.num for part in known), share=share, **means)


def _share(is_up: NDArray[np.bool_]) -> Interval:
    """The percentage of (S, J) domains, and its interval for other seeds and other domains.

    The variance over domains is that of a share of J after two domains of each kind were added
    (Agresti and Coull, 1998), so that it is not zero where all domains are of one kind.
    """
    shares, size = is_up.mean(axis=1), is_up.shape[1] + 4
    smoothed = (float(is_up.mean()) * is_up.shape[1] + 2.0) / size
    variance = smoothed * (1.0 - smoothed) / size
    of_domains = Component(variance, is_up.shape[1] - 1)
    interval = Estimate(float(shares.mean()), shares.size, own_component(shares), of_domains)
    return interval.interval().clipped(0.0, 1.0).times(100.0)


def _percent(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 4) totals as in `uplift_intervals` to (..., 3) uplifts in percent; nan over nothing."""
    clicks, revenue, other_clicks, other_revenue = np.moveaxis(totals, -1, 0)
    cost, other_cost = _ratio(revenue, clicks), _ratio(other_revenue, other_clicks)
    ratios = [
        _ratio(clicks, other_clicks),
        _ratio(cost, other_cost),
        _ratio(revenue, other_revenue),
    ]
    return 100.0 * (np.stack(ratios, axis=-1) - 1.0)


def _ratio(numerator: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(numerator, other, out=np.full(numerator.shape, np.nan), where=other != 0.0)
