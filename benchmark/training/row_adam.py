"""Adam row by row, for tables of which a step reads few rows.

A step reads few rows of a table, and those that it does not read can wait. A row without a gradient
still moves along its momentum, less and less. The moves that it has missed have a closed form
(`adam.Missed`) and are made up for before the row is read: when its table announces a look-up, and
for all rows when `catch_up` is called, as it is before any evaluation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional

from benchmark.training.adam import BETAS, DECAY, Progress, drift, epsilon, fused_adam, missed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from models.layers.tables import RowTable

RADIX_SIZE = 1 << 15  # from here on torch sorts integers by radix, on a CPU
ROWS_AT_ONCE = 1 << 14  # of all rows, so that they pass through the cache


class Places(NamedTuple):
    """The rows that a look-up reads, and where in it each of them is.

    In static shapes U is N, and the spare row stands for what is left.
    """

    rows: Tensor  # (U,) int64, different, in order
    counts: Tensor  # (U,) how often each is read
    starts: Tensor  # (U,) where in `order` a row's places begin
    order: Tensor  # (N,) places in the look-up, row by row

    def sum(self, gradient: Tensor) -> Tensor:
        """Sums (U, K) over the places of each row, of a gradient (N, K)."""
        return functional.embedding_bag(self.order, gradient, self.starts, mode="sum")


def places_of(ids: Tensor) -> Places:
    """The different rows among ids (N,)."""
    ordered, order = _sort(ids)
    distinct, count = torch.unique_consecutive(ordered, return_counts=True)
    return Places(distinct.long(), count, count.cumsum(0) - count, order)


def static_places_of(ids: Tensor, spare: int) -> Places:
    """The different rows among ids (N,), in shapes that follow from N alone."""
    ordered, order = torch.sort(ids)
    is_first = torch.cat([torch.ones_like(ordered[:1]), (ordered[1:] != ordered[:-1]).int()])
    number = is_first.cumsum(0) - 1  # (N,) of the row of each place
    rows = torch.full_like(number, spare).scatter_(0, number, ordered.long())
    count = torch.zeros_like(number).index_add_(0, number, torch.ones_like(number))
    return Places(rows, count, count.cumsum(0) - count, order)


class RowAdam:
    """Adam for one table, which reads and writes only the rows that a step looks up.

    The result is dense Adam's up to the place of epsilon (`Missed`), but for the L2
    penalty. `torch.optim.SparseAdam` differs more: there an absent row stays where it is and keeps
    its moments.

    Deviation: the L2 penalty of missed steps has no closed form. A row occurring c times in the
    batch and n times in train gets c / n times what dense Adam adds to its gradient in all the
    steps of one epoch, so that over an epoch both add the same to the gradient. Adam scales what it
    is given: it takes the lump as it takes any gradient, where dense Adam, whose second moment has
    decayed in a long gap, may make much of a small penalty there; and a row that never occurs
    stays, which dense Adam shrinks.
    """

    is_broken: Tensor | None = None  # (), where it is 1.0 no step moves anything

    def __init__(
        self,
        table: RowTable,
        learning_rate: float,
        *,
        l2: Tensor | None = None,
        is_static: bool = False,
    ) -> None:
        """Prepare for a table; `l2` (rows,) is the penalty's weight for each occurrence of a row.

        That is the penalty's weight times the steps of one epoch, over n. With `is_static` shapes
        do not depend on values, so that look-up and step can be captured.
        """
        self.table = table
        self.is_static = is_static
        self.parameters = [table.weight]
        self.learning_rate = learning_rate
        # A row and its two moments lie side by side, to be fetched and stored at once; the table's
        # parameter is a view of the first of the three.
        self.spare, self.width = table.weight.shape  # one more row, that stands for none
        self.rows = table.weight.new_zeros(self.spare + 1, 3 * self.width)
        self.weight = self.rows[:, : self.width]
        self.weight[:-1] = table.weight.detach()
        table.weight.data = self.weight[:-1]
        self.steps = self.rows.new_zeros(())
        self.now = torch.zeros_like(self.steps, dtype=torch.int32)  # the same
        self.last = self.rows.new_zeros(len(self.rows), dtype=torch.int32)  # step of each row
        self.missed = self.rows.new_tensor(missed()).t().contiguous()  # (2, steps)
        self.l2_per_occurrence = None if l2 is None else functional.pad(l2, (0, 1))
        self.decays = self.rows.new_tensor([DECAY, *BETAS]).log()
        self.looked_up: Places | None = None  # whose moments are not stored yet
        self.values: Tensor  # (3, U, K) of them, the rows and their moments
        self.look_ups = 0  # since the last step
        table.before_look_up = self._look_up

    @torch.no_grad()
    def step(self) -> None:
        """Update the rows in the table's sparse gradient; duplicates are summed."""
        gradient = self.table.weight.grad
        if gradient is None:
            return
        found = self.looked_up
        is_of_one = self.look_ups <= 1 and not gradient.is_coalesced()  # which has another order
        if found is None or not is_of_one:
            found = self._look_up(gradient._indices()[0])
        weight, first, second = self.values
        total = found.sum(gradient._values())  # (U, K)
        if self.l2_per_occurrence is not None:
            share = self.l2_per_occurrence.index_select(0, found.rows) * found.counts  # (U,)
            total.addcmul_(weight, share.unsqueeze(1))
        self.steps += 1.0 if self.is_broken is None else 1.0 - self.is_broken
        self.now.copy_(self.steps)
        progress = Progress(self.steps, self.is_broken)
        fused_adam([weight], [total], ([first], [second]), progress, self.learning_rate)
        self._store()
        self.look_ups = 0

    @torch.no_grad()
    def catch_up(self) -> None:
        """Bring all rows up to date."""
        self._store()
        is_late = (self.last > 0) & (self.last < self.now)  # at 0 there is no momentum yet
        for rows in is_late.nonzero().squeeze(1).split(ROWS_AT_ONCE):
            self._write(rows, self._up_to_date(rows))

    def release(self) -> None:
        """Let go of the table, whose rows stay where they are."""
        self.table.before_look_up = None

    @torch.no_grad()
    def _look_up(self, ids: Tensor) -> Places:
        """Have the table's weights ready; the moments are stored with the result of the step."""
        self._store()
        self.look_ups += 1
        flat = ids.flatten().to(torch.int32)
        found = static_places_of(flat, self.spare) if self.is_static else places_of(flat)
        self.values = self._up_to_date(found.rows)
        self.weight.index_copy_(0, found.rows, self.values[0])
        self.looked_up = found
        return found

    def _up_to_date(self, rows: Tensor) -> Tensor:
        """Rows (U,) and their moments as they are at the current step: (3, U, K)."""
        whole = self.rows.index_select(0, rows).view(len(rows), 3, self.width)  # (U, 3, K)
        weight, first, second = values = whole.transpose(0, 1).contiguous()  # (U, K) each
        last = self.last.index_select(0, rows)
        decays = torch.outer(self.decays, (self.now - last).to(values.dtype)).exp_()  # (3, U)
        of_both, of_first, of_second = decays.unsqueeze(2)  # (U, 1) each
        end = self.missed.shape[1] - 1
        drifts, epsilons = self.missed.index_select(1, last.clamp_(max=end)).unsqueeze(2)
        to_now = self.missed[0].index_select(0, self.now.clamp(max=end).view(1))
        drifts.addcmul_(of_both, to_now, value=-1.0)
        denominator = second.sqrt().add_(epsilons)
        weight.addcdiv_(first * drifts, denominator, value=-self.learning_rate)
        first *= of_first
        second *= of_second
        return values

    def _store(self) -> None:
        """Write the rows of the last look-up, which are at the current step."""
        if self.looked_up is not None:
            self._write(self.looked_up.rows, self.values)
            self.looked_up = None

    def _write(self, rows: Tensor, values: Tensor) -> None:
        self.rows.index_copy_(0, rows, values.transpose(0, 1).reshape(len(rows), 3 * self.width))
        self.last.index_fill_(0, rows, self.now)


