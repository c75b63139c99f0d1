"""Batches of tasks: chunks in two disjoint halves, and each row as often as any other."""

from __future__ import annotations

import math

import pytest
import torch

from models.layers.task_parameters import latest_rows
from models.methods.maml import (
    TaskPasses,
    TaskSampler,
    half_weights,
    rows_by_task,
)


def epochs(task_id, support_rows, batch_size, *, tau=1.0, count=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sampler = TaskSampler(torch.tensor(task_id), support_rows, tau)
    return [list(sampler.epoch(batch_size, generator)) for _ in range(count)]


def chunks_of(batch, support_rows):
    """The older and the newer half of each chunk of a batch."""
    is_whole = len(batch) % (2 * support_rows) == 0
    chunks = batch.split(2 * support_rows) if is_whole else [batch]
    return [chunk.tensor_split([len(chunk) // 2]) for chunk in chunks]


def visits(batches, n):
    return torch.cat(batches).bincount(minlength=n)


def mixed_tasks(n, num_tasks=5, seed=3):
    return torch.randint(1, num_tasks + 1, (n,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("n", "shape"), [(24, (6, 4)), (8, (2, 4)), (12, (2, 6)), (7, (2, 4)), (3, (2, 2)), (1, (2, 1))]
)
def test_rows_of_a_half_share_its_weight_and_a_place_without_row_has_none(n, shape):
    weight = half_weights(n, 4)

    assert weight.shape == shape
    assert weight.count_nonzero() == n
    assert (weight[0, 0] == 0.0) == (n % 2 == 1)
    present = weight.sum(dim=1)
    assert present.tolist() == pytest.approx([float(n > 1)] + [1.0] * (len(weight) - 1))
    assert all(len(half[half > 0].unique()) <= 1 for half in weight)


@pytest.mark.parametrize("n", [1, 2, 15, 16, 40, 100, 101, 104, 127])
@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_an_epoch_has_as_many_batches_and_visits_as_of_other_methods(n, tau):
    (batches,) = epochs(mixed_tasks(n).tolist(), 4, 16, tau=tau)

    assert [len(batch) for batch in batches] == [16] * (n // 16) + [n % 16] * (n % 16 > 0)
    assert len(batches) == math.ceil(n / 16)
    assert set(torch.cat(batches).tolist()) <= set(range(n))


def test_halves_are_of_one_task_share_no_row_and_are_in_time_order():
    task_id = torch.cat([mixed_tasks(150), torch.tensor([6, 6, 6, 7, 7, 8, 9, 10])])

    for batches in epochs(task_id.tolist(), 4, 16, count=6):
        for older, newer in (chunk for batch in batches for chunk in chunks_of(batch, 4)):
            assert older.max() < newer.min()
            found = set(task_id[torch.cat([older, newer])].tolist())
            assert len(found) == 1 or found <= {8, 9, 10}  # single rows, pooled


def test_every_row_enters_the_loss_once_an_epoch_where_tasks_are_whole_chunks():
    task_id = torch.arange(1, 4).repeat_interleave(torch.tensor([80, 16, 32]))

    passes = epochs(task_id.tolist(), 4, 16, count=4)

    assert all((visits(batches, 128) == 1).all() for batches in passes)
    first, second = ({frozenset(c.tolist()) for c in torch.cat(b).split(8)} for b in passes[:2])
    assert first != second


def test_no_row_of_a_task_is_visited_twice_before_all_are_visited_once():
    sizes = [201, 97, 37, 8, 5]  # the last is less than a chunk
    task_id = torch.arange(1, 6).repeat_interleave(torch.tensor(sizes))
    total = torch.zeros(348, dtype=torch.int64)

    for batches in epochs(task_id.tolist(), 4, 16, count=5):
        of_epoch = visits(batches, 348).split(sizes)
        for n, rows in zip(sizes[:-1], of_epoch, strict=False):
            assert abs(rows.sum().item() - n) < 16  # a chunk, and one of the last batch
        total += visits(batches, 348)

    assert total.sum() == 5 * 348
    spread = [(rows.max() - rows.min()).item() for rows in total.split(sizes)]
    assert max(spread[:-1]) == 1


def test_a_chunk_beyond_the_end_of_a_pass_goes_on_with_other_rows():
    task, generator = TaskPasses(torch.arange(10, 20)), torch.Generator().manual_seed(0)

    chunks = [task.take(8, generator).tolist() for _ in range(5)]

    assert all(sorted(set(chunk)) == chunk for chunk in chunks)
    assert set(chunks[0]) | set(chunks[1]) == set(range(10, 20))
    assert torch.tensor(chunks).flatten().bincount()[10:].tolist() == [4] * 10


def test_small_task_repeats_the_rows_of_each_half():
    task, generator = TaskPasses(torch.tensor([3, 5, 8, 9, 11])), torch.Generator().manual_seed(0)

    taken = [task.take(8, generator).tolist() for _ in range(40)]

    assert all(sorted(chunk[:4]) == [3, 3, 5, 5] for chunk in taken)
    assert {tuple(sorted(chunk[4:])) for chunk in taken} == {
        (8, 8, 9, 11),
        (8, 9, 9, 11),
        (8, 9, 11, 11),
    }


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 9])
def test_odd_visit_has_the_older_rows_first(size):
    task, generator = TaskPasses(torch.arange(6)), torch.Generator().manual_seed(0)

    for _ in range(20):
        older, newer = task.take(size, generator).tensor_split([size // 2])
        assert (len(older), len(newer)) == (size // 2, size - size // 2)
        assert not len(older) or older.max() < newer.min()


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_tasks_are_drawn_in_proportion_to_their_rows_to_the_tau(tau):
    sizes = torch.tensor([200, 100, 36, 64])
    task_id = torch.arange(1, 5).repeat_interleave(sizes)
    expected = sizes.double() ** tau / (sizes.double() ** tau).sum() * 50  # chunks an epoch

    for batches in epochs(task_id.tolist(), 4, 16, tau=tau, count=3):
        drawn = task_id[torch.cat(batches).view(50, 8)[:, 0]].bincount(minlength=5)[1:]
        assert ((drawn - expected).abs() < 1.0).all()


def test_single_rows_are_pooled_and_a_lone_one_joins_the_smallest_task():
    pooled = rows_by_task(torch.tensor([4, 1, 3, 1, 2]))
    joined = rows_by_task(torch.tensor([1, 1, 1, 5, 2, 2]))

    assert [rows.tolist() for rows in pooled] == [[1, 3], [0, 2, 4]]
    assert [rows.tolist() for rows in joined] == [[0, 1, 2], [3, 4, 5]]
    assert [rows.tolist() for rows in rows_by_task(torch.tensor([7]))] == [[0]]


def test_latest_rows_are_those_with_the_highest_ids():
    task_id = torch.tensor([2, 1, 0, 2, 2, 1, 2, 5])

    found = {}
    for tasks, row_ids, weight in latest_rows(task_id, 3):
        for task, ids, share in zip(tasks.tolist(), row_ids, weight, strict=True):
            assert share.sum() == pytest.approx(1.0)
            found[task] = dict(zip(ids[share > 0].tolist(), share[share > 0].tolist(), strict=True))

    third = pytest.approx(1 / 3)
    assert found == {1: {5: 0.5, 1: 0.5}, 2: {6: third, 4: third, 3: third}, 5: {7: 1.0}}
