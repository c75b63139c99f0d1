"""The parts of a generated log: its layout, its mechanism and its random streams."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from datasets.worlds.population import Items, Users

BASE_SEED = 2022  # of all draws

Mechanism = Literal["sparse", "dense", "bias", "none", "mixture"]


class Stream(IntEnum):
    """Independent random streams of a world; blocks have one each."""

    DOMAINS = 0
    EFFECTS = 1
    USERS = 2
    ITEMS = 3
    COLUMNS = 4
    INTERCEPT = 5
    REQUESTS = 6
    BLOCKS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainField:
    """A domain column: its values, the most frequent first.

    Their shares fall as the `exponent`-th power of the rank. The column has `level_part` of what
    the columns add to the variance of levels, and `structure_part` of that of scores. A field is
    either one of the user or one of the placement.
    """

    name: str
    values: tuple[int, ...]
    exponent: float
    level_part: float
    structure_part: float
    is_of_user: bool


class Impressions(NamedTuple):
    """Who saw what, where and when; one entry per row, in time order."""

    elapsed: np.ndarray  # (rows,) share of the log's rows that came before
    timestamp: np.ndarray  # seconds since 1970
    domain: np.ndarray
    user: np.ndarray
    item: np.ndarray

    def take(self, rows: np.ndarray) -> Impressions:
        """Some of the rows."""
        return Impressions(*(values[rows] for values in self))


class Columns(Protocol):
    """The visible columns of a layout, besides domain columns, label and time."""

    def __init__(self, users: Users, items: Items, rng: np.random.Generator) -> None: ...

    def of(self, shown: Impressions, rng: np.random.Generator) -> dict[str, pa.Array | np.ndarray]:
        """Column values of impressions."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldLayout:
    """Schema and frequencies of a log.

    The share of the domain of rank r, from 0, falls as (r + `skew_shift`) ** -`skew_exponent`. The
    levels of domains spread the log-odds of a click by `level_std` over the impressions.
    """

    name: str
    label: str
    timestamp: str
    domain_fields: tuple[DomainField, ...]
    columns: type[Columns]
    max_domains: int
    skew_exponent: float
    skew_shift: float
    level_std: float
    base_rate: float
    rows_per_user: int
    rows_per_item: int


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A generated log of any size: layout, mechanism of domain difference, and draw.

    Worlds of one draw that differ in mechanism alone have the same users, items and impressions.
    """

    layout: WorldLayout
    mechanism: Mechanism
    draw: int = 1

    def stream(self, stream: Stream, index: int = 0) -> np.random.Generator:
        """A random stream that depends on nothing but draw, purpose and index."""
        sequence = np.random.SeedSequence(BASE_SEED, spawn_key=(self.draw, stream, index))
        return np.random.Generator(np.random.PCG64DXSM(sequence))
