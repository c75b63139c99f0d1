"""What the tests of this folder share."""

import pytest

from benchmark.config import Regularisers, RunConfig
from benchmark.protocol import COMPACT


@pytest.fixture
def make_config():
    """A function that makes a run configuration, any field of which can be changed."""

    def make(**changes):
        values = {
            "dataset": "synthetic",
            "data_fingerprint": "f" * 12,
            "split": "time",
            "features": ("scenario", "item"),
            "partition": ("scenario",),
            "task": "scenario",
            "protocol": COMPACT,
            "backbone": "dnn",
            "method": "plain",
            "seed": 1,
            "embedding_optimizer": "sparse",
            "backbone_config": {},
            "method_config": {"beta": 2.0, "sparsity_bounds": [0.15, 0.25]},
            "regularisers": Regularisers(),
        } | changes
        return RunConfig(**values)

    return make
