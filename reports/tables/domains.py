"""Domains: in how many a method beats the plain backbone (after AdaSparse, section 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import permutations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from reports.analysis.domain_gains import JUDGED_NOTE, DomainGains, domain_gains
from reports.look import columns
from reports.look.table import Table, number
from reports.reading.load import Runs
from reports.statistics.uplift import TIE, over_all_draws, uplifted

_NOTES = [
    "UPR: the percentage of the judged domains whose test AUC is above that of the plain backbone,"
    " taken run by run, mean over the runs; a tie is no uplift. An offline analogue of the"
    " paper's section 4.4, whose UPR of over 90% is of online CTR. " + JUDGED_NOTE,
    "The 95% interval of UPR allows for other seeds and for other domains, taken as independent. In"
    " brackets what two equally good models have in expectation: half of the domains that are not"
    " tied. By rows: every domain weighs as much as it has test rows.",
    "Two plain runs: the least and the greatest UPR of one run of the plain backbone over another"
    " one with a different seed, which is chance as it was seen here. It is of single pairs, and"
    " blank with one seed.",
    "Up, down: the domains whose AUC, mean over the seeds, is above or below. The sign test asks"
    " whether up and down are equally likely in a domain (two-sided, binomial, ties left out). It"
    " takes the trained networks as given and the domains as independent, so read it beside two"
    " plain runs; it is not corrected for the number of models.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per planned method; what has no run or no judged domain is nan.

    Of several draws the percentages are means over them, and domains are counted over all.
    """
    rows = [_row(draws) for draws in domain_gains(runs)]
    return pd.DataFrame(rows)


def _row(draws: Sequence[DomainGains]) -> dict[str, object]:
    rows = [gains.domains["test_impressions"].to_numpy(np.int64) for gains in draws]
    parts = [uplifted(gains.gain, weight) for gains, weight in zip(draws, rows, strict=True)]
    found = over_all_draws(parts)
    judged_rows = sum(int(weight.sum()) for weight in rows)
    return {
        **draws[0].model,
        "runs": sum(len(gains.seeds) for gains in draws),
        **found.share.named("upr_percent"),
        "upr_percent_by_chance": found.chance,
        "upr_percent_by_row": found.by_request,
        "upr_percent_by_row_by_chance": found.by_request_chance,
        **_between_plain_runs([gains.all_plain for gains in draws]),
        **_signs([gains.gain for gains in draws]),
        "judged_domains": sum(map(len, rows)),
        "judged_row_share": judged_rows / max(sum(gains.test_rows for gains in draws), 1),
    }


def _between_plain_runs(draws: Sequence[NDArray[np.float64]]) -> dict[str, object]:
    """The least and the greatest UPR of one of (S, J) plain runs over another one of its draw."""
    shares = [
        100.0 * float((aucs[a] - aucs[b] > TIE).mean())
        for aucs in draws
        for a, b in permutations(range(len(aucs)), 2)
        if aucs.size
    ]
    ends = (min(shares), max(shares)) if shares else (np.nan, np.nan)
    return dict(zip(("upr_percent_plain_low", "upr_percent_plain_high"), ends, strict=True))


def _signs(draws: Sequence[NDArray[np.float64]]) -> dict[str, object]:
    """Domains above and below by their mean over the seeds, and the sign test of them."""
    means = np.concatenate([gain.mean(axis=0) if len(gain) else np.empty(0) for gain in draws])
    num_up, num_down = int((means > TIE).sum()), int((means < -TIE).sum())
    untied = num_up + num_down
    p = float(stats.binomtest(num_up, untied, 0.5).pvalue) if untied else np.nan
    return {"domains_up": num_up, "domains_down": num_down, "sign_test_p": p}


_COLUMNS = [
    columns.MODEL,
    columns.with_chance(
        "upr_percent", columns.interval("UPR, % (chance)", "upr_percent", 1, signed=False)
    ),
    columns.with_chance(
        "upr_percent_by_row", columns.number("By rows, % (chance)", "upr_percent_by_row", 1)
    ),
    columns.where_known(
        "upr_percent_plain_low",
        columns.text(
            "Two plain runs, %",
            lambda row: " to ".join(
                number(row[f"upr_percent_plain_{end}"], 1) for end in ("low", "high")
            ),
        ),
    ),
    columns.text("Up, down", lambda row: f"{row['domains_up']:,}, {row['domains_down']:,}"),
    columns.p_value("Sign test p", "sign_test_p"),
    columns.number("Judged domains", "judged_domains", 0),
    columns.text("Rows in them", lambda row: number(100.0 * row["judged_row_share"], 1) + "%"),
    columns.RUNS,
]


TABLE = Table(
    title="Domains: in how many each method beats the plain backbone (UPR)",
    section="domains",
    position=50,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    arrange=partial(columns.laid_out, columns=_COLUMNS, notes=_NOTES),
)
