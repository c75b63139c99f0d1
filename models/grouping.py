"""Rows of a batch by id, in few dense blocks: what makes per-domain layers cheap.

A loop over ids costs a handful of calls each, one padded block of all ids is as high as the most
frequent one. Here ids that occur about equally often share a block, so that at most half of a
block is padding and there are at most log2(B) + 1 blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Groups:
    """The rows of a batch by id; ids of one block occur in n / 2 + 1 to n rows, n a power of two.

    `rows` lists the row numbers of every block, padded with B; a block of u ids has u * n of them.
    `place` says where row i is in that list.
    """

    ids: Tensor  # (U,) int64, the different ids, block by block
    counts: Tensor  # (U,) rows of each id
    rows: Tensor  # (sum of u * n,) int64
    place: Tensor  # (B,) int64
    blocks: tuple[tuple[int, int], ...]  # (u, n) of each block

    def blocks_of(self, values: Tensor) -> list[Tensor]:
        """Values of rows (B, N) as one (u, n, N) per block, zero where padded."""
        padded = torch.cat([values, values.new_zeros(1, values.shape[1])])  # (B + 1, N)
        flat = padded.index_select(0, self.rows)
        pieces = flat.split([u * n for u, n in self.blocks])
        return [piece.unflatten(0, block) for piece, block in zip(pieces, self.blocks, strict=True)]

    def rows_of(self, blocks: list[Tensor]) -> Tensor:
        """Back from one (u, n, N) per block to rows (B, N)."""
        flat = torch.cat([block.flatten(0, 1) for block in blocks])
        return flat.index_select(0, self.place)

    def per_block(self, values: Tensor) -> tuple[Tensor, ...]:
        """Values of ids (U, ...) as one (u, ...) per block."""
        return values.split([u for u, _ in self.blocks])


def group_rows(ids: Tensor) -> Groups:
    """Group the rows of a batch by their id (B,)."""
    found, inverse, counts = torch.unique(ids, return_inverse=True, return_counts=True)
    height = _next_power_of_two(counts)  # (U,)
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
    rows = torch.full((sum(heights),), len(ids), device=ids.device)
    rows[place] = torch.arange(len(ids), device=ids.device)
    blocks = tuple((heights.count(n), n) for n in sorted(set(heights)))
    return Groups(ids=found.long(), counts=counts, rows=rows, place=place, blocks=blocks)


def _next_power_of_two(counts: Tensor) -> Tensor:
    return 1 << torch.ceil(torch.log2(counts.double())).long()
