"""One embedding table for all fields and bags of a log."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from models.row_table import RowTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets.loader import Batch
    from datasets.spec import EncodedSchema


class FieldEmbedding(RowTable):
    """Looks up all fields of a batch in one table, by one gather.

    Row 0 of the table is the empty slot of bags: it is zero and so is its gradient. The rows of
    each field follow, then those of each bag, in the order of the schema. Domain fields come
    first, so that e_d is the head of x_0. A bag is the mean of its slots that are not empty, zero
    if all are. Parameters are zero until `initialise`, which draws them from N(0, `std`^2).

    Paper: AdaSparse (Yang et al., CIKM 2022, arXiv 2206.13108), section 2.
    Equation: x_0 = h^1 = [e_d ; e_a], the concatenated embeddings of all fields.
    Deviation: the paper gives neither the embedding size nor initial values; all methods share one
        size, one start, and this one table, which their domain-aware parts read as well.
    """

    offsets: Tensor

    def __init__(
        self, schema: EncodedSchema, embedding_dim: int, *, std: float, sparse_gradient: bool
    ) -> None:
        *starts, num_rows = accumulate((*schema.field_sizes, *schema.bag_sizes), initial=1)
        super().__init__(num_rows, embedding_dim, sparse_gradient=sparse_gradient)
        self.num_fields = len(schema.fields)
        self.num_domain_fields = schema.num_domain_fields
        self.bag_lengths = schema.bag_lengths
        self.embedding_dim, self.std = embedding_dim, std
        widths = [1] * self.num_fields + list(schema.bag_lengths)
        offsets = [start for start, width in zip(starts, widths, strict=True) for _ in range(width)]
        self.register_buffer(
            "offsets", torch.tensor(offsets, dtype=torch.int32), persistent=False
        )  # (F + sum of M,)

    @property
    def n_input(self) -> int:
        """Width d of x_0."""
        return (self.num_fields + len(self.bag_lengths)) * self.embedding_dim

    @property
    def n_domain(self) -> int:
        """Width E_d of e_d."""
        return self.num_domain_fields * self.embedding_dim

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Rows from N(0, std^2); the empty slot's is zero."""
        self.weight.normal_(0.0, self.std, generator=generator)
        self.weight[0].zero_()

    def layout(self, counts: Sequence[Tensor]) -> Tensor:
        """One number per row of the table, from one array per field, then per bag, in code order.

        The empty slot's number is 0.
        """
        return torch.cat([counts[0].new_zeros(1), *counts])  # (rows,)

    def forward(self, batch: Batch) -> Tensor:
        """x_0: (B, d)."""
        if not self.bag_lengths:
            return self.look_up(batch.codes + self.offsets).flatten(1)  # (B, F, K) -> (B, d)
        ids = torch.cat([batch.codes, *batch.bags], dim=1) + self.offsets  # (B, F + sum of M)
        masks = [bag >= 0 for bag in batch.bags]  # (B, M) each
        ids[:, self.num_fields :] *= torch.cat(masks, dim=1)
        fields, *bags = self.look_up(ids).split((self.num_fields, *self.bag_lengths), dim=1)
        pooled = [masked_mean(bag, mask) for bag, mask in zip(bags, masks, strict=True)]
        return torch.cat([fields.flatten(1), *pooled], dim=1)  # (B, d)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of (B, M, K) over the slots where (B, M) is true, zero where none is: (B, K)."""
    share = mask.to(values.dtype) / mask.sum(dim=1, keepdim=True).clamp(min=1)  # (B, M)
    return torch.bmm(share.unsqueeze(1), values).squeeze(1)  # (B, 1, M) @ (B, M, K) -> (B, K)
