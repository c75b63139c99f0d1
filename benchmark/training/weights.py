"""The weights of a run as arrays by name, and the predictor that is made of them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.interfaces import DomainMethod
from models.methods.maml import TaskPredictor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from models.ctr_model import CTRModel
    from models.interfaces import Predictor

ADAPTED = "adapted."  # before the names of parameters of which every task has its own
TASKS = "adapted_tasks"  # the task ids, in the order of the rows after the first


def weights_of(model: CTRModel, predictor: Predictor) -> dict[str, NDArray[np.generic]]:
    """Parameters and buffers of a model, and those of the tasks that it has been adapted to."""
    tensors = dict(model.state_dict())
    if isinstance(predictor, TaskPredictor):
        filled = 1 + len(predictor.places)  # tasks without rows leave room at the end
        tensors |= {f"{ADAPTED}{name}": v[:filled] for name, v in predictor.thetas.items()}
        tensors[TASKS] = torch.tensor(list(predictor.places), dtype=torch.int64)
    return {name: value.detach().cpu().numpy() for name, value in tensors.items()}


def predictor_of(model: CTRModel, weights: Mapping[str, NDArray[np.generic]]) -> Predictor:
    """The predictor whose weights `weights_of` gave; `model` is of the same configuration.

    Raises:
        ValueError: the method adapts to its tasks, and the weights hold nothing of them.
        RuntimeError: the weights are of another configuration.
    """
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    tasks = tensors.pop(TASKS, None)
    thetas = {
        name.removeprefix(ADAPTED): tensors.pop(name)
        for name in list(tensors)
        if name.startswith(ADAPTED)
    }
    model.load_state_dict(tensors)
    model.eval()
    if tasks is not None:
        first = {name: value[0] for name, value in thetas.items()}
        predictor = TaskPredictor(model, first, len(tasks))
        predictor.add(tasks, {name: value[1:] for name, value in thetas.items()})
        return predictor
    if type(model.method).adapt is not DomainMethod.adapt:
        raise ValueError(
            f"{type(model.method).__name__} adapts to its tasks, but the weights hold {TASKS!r} of"
            " none; run the cell again"
        )
    return model
