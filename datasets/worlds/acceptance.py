"""Measures draws of a world by its truth alone, and says which values are accepted.

`python -m datasets.worlds.acceptance` prints the table of docs/worlds.md, where the criteria and
their reasons stand.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import logit

from datasets.spec import SPLITS
from datasets.worlds.domains import MATCH_STD, sums_over_columns
from datasets.worlds.population import ITEM_LEVEL_STD, NUM_FACTORS, USER_LEVEL_STD, user_factors
from datasets.worlds.production import PRODUCTION
from datasets.worlds.simulation import Simulation
from datasets.worlds.world import Impressions, World

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAWS, ROWS = 40, 120_000
SIZES = (120_000, 255_000, 660_000)  # of which every draw is accepted
RARITY = {"0": (0, 0), "1-3": (1, 3), "4-15": (4, 15), "16+": (16, np.inf)}  # train rows of an id

CRITERIA = {  # lowest and highest accepted value, in every draw of the default world
    "Bayes AUC": (0.76, 0.84),
    "worth of weights of domains": (0.028, 0.052),
    "worth of the second order": (0.02, 0.10),
    "attributes' part of it": (0.02, 0.10),
    "worth of ids": (0.02, 0.06),
    "std of levels": (0.57, 0.63),
    "std of the match": (1.14, 1.26),
    "joint part of levels": (0.35, 0.45),
    "joint part of scores": (0.35, 0.45),
    "largest category": (0.0, 0.2),
    "users with 10-40 train rows": (2_000, np.inf),
    "median train rows of the user": (10, 40),
    "user with 0 train rows": (0.02, 0.09),
    "user with 1-3 train rows": (0.08, 0.25),
    "user with 4-15 train rows": (0.4, 0.65),
    "user with 16+ train rows": (0.15, 0.4),
    "item with 0 train rows": (0.0, 0.04),
    "item with 1-3 train rows": (0.02, 0.07),
    "item with 4-15 train rows": (0.1, 0.2),
    "item with 16+ train rows": (0.75, 0.86),
    "pairs of test in train": (0.0, 0.1),
    "click rate of train": (0.18, 0.22),
    "click rate of dev": (0.18, 0.22),
    "click rate of test": (0.18, 0.22),
}


class SimulatedLog(NamedTuple):
    """All impressions of a simulation, those of test apart, and where dev and test begin."""

    shown: Impressions
    of_test: Impressions
    p_click: np.ndarray
    dev: int
    test: int


def default_world(draw: int) -> World:
    """The world that criteria are about."""
    return World(layout=PRODUCTION, mechanism="mixture", draw=draw)


def measure(world: World, num_rows: int) -> dict[str, float]:
    """All measures of one draw; those of rows are of test, unless they say otherwise."""
    simulation = Simulation(world, num_rows)
    log = log_of(simulation)
    return (
        scores(simulation, log)
        | _spreads(simulation, log)
        | _rarity(log)
        | {
            f"click rate of {name}": float(part.mean())
            for name, part in zip(SPLITS, np.split(log.p_click, [log.dev, log.test]), strict=True)
        }
    )


def log_of(simulation: Simulation) -> SimulatedLog:
    """All rows of a simulation."""
    blocks = list(simulation.blocks())
    shown = Impressions(
        *(np.concatenate(parts) for parts in zip(*(block.shown for block in blocks), strict=True))
    )
    p_click = np.concatenate([block.p_click for block in blocks])
    dev, test = len(p_click) * 4 // 6, len(p_click) * 5 // 6
    return SimulatedLog(shown, shown.take(np.arange(test, len(p_click))), p_click, dev, test)


def scores(simulation: Simulation, log: SimulatedLog) -> dict[str, float]:
    """Expected AUC of the truth, and what GAUC loses by what is not known."""
    p_click = log.p_click[log.test :]
    oracle = Oracle(simulation, log.of_test, p_click)

    def gauc(score: np.ndarray) -> float:
        return expected_auc(p_click, score, log.of_test.domain)

    truth, second, first = gauc(p_click), gauc(oracle.second_order), gauc(oracle.first_order)
    return {
        "Bayes AUC": expected_auc(p_click, p_click, np.zeros(len(p_click), dtype=np.int64)),
        "GAUC of the truth": truth,
        "worth of weights of domains": truth - second,
        "worth of the second order": second - first,
        "attributes' part of it": gauc(oracle.second_order_of_attributes) - first,
        "worth of ids": second - gauc(oracle.without_ids),
    }


class Oracle:
    """Best predictions of the log-odds of rows by those who know all but the match of domains.

    Where they need weights of latent factors these are the same in all domains, and bring the
    prediction as near to the truth as they can; rows count by p (1 - p), as in a logistic
    regression.
    """

    def __init__(self, simulation: Simulation, shown: Impressions, p_click: np.ndarray) -> None:
        self._row_weight = (p_click * (1 - p_click))[:, None]
        self._match = MATCH_STD * simulation.match(shown)
        self._rest = logit(p_click) - self._match
        users, items = simulation.users.traits, simulation.items.traits
        self._user, self._told_user = users.full[shown.user], users.told[shown.user]
        self._item, self._told_item = items.full[shown.item], items.told[shown.item]

    @property
    def second_order(self) -> np.ndarray:
        """Products of the factors of user and item."""
        return self._rest + self._nearest(self._item, _products(self._user, self._item))

    @property
    def second_order_of_attributes(self) -> np.ndarray:
        """Main effects in full, products as far as attributes tell the factors."""
        told = _products(self._told_user, self._told_item)
        return self._rest + self._nearest(self._item, told)

    @property
    def first_order(self) -> np.ndarray:
        """Main effects alone: for lack of a user, each item is matched with all users."""
        return self._rest + self._nearest(self._item)

    @property
    def without_ids(self) -> np.ndarray:
        """The part of the second order and of levels that attributes tell."""
        own_user = (self._user - self._told_user)[:, NUM_FACTORS]
        own_item = (self._item - self._told_item)[:, NUM_FACTORS]
        told = _products(self._told_user, self._told_item)
        return (
            self._rest
            - USER_LEVEL_STD * own_user
            - ITEM_LEVEL_STD * own_item
            + self._nearest(self._told_item, told)
        )

    def _nearest(self, item: np.ndarray, *products: np.ndarray) -> np.ndarray:
        """The sum of main effects and products that is nearest to the match."""
        known = np.hstack([item[:, :NUM_FACTORS], *products])  # (rows, known)
        weighted = self._row_weight * known
        found: np.ndarray = np.linalg.solve(weighted.T @ known, weighted.T @ self._match)
        return known @ found


def _products(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    return user_factors(user) * item[:, :NUM_FACTORS]


def _spreads(simulation: Simulation, log: SimulatedLog) -> dict[str, float]:
    """The variances and shares that the draw made of the stated ones."""
    effects, category = simulation.effects, simulation.items.category[log.shown.item]
    return {
        "std of levels": float(effects.level[log.shown.domain].std()),
        "std of the match": float(MATCH_STD * simulation.match(log.of_test).std()),
        "joint part of levels": _joint_part(simulation, effects.level[:, None]),
        "joint part of scores": _joint_part(simulation, effects.score),
        "joint part of weights": _joint_part(simulation, effects.weight),
        "largest category": float(np.bincount(category).max() / len(category)),
    }


def _joint_part(simulation: Simulation, values: np.ndarray) -> float:
    """Share of the variance of values of domains that no sum over columns explains."""
    weight = simulation.domains.arrival.exposure
    values = values - weight @ values
    rest = values - sums_over_columns(simulation.domains, values)
    return float((weight @ rest**2).sum() / (weight @ values**2).sum())


def _rarity(log: SimulatedLog) -> dict[str, float]:
    """The occurrences of test ids in train, and the numbers of things."""
    user, item, domain = log.shown.user, log.shown.item, log.shown.domain
    pair = user * (item.max() + 1) + item
    seen = np.sort(pair[: log.dev])
    place = np.minimum(np.searchsorted(seen, pair[log.test :]), log.dev - 1)
    in_train = _occurrences(domain, log)
    of_users = np.bincount(user[: log.dev])
    found = {
        "users": _number(user),
        "users with 10-40 train rows": float(((of_users >= 10) & (of_users <= 40)).sum()),
        "items": _number(item),
        "domains": _number(domain),
        "domains of test alone": _number(domain[log.test :][in_train == 0]),
        "median train rows of the user": float(np.median(_occurrences(user, log))),
        "pairs of test in train": float((seen[place] == pair[log.test :]).mean()),
    }
    for name, ids in (("user", user), ("item", item)):
        rows = _occurrences(ids, log)
        for label, (least, most) in RARITY.items():
            found[f"{name} with {label} train rows"] = float(
                ((least <= rows) & (rows <= most)).mean()
            )
    return found


def _occurrences(ids: np.ndarray, log: SimulatedLog) -> np.ndarray:
    """Train rows of the id of each row of test."""
    return np.bincount(ids[: log.dev], minlength=ids.max() + 1)[ids[log.test :]]


def _number(ids: np.ndarray) -> float:
    return float(np.count_nonzero(np.bincount(ids)))


def expected_auc(p_click: np.ndarray, score: np.ndarray, group: np.ndarray) -> float:
    """Expected AUC within groups, weighted by rows; no two scores are equal.

    Groups of one row are left out.
    """
    order = np.lexsort((score, group))
    p, group = p_click[order], group[order]
    start = np.flatnonzero(np.diff(group, prepend=-1))
    size = np.diff(start, append=len(p))
    before = np.cumsum(1 - p) - (1 - p)  # sums of 1 - p of all rows that stand earlier
    wins = np.add.reduceat(p * (before - np.repeat(before[start], size)), start)
    pairs = np.add.reduceat(p, start) * np.add.reduceat(1 - p, start)
    pairs -= np.add.reduceat(p * (1 - p), start)
    kept = size > 1
    return float(np.average(wins[kept] / pairs[kept], weights=size[kept]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how draws of the default world differ; 1 if one of them is not accepted."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS, help="draws, from 0 on")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of each draw")
    args = parser.parse_args(arguments)
    measured = [measure(default_world(draw), args.rows) for draw in range(args.draws)]
    lines = ["| measure | lowest | median | highest | accepted |", "|---|--:|--:|--:|--:|"]
    is_accepted = True
    for name in measured[0]:
        values = np.array([of_draw[name] for of_draw in measured])
        accepted = ""
        if name in CRITERIA:
            low, high = CRITERIA[name]
            accepted = f"{low:g} to {high:g}" if np.isfinite(high) else f"at least {low:,.0f}"
            is_accepted &= bool(low <= values.min() and values.max() <= high)
        cells = [_text(value) for value in (values.min(), np.median(values), values.max())]
        lines.append(f"| {name} | {' | '.join(cells)} | {accepted} |")
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if is_accepted else 1


def _text(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
