"""What one model gains over another in the same auctions, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reports.auction import MIXED
from reports.stats import Interval, over_draws
from reports.two_way import estimate_of, two_way_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MEASURES = ("ctr", "cpc", "revenue")
RESAMPLES = 2_000
RESAMPLE_SEED = 0
RESAMPLED_ROWS = 1 << 22  # drawn at a time, which bounds the memory
LEAST_REQUESTS = 10  # of a domain that is judged
TIE = 1e-12  # sums of the same numbers in another order differ by less


@dataclass(frozen=True, slots=True)
class UpliftedDomains:
    """How many of `num` domains have a higher score than before, in percent; nan without one.

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

    Args:
        summands: (S, R, 4): per seed and request clicks and revenue, then those of the other model.
    """
    num_seeds, num_requests, _ = summands.shape
    if num_seeds == 0:
        return dict.fromkeys(MEASURES, Interval(np.nan, np.nan, np.nan, 0))
    uplift = _percent(summands.sum(axis=1))  # (S, 3)
    by_request = summands.transpose(1, 0, 2).reshape(num_requests, -1)  # (R, S * 4)
    totals = resampled_totals(by_request).reshape(-1, num_seeds, 4)  # (B, S, 4)
    resampled = _percent(totals)  # (B, S, 3)
    return {
        name: two_way_interval(uplift[:, i], resampled[:, :, i], num_requests)
        for i, name in enumerate(MEASURES)
    }


def resampled_totals(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, K) column sums of (R, K) rows drawn with replacement, the same draws in every call."""
    num_rows = len(values)
    random = np.random.default_rng(RESAMPLE_SEED)
    step = max(1, RESAMPLED_ROWS // num_rows)
    totals = []
    for low in range(0, RESAMPLES, step):
        count = min(step, RESAMPLES - low)
        drawn = random.integers(num_rows, size=(count, num_rows))
        drawn += num_rows * np.arange(count)[:, np.newaxis]
        times = np.bincount(drawn.ravel(), minlength=count * num_rows)
        totals.append(times.reshape(count, num_rows).astype(np.float64) @ values)
    return np.concatenate(totals)


def uplifted_domains(
    clicks: NDArray[np.float64], other: NDArray[np.float64], domain: NDArray[np.int64]
) -> UpliftedDomains:
    """In which domains requests get more clicks than from the other model, seed by seed.

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
    """In which of (S, J) domains the gain over another model is positive; a tie is no uplift.

    `weight` (J,) are the requests, or rows, of each domain.
    """
    if gain.size == 0:
        nothing = Interval(np.nan, np.nan, np.nan, 0)
        return UpliftedDomains(0, nothing, *[np.nan] * 3)
    is_up, is_untied = gain > TIE, np.abs(gain) > TIE  # (S, J)
    return UpliftedDomains(
        num=gain.shape[1],
        share=_share(is_up),
        chance=float(50.0 * is_untied.mean()),
        by_request=float(100.0 * np.average(is_up.mean(axis=0), weights=weight)),
        by_request_chance=float(50.0 * np.average(is_untied.mean(axis=0), weights=weight)),
    )


def over_all_draws(parts: Sequence[UpliftedDomains]) -> UpliftedDomains:
    """Those of one draw as they are; of several their means, and the interval of the shares.

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
    interval = estimate_of(shares, variance, is_up.shape[1]).interval()
    return interval.clipped(0.0, 1.0).times(100.0)


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
    return np.divide(numerator, other, out=np.full(other.shape, np.nan), where=other != 0.0)
