"""Gains of every domain over the plain backbone in test AUC, seed by seed."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.reading.keys import Block
from reports.reading.load import Runs
from reports.reading.names import BASELINE

LEAST_CLICKS = 10  # in test, of a domain that is judged
JUDGED_NOTE = (
    f"Judged are the domains with at least {LEAST_CLICKS} clicks and one non-click in test, so that"
    " their AUC is defined and rests on more than a few clicks."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainGains:
    """The test AUC of J judged domains of one draw under a method and the plain backbone.

    `domains` has a row per judged domain: its column values and its counts. `auc` and `plain` are
    (S, J) over the `seeds` that both have; `all_plain` is that of every plain run.
    """

    model: dict[str, object]  # the values of `MODEL`, `planned_runs` and `draws`
    draw: int
    domains: pd.DataFrame
    test_rows: int  # of all domains
    seeds: list[int]
    auc: NDArray[np.float64]
    plain: NDArray[np.float64]
    all_plain: NDArray[np.float64]

    @property
    def gain(self) -> NDArray[np.float64]:
        """The differences (S, J)."""
        return self.auc - self.plain


def domain_gains(runs: Runs) -> Iterator[list[DomainGains]]:
    """The gains of every planned method but the plain backbone, in the order of tables.

    Of each method they are one per draw of the log: no domain is in two draws.
    """
    runs = runs.study("main")
    if not runs.records:
        return
    for block, models in runs.blocks():
        methods = models[models["method"] != BASELINE].to_dict("records")
        by_draw = [_of_draw(runs, block, draw, methods) for draw in runs.families[block.family]]
        yield from map(list, zip(*by_draw, strict=True))


def _of_draw(
    runs: Runs, block: Block, draw: int, methods: list[dict[Hashable, Any]]
) -> list[DomainGains]:
    """The gains of each method on one draw."""
    aucs = {
        method: {
            place.seed: runs.domain_scores(record)["auc"].to_numpy(np.float64)
            for place, record in records.items()
            if place.draw == draw
        }
        for method, records in runs.of_block(block).items()
    }
    domains = runs.domains(runs.families[block.family][draw])
    clicks, rows = domains["test_clicks"], domains["test_impressions"]
    is_judged = ((clicks >= LEAST_CLICKS) & (clicks < rows)).to_numpy()

    def stacked(aucs: dict[int, NDArray[np.float64]], seeds: list[int]) -> NDArray[np.float64]:
        """The AUCs (S, J) of the judged domains."""
        found = np.array([aucs[seed][is_judged] for seed in seeds], np.float64)
        return found.reshape(len(seeds), is_judged.sum())

    plain = aucs.get(BASELINE, {})
    found = []
    for model in methods:
        own = aucs.get(str(model["method"]), {})
        seeds = sorted(own.keys() & plain.keys())
        gains = DomainGains(
            model={str(name): value for name, value in model.items() if name != "changes"},
            draw=draw,
            domains=domains[is_judged].reset_index(drop=True),
            test_rows=int(rows.sum()),
            seeds=seeds,
            auc=stacked(own, seeds),
            plain=stacked(plain, seeds),
            all_plain=stacked(plain, sorted(plain)),
        )
        found.append(gains)
    return found
