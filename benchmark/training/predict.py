"""From a predictor to logits, and to the masks of a method that prunes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from datasets.loader import Batch, EncodedRows
    from models.interfaces import DomainMethod, Predictor

BATCH_SIZE = 8192  # rows; a size, not a choice of the protocol: predictions do not depend on it


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


class MaskMeter:
    """Averages a pruning method's factors and gates over the rows of each eval domain."""

    def __init__(self, method: DomainMethod, num_eval_domains: int) -> None:
        self.method = method
        self.num_eval_domains = num_eval_domains
        self.sums: dict[str, torch.Tensor] = {}
        self.rows = torch.zeros(num_eval_domains, dtype=torch.float64)

    def __call__(self, batch: Batch) -> None:
        """Add the rows of one batch that the method has just seen."""
        domain = batch.eval_domain_id.long().cpu()
        self.rows += torch.bincount(domain, minlength=self.num_eval_domains)
        for name, values in self.method.diagnostics().items():
            if values.ndim == 2:  # per row and neuron
                total = self.sums.setdefault(
                    name, torch.zeros(self.num_eval_domains, values.shape[1], dtype=torch.float64)
                )
                total.index_add_(0, domain, values.cpu().double())

    def masks(self) -> dict[str, NDArray[np.generic]]:
        """`masks.npz`: per layer (domains, N_l) mean factor and keep-rate, (domains,) sparsity.

        Row i belongs to eval domain i; nan where a domain has no test rows. Empty for a method that
        does not prune.
        """
        arrays: dict[str, NDArray[np.generic]] = {}
        for name, total in self.sums.items():
            layer, kind = name.split("/")
            mean = (total / self.rows.unsqueeze(1)).numpy().astype(np.float32)
            if kind == "factor":
                arrays[f"{layer}_mean_factor"] = mean
            elif kind == "gate":
                arrays[f"{layer}_keep_rate"] = mean
                arrays[f"{layer}_sparsity"] = 1.0 - mean.mean(axis=1)
        return arrays
