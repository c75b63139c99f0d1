"""The one table of all fields."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models.contract.subject import Subject
from models.layers.tables import FieldEmbedding
from models.registry import load_backbone, load_method

STARTS = {"tab": 1, "age": 5, "user": 8, "item": 58, "tags": 98}  # rows, after the empty slot's


@pytest.fixture
def embedding(schema):
    table = FieldEmbedding(schema, 8, std=0.01, sparse_gradient=False)
    table.initialise(torch.Generator().manual_seed(1))
    return table


def test_fields_are_looked_up_at_their_offsets_domain_fields_first(embedding, make_batch):
    batch = make_batch(5)

    x_0, e_d = embedding(batch)

    assert x_0.shape == (5, 40)
    for place, field in enumerate(("tab", "age", "user", "item")):
        rows = batch.codes[:, place] + STARTS[field]
        assert torch.equal(x_0[:, 8 * place : 8 * place + 8], embedding.weight[rows])
    assert torch.equal(e_d, x_0[:, :16])


@pytest.mark.parametrize("is_placebo", [False, True])
@pytest.mark.parametrize("prior", [(), ("item",), ("item", "age"), ("user", "item")])
def test_prior_is_the_part_of_x_0_of_its_columns(schema, make_batch, prior, is_placebo):
    subject = Subject(load_backbone("dnn"), load_method("apg"))
    model = replace(subject, schema=replace(schema, is_placebo=is_placebo), prior=prior).model()
    batch = make_batch(5)

    found = model.method.shape.prior_of(model.embed(batch).x_0)

    assert found.shape == (5, model.method.shape.n_prior)
    columns = [batch.codes[:, schema.fields.index(name)] + STARTS[name] for name in prior]
    rows = torch.stack(columns, dim=1) if prior else torch.empty(5, 0, dtype=torch.int32)
    assert torch.equal(found, model.embedding.weight[rows].flatten(1))


def test_bag_is_the_mean_of_its_filled_slots(embedding, make_batch):
    batch = replace(make_batch(3), bags=(torch.tensor([[4, 4, 7], [-1, 2, -1], [0, -1, 3]]).int(),))

    pooled = embedding(batch)[0][:, 32:]

    table = embedding.weight[STARTS["tags"] :]
    expected = [(2 * table[4] + table[7]) / 3, table[2], (table[0] + table[3]) / 2]
    torch.testing.assert_close(pooled, torch.stack(expected))


def test_empty_bag_is_zero_even_if_the_padding_row_is_not(embedding, make_batch):
    batch = replace(make_batch(2), bags=(torch.full((2, 3), -1).int(),))
    with torch.no_grad():
        embedding.weight[0] = 9.0

    assert embedding(batch)[0][:, 32:].count_nonzero() == 0


def test_gradient_is_dense_or_by_row_equal_and_not_of_the_padding_row(schema, make_batch):
    gradients = []
    for sparse_gradient in (False, True):
        embedding = FieldEmbedding(schema, 8, std=0.01, sparse_gradient=sparse_gradient)
        embedding.initialise(torch.Generator().manual_seed(1))
        x_0, other = (embedding(make_batch(50))[0] for _ in range(2))
        x_0.square().add(other).sum().backward()
        assert embedding.weight.grad.is_sparse == sparse_gradient
        gradients.append(embedding.weight.grad.to_dense())

    torch.testing.assert_close(*gradients)
    assert gradients[0][0].count_nonzero() == 0
    assert gradients[0][1:].count_nonzero() > 0


def test_layout_numbers_rows_as_the_table_does(embedding, schema):
    sizes = (*schema.field_sizes, *schema.bag_sizes)

    numbers = embedding.layout([torch.arange(size) + 100 * i for i, size in enumerate(sizes)])

    assert numbers.shape == (embedding.weight.shape[0],)
    assert numbers[0] == 0
    assert numbers[STARTS["user"] + 7] == 207
    assert numbers[STARTS["tags"]] == 400


@pytest.mark.parametrize("std", [0.01, 0.3])
def test_initial_rows_are_normal_of_the_given_scale(schema, std):
    sizes = replace(schema, field_sizes=(4, 3, 5000, 40))
    embedding = FieldEmbedding(sizes, 16, std=std, sparse_gradient=False)

    embedding.initialise(torch.Generator().manual_seed(1))

    assert embedding.weight[0].count_nonzero() == 0
    assert embedding.weight[1:].std().item() == pytest.approx(std, rel=0.02)
    assert embedding.weight[1:].mean().item() == pytest.approx(0.0, abs=std / 100)
