"""What a model costs: parameters, and the work that its training took."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.config import Json
    from benchmark.trainer import Training
    from models.ctr_model import CTRModel


def cost_of(model: CTRModel, training: Training) -> dict[str, Json]:
    """Counts only; seconds are in the record's `timing`."""
    embedding = sum(parameter.numel() for parameter in model.embedding.parameters())
    total = sum(parameter.numel() for parameter in model.parameters())
    return {
        "embedding_parameters": embedding,
        "dense_parameters": total - embedding,
        "optimizer_steps": training.steps,
        "sample_visits": training.sample_visits,
    }
