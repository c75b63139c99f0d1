"""AdaSparse in a model: what is pruned and what is annealed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from models.methods.adasparse.method import AdaSparseConfig

FORMS = ("binarization", "scaling", "fusion")
BACKBONES = ("dnn", "dcnv2")


def pruners_of(model):
    return {0: model.backbone.inputs[0]} | dict(enumerate(model.backbone.tower.transforms, 1))


def shut(pruner, neurons=slice(None)):
    """Prune these neurons for every row."""
    with torch.no_grad():
        pruner.weight_domain.zero_()
        pruner.weight_layer.zero_()
        pruner.bias.zero_()
        pruner.bias[neurons] = -100.0


def loss_of(model, batch):
    return functional.binary_cross_entropy_with_logits(model(batch), batch.label)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("progress", [0.0, 0.3, 9.0])
def test_undecided_pruners_leave_the_backbone_as_it_is(
    make_model, make_batch, backbone, form, progress
):
    batch, plain = make_batch(33), make_model(backbone)
    model = make_model(backbone, "adasparse", options={"form": form})
    for pruner in pruners_of(model).values():
        shut(pruner, slice(0))
    model.method.after_step(progress)

    assert torch.equal(model(batch), plain(batch))


@pytest.mark.parametrize("form", ["binarization", "fusion"])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_pruned_neuron_has_no_influence(make_model, make_batch, form, place):
    batch, model = make_batch(20), make_model("dnn", "adasparse", options={"form": form})
    shut(pruners_of(model)[place], 2)
    layers = [*model.backbone.tower.layers, model.backbone.logit]
    weight = layers[place].affine.weight  # (out, in)
    before = model(batch)
    before.sum().backward()

    assert weight.grad[:, 2].count_nonzero() == 0
    assert weight.grad.count_nonzero() > 0
    with torch.no_grad():
        weight[:, 2] += 5.0
    assert torch.equal(model(batch), before)


@pytest.mark.parametrize("form", ["binarization", "fusion"])
def test_last_layer_pruned_whole_leaves_the_bias(make_model, make_batch, form):
    model = make_model("dnn", "adasparse", options={"form": form})
    shut(pruners_of(model)[3])
    with torch.no_grad():
        model.backbone.logit.affine.bias.fill_(0.7)

    assert model(make_batch(9)).tolist() == pytest.approx([0.7] * 9)


def test_pruned_input_is_zero_in_every_cross_layer(make_model, make_batch):
    model, seen = make_model("dcnv2", "adasparse"), []
    shut(pruners_of(model)[0], 5)
    for layer in model.backbone.cross:
        layer.register_forward_hook(lambda module, args, output: seen.append(output))
    model(make_batch(20))

    assert len(seen) == 3
    assert all(crossed[:, 5].count_nonzero() == 0 for crossed in seen)
    assert all(crossed[:, 6].count_nonzero() == 20 for crossed in seen)


def test_pruner_reads_the_unmasked_domain_embedding(make_model, make_batch):
    model, batch = make_model("dnn", "adasparse").eval(), make_batch(20)
    shut(pruners_of(model)[0])
    model(batch)

    factor = model.method.diagnostics()["layer1/factor"]

    assert (factor - factor[0]).abs().max() > 1e-4  # x_0 is gone, but not e_d


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("straight_through", ["gate", "pass", "none"])
def test_gradient_of_the_pruner(make_model, make_batch, form, straight_through):
    # A public re-implementation has no straight-through gradient: Binarization never trains.
    model = make_model(
        "dnn", "adasparse", options={"form": form, "straight_through": straight_through}
    )
    loss_of(model, make_batch(40)).backward()

    largest = max(p.weight_layer.grad.abs().max() for p in pruners_of(model).values())

    assert (largest == 0.0) == (form == "binarization" and straight_through == "none")


@pytest.mark.parametrize(
    ("progress", "alpha", "weight"),
    [(0.0, 0.1, 0.01), (0.3, 2.55, 1.505), (0.6, 5.0, 3.0), (7.0, 5.0, 3.0)],
)
def test_schedules_rise_linearly_and_stop(make_model, progress, alpha, weight):
    model = make_model("dnn", "adasparse")

    model.method.after_step(progress)

    assert model.method.diagnostics()["alpha"].item() == pytest.approx(alpha)
    assert model.method.diagnostics()["penalty_weight"].item() == pytest.approx(weight)
    assert all(p.alpha == model.method.diagnostics()["alpha"] for p in pruners_of(model).values())


@pytest.mark.parametrize("is_training", [False, True])
def test_forward_moves_no_schedule(make_model, make_batch, is_training):
    # A public re-implementation raises alpha in every forward pass, evaluation included.
    model, batch = make_model("dnn", "adasparse"), make_batch(5)
    model.method.after_step(0.2)
    before = {name: value.clone() for name, value in model.named_buffers()}

    model.train(is_training)
    for _ in range(100):
        model(batch)

    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_schedules_survive_a_checkpoint(make_model, make_batch):
    trained, fresh = make_model("dnn", "adasparse"), make_model("dnn", "adasparse", seed=3)
    trained.method.after_step(0.4)

    fresh.load_state_dict(trained.state_dict())

    assert torch.equal(fresh.eval()(make_batch(9)), trained.eval()(make_batch(9)))
    assert fresh.method.diagnostics()["penalty_weight"] == trained.method.penalty_weight


def test_one_row_keeps_its_dimension(make_model, make_batch):
    # A public re-implementation squeezes a batch of one row to a scalar.
    assert make_model("dnn", "adasparse")(make_batch(1)).shape == (1,)


def test_pruner_of_domain_fields_prunes_alike_within_a_domain(make_model, make_batch):
    model = make_model("dnn", "adasparse", options={"pruner_input": "e_d"}).eval()
    batch = make_batch(60)
    model(batch)

    for name, factor in model.method.diagnostics().items():
        if name.endswith("/factor"):
            for domain in batch.domain_id.unique():
                rows = factor[batch.domain_id == domain]
                torch.testing.assert_close(rows, rows[:1].expand_as(rows))
            assert factor.std(dim=0).max() > 1e-4


def test_pruner_of_the_layer_alone_ignores_the_domain_embedding(make_model, make_batch):
    model = make_model("dnn", "adasparse", options={"pruner_input": "h"}).eval()
    context = model.embed(make_batch(9))

    moved = model.score(replace(context, e_d=context.e_d + 1))

    assert torch.equal(moved, model.score(context))


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize(("prune_input", "layers"), [(True, (0, 1, 2, 3)), (False, (1, 2, 3))])
def test_masks_have_the_sizes_of_the_layers(make_model, make_batch, backbone, prune_input, layers):
    model = make_model(backbone, "adasparse", options={"prune_input": prune_input}).eval()
    model(make_batch(9))

    recorded = model.method.diagnostics()

    widths = {0: 40, 1: 12, 2: 10, 3: 6}
    shapes = {name: tuple(value.shape) for name, value in recorded.items() if value.ndim == 2}
    kinds = ("factor", "gate")
    assert shapes == {f"layer{i}/{kind}": (9, widths[i]) for i in layers for kind in kinds}


@pytest.mark.parametrize("pruner_input", ["both", "e_d", "h"])
def test_number_of_pruner_parameters(make_model, pruner_input):
    options = {"pruner_input": pruner_input}
    model, plain = make_model("dnn", "adasparse", options=options), make_model("dnn")
    added = sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in plain.parameters())
    read = {"both": (16, 1), "e_d": (16, 0), "h": (0, 1)}[pruner_input]

    assert added == sum(n * (read[0] + read[1] * n + 1) for n in (40, 12, 10, 6))


@pytest.mark.parametrize(
    "values",
    [
        {"form": "binary"},
        {"straight_through": "yes"},
        {"pruner_input": "x"},
        {"penalty": "l2"},
        {"r_scope": "row"},
        {"beta": 0.9},
        {"threshold": -0.1},
        {"alpha_start": 6.0},
        {"sparsity_bounds": (0.3, 0.2)},
        {"penalty_weight_start": 4.0},
        {"ramp_epochs": 0.0},
    ],
)
def test_config_out_of_range_is_refused(values):
    with pytest.raises(ValueError, match=next(iter(values)).removesuffix("_start")):
        AdaSparseConfig(**values)
