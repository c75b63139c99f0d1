"""Row-wise Adam: equal to torch's sparse Adam, and to dense Adam where every row is touched."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmark.config import Regularisers
from benchmark.optimizers import DomainAdam, RowAdam, Table, make_optimizer

ROWS, DIM = 12, 3


def fresh_table(seed=0):
    return nn.Parameter(torch.randn(ROWS, DIM, generator=torch.Generator().manual_seed(seed)))


def id_batches(num_batches=8, size=6):
    generator = torch.Generator().manual_seed(7)
    return [torch.randint(0, ROWS, (size,), generator=generator) for _ in range(num_batches)]


def loss_of(table, ids, *, sparse):
    return functional.embedding(ids, table, sparse=sparse).pow(2).mul(0.5).sum()


def test_row_adam_without_penalty_equals_torch_sparse_adam():
    ours, theirs = fresh_table(), fresh_table()
    row_adam = RowAdam(Table(ours, torch.ones(ROWS), is_row_wise=True), 1e-2, epoch_l2=0.0)
    sparse_adam = torch.optim.SparseAdam([theirs], lr=1e-2)

    for ids in id_batches():
        ours.grad = theirs.grad = None
        loss_of(ours, ids, sparse=True).backward()
        loss_of(theirs, ids, sparse=True).backward()
        row_adam.step()
        sparse_adam.step()

    torch.testing.assert_close(ours, theirs)


def test_row_adam_equals_dense_adam_when_every_batch_has_every_row():
    ours, theirs = fresh_table(), fresh_table()
    row_adam = RowAdam(Table(ours, torch.ones(ROWS), is_row_wise=True), 1e-2, epoch_l2=0.0)
    dense_adam = torch.optim.Adam([theirs], lr=1e-2)

    for _ in range(5):
        ours.grad = theirs.grad = None
        loss_of(ours, torch.arange(ROWS), sparse=True).backward()
        loss_of(theirs, torch.arange(ROWS), sparse=False).backward()
        row_adam.step()
        dense_adam.step()

    torch.testing.assert_close(ours, theirs)


def test_row_adam_leaves_rows_outside_the_batch_bitwise_alone():
    table = fresh_table()
    before = table.detach().clone()
    optimizer = RowAdam(Table(table, torch.ones(ROWS), is_row_wise=True), 1e-2, epoch_l2=0.1)

    loss_of(table, torch.tensor([2, 2, 5]), sparse=True).backward()
    optimizer.step()

    touched = (table != before).any(dim=1).nonzero().flatten().tolist()
    assert touched == [2, 5]


@pytest.mark.parametrize("size", [6, 3])
def test_domain_adam_equals_torch_sparse_adam(size):
    ours, theirs = fresh_table(), fresh_table()
    domain_adam, sparse_adam = DomainAdam([ours], 1e-2), torch.optim.SparseAdam([theirs], lr=1e-2)

    for ids in id_batches(size=size):  # with repetitions
        for table in (ours, theirs):
            table.grad = None
            loss_of(table, ids, sparse=True).backward()
        domain_adam.step()
        sparse_adam.step()

    torch.testing.assert_close(ours, theirs)


def test_domain_adam_leaves_rows_outside_the_batch_bitwise_alone():
    table = fresh_table()
    before, optimizer = table.detach().clone(), DomainAdam([table], 1e-2)

    optimizer.step()  # no gradient yet
    loss_of(table, torch.tensor([7, 1]), sparse=True).backward()
    optimizer.step()

    assert (table != before).any(dim=1).nonzero().flatten().tolist() == [1, 7]


@pytest.mark.parametrize("is_row_wise", [True, False])
def test_domain_tables_have_no_weight_decay(is_row_wise):
    embedding, own = fresh_table(), fresh_table(1)
    before = own.detach().clone()
    optimizer = make_optimizer(
        [embedding, own],
        1e-2,
        Regularisers(weight_decay=0.5),
        table=Table(embedding, torch.ones(ROWS), is_row_wise=is_row_wise),
        domain_tables=[own],
        steps_per_epoch=1,
    )

    (loss_of(own, torch.tensor([3]), sparse=is_row_wise) * 0.0).backward()
    optimizer.step()

    assert torch.equal(own, before)


def test_lazy_penalty_of_an_epoch_equals_the_dense_penalty_of_its_steps():
    batches, l2 = id_batches(), 0.01
    counts = torch.bincount(torch.cat(batches), minlength=ROWS)
    table = Table(fresh_table(), counts, is_row_wise=True)
    optimizer = RowAdam(table, 1e-2, epoch_l2=l2 * len(batches))

    total = torch.zeros(ROWS)
    for ids in batches:
        rows, count = torch.unique(ids, return_counts=True)
        total[rows] += optimizer.l2_per_occurrence[rows] * count

    torch.testing.assert_close(
        total[counts > 0], torch.full_like(total[counts > 0], l2 * len(batches))
    )


def test_penalty_shrinks_a_row_that_has_no_other_gradient():
    table = fresh_table()
    before = table.detach().norm(dim=1)
    optimizer = RowAdam(Table(table, torch.ones(ROWS), is_row_wise=True), 1e-2, epoch_l2=1.0)

    (loss_of(table, torch.tensor([3]), sparse=True) * 0.0).backward()
    optimizer.step()

    assert table[3].norm() < before[3]


@pytest.mark.parametrize("is_row_wise", [True, False])
def test_weight_decay_acts_on_matrices_and_not_on_biases(is_row_wise):
    layer = nn.Linear(2, 2)
    nn.init.ones_(layer.bias)
    nn.init.ones_(layer.weight)
    weight = layer.weight.detach().clone()
    table = Table(fresh_table(), torch.ones(ROWS), is_row_wise=is_row_wise)
    decay = Regularisers(weight_decay=0.1, embedding_l2=0.0)
    optimizer = make_optimizer(
        [table.weight, *layer.parameters()], 1e-2, decay, table=table, steps_per_epoch=1
    )

    (layer(torch.zeros(1, 2)).sum() * 0.0).backward()
    optimizer.step()

    assert layer.bias.tolist() == [1.0, 1.0]
    assert (layer.weight.abs() < weight.abs()).all()


def test_dense_table_moves_as_a_whole_and_lazy_rows_do_not():
    dense, lazy = fresh_table(), fresh_table()
    for table, is_row_wise in ((dense, False), (lazy, True)):
        entry = Table(table, torch.ones(ROWS), is_row_wise=is_row_wise)
        optimizer = make_optimizer(
            [table], 1e-2, Regularisers(embedding_l2=0.0), table=entry, steps_per_epoch=1
        )
        for ids in ([0], [1]):
            optimizer.zero_grad()
            loss_of(table, torch.tensor(ids), sparse=is_row_wise).backward()
            optimizer.step()

    assert not torch.equal(dense[0], lazy[0])  # momentum drifts the absent row under dense Adam
