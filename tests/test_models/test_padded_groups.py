"""Groups in static shapes: what the others give, whatever the ids, and no word to the host."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise

import pytest
import torch

from models.contract.host_reads import no_host_reads
from models.contract.subject import IdleOptimizer
from models.layers.grouping import group_rows
from models.layers.padded_groups import HEIGHT, padded_groups
from models.layers.static_shapes import static_shapes

CASES = [
    [2],
    [0, 0, 3],
    [4] * (HEIGHT + 1) + [1],
    [*range(5)] * HEIGHT,
    torch.randint(0, 5, (40,), generator=torch.Generator().manual_seed(1)).tolist(),
]


def by_id(groups, values):
    """Values of ids (U, N) in the order of the ids that have rows."""
    has_rows = groups.counts > 0
    return values[has_rows][groups.ids[has_rows].argsort()]


@pytest.fixture(params=CASES, ids=lambda ids: f"{len(ids)} rows")
def both(request):
    ids = torch.tensor(request.param, dtype=torch.int32)
    return group_rows(ids), padded_groups(ids, num_ids=5)


def test_sums_and_copies_are_those_of_the_others(both):
    rows = torch.randn(len(both[0].group), 3, generator=torch.Generator().manual_seed(2))
    found = []
    for groups in both:
        of_ids = groups.ids.unsqueeze(1).float().expand(-1, 3)
        products = groups.add_products(torch.zeros_like(rows), rows, of_ids)
        spread = groups.spread(of_ids), groups.unpad(groups.pad_with_zeros(rows)), products
        found.append(
            [by_id(groups, groups.sum(rows)), by_id(groups, groups.sum(rows, rows)), *spread]
        )

    for ours, expected in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(ours, expected)


def test_products_of_blocks_are_those_of_each_row(both):
    draw, (_, groups) = torch.Generator().manual_seed(3), both
    weights = torch.randn(5, 3, 2, generator=draw)
    h = torch.randn(len(groups.group), 3, generator=draw)

    ((block,),) = groups.blocks(groups.pad_with_zeros(h))
    (per_chunk,) = groups.per_block(weights[groups.ids])
    mapped = groups.unpad((block @ per_chunk).flatten(0, 1))
    outer = groups.of_ids([block.mT @ block])  # (U, 3, 3)

    own = weights[groups.ids[groups.group]]  # (B, 3, 2)
    torch.testing.assert_close(mapped, (h.unsqueeze(1) @ own).squeeze(1))
    of_rows = (h.unsqueeze(2) @ h.unsqueeze(1)).flatten(1)  # (B, 9)
    torch.testing.assert_close(outer.flatten(1), groups.sum(of_rows))


def test_shapes_follow_from_the_number_of_rows_alone():
    batches = ([1] * 40, [*range(5)] * 8, [0] * 40)
    found = [padded_groups(torch.tensor(ids), 5) for ids in batches]
    shapes = [(one.ids.shape, one.rows.shape, one.chunk_group.shape) for one in found]

    assert all(one == other for one, other in pairwise(shapes))


def test_groups_are_found_without_a_word_to_the_host():
    ids = torch.tensor([3, 1, 3, 0])

    with no_host_reads():
        groups = padded_groups(ids, 5)

    assert groups.ids.tolist() == [0, 1, 3, 0]
    assert groups.counts.tolist() == [1, 1, 2, 0]


@pytest.mark.parametrize("options", [{}, {"factor_l2": 0.1}, {"norm_place": "tower"}])
@pytest.mark.parametrize("is_sparse", [True, False])
def test_star_is_the_same_model_in_static_shapes(
    make_model, make_batch, monkeypatch, options, is_sparse
):
    monkeypatch.setattr("models.layers.factors.WIDE", 1 << 30)
    results = []
    for mode in (nullcontext, static_shapes):
        model = make_model("dcnv2", "star", options=options, sparse_gradient=is_sparse).train()
        for seed in (0, 1):
            with mode():
                model.method.update(model, make_batch(60, seed), IdleOptimizer(model))
        state = {n: v for n, v in model.state_dict().items() if "statistics" in n or "updates" in n}
        results.append({n: p.grad.to_dense() for n, p in model.named_parameters()} | state)

    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value, msg=name, rtol=1e-4, atol=1e-6)
