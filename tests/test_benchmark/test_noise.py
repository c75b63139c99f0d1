"""Noise that a model draws itself: a function of the run, whatever ran before in its process."""

import random

import numpy as np
import pytest
import torch

from benchmark.planning.studies import Change
from benchmark.training.seeding import seed_global_streams
from models.registry import use_plugins

NOISY = '''
"""Noise of each global generator on the hidden layers, from the first value on."""

import random
from dataclasses import dataclass

import numpy as np
import torch

from models.interfaces import DomainMethod, DomainTransform, MethodEntry


@dataclass(frozen=True)
class Config:
    pass


class Noise(DomainTransform):
    def __init__(self):
        super().__init__()
        self.scale = np.random.random()

    def forward(self, h, context):
        noise = torch.as_tensor(np.random.randn(*h.shape), dtype=h.dtype)
        return h + 0.1 * self.scale * (noise + torch.randn_like(h) + random.random())


class Noisy(DomainMethod):
    reads_tasks = reads_e_d = False

    def __init__(self, config, shape):
        super().__init__(shape)

    def transform(self, n, place, index):
        return Noise() if place == "hidden" else None


METHOD = MethodEntry(config=Config, build=Noisy)
'''


@pytest.fixture
def _noisy(tmp_path):
    (tmp_path / "noisy.py").write_text(NOISY)
    use_plugins([tmp_path / "noisy.py"])
    yield
    use_plugins([])


def drawn():
    return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002


def test_global_streams_are_those_of_the_seed():
    found = []
    for seed in (1, 1, 2):
        drawn()
        seed_global_streams(seed)
        found.append(drawn())

    assert found[0] == found[1]
    assert not set(found[1]) & set(found[2])


@pytest.mark.usefixtures("_noisy")
def test_a_run_whose_model_draws_noise_repeats_itself(train, log):
    bytes_of = []
    for _ in range(2):
        drawn()
        record = train(log, Change(method="noisy"), max_epochs=1, patience_epochs=1)
        bytes_of.append((record.path / "predictions.parquet").read_bytes())

    assert bytes_of[0] == bytes_of[1]
