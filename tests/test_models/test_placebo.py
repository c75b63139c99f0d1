"""Models on a placebo of their domains, whose e_d is no part of x_0."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmark.cost.compact import CompactPredictor
from models.contract.checks import CHECKS
from models.contract.subject import SCHEMA, CheckFailure, RandomRows, Subject
from models.methods.star import Star
from models.registry import available, load_backbone, load_method

PLACEBO = replace(SCHEMA, is_placebo=True)


def trained(backbone, method, options):
    """A model after a few steps, all parts of which have moved."""
    entry = load_method(method)
    entry = replace(entry, config=lambda: load_method(method).config(**options))
    return Subject(load_backbone(backbone), entry, PLACEBO).trained()


@pytest.mark.parametrize("backbone", available("backbones"))
def test_pruner_of_the_inputs_reads_the_placebo_beside_them(backbone):
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


@pytest.mark.parametrize("backbone", ["dnn", "dcnv2"])
def test_compact_networks_are_those_of_the_domains_of_the_placebo(backbone):
    model = trained(backbone, "adasparse", {"pruner_input": "e_d"})
    batch = RandomRows(64, seed=1).all()
    batch = replace(batch, domain_codes=batch.domain_codes.flip(0))

    compact = CompactPredictor(model)(batch)

    torch.testing.assert_close(compact, model(batch).detach(), rtol=1e-4, atol=1e-5)


class ReadsItsDomain(Star):
    """A method that reads e_d, and inherits that it does not."""

    def auxiliary_logit(self, context):
        return super().auxiliary_logit(context) + context.e_d.sum(dim=1) * context.e_d[:, 0]


def test_a_method_that_reads_e_d_and_says_that_it_does_not_is_told():
    entry = replace(load_method("star"), build=ReadsItsDomain)

    with pytest.raises(CheckFailure, match="reads_e_d"):
        CHECKS["placebo"](Subject(load_backbone("dnn"), entry))
