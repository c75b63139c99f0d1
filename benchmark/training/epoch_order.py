"""The order of the train rows in an epoch: exact, keyed or by blocks, as rows and memory ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmark.training.keyed_permutation import KeyedPermutation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from torch import Tensor

    from benchmark.tasks import EpochOrder

MAX_EXACT_ROWS = 1 << 25  # a permutation of 0.27 GB in every process
CHUNK_ROWS = 1 << 16  # of a keyed order, computed at a time
BLOCK_ROWS = 1 << 13  # about a megabyte of the disk, read in one go
BUFFER_BLOCKS = 1 << 10  # 8.4 million rows in random order


def order_for(num_rows: int, num_bytes: int, memory: int) -> EpochOrder:
    """The order of a log of which the train rows are so many and take so many bytes.

    By blocks, if that is more than half of the memory of the machine, in bytes. The other half is
    for the processes and for the rows of dev and test. Else exact up to `MAX_EXACT_ROWS`, and keyed
    above. The memory is all that there is, used or free: the order depends on the machine, and not
    on the hour.
    """
    if num_bytes > memory // 2:
        return "blocks"
    return "exact" if num_rows <= MAX_EXACT_ROWS else "keyed"


def epoch_parts(
    order: EpochOrder, num_rows: int, generator: torch.Generator, read: Callable[[range], None]
) -> Iterator[Tensor]:
    """One epoch of row ids, each once, int64, in parts of any length; `read` reads a block."""
    if order == "exact":
        yield torch.randperm(num_rows, generator=generator)
    elif order == "keyed":
        permutation = KeyedPermutation(num_rows, generator)
        for start in range(0, num_rows, CHUNK_ROWS):
            yield permutation(torch.arange(start, min(start + CHUNK_ROWS, num_rows)))
    else:
        yield from _by_blocks(num_rows, generator, read)


def _by_blocks(
    num_rows: int, generator: torch.Generator, read: Callable[[range], None]
) -> Iterator[Tensor]:
    """Blocks of consecutive rows in random order, a buffer of them at a time in random order.

    Every order of the blocks is equally likely, and every order of the rows of a buffer. Buffers
    are of equal size, give or take a block. So but for a last block that is shorter each row is as
    likely at every place; a batch is a uniform sample of its buffer. Not random is that rows of a
    block share a buffer: two of them are never further apart than that.

    Paper: Xu et al.: In-database machine learning with CorgiPile: stochastic gradient descent
        without full data shuffle, SIGMOD 2022, doi 10.1145/3514221.3526150.
    Deviation: they put the rows of a buffer into memory of its own. Here they stay where they are,
        in the page cache, which a sequential read of the blocks fills.
    """
    num_blocks = -(-num_rows // BLOCK_ROWS)
    num_buffers = -(-num_blocks // BUFFER_BLOCKS)
    for buffer in torch.randperm(num_blocks, generator=generator).tensor_split(num_buffers):
        starts = [block * BLOCK_ROWS for block in sorted(buffer.tolist())]
        blocks = [range(start, min(start + BLOCK_ROWS, num_rows)) for start in starts]
        for block in blocks:
            read(block)
        row_ids = torch.cat([torch.arange(block.start, block.stop) for block in blocks])
        yield row_ids[torch.randperm(len(row_ids), generator=generator)]


def in_batches(parts: Iterable[Tensor], batch_size: int) -> Iterator[Tensor]:
    """The row ids of some parts, one part after the other, by batch; the remainder last."""
    rest = torch.empty(0, dtype=torch.int64)
    for part in parts:
        row_ids = torch.cat([rest, part]) if len(rest) else part
        whole = len(row_ids) // batch_size * batch_size
        for start in range(0, whole, batch_size):
            yield row_ids[start : start + batch_size]
        rest = row_ids[whole:]
    if len(rest):
        yield rest
