"""Rows by task: batches of support and query rows for training, the latest rows for adaptation.

Row ids are in time order, so the older of two rows of train is the one with the smaller id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_STACKED_TASKS = 64
MAX_STACKED_ROWS = 16_384


class TaskLayout(NamedTuple):
    """How a batch falls into tasks: each is `support` rows, then `query` rows."""

    tasks: int
    support: int
    query: int


def task_layout(n: int, support_rows: int) -> TaskLayout:
    """The layout of a batch of n rows: whole chunks of 2 * `support_rows`, else a single task."""
    if n % (2 * support_rows) == 0:
        return TaskLayout(n // (2 * support_rows), support_rows, support_rows)
    return TaskLayout(1, n // 2, n - n // 2)


def check_batch_size(batch_size: int, support_rows: int) -> None:
    """Make sure that a batch holds whole chunks.

    Raises:
        ValueError: it does not.
    """
    if batch_size % (2 * support_rows):
        allowed = [n for n in range(1, batch_size // 2 + 1) if batch_size % (2 * n) == 0]
        raise ValueError(
            f"support_rows is {support_rows}, so that a task has {2 * support_rows} rows with its"
            f" query rows, which does not divide the batch size {batch_size}; allowed at this batch"
            f" size: {', '.join(map(str, allowed)) or 'none, make it even'}"
        )


class TaskSampler:
    """Draws batches of tasks, epoch after epoch, and remembers how far each task's cycle is.

    A task of n_d rows is drawn with p_d proportional to n_d^tau, by systematic sampling: its chunks
    of an epoch are the expected number, rounded down or up. At tau = 1 an epoch thus goes about
    once through the rows of each task.
    """

    def __init__(self, task_id: Tensor, support_rows: int, tau: float) -> None:
        """Cut the rows with these task ids (N,) into tasks."""
        self.num_rows = len(task_id)
        self.support_rows = support_rows
        self.cycles = [TaskCycle(rows, support_rows) for rows in rows_by_task(task_id.cpu())]
        size = torch.tensor([len(cycle.rows) for cycle in self.cycles], dtype=torch.float64)
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
            yield torch.cat([self.cycles[task].next_chunk(generator) for task in tasks])
        if not is_even:
            task = int(torch.multinomial(self.share, 1, generator=generator))
            yield self.cycles[task].sample(rest, generator)

    def _draw(self, count: int, generator: torch.Generator) -> list[int]:
        """Tasks in random order, each either floor or ceil of count * p_d times."""
        offset = torch.rand(1, dtype=torch.float64, generator=generator)
        points = torch.arange(count, dtype=torch.float64) + offset  # (count,)
        edges = self.share.cumsum(0) * count  # (D,)
        tasks = torch.searchsorted(edges, points, right=True).clamp(max=len(edges) - 1)
        drawn: list[int] = tasks[torch.randperm(count, generator=generator)].tolist()
        return drawn


class TaskCycle:
    """Goes through the rows of one task, chunk by chunk, twice over the same chunks.

    A chunk is its older half as support, then its newer half as query; in the second pass the
    halves change places. Then chunks are cut anew, from another permutation. A task with too few
    rows for a chunk repeats the rows of each half.
    """

    def __init__(self, rows: Tensor, support_rows: int) -> None:
        """Prepare for the rows (n_d,) of a task, in time order."""
        self.rows = rows
        self.support_rows = support_rows
        self.chunks = rows.new_empty(0, 2 * support_rows)  # (chunks, 2 * support_rows)
        self.visit = 0

    def next_chunk(self, generator: torch.Generator) -> Tensor:
        """The row ids (2 * support_rows,) of the next visit."""
        if self.visit == 0:
            self.chunks = self._cut(generator)
        is_second_pass, index = divmod(self.visit, len(self.chunks))
        self.visit = (self.visit + 1) % (2 * len(self.chunks))
        chunk = self.chunks[index]
        return chunk.roll(self.support_rows) if is_second_pass else chunk

    def sample(self, size: int, generator: torch.Generator) -> Tensor:
        """The row ids (size,) of an odd-sized visit outside the cycle; a coin tosses the roles."""
        n = len(self.rows)
        chosen = torch.randperm(n, generator=generator)[:size].sort().values
        swap = bool(torch.randint(2, (), generator=generator))
        return _support_then_query(self.rows[chosen], size, swap=swap)

    def _cut(self, generator: torch.Generator) -> Tensor:
        n, size = len(self.rows), 2 * self.support_rows
        if n < size:
            return _support_then_query(self.rows, size, swap=False).unsqueeze(0)  # (1, size)
        order = self.rows[torch.randperm(n, generator=generator)]
        filled = torch.cat([order, order[: -n % size]])
        return filled.view(-1, size).sort(dim=1).values  # (chunks, size)


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


def _support_then_query(rows: Tensor, size: int, *, swap: bool) -> Tensor:
    """Size // 2 rows of the older half, then the others of the newer; with `swap` vice versa."""
    older, newer = rows.tensor_split([(len(rows) + swap) // 2])
    support, query = (newer, older) if swap else (older, newer)
    _, n_support, n_query = TaskLayout(1, size // 2, size - size // 2)
    return torch.cat([_tile(support, n_support), _tile(query, n_query)])


def _tile(rows: Tensor, size: int) -> Tensor:
    """The rows, over and over up to this size."""
    return rows[torch.arange(size) % max(1, len(rows))]
