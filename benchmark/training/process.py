"""The process that a training runs in: its threads, its memory, and what records say of it."""

from __future__ import annotations

import ctypes
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from benchmark.store.environment import machine
from benchmark.tasks import Compute
from models.layers.kernels import library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark.config import Json
    from benchmark.tasks import EpochOrder

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def set_up_torch(compute: Compute = Compute()) -> None:
    """One thread, which makes CPU kernels deterministic; on a GPU only deterministic kernels.

    Raises:
        KernelError: native kernels are asked for, and are not there.
    """
    torch.set_num_threads(1)
    library.use(compute.kernels if compute.device == "cpu" else "torch")
    keep_freed_memory()
    if compute.device != "cpu":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


@contextmanager
def one_thread() -> Iterator[None]:
    """Give torch one thread, and then as many as it had before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Have glibc keep what a step frees for the next one, which else faults every page anew."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 512 << 20)


def environment_of(device: str, row_order: EpochOrder | None = None) -> dict[str, Json]:
    """Versions, machine, device, dtype and thread count of this process, and the order of rows."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"
    return machine() | {
        "device": device,
        "device_name": name,
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "kernels": library.used(),
        **({"row_order": row_order} if row_order else {}),
    }
