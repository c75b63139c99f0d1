"""A small log, its batches, and models on it."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import polars as pl
import pytest
import torch

from datasets.encoding.codes import BagCodes, NumberCodes, TokenCodes
from datasets.encoding.fitted import FittedEncoders
from datasets.loader import Batch, EncodedRows
from datasets.raw.writing import Writing
from datasets.spec import EncodedSchema, FeatureSpec, categorical
from models.contract import subject
from models.contract.subject import fill_by_name
from models.ctr_model import CTRModel, ModelDesign
from models.predictors import weights_of
from models.registry import load_backbone, load_method
from models.saved import SavedModel

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
            prior=subject.PRIOR,
        )
        fill_by_name(model, seed)
        with torch.no_grad():  # far from the near-zero start, where everything is almost linear
            model.embedding.weight.mul_(50.0)
        return model

    return make


LOG = EncodedSchema(
    fields=("place", "item", "price"),
    field_sizes=(4, 5, 4),
    num_domain_fields=1,
    bags=("tags",),
    bag_sizes=(3,),
    bag_lengths=(2,),
    num_domains=4,
    num_tasks=4,
)


@pytest.fixture
def encoders():
    """Encoders of a small log, whose files have `;` between their values."""
    tokens = {
        "place": TokenCodes(pl.Series(["shop", "home", ""])),
        "item": TokenCodes(pl.Series(["1", "2", "3", "4"])),
    }
    bag = FeatureSpec(name="tags", kind="bag", separator="|", max_length=2)
    price = FeatureSpec(name="price", kind="numeric")
    return FittedEncoders(
        log="small",
        label="click",
        features=(*categorical("place item"), price, bag),
        codes=tokens
        | {
            "price": NumberCodes(np.array([2.5]), has_known=True, has_missing=True),
            "tags": BagCodes(bag, TokenCodes(pl.Series(["red", "blue"]))),
        },
        partition=("place",),
        domain_ids=pl.DataFrame({"0": ["shop", "home", ""], "domain_id": [1, 2, 3]}),
        writing=Writing(separator=";", missing=("?",)),
        examples=pl.DataFrame({"place": ["shop"], "item": ["1"], "price": [1.0], "tags": ["red"]}),
    )


@pytest.fixture
def raw_rows():
    """Raw rows of that log, as text; some have values that it does not know."""
    rng = np.random.default_rng(1)
    values = {
        "place": ["shop", "home", "?", "street"],
        "item": ["1", "2", "3", "4", "5"],
        "price": ["1.5", "2.5", "", "7"],
        "tags": ["red|blue", "green", "", "blue"],
        "click": ["0", "1"],
    }
    return pl.DataFrame({name: rng.choice(texts, 40) for name, texts in values.items()})


@pytest.fixture
def make_saved(encoders):
    """A function that makes a model of that log, of a backbone and a method or its file."""

    def make(method="adasparse", plugins=None, **changes):
        entry = load_method(method, (plugins or {}).get("methods"))
        design = ModelDesign(
            backbone="dcnv2",
            backbone_config=asdict(load_backbone("dcnv2").config()),
            method=method,
            method_config=asdict(entry.config()),
            values=subject.CONFIG,
            prior=("item",),
            plugins=plugins or {},
        )
        schema = replace(LOG, **changes)
        model = design.assemble(schema)
        fill_by_name(model, 3)
        model.eval()
        weights = weights_of(model, model)
        return SavedModel(design=design, schema=schema, weights=weights, encoders=encoders)

    return make
