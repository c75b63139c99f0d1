"""Graphs as compiled libraries: built once for a kind of processor, and kept in a folder."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from datasets.files import locked
from models.layers.kernels.build import COMPILERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor
    from torch.fx import GraphModule

CPU_FACTS = Path("/proc/cpuinfo")
BUILD_FOLDER = "TORCHINDUCTOR_CACHE_DIR"  # the variable that torch's compiler reads

logger = logging.getLogger(__name__)


def has_compiler() -> bool:
    """True if there is a C++ compiler for torch's own compiler to call."""
    named = os.environ.get("CXX")
    return any(map(shutil.which, [named.split()[0]] if named else COMPILERS))


def library_of(
    graph: GraphModule, inputs: Sequence[Tensor], folder: Path
) -> Callable[[list[Tensor]], list[Tensor]]:
    """The compiled graph as a function that takes a list of inputs and empties it.

    It takes the one in `folder`, or builds it there while other processes wait. A damaged one is
    built again.

    Raises:
        Exception: torch's compiler or the C++ compiler fails.
    """
    path = folder / f"{_digest(graph, inputs)}.pt2"
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            _build(graph, inputs, path)
        try:
            return _loaded(path)
        except RuntimeError as error:
            logger.warning("%s cannot be loaded (%s); it is built again", path, error)
            _build(graph, inputs, path)
            return _loaded(path)


def _loaded(path: Path) -> Callable[[list[Tensor]], list[Tensor]]:
    loader = torch._inductor.aoti_load_package(str(path)).loader
    run: Callable[[list[Tensor]], list[Tensor]] = loader.boxed_run
    return run


def _build(graph: GraphModule, inputs: Sequence[Tensor], path: Path) -> None:
    """Compile a graph for this processor; random numbers are those that torch draws uncompiled."""
    os.environ[BUILD_FOLDER] = str(path.parent / "build")
    part = path.with_suffix(f".{os.getpid()}.pt2")
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
            program = torch.export.export(graph, tuple(inputs), strict=False)
            torch._inductor.aoti_compile_and_package(
                program, package_path=str(part), inductor_configs={"fallback_random": True}
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _digest(graph: GraphModule, inputs: Sequence[Tensor]) -> str:
    """A digest of all that a library depends on: operations, constants, layouts and machine."""
    parts = [graph.code, torch.__version__, torch.backends.cpu.get_cpu_capability(), _processor()]
    parts += [str((t.dtype, tuple(t.shape), t.stride())) for t in inputs]
    parts += [repr((name, value.tolist())) for name, value in graph.named_buffers()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _processor() -> str:
    """The instructions of this processor, where the system lists them."""
    try:
        lines = CPU_FACTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith("flags")), "")
