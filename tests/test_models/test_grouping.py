"""Grouping the rows of a batch by id."""

from __future__ import annotations

import pytest
import torch

from models.layers.grouping import OfLastIds, group_rows


@pytest.mark.parametrize(("rows", "num_ids"), [(0, 3), (1, 3), (7, 2), (256, 12), (256, 500)])
def test_blocks_hold_the_rows_of_each_id(rows, num_ids):
    generator = torch.Generator().manual_seed(rows)
    ids = torch.randint(0, num_ids, (rows,), dtype=torch.int32, generator=generator)
    values = torch.randn(rows, 3, generator=generator)

    groups = group_rows(ids)
    padded, zeros = groups.pad(values), groups.pad_with_zeros(values)

    assert torch.equal(groups.unpad(padded), values)
    assert torch.equal(groups.unpad(zeros), values)
    assert zeros.count_nonzero() == values.count_nonzero()
    assert sorted(groups.numbers) == ids.unique().tolist()
    for numbers, counts, (block, zero) in zip(
        groups.per_block(groups.ids),
        groups.per_block(groups.counts),
        groups.blocks(padded, zeros),
        strict=True,
    ):
        for number, count, held, exact in zip(
            numbers.tolist(), counts.tolist(), block, zero, strict=True
        ):
            own = values[ids == number]
            assert torch.equal(held[:count], own)
            assert torch.equal(exact[:count], own)
            assert exact[count:].count_nonzero() == 0


def test_sum_and_spread_go_by_id():
    groups = group_rows(torch.tensor([5, 2, 5, 2, 2]))
    values = torch.tensor([[1.0], [10.0], [2.0], [20.0], [30.0]])

    total = groups.sum(values)

    assert dict(zip(groups.numbers, total.flatten().tolist(), strict=True)) == {2: 60.0, 5: 3.0}
    assert groups.spread(total).flatten().tolist() == [3.0, 60.0, 3.0, 60.0, 60.0]


def test_padding_stays_small_whatever_the_sizes():
    for sizes in ([200, 1, 1, 1], [21] * 12, list(range(1, 40))):
        ids = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))

        groups = group_rows(ids)

        assert len(groups.rows) < 2 * sum(max(size, 4) for size in sizes)


def test_layers_of_a_pass_share_their_groups():
    groups, ids = OfLastIds(group_rows), torch.tensor([1, 2, 1])

    assert groups(ids) is groups(ids)
    assert groups(ids) is not groups(ids.clone())


def test_groups_of_an_evaluation_serve_a_training_pass_on_the_same_ids():
    groups, ids = OfLastIds(group_rows), torch.tensor([1, 2, 1])
    with torch.inference_mode():
        groups(ids)
    values = torch.randn(3, 2, requires_grad=True)

    groups(ids).spread(groups(ids).sum(values)).sum().backward()

    assert values.grad.tolist() == [[2.0, 2.0], [1.0, 1.0], [2.0, 2.0]]
