"""A small log, its batches, and models on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from datasets.loader import Batch, EncodedRows
from models.contract import subject
from models.contract.subject import fill_by_name
from models.ctr_model import CTRModel
from models.registry import load_backbone, load_method

SCHEMA = replace(subject.SCHEMA, num_domains=13)  # with id 0 for codes 0 too


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Threads only wait for each other on models this small."""
    torch.set_num_threads(1)


@pytest.fixture
def schema():
    return SCHEMA


@pytest.fixture
def make_rows():
    def make(n, seed=0):
        rng = np.random.default_rng(seed)
        codes = np.stack([rng.integers(0, size, n) for size in SCHEMA.field_sizes], axis=1)
        bags = rng.integers(-1, SCHEMA.bag_sizes[0], (n, SCHEMA.bag_lengths[0]))
        domain = 1 + codes[:, 0] * 3 + codes[:, 1]
        ids = np.stack([domain, codes[:, 0], domain, rng.integers(0, 2, n)], axis=1)
        return EncodedRows(np.concatenate([codes, bags, ids], axis=1).astype(np.int32), SCHEMA)

    return make


@pytest.fixture
def make_batch(make_rows):
    return lambda n, seed=0: make_rows(n, seed).range(0, n)


@pytest.fixture
def take_rows():
    def take(batch, rows):
        bags = tuple(bag[rows] for bag in batch.bags)
        ids = (batch.domain_codes, batch.domain_id, batch.task_id, batch.eval_domain_id)
        return Batch(batch.codes[rows], bags, *(column[rows] for column in (*ids, batch.label)))

    return take


@pytest.fixture
def make_model():
    def make(backbone="dnn", method="plain", *, options=None, cross=None, seed=0, **shape):
        backbone = load_backbone(backbone)
        method = load_method(method) if isinstance(method, str) else method
        model = CTRModel(
            SCHEMA,
            replace(subject.CONFIG, **shape),
            backbone=(backbone, backbone.config(**cross or {})),
            method=(method, method.config(**options or {})),
        )
        fill_by_name(model, seed)
        with torch.no_grad():  # far from the near-zero start, where everything is almost linear
            model.embedding.weight.mul_(50.0)
        return model

    return make
