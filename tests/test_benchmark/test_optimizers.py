"""The optimiser of a model: which parameters have which penalty, and which rows a step moves."""

from contextlib import nullcontext
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import nn

from benchmark.config import Regularisers
from benchmark.cost.random_log import (
    config_on,
    optimizer_on,
    random_rows,
    random_schema,
    training_step,
)
from benchmark.protocol import SMOKE
from benchmark.training.build import build
from benchmark.training.optimizers import make_optimizer
from benchmark.training.row_adam import RowAdam
from benchmark.training.trainer import TrainSplit, all_batches
from models.contract.host_reads import no_host_reads
from models.interfaces import ModelShape
from models.layers.static_shapes import static_shapes
from models.layers.tables import DomainTable, RowTable
from models.registry import available

ROWS, DIM = 12, 3


class Model(nn.Module):
    """An embedding table, a per-domain table and a layer."""

    def __init__(self, *, is_row_wise, num_domains=ROWS):
        super().__init__()
        shape = ModelShape(
            n_input=DIM,
            n_domain=DIM,
            embedding_dim=DIM,
            num_domains=num_domains,
            num_tasks=num_domains,
            hidden_dims=(2,),
            activation="tanh",
            dropout=0.0,
            embedding_std=0.01,
            sparse_gradient=is_row_wise,
        )
        self.embedding = fresh_table(is_row_wise=is_row_wise)
        self.own = DomainTable(shape, (DIM,), 1.0)
        self.own.initialise(torch.Generator())
        self.layer = nn.Linear(2, 2)
        nn.init.ones_(self.layer.weight)
        nn.init.ones_(self.layer.bias)

    def optimizer(self, **regularisers):
        return make_optimizer(
            self,
            1e-2,
            Regularisers(**regularisers),
            frequency=torch.ones(ROWS),
            steps_per_epoch=1,
        )


def fresh_table(*, is_row_wise=True):
    table = RowTable(ROWS, DIM, sparse_gradient=is_row_wise)
    with torch.no_grad():
        table.weight.normal_(generator=torch.Generator().manual_seed(0))
    return table


@pytest.mark.parametrize("is_row_wise", [True, False])
def test_domain_tables_have_no_penalty(is_row_wise):
    model = Model(is_row_wise=is_row_wise)
    optimizer = model.optimizer(weight_decay=0.5, embedding_l2=0.5)

    (model.own(torch.tensor([3])).sum() * 0.0).backward()
    optimizer.step()
    optimizer.catch_up()

    assert torch.equal(model.own.weight, torch.ones(ROWS, DIM))


@pytest.mark.parametrize("is_row_wise", [True, False])
def test_weight_decay_acts_on_matrices_and_not_on_biases(is_row_wise):
    model = Model(is_row_wise=is_row_wise)
    optimizer = model.optimizer(weight_decay=0.1, embedding_l2=0.0)

    (model.layer(torch.zeros(1, 2)).sum() * 0.0).backward()
    optimizer.step()

    assert model.layer.bias.tolist() == [1.0, 1.0]
    assert (model.layer.weight.abs() < 1.0).all()


def test_penalties_of_an_epoch_equal_the_dense_penalty_of_its_steps():
    draw, l2 = torch.Generator().manual_seed(7), 0.01
    batches = [torch.randint(0, ROWS, (6,), generator=draw) for _ in range(8)]
    counts = torch.bincount(torch.cat(batches), minlength=ROWS)
    optimizer = RowAdam(fresh_table(), 1e-2, l2=l2 * len(batches) / counts.clamp(min=1))

    total = torch.zeros(ROWS)
    for ids in batches:
        rows, count = torch.unique(ids, return_counts=True)
        total[rows] += optimizer.l2_per_occurrence[rows] * count

    torch.testing.assert_close(
        total[counts > 0], torch.full_like(total[counts > 0], l2 * len(batches))
    )


def test_penalty_shrinks_a_row_that_has_no_other_gradient():
    table = fresh_table()
    before = table.weight.detach().norm(dim=1)
    optimizer = RowAdam(table, 1e-2, l2=torch.ones(ROWS))

    (table.look_up(torch.tensor([3])).sum() * 0.0).backward()
    optimizer.step()

    assert table.weight[3].norm() < before[3]
    assert torch.equal(table.weight.norm(dim=1)[4:], before[4:])


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("plain", {}),
        ("maml", {}),
        ("star", {}),
        ("apg", {}),
        ("apg", {"condition": "e_d"}),
        ("adasparse", {}),
    ],
)
def test_a_whole_step_in_static_shapes_asks_the_host_for_nothing(method, options):
    schema = random_schema((4, 3, 2, 40), num_domains=8)
    config = config_on(schema, replace(SMOKE, batch_size=64), "dnn", method, options)
    with static_shapes():
        model = build(config, schema, base_rate=0.5).train()
        optimizer = optimizer_on(model, config)
        split = TrainSplit(random_rows(schema, 512), range(512), 64)
        first, other = islice(all_batches(model, split, torch.Generator()), 2)
        model.method.update(model, first, optimizer)
        before = model.embedding.weight.detach().clone()

        with no_host_reads():
            model.method.update(model, other, optimizer)
            model.method.after_step(0.5)

    assert not torch.equal(model.embedding.weight, before)


@pytest.mark.parametrize("method", available("methods"))
def test_trainings_in_static_shapes_agree_with_those_that_follow_the_values(method):
    schema = random_schema((4, 3, 2, 40), num_domains=8)
    config = config_on(schema, replace(SMOKE, batch_size=64), "dnn", method)
    logits = []
    for mode in (nullcontext, static_shapes):
        with mode():
            model = build(config, schema, base_rate=0.5).train()
            optimizer = optimizer_on(model, config)
            rows = random_rows(schema, 256)
            step = training_step(model, optimizer, TrainSplit(rows, range(256), 64))
            for _ in range(20):
                step()
            optimizer.catch_up()
        optimizer.release()
        logits.append(model.eval()(rows.range(0, 256)).detach())

    assert logits[0].std() > 1e-2
    torch.testing.assert_close(*logits, rtol=0.0, atol=1e-4)
