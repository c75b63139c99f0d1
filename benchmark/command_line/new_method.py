"""A new method: a working file to begin from, and the commands that try it."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import models
from benchmark.config import REFERENCE, ConfigError
from benchmark.store.environment import ROOT, own_program
from models.registry import ALLOWED_NAMES, GROUPS, available, is_plugin_name

TEMPLATE = Path(models.__file__).parent / "methods" / "_template.py"


def write_method(name: str, folder: Path) -> list[str]:
    """Write the file of a new method into a folder; lines that say what to do next.

    Raises:
        ConfigError: the name is not allowed or taken, or the file exists.
    """
    taken = [*sorted({*available("methods"), *available("backbones"), REFERENCE}), *GROUPS]
    if not is_plugin_name(name):
        raise ConfigError(f"--new-method: {name!r} is no name; allowed are {ALLOWED_NAMES}")
    if name in taken:
        raise ConfigError(
            f"--new-method: {name!r} is taken, as are {', '.join(taken)}; choose another name"
        )
    path = folder / f"{name}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.read_text(encoding="utf-8"))
    except FileExistsError:
        raise ConfigError(
            f"--new-method: {path} exists and is kept; choose another name, or move the file"
        ) from None
    return [
        f"wrote {path.name}, a method that works; edit it, and try it at any time:",
        *_next(path),
    ]


def _next(path: Path) -> list[str]:
    """The commands that check a file, run it beside plain, and test it, for the folder of now."""
    is_here = path.parent == ROOT
    file, out = path, path.with_name(f"{path.stem}_smoke")
    if is_here:
        file, out = Path(file.name), Path(out.name)
    program, plugin = quote(str(own_program("python", ROOT))), quote(str(file))
    commands = {
        f"{program} -m models.check {plugin}": "seconds: the contract, in words",
        f"{program} run_all.py --preset smoke --plugin {plugin} --methods plain {path.stem}"
        f" --focus {path.stem} --out {quote(str(out))}": "minutes: the report, beside plain",
        f"{program} -m pytest tests/test_models/test_contract.py --plugin {plugin}"
        f" -k {path.stem}": "seconds: the tests of a method (make test installs pytest)",
    }
    lines = [f"  {command}    # {remark}" for command, remark in commands.items()]
    return lines if is_here else [f"  cd {quote(str(ROOT))}", *lines]
