"""What every method must keep on a placebo too, whose e_d is no part of x_0."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models import contract_subject
from models.compact import CompactPredictor
from models.contract import CHECKS
from models.contract_subject import RandomRows, Subject
from models.registry import available, load_backbone, load_method

CELLS = [(b, m) for b in available("backbones") for m in available("methods")]


@pytest.fixture
def placebo(monkeypatch):
    """Subjects are made for a placebo."""
    schema = replace(contract_subject.SCHEMA, is_placebo=True)
    monkeypatch.setattr(contract_subject, "SCHEMA", schema)


def trained(backbone, method, options):
    """A model after a few steps, all parts of which have moved."""
    entry = load_method(method)
    entry = replace(entry, config=lambda: load_method(method).config(**options))
    return Subject(load_backbone(backbone), entry).trained()


@pytest.mark.parametrize("cell", CELLS, ids="+".join)
@pytest.mark.parametrize("name", CHECKS)
def test_contract_is_kept_on_a_placebo(placebo, cell, name):
    backbone, method = cell

    CHECKS[name](Subject(load_backbone(backbone), load_method(method)))


@pytest.mark.parametrize("backbone", available("backbones"))
def test_pruner_of_the_inputs_reads_the_placebo_beside_them(placebo, backbone):
    model = trained(backbone, "adasparse", {"pruner_input": "both"})
    batch = RandomRows(64, seed=1).all()
    codes = batch.domain_codes % (torch.tensor([4, 3]) - 1) + 1  # other seen values

    context, other = (model.embed(b) for b in (batch, replace(batch, domain_codes=codes)))
    factors = []
    for rows in (context, other):
        model.score(rows)
        factors.append(model.method.diagnostics()["layer0/factor"])

    assert torch.equal(context.x_0, other.x_0)
    assert (factors[0] != factors[1]).any(dim=1).float().mean() > 0.9


@pytest.mark.parametrize("backbone", available("backbones"))
def test_compact_networks_are_those_of_the_domains_of_the_placebo(placebo, backbone):
    model = trained(backbone, "adasparse", {"pruner_input": "e_d"})
    batch = RandomRows(64, seed=1).all()
    batch = replace(batch, domain_codes=batch.domain_codes.flip(0))

    compact = CompactPredictor(model)(batch)

    torch.testing.assert_close(compact, model(batch).detach(), rtol=1e-4, atol=1e-5)
