"""`python -m models.layers.kernels.build`: compile the native kernels, as `make setup` does."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("rows.cpp")
# The same bits on every processor: no fused products, no reordered sums, no -march=native.
FLAGS = (
    *("-std=c++17", "-O3", "-fPIC", "-shared", "-ffp-contract=off"),
    *("-fno-math-errno", "-fno-trapping-math"),
)
COMPILERS = ("c++", "g++", "clang++")


class KernelError(OSError):
    """The library of native kernels is not there, cannot be built, or is not for this machine."""


def library_path() -> Path:
    """The file of the library; its name says the kind of machine, the source and the flags.

    Raises:
        KernelError: there is no source.
    """
    try:
        text = SOURCE.read_bytes() + " ".join(FLAGS).encode()
    except FileNotFoundError:
        raise KernelError(f"{SOURCE.name} is not there, so its library is not known") from None
    return SOURCE.with_name(f"{_kind()}-{hashlib.sha256(text).hexdigest()[:12]}.so")


def _kind() -> str:
    return f"rows-{platform.system()}-{platform.machine()}".lower()


def build() -> Path:
    """Compile the library with `$CXX` or the compiler that is there; former ones are removed.

    Raises:
        KernelError: there is no compiler, or it fails.
    """
    path = library_path()
    compiler = os.environ.get("CXX") or next(filter(shutil.which, COMPILERS), None)
    if compiler is None:
        raise KernelError("no C++ compiler found; install g++ or clang++, or name one in CXX")
    part = path.with_suffix(f".{os.getpid()}.part")
    command = [*compiler.split(), *FLAGS, str(SOURCE), "-o", str(part)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        if not done.returncode:
            part.replace(path)
    except OSError as error:
        raise KernelError(f"the compiler {compiler!r} cannot be run: {error}") from None
    finally:
        part.unlink(missing_ok=True)
    if done.returncode:
        raise KernelError(f"the compiler {compiler!r} failed: {_first_error(done.stderr)}")
    for other in path.parent.glob(f"{_kind()}-*.so"):
        if other != path:
            other.unlink(missing_ok=True)
    return path


def can_be_loaded(path: Path) -> bool:
    """True if a library is there and this machine can load it."""
    try:
        ctypes.CDLL(str(path))
    except OSError:
        return False
    return True


def _first_error(text: str) -> str:
    lines = text.splitlines()
    return next((line for line in lines if "error:" in line), (lines or ["no message"])[0])


def main() -> int:
    """Build the library if it is not there; say why, and return 1, where that cannot be done."""
    try:
        if can_be_loaded(library_path()):
            return 0
        print(f"native kernels: {build().name}")
    except KernelError as error:
        print(f"native kernels: not built, so torch does their work, slower: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
