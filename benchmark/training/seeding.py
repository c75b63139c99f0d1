"""One seed, many independent streams, each named for what it fixes."""

from __future__ import annotations

import hashlib
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import nn


def derived_seed(seed: int, name: str) -> int:
    """A 63-bit seed for one named stream; streams of different names are unrelated."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") >> 1


def generator(seed: int, name: str) -> torch.Generator:
    """A CPU generator for one named stream."""
    return torch.Generator().manual_seed(derived_seed(seed, name))


def initialise(model: nn.Module, seed: int) -> None:
    """Fill the parameters of every module from a stream named by its place in the model.

    The value of a part thus depends on the seed and its place alone: parts that two methods share
    start equal.
    """
    for name, module in model.named_modules():
        if hasattr(module, "initialise"):
            module.initialise(generator(seed, f"initial/{name}"))


def seed_global_streams(seed: int) -> None:
    """Fix the global streams: torch's, of dropout masks, and those that a model may draw from."""
    torch.manual_seed(derived_seed(seed, "dropout"))
    np.random.seed(derived_seed(seed, "numpy") % 2**32)  # noqa: NPY002 (a model's own noise)
    random.seed(derived_seed(seed, "python"))


@contextmanager
def restored_streams() -> Iterator[None]:
    """Give the global streams back as they were before."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            random.setstate(python_state)


def permute_labels(rows: NDArray[np.int32], seed: int) -> None:
    """Shuffle the last column of encoded rows (N, C) in place, within each eval domain."""
    domain, label = rows[:, -2], rows[:, -1]
    draws = np.random.default_rng(derived_seed(seed, "labels")).random(len(rows))
    shuffled = np.lexsort((draws, domain))
    rows[np.argsort(domain, kind="stable"), -1] = label[shuffled]
