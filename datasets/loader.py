"""Batches of encoded rows: one gather from one integer matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from datasets.spec import ONLY, apart

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from datasets.spec import EncodedSchema


NOT_READ = ("eval_domain_id", "label")  # by a model: the last columns, which metrics need


@dataclass(frozen=True, slots=True)
class Batch:
    """Encoded rows of one split.

    Code 0 is a value unseen in train and domain 0 a domain unseen in train. `domain_codes`,
    `domain_id` and `task_id` are what methods see of the domain; of a placebo they are another
    row's. `eval_domain_id` numbers all tuples of domain columns, seen or not: metrics group by it.
    """

    codes: Tensor  # (B, F) int32, domain fields first, the representative ahead of the others
    bags: tuple[Tensor, ...]  # one (B, M) int32 per multi-value field, -1 where a slot is empty
    domain_codes: Tensor  # (B, D) int32, of the domain fields that e_d embeds
    domain_id: Tensor  # (B,) int32
    task_id: Tensor  # (B,) int32
    eval_domain_id: Tensor  # (B,) int32
    label: Tensor  # (B,) float32 in {0, 1}

    def __len__(self) -> int:
        return self.label.shape[0]


class EncodedRows:
    """All rows of a prepared log as one int32 matrix, its columns as in `column_names`.

    The schema chooses the domain and the task of a batch; `coarser` holds the coarser id of each
    `eval_domain_id`, for schemas that choose those. `donors` are the positions (N,) of the
    rows whose domains a placebo hands out.
    """

    def __init__(
        self,
        rows: np.ndarray,
        schema: EncodedSchema,
        device: torch.device | str = "cpu",
        coarser: np.ndarray | None = None,
        donors: np.ndarray | None = None,
    ) -> None:
        self.matrix = torch.from_numpy(rows).to(device)  # (N, C)
        self.coarser = None if coarser is None else torch.from_numpy(coarser).to(device)
        self.schema = schema
        self._widths = (len(schema.fields), *schema.bag_lengths, 1, 1, 1, 1)
        self.donors = None if donors is None else torch.from_numpy(donors).to(device)

    def __len__(self) -> int:
        return self.matrix.shape[0]

    def batch(self, row_ids: Tensor) -> Batch:
        """The rows with these positions, in this order; `row_ids` is (B,) int64."""
        return self._view(self.matrix.index_select(0, row_ids), row_ids)

    def range(self, start: int, stop: int) -> Batch:
        """The rows from `start` up to `stop`, without copying the codes."""
        return self._view(self.matrix[start:stop], slice(start, stop))

    @property
    def bytes_per_row(self) -> int:
        """The bytes of a row, in memory as on disk."""
        return self.matrix.shape[1] * self.matrix.element_size()

    def read(self, start: int, stop: int) -> None:
        """Have the rows from `start` up to `stop` in memory, by a sequential read if on disk."""
        self.matrix[start:stop, -1].sum()  # touches every page of theirs

    def ids(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Domain ids (N,) and task ids (N,) of the rows from `start` up to `stop`, as in batches.

        Views of the rows where they can be, so that rows on disk are not read.
        """
        columns = self.matrix[:, -4:-1]
        if self.donors is None:
            return self._seen_ids(columns[start:stop])
        return self._seen_ids(columns.index_select(0, self.donors[start:stop]))

    def _view(self, block: Tensor, place: Tensor | slice) -> Batch:
        """The rows of a block (B, C), which stand at `place`."""
        codes, *bags, _, _, eval_domain_id, label = block.split(self._widths, dim=1)
        seen = block if self.donors is None else self.matrix.index_select(0, self.donors[place])
        domain_id, task_id = self._seen_ids(seen[:, -4:-1])
        return Batch(
            codes=codes,
            bags=tuple(bags),
            domain_codes=seen[:, : self.schema.num_domain_fields],
            domain_id=domain_id,
            task_id=task_id,
            eval_domain_id=eval_domain_id.squeeze(1),
            label=label.squeeze(1).to(torch.float32),
        )

    def _seen_ids(self, columns: Tensor) -> tuple[Tensor, Tensor]:
        """The domains (B,) and tasks (B,) that models see, of the columns (B, 3) of ids."""
        domain_id, task_id, seen_id = columns.split(1, dim=1)  # (B, 1) each
        only = columns.new_full((1, 1), ONLY).expand(len(columns), 1)
        ids = {"domain_id": domain_id, "task_id": task_id, "none": only}
        if self.coarser is not None:
            ids["coarser"] = self.coarser[seen_id]  # (B, 1)
        return ids[self.schema.domain_from].squeeze(1), ids[self.schema.task_from].squeeze(1)


def column_names(schema: EncodedSchema) -> tuple[str, ...]:
    """Names of the columns of the encoded matrix, in order; fields keep those of the log."""
    slots = (
        f"{bag}[{slot}]"
        for bag, length in zip(schema.bags, schema.bag_lengths, strict=True)
        for slot in range(length)
    )
    names = [*schema.fields]
    for name in (*slots, "domain_id", "task_id", *NOT_READ):
        names.append(apart(name, {*names, *schema.bags}))
    return tuple(names)
