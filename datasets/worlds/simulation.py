"""Draws the impressions of a world, block by block, with their true click probabilities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from datasets.spec import DataError
from datasets.worlds.domains import MATCH_STD, make_domains, make_effects
from datasets.worlds.population import Items, Users
from datasets.worlds.world import Impressions, Stream, World

if TYPE_CHECKING:
    from collections.abc import Iterator

DECIMALS = 6  # of stored numbers: the last bits of exp differ between processors
LEAST = 10.0**-DECIMALS
BLOCK_ROWS = 1 << 16  # also of the sample that fixes the base rate
MIN_ROWS = 2_000
TREND, DRIFT_STD, HOUR_AMPLITUDE = 0.03, 0.1, 0.1  # all in log-odds
START_SECONDS = 1_640_995_200  # 2022-01-01 00:00 UTC
NUM_DAYS, HOURS = 14, 24
HOUR_SECONDS = 3_600

_HOUR_WEIGHT = np.tile(1.2 + np.sin((np.arange(HOURS) - 9) / HOURS * 2 * np.pi), NUM_DAYS)
_ENDS = np.concatenate([[0.0], np.cumsum(_HOUR_WEIGHT) / _HOUR_WEIGHT.sum()])


class RowBlock(NamedTuple):
    """Some rows of a log in time order."""

    start: int
    shown: Impressions
    p_click: np.ndarray
    clicked: np.ndarray
    rng: np.random.Generator  # of the block's remaining columns


class Simulation:
    """A world of one size: all that its rows are drawn from.

    Raises:
        DataError: the size is too small for a split with both classes.
    """

    def __init__(self, world: World, num_rows: int) -> None:
        if num_rows < MIN_ROWS:
            raise DataError(
                f"a generated log needs at least {MIN_ROWS:,} rows to have clicks in every split,"
                f" got {num_rows:,}; ask for more"
            )
        self.world, self.num_rows = world, num_rows
        layout = world.layout
        self.domains = make_domains(layout, num_rows, world.stream(Stream.DOMAINS))
        self.effects = make_effects(world, self.domains, world.stream(Stream.EFFECTS))
        rng, group_share = world.stream(Stream.USERS), self.domains.group_share
        self.users = Users(layout.rows_per_user, num_rows, group_share, rng)
        self.items = Items(layout.rows_per_item, num_rows, world.stream(Stream.ITEMS))
        self.intercept = 0.0
        self.intercept = self._intercept()

    @property
    def num_blocks(self) -> int:
        """The number of blocks of the log."""
        return math.ceil(self.num_rows / BLOCK_ROWS)

    def blocks(self) -> Iterator[RowBlock]:
        """All rows in time order, a block at a time."""
        for index in range(self.num_blocks):
            yield self.block(index)

    def block(self, index: int) -> RowBlock:
        """The rows of one block; no other block plays a part."""
        rng = self.world.stream(Stream.BLOCKS, index)
        start, stop = index * BLOCK_ROWS, min((index + 1) * BLOCK_ROWS, self.num_rows)
        shown = self._draw(start / self.num_rows, stop / self.num_rows, stop - start, rng)
        p_click = self.p_click(shown)
        return RowBlock(start, shown, p_click, rng.random(len(p_click)) < p_click, rng)

    def p_click(self, shown: Impressions) -> np.ndarray:
        """The true click probability of impressions, a number of `DECIMALS` decimals."""
        p_click = expit(self.intercept + self._log_odds(shown))
        return np.round(p_click, DECIMALS).clip(LEAST, 1.0 - LEAST)

    def match(self, shown: Impressions) -> np.ndarray:
        """The match of users and items in the domains, of unit variance over all impressions."""
        factors = self.users.factors[shown.user] * self.items.factors[shown.item]  # (rows, factors)
        return np.einsum("nk,nk->n", factors, self.effects.weight[shown.domain])

    def _draw(self, begin: float, end: float, count: int, rng: np.random.Generator) -> Impressions:
        elapsed = np.sort(rng.uniform(begin, end, count))
        domain = self.domains.arrival.draw(elapsed, rng)
        return Impressions(
            elapsed=elapsed,
            timestamp=timestamps(elapsed),
            domain=domain,
            user=self.users.arrival.draw(elapsed, rng, self.domains.group[domain]),
            item=self.items.arrival.draw(elapsed, rng),
        )

    def _log_odds(self, shown: Impressions) -> np.ndarray:
        """All but the intercept."""
        since_middle = 2 * shown.elapsed - 1
        hour = hour_of(shown.timestamp)
        return (
            MATCH_STD * self.match(shown)
            + self.effects.level[shown.domain]
            + self.users.level[shown.user]
            + self.items.level[shown.item]
            + since_middle * (TREND + DRIFT_STD * self.items.slope[shown.item])
            + HOUR_AMPLITUDE * np.cos((hour - 21) / 24 * 2 * np.pi)
        )

    def _intercept(self) -> float:
        """The shift that gives a sample of the whole period the base rate."""
        sample = self._draw(0.0, 1.0, BLOCK_ROWS, self.world.stream(Stream.INTERCEPT))
        log_odds = self._log_odds(sample)
        target = self.world.layout.base_rate
        return brentq(lambda shift: expit(shift + log_odds).mean() - target, -30.0, 30.0)


def timestamps(elapsed: np.ndarray) -> np.ndarray:
    """Seconds since 1970; nights are quiet."""
    hours = np.interp(elapsed, _ENDS, np.arange(len(_ENDS)))
    return START_SECONDS + (hours * HOUR_SECONDS).astype(np.int64)


def hour_of(timestamp: np.ndarray) -> np.ndarray:
    """Hour of the day, UTC."""
    return timestamp // HOUR_SECONDS % HOURS
