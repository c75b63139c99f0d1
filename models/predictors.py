"""Predictors: the logits that they give, and their weights as arrays to make them again of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.interfaces import AdaptedPredictor, DomainMethod

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from datasets.loader import Batch, EncodedRows
    from models.ctr_model import CTRModel
    from models.interfaces import Predictor

BATCH_SIZE = 8192  # rows; a size, not a choice of the protocol: predictions do not depend on it
ADAPTED = "adapted."  # before the names of what a predictor keeps beside its model


def weights_of(model: CTRModel, predictor: Predictor) -> dict[str, NDArray[np.generic]]:
    """Parameters and buffers of a model, and what it has been adapted to for evaluation."""
    tensors = dict(model.state_dict())
    if isinstance(predictor, AdaptedPredictor):
        tensors |= {f"{ADAPTED}{name}": value for name, value in predictor.tensors().items()}
    return {name: value.detach().cpu().numpy() for name, value in tensors.items()}


def predictor_of(model: CTRModel, weights: Mapping[str, NDArray[np.generic]]) -> Predictor:
    """The predictor whose weights `weights_of` gave, on the device of `model`.

    That is of the same configuration.

    Raises:
        ValueError: the method adapts to its tasks, and the weights hold nothing of that.
        RuntimeError: the weights are of another configuration.
    """
    device = model.base_logit.device
    tensors = {
        name: torch.from_numpy(np.array(value)).to(device) for name, value in weights.items()
    }
    adapted = {
        name.removeprefix(ADAPTED): tensors.pop(name)
        for name in list(tensors)
        if name.startswith(ADAPTED)
    }
    model.load_state_dict(tensors)
    model.eval()
    if adapted:
        return model.method.readapted(model, adapted)
    if type(model.method).adapt is not DomainMethod.adapt:
        raise ValueError(
            f"{type(model.method).__name__} adapts to its tasks, but the weights hold nothing named"
            f" {ADAPTED}...; run the cell again"
        )
    return model


@torch.inference_mode()
def predict(
    predictor: Predictor,
    rows: EncodedRows,
    span: range,
    after_batch: Callable[[Batch], None] | None = None,
) -> NDArray[np.float32]:
    """Logits (N,) of the rows in `span`; `after_batch` may read what a method recorded."""
    logits = np.empty(len(span), np.float32)
    for low in span[::BATCH_SIZE]:
        high = min(low + BATCH_SIZE, span.stop)
        batch = rows.range(low, high)
        logits[low - span.start : high - span.start] = predictor(batch).cpu().numpy()
        if after_batch:
            after_batch(batch)
    return logits
