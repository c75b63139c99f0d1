"""The environment of the peers: a folder of its own, with their pinned packages and our torch."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

from benchmark.store.environment import ROOT

REQUIREMENTS = (ROOT / "requirements-torch.lock", Path(__file__).with_name("requirements.txt"))
STAMP = ".peers-installed"  # holds what was installed


class PeerError(ValueError):
    """A peer cannot be measured: the message says why."""


def python_of(folder: Path) -> str:
    """The interpreter of an environment."""
    return str(folder.absolute() / "bin" / "python")


def install(folder: Path) -> None:
    """Make the environment, or bring it up to the pins; one that has them is left as it is.

    Raises:
        PeerError: the folder holds something else, or pip fails.
    """
    wanted = "".join(path.read_text(encoding="utf-8") for path in REQUIREMENTS)
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    if not (folder / "pyvenv.cfg").is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise PeerError(f"{folder} is no virtual environment; name a new or an empty folder")
        venv.create(folder, with_pip=True)
    words = [word for path in REQUIREMENTS for word in ("--requirement", str(path))]
    done = subprocess.run(
        [python_of(folder), "-m", "pip", "install", "--disable-pip-version-check", *words],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        *_, last = ["no message", *done.stderr.splitlines()]
        raise PeerError(f"pip cannot install the peers in {folder}: {last}")
    stamp.write_text(wanted, encoding="utf-8")
