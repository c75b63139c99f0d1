"""Where a run happened: versions, device, threads and the commit of this program."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.config import Json

PACKAGES = ("torch", "numpy", "polars", "pandas", "pyarrow")
COMMIT_VARIABLE = "CTR_COMMIT"  # of a node of a cluster, which has no checkout
ROOT = Path(__file__).resolve().parents[2]


@cache
def program_commit() -> str | None:
    """Commit of this checkout, with `+changes` if files differ; None outside a git checkout."""
    if COMMIT_VARIABLE in os.environ:
        return os.environ[COMMIT_VARIABLE] or None
    head = _git("rev-parse", "HEAD")
    if head is None:
        return None
    return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def machine() -> dict[str, Json]:
    """Versions and machine, without importing any package."""
    return {
        "commit": program_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor_count": os.cpu_count(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }
