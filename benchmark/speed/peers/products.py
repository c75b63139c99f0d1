"""The matrix products of a computation, alone: the least that it can take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor
    from torch._ops import OpOverload


def products_of(act: Callable[[], None]) -> Callable[[], None]:
    """The products that `act` makes, on copies of its matrices."""
    with _Recorder() as recorder:
        act()
    factors = recorder.factors

    def multiply() -> None:
        for left, right in factors:
            torch.matmul(left, right)

    return multiply


class _Recorder(TorchDispatchMode):
    """Keeps the factors of every matrix product, backward passes included."""

    def __init__(self) -> None:
        super().__init__()
        self.factors: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        """Keep the factors of a product, then run the operation."""
        if func.overloadpacket.__name__ in ("mm", "bmm", "addmm", "baddbmm"):
            left, right = args[-2:]  # a transposed matrix stays one
            self.factors.append((left.detach().clone(), right.detach().clone()))
        return func(*args, **(kwargs or {}))
