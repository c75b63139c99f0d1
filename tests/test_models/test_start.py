"""Before training every method reads and gives values of the plain network's scale."""

from __future__ import annotations

import pytest
import torch

from benchmark.cost.random_log import config_on, random_rows, random_schema
from benchmark.protocol import COMPACT, PAPER_PUBLIC
from benchmark.training.build import build
from models.contract.subject import fill_by_name
from models.registry import available

SIZES = (8, 7, 6, 300, 1000, 20, 30, 50, 2000, 10, 16, 16)  # three domain columns, nine others
PROTOCOLS = {protocol.name: protocol for protocol in (COMPACT, PAPER_PUBLIC)}
PLACES = ["input", "tower"]
SEEDS = range(4)
SCHEMA = random_schema(SIZES, num_domains=200)
ROWS = random_rows(SCHEMA, 1024)


@torch.no_grad()
def logits_of(backbone, method, protocol, *, options=None, is_training=True, seed=0):
    """Logits (4, 256) of four batches of a random log, by a model without a step of training."""
    config = config_on(SCHEMA, PROTOCOLS[protocol], backbone, method, options)
    model = build(config, SCHEMA, base_rate=0.5)
    fill_by_name(model, seed)
    model.train(is_training)
    return torch.stack([model(ROWS.range(low, low + 256)) for low in range(0, 1024, 256)])


def spread_of(*args, **kwargs):
    """The standard deviation of the logits, its mean over the seeds."""
    return sum(logits_of(*args, **kwargs, seed=seed).std().item() for seed in SEEDS) / len(SEEDS)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("backbone", available("backbones"))
@pytest.mark.parametrize("place", PLACES)
def test_star_starts_with_the_spread_of_plain(backbone, protocol, place):
    options = {"norm_place": place}

    star = spread_of(backbone, "star", protocol, options=options)

    assert star == pytest.approx(spread_of(backbone, "plain", protocol), rel=0.1)


@pytest.mark.parametrize("backbone", available("backbones"))
@pytest.mark.parametrize("place", PLACES)
def test_star_starts_as_the_shared_network_in_evaluation(backbone, place):
    options = {"norm_place": place}

    star = logits_of(backbone, "star", "compact", options=options, is_training=False)

    plain = logits_of(backbone, "plain", "compact", is_training=False)
    torch.testing.assert_close(star, plain, atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("backbone", available("backbones"))
@pytest.mark.parametrize("method", [name for name in available("methods") if name != "plain"])
def test_no_method_starts_at_another_scale(backbone, method, protocol):
    ratio = spread_of(backbone, method, protocol) / spread_of(backbone, "plain", protocol)

    # APG's U V keeps the scale of values, while Xavier's layers, each narrower than the one
    # before, raise it: by 1.4 in all on three layers. On DCNv2 cross layers make the logit too.
    # Draws of narrow experts differ so much that four are a third off their mean.
    low, high = (0.6, 1.3) if method == "mmoe" else (0.9, 1.1)
    if (backbone, method) == ("dnn", "apg"):
        low, high = 0.5, 0.7
    assert low < ratio < high
