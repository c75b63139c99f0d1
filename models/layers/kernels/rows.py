"""A table whose look-ups and steps of Adam are native kernels."""

from __future__ import annotations

from ctypes import Structure, byref, c_double, c_int32, c_int64, c_void_p
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from torch import Tensor

    from models.layers.kernels.library import Library

    class SavedLookUp(Protocol):
        """The values that a look-up leaves for its backward pass."""

        ids: Tensor
        shape: torch.Size


POWERS = 4096  # gaps whose powers are tabulated, as in rows.cpp
MOST_STEPS = 1 << 21  # after which a second moment has come to zero even in float64


class State(Structure):
    """The table and its optimiser as the kernels see them; rows.cpp explains the fields."""

    _fields_ = (
        *((name, c_void_p) for name in ("rows", "last", "found_in", "place", "l2", "drifts")),
        *((name, c_void_p) for name in ("epsilons", "decays", "far", "is_broken")),
        *((name, c_void_p) for name in ("distinct", "counts", "total")),
        *((name, c_int64) for name in ("num_rows", "width", "num_constants", "num_far")),
        *((name, c_double) for name in ("rate", "beta_1", "beta_2", "epsilon")),
        *((name, c_int32) for name in ("fixed", "steps", "look_ups", "num_distinct")),
    )


class Adam(NamedTuple):
    """Constants of Adam; `decay` and `missed` are those of steps without a gradient."""

    rate: float
    betas: tuple[float, float]
    epsilon: float
    decay: float  # q
    missed: Tensor  # (2, S) float64: F_s, and the epsilon of the steps after s


class NativeRows:
    """The rows of a table, each beside its two moments; the table's parameter is a view of them."""

    def __init__(
        self, weight: Tensor, adam: Adam, library: Library, *, l2: Tensor | None, fixed: int | None
    ) -> None:
        """Take the rows (R, K) of a parameter over.

        `l2` (R,) is the weight of the L2 penalty for each occurrence of a row; `fixed` is the
        number of a row that never moves.
        """
        num_rows, self.width = weight.shape
        self.library = library
        self.rows = weight.new_zeros(num_rows, 3, self.width)
        self.rows[:, 0] = weight.detach()
        weight.data = self.rows[:, 0]
        self.places = self.rows.new_empty(0, dtype=torch.int32)  # (N,) of the last look-up
        self.num_ids = 0  # of the last look-up
        self.num_look_ups = 0  # since the last step
        self.is_moved = False  # in the backward pass already
        drifts, epsilons = adam.missed.to(self.rows).contiguous()
        bases = torch.tensor([adam.decay, *adam.betas], dtype=torch.float64)
        decays = (bases ** torch.arange(POWERS).unsqueeze(1)).to(self.rows)
        far = (bases[2] ** torch.arange(0, MOST_STEPS, POWERS)).to(self.rows)
        last, found_in, place = torch.zeros(3, num_rows, dtype=torch.int32)
        tensors = {
            "rows": self.rows,
            **{"last": last, "found_in": found_in, "place": place, "l2": l2},
            **{"drifts": drifts, "epsilons": epsilons, "decays": decays, "far": far},
            "is_broken": None,
        }
        self._kept = tensors  # as long as their addresses are in use
        self.state = State(
            **{name: _address(tensor) for name, tensor in tensors.items()},
            **{"num_rows": num_rows, "width": self.width},
            **{"num_constants": len(drifts), "num_far": len(far)},
            **{"rate": adam.rate, "beta_1": adam.betas[0], "beta_2": adam.betas[1]},
            **{"epsilon": adam.epsilon, "fixed": -1 if fixed is None else fixed},
        )

    @property
    def is_broken(self) -> Tensor | None:
        """The flag () that stops all moves where it is 1.0, if there is one."""
        return self._kept["is_broken"]

    @is_broken.setter
    def is_broken(self, flag: Tensor) -> None:
        self._kept["is_broken"] = flag
        self.state.is_broken = flag.data_ptr()

    def look_up(self, ids: Tensor) -> Tensor:
        """The rows of ids of any shape, brought up to date: (..., K).

        Raises:
            IndexError: the table has no such row.
        """
        out = self.rows.new_empty(*ids.shape, self.width)
        self._find(ids, out)
        self.num_look_ups += 1
        return out

    def bring_up_to_date(self, ids: Tensor) -> None:
        """Prepare for a reader of the parameter itself.

        Raises:
            IndexError: the table has no such row.
        """
        self._find(ids, None)
        self.num_look_ups += 1

    def holds(self, weight: Tensor) -> bool:
        """True if a parameter is the view of these rows."""
        return weight.data_ptr() == self.rows.data_ptr() and weight.dtype == self.rows.dtype

    def step(self, gradient: Tensor | None) -> None:
        """One step of Adam on the rows in a sparse gradient, unless the backward pass has done it.

        Raises:
            RuntimeError: the backward pass has done it, and there is another gradient.
        """
        if self.is_moved and gradient is not None:
            raise RuntimeError("rows that moved in the backward pass have a gradient beside it")
        if gradient is None:
            self.state.steps += self.is_broken is None or self.is_broken.item() != 1.0
        else:
            values = gradient._values().contiguous()
            is_of_one = self.num_look_ups == 1 and len(values) == self.num_ids
            if not is_of_one or gradient.is_coalesced():  # which has another order
                self._find(gradient._indices()[0], None)
            places = self.places.data_ptr()
            self.library.step(byref(self.state), values.data_ptr(), places, len(values))
        self.is_moved, self.num_look_ups = False, 0

    def catch_up(self) -> None:
        """Bring all rows up to date."""
        self.library.catch_up(byref(self.state))

    def check_found(self, ids: Tensor, lacking: int) -> None:
        """Refuse the id at the place `lacking`, unless that is -1.

        Raises:
            IndexError: the table has no such row.
        """
        if lacking >= 0:
            last = len(self.rows) - 1
            raise IndexError(
                f"look-up of row {ids.flatten()[lacking].item()} in a table of {last + 1} rows;"
                f" allowed: 0 to {last}"
            )

    def _find(self, ids: Tensor, out: Tensor | None) -> None:
        ids = ids.to(torch.int32).contiguous()
        n = ids.numel()
        if len(self.places) < n:
            self._make_room(n)
        self.num_ids = n
        places = self.places.data_ptr()
        found = self.library.look_up(byref(self.state), ids.data_ptr(), n, places, _address(out))
        self.check_found(ids, found)

    def _make_room(self, n: int) -> None:
        """Have arrays for a look-up of n ids."""
        self.places, distinct, counts = torch.empty(3, n, dtype=torch.int32)
        total = self.rows.new_empty(n, self.width)
        self._kept |= {"distinct": distinct, "counts": counts, "total": total}
        for name in ("distinct", "counts", "total"):
            setattr(self.state, name, self._kept[name].data_ptr())


class LookUp(Function):
    """The rows (..., K) of ids (...); their gradient is sparse."""

    @staticmethod
    def forward(ctx: SavedLookUp, weight: Tensor, ids: Tensor, rows: NativeRows) -> Tensor:
        ctx.ids, ctx.shape = ids, weight.shape
        return rows.look_up(ids)

    @staticmethod
    @once_differentiable
    def backward(ctx: SavedLookUp, grad: Tensor) -> tuple[Tensor, None, None]:
        ids, values = ctx.ids.flatten().unsqueeze(0), grad.reshape(-1, ctx.shape[1])
        return torch.sparse_coo_tensor(ids, values, ctx.shape, check_invariants=False), None, None


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()
