"""One embedding table for all fields and bags of a log."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from models.layers.row_table import RowTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets.loader import Batch
    from datasets.spec import EncodedSchema


class FieldEmbedding(RowTable):
    """Looks up all fields of a batch in one table, by one gather.

    Row 0 of the table is the empty slot of bags: it is zero and so is its gradient. The rows of
    each field follow, then those of each bag, in the order of the schema. Domain fields come
    first, so that e_d is the head of x_0. The domain fields of a placebo have rows of their own
    after all others, for e_d alone: what x_0 reads is not moved by e_d. A bag is the mean of its
    slots that are not empty, zero if all are. Parameters are zero until `initialise`, which draws
    them from N(0, `std`^2).

    Paper: AdaSparse (Yang et al., CIKM 2022, arXiv 2206.13108), section 2.
    Equation: x_0 = h^1 = [e_d ; e_a], the concatenated embeddings of all fields.
    Deviation: the paper gives neither the embedding size nor initial values; all methods share one
        size, one start, and this one table, which their domain-aware parts read as well.
    """

    offsets: Tensor

    def __init__(
        self,
        schema: EncodedSchema,
        embedding_dim: int,
        *,
        std: float,
        sparse_gradient: bool,
        has_e_d: bool = True,
    ) -> None:
        """Make the table of a log; without `has_e_d` the e_d of a placebo is empty."""
        own_sizes = schema.field_sizes[: schema.num_domain_fields * (schema.is_placebo and has_e_d)]
        sizes = (*schema.field_sizes, *schema.bag_sizes, *own_sizes)
        *starts, num_rows = accumulate(sizes, initial=1)
        super().__init__(num_rows, embedding_dim, sparse_gradient=sparse_gradient)
        self.bag_lengths = schema.bag_lengths
        self.embedding_dim, self.std = embedding_dim, std
        self.num_own, self.num_own_rows = len(own_sizes), sum(own_sizes)  # of a placebo
        num_e_d = self.num_own if schema.is_placebo else schema.num_domain_fields
        self.n_domain = num_e_d * embedding_dim  # width of e_d
        widths = [1] * len(schema.fields) + list(schema.bag_lengths)
        offsets = starts[len(widths) :]
        for start, width in zip(starts, widths, strict=False):
            offsets += [start] * width
        self.register_buffer(
            "offsets", torch.tensor(offsets, dtype=torch.int32), persistent=False
        )  # (P + F + sum of M,), the P own fields of a placebo first

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Rows from N(0, std^2), the own ones of a placebo last; the empty slot's is zero."""
        of_x_0 = len(self.weight) - self.num_own_rows
        for rows in self.weight.split((of_x_0, self.num_own_rows)):
            rows.normal_(0.0, self.std, generator=generator)
        self.weight[0].zero_()

    def layout(self, counts: Sequence[Tensor]) -> Tensor:
        """One number per row of the table, from one array per field, then per bag, in code order.

        The empty slot's number is 0. The own rows of a placebo have the numbers of its fields.
        """
        return torch.cat([counts[0].new_zeros(1), *counts, *counts[: self.num_own]])  # (rows,)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """x_0 (B, d) and e_d (B, E_d)."""
        if not self.num_own:
            x_0 = self._embed(batch.codes, batch.bags)
            return x_0, x_0[:, : self.n_domain]
        codes = torch.cat([batch.domain_codes, batch.codes], dim=1)  # (B, P + F)
        both = self._embed(codes, batch.bags)  # (B, E_d + d)
        return both[:, self.n_domain :], both[:, : self.n_domain]

    def _embed(self, codes: Tensor, bags: tuple[Tensor, ...]) -> Tensor:
        """Embeddings of codes (B, C), then means of bags (B, M) each: (B, (C + bags) K)."""
        if not bags:
            return self.look_up(codes + self.offsets).flatten(1)  # (B, C, K) -> (B, C K)
        num_codes = codes.shape[1]
        ids = torch.cat([codes, *bags], dim=1) + self.offsets  # (B, C + sum of M)
        masks = [bag >= 0 for bag in bags]  # (B, M) each
        ids[:, num_codes:] *= torch.cat(masks, dim=1)
        fields, *slots = self.look_up(ids).split((num_codes, *self.bag_lengths), dim=1)
        pooled = [masked_mean(bag, mask) for bag, mask in zip(slots, masks, strict=True)]
        return torch.cat([fields.flatten(1), *pooled], dim=1)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of (B, M, K) over the slots where (B, M) is true, zero where none is: (B, K)."""
    share = mask.to(values.dtype) / mask.sum(dim=1, keepdim=True).clamp(min=1)  # (B, M)
    return torch.bmm(share.unsqueeze(1), values).squeeze(1)  # (B, 1, M) @ (B, M, K) -> (B, K)
