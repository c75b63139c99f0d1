"""Operations that make the host wait for a device, or a shape depend on values."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

READS = ("_local_scalar_dense", "equal", "is_nonzero")  # as .item() and bool(tensor) do
SIZED_BY_VALUES = (
    *("nonzero", "masked_select", "bincount", "repeat_interleave"),
    *("_unique", "_unique2", "unique_dim", "unique_consecutive", "unique_dim_consecutive"),
)
BY_INDEX = ("index", "index_put", "index_put_", "_index_put_impl_")
COPIES = (Tensor.numpy, Tensor.tolist, Tensor.__array__, Tensor.cpu)


class HostReadError(RuntimeError):
    """A step that is to be captured asks the host for a value."""


class _ReadingOperations(TorchDispatchMode):
    """Refuses operations that read values, or whose result has a size that depends on them."""

    def __torch_dispatch__(
        self,
        function: Any,  # noqa: ANN401  (an overload of torch, which exports no type for it)
        types: Sequence[type],
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> object:
        name = function.overloadpacket._qualified_op_name.removeprefix("aten::")
        if name in READS:
            raise HostReadError("reads a value of a tensor on the host")
        if name in SIZED_BY_VALUES or (name in BY_INDEX and _has_mask(arguments[1])):
            raise HostReadError(f"makes a shape that depends on values ({name})")
        return function(*arguments, **(named or {}))


class _CopiesToHost(TorchFunctionMode):
    """Refuses copies of tensors to numpy, lists and the host."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> object:
        if function in COPIES:
            raise HostReadError(f"copies a tensor to the host ({function.__name__})")
        return function(*arguments, **(named or {}))


def _has_mask(indices: Sequence[Tensor | None]) -> bool:
    return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)


@contextmanager
def no_host_reads() -> Iterator[None]:
    """Have every such operation raise, in the passes forward and backward alike.

    Raises:
        HostReadError: what was done.
    """
    with ExitStack() as modes:
        modes.enter_context(_ReadingOperations())
        modes.enter_context(_CopiesToHost())
        yield
