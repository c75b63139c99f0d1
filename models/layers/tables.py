"""Tables of which a step reads few rows: a row per code of a log, or a row per domain."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.layers.kernels.rows import LookUp
from models.layers.static_shapes import has_static_shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datasets.loader import Batch
    from datasets.spec import EncodedSchema
    from models.interfaces import ModelShape
    from models.layers.grouping import RowGroups
    from models.layers.kernels.rows import NativeRows


class RowTable(nn.Module):
    """Rows that are looked up by id; with a sparse gradient only those of a step have one.

    An optimiser that moves such rows alone may owe the others what earlier steps would have done to
    them. It sets `before_look_up`, which a table in training mode calls with the ids that will be
    read. Native kernels do the look-up themselves, and are set as `native`. A copy of a table has
    no optimiser.
    """

    def __init__(self, num_rows: int, width: int, *, sparse_gradient: bool) -> None:
        super().__init__()
        self.sparse_gradient = sparse_gradient
        self.before_look_up: Callable[[Tensor], object] | None = None
        self.native: NativeRows | None = None
        self.weight = nn.Parameter(torch.zeros(num_rows, width))

    def look_up(self, ids: Tensor, padding_idx: int | None = None) -> Tensor:
        """The rows of these ids, of any shape: (..., width)."""
        if native := self.native_rows:
            rows: Tensor = LookUp.apply(self.weight, ids, native)
            return rows
        self.announce(ids)
        return functional.embedding(ids, self.weight, padding_idx, sparse=self.sparse_gradient)

    @property
    def native_rows(self) -> NativeRows | None:
        """The native kernels of this table, if they do its look-ups now.

        They do in training, unless other values stand in for the parameter.
        """
        native = self.native if self.training else None
        return native if native is not None and native.holds(self.weight) else None

    def announce(self, ids: Tensor) -> None:
        """Say that rows will be read; for a layer that reads `weight` itself."""
        if native := self.native_rows:
            native.bring_up_to_date(ids)
        if self.training and self.before_look_up is not None:
            self.before_look_up(ids)

    def __getstate__(self) -> dict[str, object]:
        """Copies have no optimiser."""
        return self.__dict__ | {"before_look_up": None, "native": None}


class DomainTable(RowTable):
    """Values of one shape for every task id; all rows start equal, unless their owner fills them.

    The row of the values unseen in train has no gradient and keeps its start. Look each id up once
    a step. A layer that reads `weight` itself first announces the ids and gives the gradient.
    """

    UNSEEN = 0

    def __init__(self, shape: ModelShape, values: tuple[int, ...], start: float | None) -> None:
        """Make one row per task of `shape`, each of the shape `values` and filled with `start`.

        With None the layer that owns the table fills it.
        """
        super().__init__(shape.num_tasks, math.prod(values), sparse_gradient=shape.sparse_gradient)
        self.values = values
        self.start = start

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """The start value everywhere, if there is one."""
        if self.start is not None:
            self.weight.fill_(self.start)

    @torch.no_grad()
    def fill(self, values: Tensor) -> None:
        """The same values, of the shape of one row, for every task."""
        self.weight.copy_(values.flatten().expand_as(self.weight))

    @torch.no_grad()
    def fill_unseen(self, rows: Tensor) -> None:
        """Make the row of unseen values the mean of the others, weighted by `rows` (D,) of each.

        It stays as it is where no task has rows.
        """
        share = rows.to(self.weight) * (torch.arange(len(rows), device=rows.device) != self.UNSEEN)
        total = share.sum()
        if total > 0:
            self.weight[self.UNSEEN] = (share / total) @ self.weight

    def forward(self, ids: Tensor) -> Tensor:
        """The rows of these different ids: (U,) -> (U, *values)."""
        if has_static_shapes(ids):  # with a padding index the gradient has as many rows as others
            rows = self.look_up(ids)
            is_fixed = (ids == self.UNSEEN).unsqueeze(1)
            return torch.where(is_fixed, rows.detach(), rows).unflatten(1, self.values)
        return self.look_up(ids, padding_idx=self.UNSEEN).unflatten(1, self.values)

    def gradient(self, groups: RowGroups, grad_rows: Tensor) -> Tensor:
        """The gradient of `weight` from that of the rows of the groups' ids: (U, *values).

        For a layer whose backward pass is its own; `grad_rows` may be overwritten.
        """
        ids, flat = groups.ids, groups.without(self.UNSEEN, grad_rows.flatten(1))
        if not self.sparse_gradient:
            return torch.zeros_like(self.weight).index_copy_(0, ids, flat)
        return torch.sparse_coo_tensor(
            ids.unsqueeze(0), flat, self.weight.shape, check_invariants=False
        )


def domain_tables(model: nn.Module) -> list[DomainTable]:
    """The tables of a model that have a row per domain."""
    return [module for module in model.modules() if isinstance(module, DomainTable)]


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
        return self.joined(self.look_up(self.ids(batch)), batch)

    def ids(self, batch: Batch) -> Tensor:
        """The rows of the table that a batch reads: (B, P + F + sum of M)."""
        if not self.num_own and not batch.bags:
            return batch.codes + self.offsets
        own = [batch.domain_codes] if self.num_own else []
        ids = torch.cat([*own, batch.codes, *batch.bags], dim=1) + self.offsets
        if batch.bags:
            ids[:, -sum(self.bag_lengths) :] *= torch.cat(_masks(batch), dim=1)
        return ids

    def joined(self, rows: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """x_0 (B, d) and e_d (B, E_d) from the rows (B, P + F + sum of M, K) of a batch."""
        if batch.bags:
            num_codes = rows.shape[1] - sum(self.bag_lengths)
            fields, *slots = rows.split((num_codes, *self.bag_lengths), dim=1)
            masks = _masks(batch)
            pooled = [masked_mean(bag, mask) for bag, mask in zip(slots, masks, strict=True)]
            both = torch.cat([fields.flatten(1), *pooled], dim=1)
        else:
            both = rows.flatten(1)  # (B, C, K) -> (B, C K)
        return both[:, self.n_domain :] if self.num_own else both, both[:, : self.n_domain]


def _masks(batch: Batch) -> list[Tensor]:
    """The slots of each bag that are not empty: (B, M) each."""
    return [bag >= 0 for bag in batch.bags]


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of (B, M, K) over the slots where (B, M) is true, zero where none is: (B, K)."""
    share = mask.to(values.dtype) / mask.sum(dim=1, keepdim=True).clamp(min=1)  # (B, M)
    return torch.bmm(share.unsqueeze(1), values).squeeze(1)  # (B, 1, M) @ (B, M, K) -> (B, K)