class DomainAdam:
    """Adam for per-domain tables, in place on the rows of the domains in the batch.

    As `RowAdam`, without a penalty. That class fetches many narrow rows and stores them again; here
    the rows are few and wide. All tables have a row per domain, and the first look-up brings those
    of a domain up to date in all of them.
    """

    is_broken: Tensor | None = None  # as in `RowAdam`

    def __init__(self, tables: Sequence[RowTable], learning_rate: float) -> None:
        self.tables = tables
        self.parameters = [table.weight for table in tables]
        self.learning_rate = learning_rate
        # A domain's rows of all tables lie side by side, then their first moments, then the second.
        widths = [weight.shape[1] for weight in self.parameters]
        num_rows = len(self.parameters[0])
        self.rows = self.parameters[0].new_zeros(num_rows, 3, sum(widths))
        kinds = [kind.split(widths, dim=1) for kind in self.rows.unbind(1)]
        for weight, part in zip(self.parameters, kinds[0], strict=True):
            part.copy_(weight.detach())
            weight.data = part
        self.views = [  # of each table its rows, and their first and second moments
            [list(part.unbind()) for part in parts] for parts in zip(*kinds, strict=True)
        ]
        self.steps = self.rows.new_zeros(())
        self.num_steps = 0  # the same, on the host
        self.last = [0] * num_rows  # the step that a domain's rows are at
        self.looked_up: Tensor | None = None  # the ids that the layers of a pass have in common
        for table in tables:
            table.before_look_up = self._look_up

    @torch.no_grad()
    def step(self) -> None:
        """Update the rows in the tables' sparse gradients, in all tables those of any."""
        gradient_of = [_by_row(weight.grad) for weight in self.parameters]
        rows = list(dict.fromkeys(row for own in gradient_of for row in own))
        self._bring_up_to_date(rows)
        self.looked_up = None
        if self.is_broken is None or not self.is_broken.item():
            self.steps += 1
            self.num_steps += 1
        moved: list[list[Tensor]] = [[], [], [], []]  # weights, moments, gradients
        for own, views in zip(gradient_of, self.views, strict=True):
            for values, of_rows in zip(moved, views, strict=False):
                values += [of_rows[row] for row in rows]
            nothing = torch.zeros_like(views[0][0])
            moved[3] += [own.get(row, nothing) for row in rows]
        for row in rows:
            self.last[row] = self.num_steps
        weights, first, second, gradients = moved
        if weights:
            progress = Progress(self.steps, self.is_broken)
            fused_adam(weights, gradients, (first, second), progress, self.learning_rate)

    @torch.no_grad()
    def catch_up(self) -> None:
        """Bring all rows up to date."""
        self._bring_up_to_date(range(len(self.last)))

    def release(self) -> None:
        """Let go of the tables, whose rows stay where they are."""
        for table in self.tables:
            table.before_look_up = None

    @torch.no_grad()
    def _look_up(self, ids: Tensor) -> None:
        if ids is not self.looked_up:
            self._bring_up_to_date(ids.flatten().tolist())
            self.looked_up = ids

    def _bring_up_to_date(self, rows: Iterable[int]) -> None:
        now = self.num_steps
        for row in rows:
            last = self.last[row]
            if 0 < last < now:  # at 0 there is no momentum yet
                weight, first, second = self.rows[row]
                denominator = second.sqrt().add_(epsilon(last))
                distance = self.learning_rate * drift(last, now)
                weight.addcdiv_(first, denominator, value=-distance)
                first *= BETAS[0] ** (now - last)
                second *= BETAS[1] ** (now - last)
                self.last[row] = now


def _by_row(gradient: Tensor | None) -> dict[int, Tensor]:
    """The rows of a sparse gradient and their values, summed where one comes twice."""
    if gradient is None:
        return {}
    rows, values = gradient._indices()[0].tolist(), gradient._values()
    if len(set(rows)) < len(rows):
        gradient = gradient.coalesce()
        rows, values = gradient.indices()[0].tolist(), gradient.values()
    return dict(zip(rows, values.unbind(), strict=True))


def _sort(ids: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted ids and their old places; padded where torch would not use its faster radix sort."""
    size = len(ids)
    if ids.device.type != "cpu" or not RADIX_SIZE // 3 < size < RADIX_SIZE:
        return torch.sort(ids)
    padded = functional.pad(ids, (0, RADIX_SIZE - size), value=torch.iinfo(ids.dtype).max)
    ordered, order = torch.sort(padded)
    return ordered[:size], order[:size]
