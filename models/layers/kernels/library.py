"""The library of native kernels, and whether this process uses it."""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_float, c_int64, c_void_p
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from models.layers.kernels.build import KernelError, library_path

if TYPE_CHECKING:
    from collections.abc import Callable

Kernels = Literal["torch", "native"]

REALS = {torch.float32: c_float, torch.float64: c_double}
BLAS_PREFIX = {torch.float32: "s", torch.float64: "d"}
P, N, R = c_void_p, c_int64, None  # pointer, size, and a real number of the dtype
ARGUMENTS = {
    "look_up": (P, P, N, P, P),
    "step": (P, P, P, N),
    "catch_up": (P,),
    "sum_by_group": (P, N, N, P, P, P),
    "add_products": (P, N, N, P, P, P),
    "take": (P, N, N, P, P),
    "map_by_factors": (P, P, P, P),
    "step_factors": (P, P, P, R, P, P, P),
}
FINDING = ("look_up", "map_by_factors")  # they give the place of an id that a table lacks, or -1


class Library:
    """The functions of the library for one dtype, and torch's product of matrices."""

    look_up: Callable[..., int]
    step: Callable[..., None]
    catch_up: Callable[..., None]
    sum_by_group: Callable[..., None]
    add_products: Callable[..., None]
    take: Callable[..., None]
    map_by_factors: Callable[..., int]
    step_factors: Callable[..., None]

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        """Load it.

        Raises:
            KernelError: it is not there, or not for this machine.
        """
        if not path.is_file():
            raise KernelError(
                f"{path.name} is not there; run make setup, which needs a C++ compiler"
            )
        try:
            loaded = ctypes.CDLL(str(path))
        except OSError as error:
            raise KernelError(f"{path} cannot be loaded: {error}; run make setup again") from None
        self.gemm = _blas(f"{BLAS_PREFIX[dtype]}gemm_")
        suffix = str(dtype).removeprefix("torch.")
        for name, arguments in ARGUMENTS.items():
            function = loaded[f"{name}_{suffix}"]
            function.argtypes = [REALS[dtype] if kind is R else kind for kind in arguments]
            function.restype = c_int64 if name in FINDING else None
            setattr(self, name, function)


def _blas(name: str) -> int | None:
    """The address of a function of the BLAS within torch, where its build shows one."""
    try:
        function = getattr(
            ctypes.CDLL(str(Path(torch.__file__).parent / "lib/libtorch_cpu.so")), name
        )
    except (OSError, AttributeError):
        return None
    return ctypes.cast(function, c_void_p).value


_used: dict[torch.dtype, Library] = {}


def use(kernels: Kernels | None) -> None:
    """Have this process use native kernels from now on, or torch alone; None: what there is.

    Raises:
        KernelError: native ones are asked for, and the library is not there or not for this
            machine.
    """
    _used.clear()
    if kernels == "torch":
        return
    try:
        _used.update({dtype: Library(library_path(), dtype) for dtype in REALS})
    except KernelError:
        if kernels == "native":
            raise


def used() -> Kernels:
    """The kernels that this process uses."""
    return "native" if _used else "torch"


def library_for(*tensors: torch.Tensor) -> Library | None:
    """The native kernels for tensors of one dtype; None where torch does the work.

    They know no autograd: a tensor that needs a gradient is torch's.
    """
    dtype = tensors[0].dtype
    library = _used.get(dtype)
    if library is None or any(t.device.type != "cpu" or t.dtype != dtype for t in tensors):
        return None
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        return None
    return library if all(tensor.is_contiguous() for tensor in tensors) else None
