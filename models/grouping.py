"""Rows of a batch by id, in few dense blocks: what makes per-domain layers cheap.

A loop over ids costs a handful of calls each, one padded block of all ids is as high as the most
frequent one. Here ids that occur about equally often share a block, so that little of a block is
padding and there are about 2 log2(B) blocks at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Groups:
    """The rows of a batch by id; the ids of a block occur in at most n rows, and not much fewer.

    `rows` lists the row numbers of every block; a block of u ids has u * n of them, and some row
    stands in where an id has fewer. `place` says where row i is in that list.
    """

    ids: Tensor  # (U,) int64, the different ids, block by block
    numbers: tuple[int, ...]  # the same
    counts: Tensor  # (U,) rows of each id
    group: Tensor  # (B,) position in `ids` of each row's id
    rows: Tensor  # (sum of u * n,) int64
    place: Tensor  # (B,) int64
    shapes: tuple[tuple[int, int], ...]  # (u, n) of each block

    def sum(self, values: Tensor) -> Tensor:
        """Sums (U, N) of the rows (B, N) of each id."""
        total = values.new_zeros(len(self.ids), values.shape[1])
        return total.index_add_(0, self.group, values)

    def spread(self, values: Tensor) -> Tensor:
        """Values of ids (U, N) to the rows (B, N)."""
        return values.index_select(0, self.group)

    def pad(self, values: Tensor) -> Tensor:
        """Values of rows (B, N) in the order of the padded list, any row's where padded."""
        return values.index_select(0, self.rows)

    def pad_with_zeros(self, values: Tensor) -> Tensor:
        """The same, zero where padded."""
        padded = values.new_zeros(len(self.rows), values.shape[1])
        return padded.index_copy_(0, self.place, values)

    def unpad(self, padded: Tensor) -> Tensor:
        """Back from the padded list to rows (B, N)."""
        return padded.index_select(0, self.place)

    def blocks(self, *padded: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Per block the views (u, n, ...) of values in the order of the padded list."""
        pieces = (values.split([u * n for u, n in self.shapes]) for values in padded)
        for shape, *views in zip(self.shapes, *pieces, strict=True):
            yield tuple(values.view(*shape, *values.shape[1:]) for values in views)

    def per_block(self, values: Tensor) -> tuple[Tensor, ...]:
        """Values of ids (U, ...) as one view (u, ...) per block."""
        return values.split([u for u, _ in self.shapes])


class LastGroups:
    """The groups of the ids that were asked for last, so that the layers of a pass share them."""

    def __init__(self) -> None:
        self._ids: Tensor | None = None
        self.last: Groups | None = None

    def __call__(self, ids: Tensor) -> Groups:
        """The groups of a batch's ids (B,)."""
        if self.last is None or ids is not self._ids:
            with torch.inference_mode(mode=False):  # a training pass may follow on the same ids
                self._ids, self.last = ids, group_rows(ids)
        return self.last


def group_rows(ids: Tensor) -> Groups:
    """Group the rows of a batch by their id (B,)."""
    found, inverse, counts = torch.unique(ids, return_inverse=True, return_counts=True)
    height = _heights(counts)  # (U,)
    order = torch.argsort(height, stable=True)
    found, counts, height = found[order], counts[order], height[order]
    start = height.cumsum(0) - height  # (U,) where an id's rows begin in the padded list
    position = torch.empty_like(order)
    position[order] = torch.arange(len(order), device=ids.device)
    group = position[inverse]  # (B,)
    by_group = torch.argsort(group, stable=True)
    rank = torch.empty_like(by_group)
    first = counts.cumsum(0) - counts
    rank[by_group] = torch.arange(len(ids), device=ids.device) - first[group[by_group]]
    place = start[group] + rank
    heights = height.tolist()
    rows = torch.zeros(sum(heights), dtype=torch.int64, device=ids.device)
    rows[place] = torch.arange(len(ids), device=ids.device)
    shapes = tuple((heights.count(n), n) for n in sorted(set(heights)) or [1])
    return Groups(
        ids=found.long(),
        numbers=tuple(found.tolist()),
        counts=counts,
        group=group,
        rows=rows,
        place=place,
        shapes=shapes,
    )


def _heights(counts: Tensor) -> Tensor:
    """The next of 1, 4, 6, 8, 12, 16, 24, ...: products of two or three rows are no cheaper."""
    power = 1 << torch.ceil(torch.log2(counts.double())).long().clamp(min=2)
    between = power - power // 4
    return torch.where((counts <= between) & (power > 4), between, power).where(counts > 1, 1)
