"""Rows by task: batches of chunks in two halves for training, the latest rows for adaptation.

Row ids are in time order, so the older of two rows of train is the one with the smaller id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_STACKED_TASKS = 64
MAX_STACKED_ROWS = 16_384


def half_weights(n: int, support_rows: int) -> Tensor:
    """The weight (2T, m) of each row of a batch of n in the mean over its half.

    A chunk is its older half, then its newer half. The batch is whole chunks of 2 * `support_rows`
    rows, else a single one. If n is odd, the first place of the older half has no row: weight 0.
    """
    shape = (n // support_rows, support_rows) if n % (2 * support_rows) == 0 else (2, n - n // 2)
    present = torch.ones(shape, dtype=torch.float64)
    present[0, : n % 2] = 0.0
    return present / present.sum(dim=1, keepdim=True).clamp(min=1.0)


def check_batch_size(batch_size: int, support_rows: int) -> None:
    """Make sure that a batch holds whole chunks.

    Raises:
        ValueError: it does not.
    """
    if batch_size % (2 * support_rows):
        allowed = [n for n in range(1, batch_size // 2 + 1) if batch_size % (2 * n) == 0]
        raise ValueError(
            f"support_rows is {support_rows}, so that a chunk has {2 * support_rows} rows with its"
            f" query rows, which does not divide the batch size {batch_size}; allowed at this batch"
            f" size: {', '.join(map(str, allowed)) or 'none, make it even'}"
        )


class TaskSampler:
    """Draws batches of tasks, epoch after epoch, and remembers which rows of each are to come.

    A task of n_d rows is drawn with p_d proportional to n_d^tau, by systematic sampling: its chunks
    of an epoch are the expected number, rounded down or up. At tau = 1 an epoch thus has each row
    of a task once, but for less than a chunk of them.
    """

    def __init__(self, task_id: Tensor, support_rows: int, tau: float) -> None:
        """Cut the rows with these task ids (N,) into tasks."""
        self.num_rows = len(task_id)
        self.support_rows = support_rows
        self.passes = [TaskPasses(rows) for rows in rows_by_task(task_id.cpu())]
        size = torch.tensor([len(task.rows) for task in self.passes], dtype=torch.float64)
        self.share = size**tau / (size**tau).sum()  # (D,) p_d

    def epoch(self, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Row ids by batch; as many batches and rows as if each row were visited once."""
        chunk_rows = 2 * self.support_rows
        per_batch, rest = batch_size // chunk_rows, self.num_rows % batch_size
        is_even = rest % chunk_rows == 0
        num_chunks = (self.num_rows if is_even else self.num_rows - rest) // chunk_rows
        drawn = self._draw(num_chunks, generator)
        for low in range(0, num_chunks, per_batch):
            tasks = drawn[low : low + per_batch]
            yield torch.cat([self.passes[task].take(chunk_rows, generator) for task in tasks])
        if not is_even:
            task = int(torch.multinomial(self.share, 1, generator=generator))
            yield self.passes[task].take(rest, generator)

    def _draw(self, count: int, generator: torch.Generator) -> list[int]:
        """Tasks in random order, each either floor or ceil of count * p_d times."""
        offset = torch.rand(1, dtype=torch.float64, generator=generator)
        points = torch.arange(count, dtype=torch.float64) + offset  # (count,)
        edges = self.share.cumsum(0) * count  # (D,)
        tasks = torch.searchsorted(edges, points, right=True).clamp(max=len(edges) - 1)
        drawn: list[int] = tasks[torch.randperm(count, generator=generator)].tolist()
        return drawn


class TaskPasses:
    """Goes through the rows of one task, again and again, each time in another random order.

    A chunk that reaches beyond the end of a pass goes on with rows of the next that it does not
    have, so that no row is filled up and every row is taken once before any is taken twice. A task
    with too few rows for a chunk repeats the rows of its older and of its newer half.
    """

    def __init__(self, rows: Tensor) -> None:
        """Prepare for the rows (n_d,) of a task, in time order."""
        self.rows = rows
        self.coming = rows[:0]  # the rest of a pass

    def take(self, size: int, generator: torch.Generator) -> Tensor:
        """The row ids (size,) of the next chunk: all of the older half before the newer."""
        if len(self.rows) < size:
            older, newer = self.rows.tensor_split([len(self.rows) // 2])
            n = size // 2
            return torch.cat([_repeat(older, n, generator), _repeat(newer, size - n, generator)])
        if len(self.coming) < size:
            order = self.rows[torch.randperm(len(self.rows), generator=generator)]
            is_coming = torch.isin(order, self.coming)
            self.coming = torch.cat([self.coming, order[~is_coming], order[is_coming]])
        chunk, self.coming = self.coming.tensor_split([size])
        return chunk.sort().values


def rows_by_task(task_id: Tensor) -> list[Tensor]:
    """The row ids of each task, in time order; every task has two rows or more.

    Tasks of a single row are pooled into one; if there is but one such, it joins the smallest.
    """
    counts = torch.unique(task_id, return_counts=True)[1]
    groups = torch.argsort(task_id, stable=True).split(counts.tolist())
    tasks = [rows for rows in groups if len(rows) > 1]
    single = [rows for rows in groups if len(rows) == 1]
    if len(single) == 1 and tasks:
        tasks.sort(key=len)
        single.append(tasks.pop(0))
    return [*tasks, torch.cat(single).sort().values] if single else tasks


def latest_rows(task_id: Tensor, limit: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The latest rows of every task seen in train, at most `limit` each, a block of tasks a time.

    Yields the ids (T,) of some tasks, row ids (T, n), and the weight (T, n) of each row in the mean
    over its task's: 0 where a task has fewer than n rows.
    """
    order = torch.argsort(task_id, stable=True)
    tasks, counts = torch.unique(task_id, return_counts=True)
    ends = counts.cumsum(0)
    by_size = counts.argsort()
    step = max(1, min(MAX_STACKED_TASKS, MAX_STACKED_ROWS // limit))
    for block in by_size[tasks[by_size] > 0].split(step):
        kept = counts[block].clamp(max=limit).unsqueeze(1)  # (T, 1)
        back = torch.arange(int(kept.max()))  # (n,)
        positions = ends[block].unsqueeze(1) - 1 - torch.minimum(back, kept - 1)  # (T, n)
        yield tasks[block], order[positions], (back < kept).double() / kept


def _repeat(rows: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """The rows in random order, over and over up to this size."""
    order = torch.randperm(len(rows), generator=generator)
    return rows[order[torch.arange(size) % len(rows)]]
