"""What every method must keep on every backbone."""

from __future__ import annotations

import inspect
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from datasets.loader import EncodedRows
from models.contract.checks import CHECKS, check_docstrings
from models.contract.subject import SCHEMA, Subject, WatchedAdam
from models.interfaces import AffineLinear, BackboneEntry, MethodEntry
from models.registry import available, import_file, load_backbone, load_method

HERE = Path(__file__).resolve().parent


def module_of(entry: BackboneEntry | MethodEntry) -> ModuleType:
    """The module of a plug-in, in its own file or in its room."""
    return sys.modules[entry.build.__module__]


MODULES = [
    *(module_of(load_backbone(name)) for name in available("backbones")),
    *(module_of(load_method(name)) for name in available("methods")),
]
LAYERS = [
    value
    for module in MODULES
    for value in vars(module).values()
    if inspect.isclass(value)
    and issubclass(value, nn.Module)
    and value.__module__ == module.__name__
]
CELLS = [(b, m) for b in available("backbones") for m in available("methods")]


@pytest.fixture(params=CELLS, ids="+".join)
def cell(request):
    return request.param


@pytest.fixture
def model(cell, make_model):
    return make_model(*cell)


def train_briefly(model, batch, steps=3):
    optimizer = WatchedAdam(model, 1e-2)
    model.train()
    for step in range(steps):
        model.method.update(model, batch, optimizer)
        model.method.after_step((step + 1) / steps)
    return model


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("is_placebo", [False, True])
def test_contract_is_kept(cell, name, is_placebo):
    backbone, method = cell
    schema = replace(SCHEMA, is_placebo=is_placebo)

    CHECKS[name](Subject(load_backbone(backbone), load_method(method), schema))


@pytest.mark.parametrize(
    "module", [*MODULES, import_file(HERE / "domain_gain.py")], ids=lambda module: module.__name__
)
def test_file_of_a_backbone_or_method_is_documented(module):
    check_docstrings(module)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)
def test_class_says_what_it_computes(layer):
    assert all(f"\n    {section} " in layer.__doc__ for section in ("Equation:", "Shapes:"))


def test_equal_names_start_equal_under_every_method(cell, make_model):
    backbone, method = cell
    plain = dict(make_model(backbone, "plain").named_parameters())
    built = make_model(backbone, method)
    model = dict(built.named_parameters())

    shared = {
        f"{name}.affine.weight"
        for name, layer in built.backbone.named_modules()
        if isinstance(layer, AffineLinear) and name.startswith(("tower.layers", "logit"))
    }
    shared = {"embedding.weight", *(f"backbone.{name}" for name in shared)}
    assert shared <= plain.keys() & model.keys()
    assert all(torch.equal(model[name], plain[name]) for name in plain.keys() & model.keys())


def test_base_logit_shifts_every_logit(model, make_batch):
    batch = make_batch(7)
    model.eval()
    before = model(batch)

    model.base_logit.fill_(-2.0)

    torch.testing.assert_close(model(batch), before - 2.0)


def test_domain_fields_are_inputs(model, make_batch):
    batch = make_batch(7)
    model.eval()
    codes = batch.codes.clone()
    codes[:, 0] = (codes[:, 0] + 1) % 4

    moved = model(replace(batch, codes=codes))

    assert (moved - model(batch)).abs().min() > 0


@pytest.mark.parametrize("method", available("methods"))
def test_broken_loss_does_not_reach_the_weights(make_model, make_batch, method):
    model = make_model("dnn", method)
    model.base_logit.fill_(float("nan"))
    before = [value.clone() for value in model.backbone.parameters()]

    loss = model.method.update(model, make_batch(64), WatchedAdam(model))

    assert loss.isnan()
    assert all(map(torch.equal, model.backbone.parameters(), before))


def test_hooks_are_neutral_by_default(make_model, make_rows):
    model = make_model("dnn")

    assert model.method.adapt(model, make_rows(5)) is model
    assert model.method.diagnostics() == {}
    assert (model.method.loss_rows(7), model.method.passes_per_visit) == (7, 1.0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_cpu(cell, make_model, make_rows):
    rows = make_rows(64)
    model = train_briefly(make_model(*cell), rows.range(0, 64)).eval()
    expected = model(rows.range(0, 64))
    on_device = EncodedRows(rows.matrix.numpy(), rows.schema, "cuda").range(0, 64)

    logits = model.to("cuda")(on_device)

    torch.testing.assert_close(logits.cpu(), expected, atol=1e-4, rtol=1e-4)
    train_briefly(model, on_device)
