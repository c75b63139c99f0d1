"""AdaSparse in every form of both backbones: what a pruned neuron may touch, and what moves R_s."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch.nn import functional

from models.methods.adasparse.method import TrainingPass

CROSS = tuple(product(("full", "lowrank", "moe"), ("parallel", "stacked")))
NETS = [("dnn", {}), *(("dcnv2", {"cross": c, "structure": s, "rank": 5}) for c, s in CROSS)]
every_net = pytest.mark.parametrize("net", NETS, ids=["dnn", *("-".join(c) for c in CROSS)])
every_form = pytest.mark.parametrize("form", ["binarization", "scaling", "fusion"])
PRUNED, KEPT = 20, 21  # coordinates of x_0 outside e_d


def pruners_of(model):
    return [model.backbone.inputs[0], *model.backbone.tower.transforms]


def decide(pruner, neurons=()):
    """Prune these neurons and weight all others with 1, whatever the row."""
    with torch.no_grad():
        for values in pruner.parameters():
            values.zero_()
        pruner.bias[list(neurons)] = -100.0


def with_nudge(model, batch, place, neuron):
    """Logits when what the pruner of `place` gets is 3 higher in this neuron."""

    def nudge(module, args):
        h = args[0].clone()
        h[:, neuron] += 3.0
        return h, *args[1:]

    hook = pruners_of(model)[place].register_forward_pre_hook(nudge)
    logits = model(batch)
    hook.remove()
    return logits


@every_form
def test_bias_starts_at_zero(make_model, form):
    for pruner in pruners_of(make_model("dnn", "adasparse", options={"form": form})):
        assert pruner.bias.count_nonzero() == 0


@every_net
@every_form
def test_equation_2_undecided_pruners_leave_the_backbone_bitwise(make_model, make_batch, net, form):
    backbone, cross = net
    model = make_model(backbone, "adasparse", options={"form": form}, cross=cross)
    for pruner in pruners_of(model):
        decide(pruner)
    model.method.after_step(0.4)
    batch = make_batch(33)

    assert torch.equal(model(batch), make_model(backbone, cross=cross)(batch))


@every_net
@pytest.mark.parametrize("form", ["binarization", "fusion"])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_equation_2_pruned_neuron_can_take_any_value(make_model, make_batch, net, form, place):
    backbone, cross = net
    model = make_model(backbone, "adasparse", options={"form": form}, cross=cross).eval()
    pruned, kept = (PRUNED, KEPT) if place == 0 else (2, 3)
    decide(pruners_of(model)[place], [pruned])
    batch = make_batch(20)

    assert torch.equal(with_nudge(model, batch, place, pruned), model(batch))
    assert (with_nudge(model, batch, place, kept) - model(batch)).abs().min() > 1e-6


@pytest.mark.parametrize("cross", ["full", "lowrank", "moe"])
def test_pruned_coordinate_trains_no_cross_weight(make_model, make_batch, cross):
    model = make_model("dcnv2", "adasparse", cross={"cross": cross, "rank": 5})
    decide(pruners_of(model)[0], [PRUNED])
    batch = make_batch(20)
    functional.binary_cross_entropy_with_logits(model(batch), batch.label).backward()

    for name, values in model.backbone.cross.named_parameters():
        for axis in [i for i, n in enumerate(values.shape) if n == 40]:
            assert values.grad.select(axis, PRUNED).count_nonzero() == 0, name
            assert values.grad.select(axis, KEPT).count_nonzero() > 0, name


@every_net
def test_last_layer_pruned_whole_leaves_bias_and_cross(make_model, make_batch, net):
    backbone, cross = net
    model = make_model(backbone, "adasparse", cross=cross).eval()
    decide(pruners_of(model)[3], range(6))
    with torch.no_grad():
        model.backbone.logit.affine.bias.fill_(0.7)
        if cross.get("structure") == "parallel":
            model.backbone.logit.affine.weight[:, :40] = 0.0  # of x_Lc

    assert model(make_batch(9)).tolist() == pytest.approx([0.7] * 9)


@pytest.mark.parametrize(("r", "expected"), [(0.0, 0.04), (0.2, 0.0), (1.0, 0.64)])
def test_equations_9_and_10_with_one_ratio_in_every_layer(make_model, r, expected):
    model = make_model("dnn", "adasparse", options={"penalty_weight_start": 2.0})
    for pruner in pruners_of(model):
        sparsity = torch.full((5,), r)
        pruner.trained = TrainingPass(sparsity, sparsity, torch.zeros(5))

    assert model.method.penalty().item() == pytest.approx(2.0 * expected)


@every_net
@every_form
def test_row_order_moves_factors_along_and_nothing_else(
    make_model, make_batch, take_rows, net, form
):
    backbone, cross = net
    model = make_model(backbone, "adasparse", options={"form": form}, cross=cross).double()
    model.method.after_step(9.0)
    batch, order = make_batch(40), torch.randperm(40, generator=torch.Generator().manual_seed(2))
    results = []
    for rows in (batch, take_rows(batch, order)):
        model.train()(rows)
        penalty = model.method.penalty()
        logits = model.eval()(rows)
        results.append((logits, model.method.diagnostics(), penalty))
    (logits, recorded, penalty), (moved_logits, moved, moved_penalty) = results

    torch.testing.assert_close(moved_logits, logits[order])
    assert penalty is None or penalty.item() == pytest.approx(moved_penalty.item())
    for name in [name for name, values in recorded.items() if values.ndim == 2]:
        torch.testing.assert_close(moved[name], recorded[name][order])
