"""Rows of a batch by id in static shapes, found without a word to the host: for a GPU.

A chunk holds up to `HEIGHT` rows of one id. With G ids at most, B rows make no more than
G + B // HEIGHT chunks, whatever the ids are; what is left of ids and chunks has no rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from models.layers.grouping import RowGroups, group_rows
from models.layers.static_shapes import has_static_shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

HEIGHT = 16


@dataclass(frozen=True, slots=True)
class PaddedGroups(RowGroups):
    """The rows of a batch by id; ids that are left over are 0, with no rows.

    `rows` lists the row numbers of every chunk, row 0 where it has fewer.
    """

    chunk_group: Tensor  # (C,) position in `ids` of each chunk's id

    def blocks(self, *padded: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """One block of all chunks (C, HEIGHT, ...) of values in the order of the padded list."""
        yield tuple(values.unflatten(0, (-1, HEIGHT)) for values in padded)

    def per_block(self, values: Tensor) -> tuple[Tensor, ...]:
        """Values of ids (U, ...) for each chunk: (C, ...)."""
        return (values.index_select(0, self.chunk_group),)

    def of_ids(self, blocks: Sequence[Tensor]) -> Tensor:
        """Sums (U, ...) of the values (C, ...) of each id's chunks."""
        (chunks,) = blocks
        total = chunks.new_zeros(len(self.ids), *chunks.shape[1:])
        return total.index_add_(0, self.chunk_group, chunks)

    def without(self, number: int, values: Tensor) -> Tensor:
        """Values of ids (U, N) with zeros for this id, in place."""
        return values.masked_fill_((self.ids == number).unsqueeze(1), 0.0)


def grouped(ids: Tensor, num_ids: int) -> RowGroups:
    """Group the rows of a batch by their id (B,), of `num_ids`, in shapes that fit its device."""
    return padded_groups(ids, num_ids) if has_static_shapes(ids) else group_rows(ids)


def padded_groups(ids: Tensor, num_ids: int) -> PaddedGroups:
    """Group the rows of a batch by their id (B,), of which there are `num_ids`."""
    num_rows = len(ids)
    most = max(1, min(num_rows, num_ids))
    ordered, order = torch.sort(ids.long(), stable=True)
    is_first = torch.cat([torch.ones_like(ordered[:1]), (ordered[1:] != ordered[:-1]).long()])
    number = is_first.cumsum(0) - 1  # (B,) of the id of each row, in their order
    counts = (
        torch.zeros_like(ordered).new_zeros(most).index_add_(0, number, torch.ones_like(number))
    )
    starts = counts.cumsum(0) - counts
    chunks = (counts + HEIGHT - 1) // HEIGHT  # (U,) of each id
    first_chunk = chunks.cumsum(0) - chunks
    rank = torch.arange(num_rows, device=ids.device) - starts.index_select(0, number)
    chunk = first_chunk.index_select(0, number) + rank // HEIGHT  # (B,)
    num_chunks = most + num_rows // HEIGHT
    in_order = chunk * HEIGHT + rank % HEIGHT  # (B,) the place of each row, in their order
    place = torch.empty_like(in_order).index_copy_(0, order, in_order)
    return PaddedGroups(
        ids=counts.new_zeros(most).scatter_(0, number, ordered),
        counts=counts,
        group=torch.empty_like(number).index_copy_(0, order, number),
        rows=counts.new_zeros(num_chunks * HEIGHT).index_copy_(0, in_order, order),
        place=place,
        chunk_group=counts.new_zeros(num_chunks).scatter_(0, chunk, number),
    )
