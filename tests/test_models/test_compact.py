"""Compact networks: the masked network's logits from fewer neurons."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.cost.compact import CompactPredictor, compile_domain

STRUCTURES = ("parallel", "stacked")
CROSS = [(cross, structure) for cross in ("full", "lowrank", "moe") for structure in STRUCTURES]
NETS = [("dnn", {}), *(("dcnv2", {"cross": c, "structure": s, "rank": 5}) for c, s in CROSS)]
NET_IDS = ["dnn", *("-".join(cross) for cross in CROSS)]
WIDTHS = (40, 12, 10, 6)
every_net = pytest.mark.parametrize("net", NETS, ids=NET_IDS)
every_form = pytest.mark.parametrize("form", ["binarization", "scaling", "fusion"])


def pruners_of(model):
    inputs = [p for p in model.backbone.inputs if hasattr(p, "bias")]
    return [*inputs, *model.backbone.tower.transforms]


@pytest.fixture
def make_pruned(make_model):
    """An AdaSparse late in its schedule, with no bias zero, ready to be compiled."""

    def make(net=("dnn", {}), dtype=torch.float32, shape=None, **options):
        backbone, cross = net
        options = {"pruner_input": "e_d"} | options
        model = make_model(backbone, "adasparse", options=options, cross=cross, **shape or {})
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, values in model.named_parameters():
                if name.endswith("bias"):
                    values.uniform_(-0.5, 0.5, generator=generator)
        model.method.after_step(9.0)
        model.base_logit.fill_(-1.5)
        return model.to(dtype).eval()

    return make


def force(model, place, value):
    """Decide one pruner for every domain."""
    pruner = pruners_of(model)[place]
    with torch.no_grad():
        pruner.weight_domain.zero_()
        pruner.bias.fill_(value)


@every_net
@every_form
@pytest.mark.parametrize(
    ("dtype", "atol", "prune_input"),
    [(torch.float32, 1e-5, True), (torch.float64, 1e-10, True), (torch.float64, 1e-10, False)],
)
def test_logits_are_those_of_the_masked_network(
    make_pruned, make_batch, net, form, dtype, atol, prune_input
):
    model, batch = make_pruned(net, dtype, form=form, prune_input=prune_input), make_batch(80)

    predictor = CompactPredictor(model)
    logits = predictor(batch)

    torch.testing.assert_close(logits, model(batch), atol=atol, rtol=0.0)
    kept = [network.kept for network in predictor.networks.values()]
    assert len(kept) == len(batch.domain_id.unique()) > 8
    if form == "scaling":
        assert set(kept) == {WIDTHS}
    else:
        fewest = [min(widths) for widths in zip(*kept, strict=True)]
        pruned = [n < width for n, width in zip(fewest, WIDTHS, strict=True)]
        assert pruned == [prune_input, True, True, True]
        assert min(fewest) > 0


@every_net
@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_layer_pruned_whole(make_pruned, make_batch, net, place):
    model, batch = make_pruned(net, torch.float64), make_batch(30)
    force(model, place, -100.0)
    predictor = CompactPredictor(model)

    torch.testing.assert_close(predictor(batch), model(batch), atol=1e-10, rtol=0.0)
    assert {network.kept[place] for network in predictor.networks.values()} == {0}


@every_net
def test_every_layer_pruned_whole_leaves_the_biases_of_the_logit(make_pruned, make_batch, net):
    model = make_pruned(net, torch.float64)
    for place in range(4):
        force(model, place, -100.0)

    logits = CompactPredictor(model)(make_batch(30))

    bias = model.backbone.logit.affine.bias.item()
    assert logits.tolist() == pytest.approx([bias - 1.5] * 30)


@every_net
def test_nothing_pruned_keeps_every_neuron(make_pruned, make_batch, net):
    model, batch = make_pruned(net, torch.float64), make_batch(30)
    for place in range(4):
        force(model, place, 0.3)
    predictor = CompactPredictor(model)

    torch.testing.assert_close(predictor(batch), model(batch), atol=1e-10, rtol=0.0)
    assert {network.kept for network in predictor.networks.values()} == {WIDTHS}


@pytest.mark.parametrize("shape", [{"activation": "relu"}, {"dropout": 0.5}])
def test_protocol_choices_are_kept(make_pruned, make_batch, shape):
    model, batch = make_pruned(shape=shape), make_batch(30)

    torch.testing.assert_close(CompactPredictor(model)(batch), model(batch), atol=1e-5, rtol=0.0)


def test_tuples_that_share_a_domain_id_have_networks_of_their_own(make_pruned, make_batch):
    model, batch = make_pruned(), make_batch(40)
    unseen = replace(batch, domain_id=torch.zeros_like(batch.domain_id))

    predictor = CompactPredictor(model)

    torch.testing.assert_close(predictor(unseen), model(batch), atol=1e-5, rtol=0.0)
    assert len(predictor.networks) == len(batch.domain_id.unique())


def test_one_domain_is_compiled_from_its_embedding(make_pruned, make_batch):
    model, batch = make_pruned(), make_batch(80)
    context, rows = model.embed(batch), batch.domain_id == batch.domain_id[0]

    network = compile_domain(model, context.e_d[0])
    logits = network(context.x_0)

    torch.testing.assert_close(logits[rows], model(batch)[rows], atol=1e-5, rtol=0.0)
    assert (logits - model(batch))[~rows].abs().min() > 1e-5
    assert not any(values.requires_grad for values in network.parameters())


@pytest.mark.parametrize("n", [0, 1])
def test_few_rows(make_pruned, make_batch, n):
    model, batch = make_pruned(), make_batch(n)

    torch.testing.assert_close(CompactPredictor(model)(batch), model(batch))


def test_domains_are_compiled_once(make_pruned, make_batch, take_rows):
    predictor, batch = CompactPredictor(make_pruned()), make_batch(40)
    first = predictor(take_rows(batch, torch.arange(3)))
    networks = dict(predictor.networks)

    together = predictor(batch)

    torch.testing.assert_close(together[:3], first)
    assert len(predictor.networks) > len(networks)
    assert all(predictor.networks[domain] is network for domain, network in networks.items())


def test_compiling_leaves_the_model_alone(make_pruned, make_batch):
    model, batch = make_pruned(), make_batch(40)
    model(batch)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    recorded, random = model.method.diagnostics(), torch.get_rng_state()

    compile_domain(model, model.embed(batch).e_d[0])

    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    after = model.method.diagnostics()
    assert all(torch.equal(value, after[name]) for name, value in recorded.items())
    assert torch.equal(torch.get_rng_state(), random)


def test_network_keeps_the_weights_it_was_compiled_from(make_pruned, make_batch):
    model = make_pruned(("dcnv2", {"cross": "moe"}), prune_input=False)
    context = model.embed(make_batch(4))
    network = compile_domain(model, context.e_d[0])
    before = network(context.x_0)

    with torch.no_grad():
        for values in model.parameters():
            values.add_(1.0)

    assert torch.equal(network(context.x_0), before)


def test_factors_are_folded_into_the_next_matrix_by_hand(make_pruned, make_batch):
    model = make_pruned(shape={"hidden_dims": (3,)}, prune_input=False)
    pruner, e_d = pruners_of(model)[0], model.embed(make_batch(1)).e_d[0]
    with torch.no_grad():
        pruner.weight_domain.zero_()
        pruner.bias.copy_(torch.tensor([-9.0, 0.0, 9.0]))  # pi = 0, 1 and, all but, 2
        model.backbone.logit.affine.weight.copy_(torch.tensor([[5.0, 7.0, 11.0]]))

    network = compile_domain(model, e_d).backbone

    assert network.logit.affine.weight[0].tolist() == pytest.approx([7.0, 22.0])
    first, expected = network.tower.layers[0].affine, model.backbone.tower.layers[0].affine
    assert torch.equal(first.weight, expected.weight[1:])
    assert torch.equal(first.bias, expected.bias[1:])


def products(widths):
    return sum(n * m for n, m in pairwise(widths))


def cross_products(kind, d):
    return 3 * {"full": d * d, "lowrank": 2 * d * 5, "moe": 4 * (2 * d * 5 + 25 + d)}[kind]


@every_net
@pytest.mark.parametrize("prune_input", [True, False])
def test_size_is_that_of_the_formulas(make_pruned, make_batch, net, prune_input):
    model = make_pruned(net, prune_input=prune_input)
    network = compile_domain(model, model.embed(make_batch(1)).e_d[0])
    kind, structure = net[1].get("cross"), net[1].get("structure")

    def formula(widths):
        crossed = cross_products(kind, widths[0]) if kind else 0
        return crossed + products((*widths, 1)) + (widths[0] if structure == "parallel" else 0)

    assert network.multiply_adds == formula(network.kept) < formula(WIDTHS)


@every_net
def test_size_is_what_a_counter_counts(make_pruned, make_batch, net):
    model = make_pruned(net)
    context = model.embed(make_batch(1))
    network = compile_domain(model, context.e_d[0])

    with torch.no_grad(), FlopCounterMode(display=False) as compact:
        network(context.x_0)

    assert compact.get_total_flops() == 2 * network.multiply_adds


@pytest.mark.parametrize("pruner_input", ["both", "h"])
def test_pruner_that_reads_the_layer_is_refused(make_pruned, pruner_input):
    with pytest.raises(ValueError, match=rf"values h \(pruner_input='{pruner_input}'\)"):
        CompactPredictor(make_pruned(pruner_input=pruner_input))


def test_other_method_is_refused(make_model):
    with pytest.raises(ValueError, match="got DomainMethod"):
        CompactPredictor(make_model("dnn", "plain").eval())


def test_other_backbone_is_refused(make_pruned):
    model = make_pruned()
    model.backbone.__class__ = type("Wide", (type(model.backbone),), {})

    with pytest.raises(ValueError, match="backbone Wide cannot be compiled; allowed: DNN, DCNv2"):
        CompactPredictor(model)


def test_training_mode_is_refused(make_pruned, make_batch):
    model, batch = make_pruned(), make_batch(8)
    predictor = CompactPredictor(model)
    predictor(batch)
    model.train()

    with pytest.raises(ValueError, match=r"call model\.eval\(\) first"):
        compile_domain(model, model.embed(batch).e_d[0])
    with pytest.raises(ValueError, match=r"call model\.eval\(\) first"):
        predictor(batch)


def test_more_than_one_row_of_domain_embeddings_is_refused(make_pruned, make_batch):
    model = make_pruned()

    with pytest.raises(ValueError, match=r"shape \(16,\), got \(8, 16\)"):
        compile_domain(model, model.embed(make_batch(8)).e_d)
