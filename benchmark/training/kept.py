"""The model of a stored run whose weights are kept, with the encoders of its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.store.files import named_damage, read_json
from benchmark.store.records import SCHEMA, WEIGHTS
from benchmark.training.build import design_of, seen_schema
from datasets.encoding.fitted import ENCODERS, FittedEncoders
from datasets.spec import EncodedSchema
from models.registry import plugin_digests
from models.saved import ModelError, SavedModel

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.config import RunConfig
    from benchmark.store.records import RunStore


def kept_model(store: RunStore, config: RunConfig) -> SavedModel:
    """The model of a run.

    Raises:
        ModelError: a part of it is not there, or it is not one of raw rows.
        RecordError: the file of its schema is damaged.
        DataError: the encoders are damaged.
    """
    weights, data = store.run_folder(config) / WEIGHTS, store.data_folder(config.data_fingerprint)
    needed = (weights, data / SCHEMA, data / ENCODERS)
    lacking = [str(path) for path in needed if not path.is_file()]
    present = plugin_digests(config.backbone, config.method)
    lacking += [
        f"the file of the plug-in {name} as it was (--plugin)"
        for name, digest in config.plugins.items()
        if present.get(name) != digest
    ]
    if lacking:
        raise ModelError(f"{config.title} is not kept as a model: it lacks {', '.join(lacking)}")
    if config.has_coarser_domains:
        raise ModelError(f"{config.title}: coarser domains are known of prepared rows alone")
    with np.load(weights) as arrays:
        return SavedModel(
            design=design_of(config),
            schema=seen_schema(config, _read_schema(data / SCHEMA)),
            weights=dict(arrays),
            encoders=FittedEncoders.read(data),
        )


def _read_schema(path: Path) -> EncodedSchema:
    """The shape of the encoded rows that `store_data` wrote."""
    content = read_json(path)
    with named_damage(path):
        lists = {name: tuple(value) for name, value in content.items() if isinstance(value, list)}
        return EncodedSchema(**{**content, **lists})
