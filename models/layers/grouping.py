"""Rows of a batch by id, in few dense blocks: what makes per-domain layers cheap.

A loop over ids costs a handful of calls each, one padded block of all ids is as high as the most
frequent one. Here ids that occur about equally often share a block, so that little of a block is
padding and there are log2(B) blocks at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from models.layers.kernels.library import library_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FoundT = TypeVar("FoundT")


@dataclass(frozen=True, slots=True)
class RowGroups:
    """The rows of a batch by id, in blocks of ids with as many rows each, some of them padding.

    `rows` lists the row numbers of every block, and some row where an id has fewer. `place` says
    where row i is in that list.
    """

    ids: Tensor  # (U,) int64, the different ids
    counts: Tensor  # (U,) rows of each id
    group: Tensor  # (B,) position in `ids` of each row's id
    rows: Tensor  # (padded,) int64
    place: Tensor  # (B,) int64

    def sum(self, values: Tensor, factors: Tensor | None = None) -> Tensor:
        """Sums (U, N) of the rows (B, N) of each id, or of their products with `factors` (B, N)."""
        total = values.new_zeros(len(self.ids), values.shape[1])
        others = [] if factors is None else [factors]
        library = library_for(values, *others)
        is_whole = all(len(one) == len(self.group) for one in (values, *others))
        if library is None or not is_whole:
            products = values if factors is None else values * factors
            return total.index_add_(0, self.group, products)
        address = None if factors is None else factors.data_ptr()
        sizes = self.group.data_ptr(), *values.shape
        library.sum_by_group(*sizes, values.data_ptr(), address, total.data_ptr())
        return total

    def spread(self, values: Tensor) -> Tensor:
        """Values of ids (U, N) to the rows (B, N)."""
        return _take(values, self.group, len(self.ids))

    def add_products(self, total: Tensor, values: Tensor, factors: Tensor) -> Tensor:
        """Add to rows (B, N), in place, `values` (B, N) times the factors (U, N) of their ids."""
        library = library_for(total, values, factors)
        is_whole = total.shape == values.shape and len(values) == len(self.group)
        if library is None or not is_whole or factors.shape != (len(self.ids), values.shape[1]):
            return total.addcmul_(values, factors.index_select(0, self.group))
        sizes = self.group.data_ptr(), *values.shape
        library.add_products(*sizes, values.data_ptr(), factors.data_ptr(), total.data_ptr())
        return total

    def pad(self, values: Tensor) -> Tensor:
        """Values of rows (B, N) in the order of the padded list, any row's where padded."""
        return _take(values, self.rows, len(self.group))

    def pad_with_zeros(self, values: Tensor) -> Tensor:
        """Values of rows (B, N) in the order of the padded list, zero where padded."""
        padded = values.new_zeros(len(self.rows), values.shape[1])
        return padded.index_copy_(0, self.place, values)

    def unpad(self, padded: Tensor) -> Tensor:
        """Back from the padded list to rows (B, N)."""
        return _take(padded, self.place, len(self.rows))

    def blocks(self, *padded: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Per block the views (u, n, ...) of values in the order of the padded list."""
        raise NotImplementedError

    def per_block(self, values: Tensor) -> tuple[Tensor, ...]:
        """Values of ids (U, ...) for the ids of each block: (u, ...)."""
        raise NotImplementedError

    def of_ids(self, blocks: Sequence[Tensor]) -> Tensor:
        """Values (U, ...) of ids from those (u, ...) of each block; summed where an id has two."""
        raise NotImplementedError

    def without(self, number: int, values: Tensor) -> Tensor:
        """Values of ids (U, N) with zeros for this id, in place."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Groups(RowGroups):
    """The rows of a batch by id; the ids of a block occur in at most n rows, and not much fewer.

    A block of u ids has u * n rows. `ids` are in the order of the blocks. `order` lists the row
    numbers id by id without padding, and `rank` is its inverse.
    """

    numbers: tuple[int, ...]  # the ids
    sizes: tuple[int, ...]  # the counts
    order: Tensor  # (B,) int64
    rank: Tensor  # (B,) int64
    shapes: tuple[tuple[int, int], ...]  # (u, n) of each block

    def sort(self, values: Tensor) -> Tensor:
        """Values of rows (B, N) id by id."""
        return _take(values, self.order, len(self.group))

    def unsort(self, values: Tensor) -> Tensor:
        """Back from the order of ids to that of rows (B, N)."""
        return _take(values, self.rank, len(self.group))

    def runs(self, values: Tensor) -> tuple[Tensor, ...]:
        """Values in the order of ids, as one view (n, N) per id."""
        return values.split(self.sizes)

    def blocks(self, *padded: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Per block the views (u, n, ...) of values in the order of the padded list."""
        pieces = (values.split([u * n for u, n in self.shapes]) for values in padded)
        for shape, *views in zip(self.shapes, *pieces, strict=True):
            yield tuple(values.view(*shape, *values.shape[1:]) for values in views)

    def per_block(self, values: Tensor) -> tuple[Tensor, ...]:
        """Values of ids (U, ...) as one view (u, ...) per block."""
        return values.split([u for u, _ in self.shapes])

    def of_ids(self, blocks: Sequence[Tensor]) -> Tensor:
        """Values (U, ...) of ids from those (u, ...) of each block."""
        return torch.cat([*blocks])

    def without(self, number: int, values: Tensor) -> Tensor:
        """Values of ids (U, N) with zeros for this id, in place."""
        if number in self.numbers:
            values[self.numbers.index(number)] = 0.0
        return values


def _take(rows: Tensor, numbers: Tensor, num_rows: int) -> Tensor:
    """The rows (..., N) with these numbers (B,), which are below `num_rows`."""
    library = library_for(rows) if rows.ndim == 2 and len(rows) == num_rows else None
    if library is None:
        return rows.index_select(0, numbers)
    taken = rows.new_empty(len(numbers), rows.shape[1])
    sizes = numbers.data_ptr(), *taken.shape
    library.take(*sizes, rows.data_ptr(), taken.data_ptr())
    return taken


class OfLastIds(Generic[FoundT]):
    """The finding for the ids that came last, which the layers of a pass share."""

    def __init__(self, find: Callable[[Tensor], FoundT]) -> None:
        self._find = find
        self._ids: Tensor | None = None
        self._is_for_training = False  # what is found in inference mode has no place in a graph
        self.last: FoundT | None = None

    def __call__(self, ids: Tensor) -> FoundT:
        """The result of `find` for a batch's ids (B,)."""
        is_for_training = not torch.is_inference_mode_enabled()
        is_known = ids is self._ids and self._is_for_training >= is_for_training
        if self.last is None or not is_known:
            self._ids, self.last = ids, self._find(ids)
            self._is_for_training = is_for_training
        return self.last


def group_rows(ids: Tensor) -> Groups:
    """Group the rows of a batch by their id (B,)."""
    found, inverse, counts = np.unique(ids.cpu().numpy(), return_inverse=True, return_counts=True)
    height = _heights(counts)  # (U,)
    by_height = np.argsort(height, kind="stable")
    found, counts, height = found[by_height], counts[by_height], height[by_height]
    position = np.empty_like(by_height)
    position[by_height] = np.arange(len(by_height))
    group = position[inverse]  # (B,)
    order = np.argsort(group, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(ids))
    first, start = np.cumsum(counts) - counts, np.cumsum(height) - height  # (U,) of each id's rows
    place = (start - first)[group] + rank
    rows = np.zeros(height.sum(), dtype=np.int64)
    rows[place] = np.arange(len(ids))
    heights, blocks = np.unique(height, return_counts=True)
    on_device = partial(torch.as_tensor, device=ids.device)
    return Groups(
        ids=on_device(found.astype(np.int64)),
        numbers=tuple(found.tolist()),
        counts=on_device(counts),
        sizes=tuple(counts.tolist()),
        group=on_device(group),
        rows=on_device(rows),
        place=on_device(place),
        order=on_device(order),
        rank=on_device(rank),
        shapes=tuple(zip(blocks.tolist(), heights.tolist(), strict=True)) or ((0, 1),),
    )


def _heights(counts: np.ndarray) -> np.ndarray:
    """The next of 1, 4, 8, 16, 32, ...: products of two or three rows are no cheaper."""
    power = 1 << np.maximum(np.ceil(np.log2(counts)).astype(np.int64), 2)
    return np.where(counts > 1, power, 1)
