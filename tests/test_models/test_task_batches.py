"""Batches of tasks: exact visits, disjoint support and query rows, roles that change places."""

from __future__ import annotations

import math

import pytest
import torch

from models.task_batches import (
    TaskCycle,
    TaskSampler,
    check_batch_size,
    latest_rows,
    rows_by_task,
    task_layout,
)


def epochs(task_id, support_rows, batch_size, *, tau=1.0, count=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sampler = TaskSampler(torch.tensor(task_id), support_rows, tau)
    return [list(sampler.epoch(batch_size, generator)) for _ in range(count)]


def tasks_of(batch, support_rows):
    """Support and query ids of each task of a batch."""
    num_tasks, n_support, _ = task_layout(len(batch), support_rows)
    return [(part[:n_support], part[n_support:]) for part in batch.view(num_tasks, -1)]


def mixed_tasks(n, num_tasks=5, seed=3):
    return torch.randint(1, num_tasks + 1, (n,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("n", "layout"),
    [(24, (3, 4, 4)), (8, (1, 4, 4)), (12, (1, 6, 6)), (7, (1, 3, 4)), (1, (1, 0, 1))],
)
def test_layout_is_whole_chunks_or_a_single_task(n, layout):
    assert task_layout(n, 4) == layout


@pytest.mark.parametrize("n", [1, 2, 15, 16, 40, 100, 101, 104, 127])
@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_an_epoch_has_as_many_batches_and_visits_as_of_other_methods(n, tau):
    (batches,) = epochs(mixed_tasks(n).tolist(), 4, 16, tau=tau)

    assert [len(batch) for batch in batches] == [16] * (n // 16) + [n % 16] * (n % 16 > 0)
    assert len(batches) == math.ceil(n / 16)
    assert set(torch.cat(batches).tolist()) <= set(range(n))


def test_support_and_query_are_of_one_task_and_share_no_row():
    task_id = torch.cat([mixed_tasks(150), torch.tensor([6, 6, 6, 7, 7, 8, 9, 10])])

    for batches in epochs(task_id.tolist(), 4, 16, count=6):
        for batch in batches:
            for support, query in tasks_of(batch, 4):
                assert not set(support.tolist()) & set(query.tolist())
                found = set(task_id[torch.cat([support, query])].tolist())
                assert len(found) == 1 or found <= {8, 9, 10}  # single rows, pooled


def test_every_row_is_support_once_and_query_once_over_two_passes():
    (first, second) = epochs([1] * 48, 4, 16, count=2)
    chunks = [task for batch in first + second for task in tasks_of(batch, 4)]

    for role in (0, 1):
        assert torch.cat([chunk[role] for chunk in chunks]).sort().values.tolist() == [*range(48)]
    for (support, query), (again, swapped) in zip(chunks[:6], chunks[6:], strict=True):
        assert support.max() < query.min()  # the older half
        assert torch.equal(support, swapped)
        assert torch.equal(query, again)


def test_chunks_are_cut_anew_after_both_passes():
    first, second, third = ([set(c.tolist()) for c in b] for b in epochs([1] * 48, 4, 8, count=3))

    assert first == second
    assert first != third


def test_last_chunk_is_filled_up_from_the_start_of_the_permutation():
    cycle, generator = TaskCycle(torch.arange(10, 20), 4), torch.Generator().manual_seed(0)

    chunks = [cycle.next_chunk(generator).tolist() for _ in range(2)]

    assert all(len(set(chunk)) == 8 for chunk in chunks)
    assert set(chunks[0]) | set(chunks[1]) == set(range(10, 20))


def test_small_task_repeats_the_rows_of_each_half_and_swaps_them():
    cycle, generator = TaskCycle(torch.tensor([3, 5, 8, 9, 11]), 4), torch.Generator()

    visits = [cycle.next_chunk(generator).tolist() for _ in range(3)]

    assert visits[0] == [3, 5, 3, 5, 8, 9, 11, 8]
    assert visits[1] == [8, 9, 11, 8, 3, 5, 3, 5]
    assert visits[2] == visits[0]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 9])
def test_odd_visit_keeps_older_and_newer_rows_apart(size):
    cycle, generator = TaskCycle(torch.arange(6), 4), torch.Generator().manual_seed(0)

    parts = [cycle.sample(size, generator).tensor_split([size // 2]) for _ in range(20)]

    older_first = [support.max() < query.min() for support, query in parts if len(support)]
    newer_first = [query.max() < support.min() for support, query in parts if len(support)]
    assert all(a != b for a, b in zip(older_first, newer_first, strict=True))
    assert size == 1 or (any(older_first) and any(newer_first))
    assert {len(support) for support, _ in parts} == {size // 2}


@pytest.mark.parametrize("tau", [0.5, 1.0])
def test_tasks_are_drawn_in_proportion_to_their_rows_to_the_tau(tau):
    sizes = torch.tensor([200, 100, 36, 64])
    task_id = torch.arange(1, 5).repeat_interleave(sizes)
    expected = sizes.double() ** tau / (sizes.double() ** tau).sum() * 50  # chunks an epoch

    for batches in epochs(task_id.tolist(), 4, 16, tau=tau, count=3):
        drawn = task_id[torch.cat(batches).view(50, 8)[:, 0]].bincount(minlength=5)[1:]
        assert ((drawn - expected).abs() < 1.0).all()


def test_same_generator_gives_the_same_batches():
    first, second, other = (epochs(mixed_tasks(99).tolist(), 4, 16, seed=s) for s in (1, 1, 2))

    assert torch.equal(torch.cat(first[0]), torch.cat(second[0]))
    assert not torch.equal(torch.cat(first[0]), torch.cat(other[0]))


def test_single_rows_are_pooled_and_a_lone_one_joins_the_smallest_task():
    pooled = rows_by_task(torch.tensor([4, 1, 3, 1, 2]))
    joined = rows_by_task(torch.tensor([1, 1, 1, 5, 2, 2]))

    assert [rows.tolist() for rows in pooled] == [[1, 3], [0, 2, 4]]
    assert [rows.tolist() for rows in joined] == [[0, 1, 2], [3, 4, 5]]
    assert [rows.tolist() for rows in rows_by_task(torch.tensor([7]))] == [[0]]


@pytest.mark.parametrize("support_rows", [3, 16, 5])
def test_support_rows_that_do_not_divide_the_batch_are_refused(support_rows):
    with pytest.raises(ValueError, match=rf"is {support_rows}.*batch size 16.*: 1, 2, 4, 8$"):
        check_batch_size(16, support_rows)


def test_latest_rows_are_those_with_the_highest_ids():
    task_id = torch.tensor([2, 1, 0, 2, 2, 1, 2, 5])

    found = {}
    for tasks, row_ids, weight in latest_rows(task_id, 3):
        for task, ids, share in zip(tasks.tolist(), row_ids, weight, strict=True):
            assert share.sum() == pytest.approx(1.0)
            found[task] = dict(zip(ids[share > 0].tolist(), share[share > 0].tolist(), strict=True))

    third = pytest.approx(1 / 3)
    assert found == {1: {5: 0.5, 1: 0.5}, 2: {6: third, 4: third, 3: third}, 5: {7: 1.0}}
