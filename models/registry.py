"""Backbones and methods by name; the name is the file's.

The repository's own are found in its folders. `use_plugins` adds files from elsewhere for this
process and for the processes that it starts: an environment variable holds their paths.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import pkgutil
import re
import sys
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from models.own_code import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from models.interfaces import BackboneEntry, MethodEntry

Kind = Literal["backbones", "methods"]
CONSTANTS: dict[Kind, str] = {"backbones": "BACKBONE", "methods": "METHOD"}
GROUPS = ("paper", "all")  # words for several methods: those of the paper's Table 1, and every one
PLUGINS_VARIABLE = "CTR_PLUGINS"  # JSON: {kind: {name: path}}
ALLOWED_NAMES = "letters, digits and underscores, a letter first"


class PluginError(ValueError):
    """A file that cannot be used as a backbone or method: one line names it and says why."""


def available(kind: Kind) -> tuple[str, ...]:
    """Names of all backbones or methods, sorted; imports none of them."""
    return tuple(sorted({*_built_in(kind), *plugins()[kind]}))


def methods_named(words: Iterable[str]) -> list[str]:
    """The methods of these words, names and groups of methods, each once.

    Raises:
        ValueError: there is no method of such a name.
        PluginError: the file of one cannot be used.
    """
    names = available("methods")
    groups = {
        "paper": [name for name in names if load_method(name).facts.in_table_1],
        "all": [*names],
    }
    return [*dict.fromkeys(name for word in words for name in groups.get(word, [word]))]


def load_backbone(name: str, file: Path | None = None) -> BackboneEntry:
    """The backbone of this name, or that of a file.

    Raises:
        ValueError: there is none.
        PluginError: its file cannot be used.
    """
    entry: BackboneEntry = _module("backbones", name, file).BACKBONE
    return entry


def load_method(name: str, file: Path | None = None) -> MethodEntry:
    """The method of this name, or that of a file.

    Raises:
        ValueError: there is none.
        PluginError: its file cannot be used.
    """
    entry: MethodEntry = _module("methods", name, file).METHOD
    return entry


def use_plugins(paths: Iterable[Path]) -> None:
    """Make these files, and no others, available beside those of the repository.

    Raises:
        PluginError: a file cannot be used, or its name is taken.
    """
    found: dict[Kind, dict[str, str]] = {"backbones": {}, "methods": {}}
    for path in {path.resolve(): path for path in paths}.values():
        module = import_file(path)
        kind = kind_of(module, path)
        check_constant(module, kind)
        taken = [*sorted({*_built_in(kind), *found[kind]}), *GROUPS]
        if path.stem in taken:
            raise PluginError(
                f"{path}: there is a {kind.removesuffix('s')} {path.stem!r} already; taken are"
                f" {', '.join(taken)}: rename the file"
            )
        found[kind][path.stem] = str(path.resolve())
    os.environ[PLUGINS_VARIABLE] = json.dumps(found)


def plugins() -> dict[Kind, dict[str, str]]:
    """The paths of the plug-ins by kind and name."""
    text = os.environ.get(PLUGINS_VARIABLE)
    found: dict[Kind, dict[str, str]] = (
        json.loads(text) if text else {"backbones": {}, "methods": {}}
    )
    return found


def plugin_files(backbone: str, method: str) -> dict[Kind, Path]:
    """The files of those of the two that are plug-ins."""
    names: dict[Kind, str] = {"backbones": backbone, "methods": method}
    known = plugins()
    return {kind: Path(known[kind][name]) for kind, name in names.items() if name in known[kind]}


def plugin_digests(backbone: str, method: str) -> dict[str, str]:
    """SHA-256 of the files of those of the two that are plug-ins, by name."""
    files = plugin_files(backbone, method).values()
    return {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def import_file(path: Path) -> ModuleType:
    """The module of a file, wherever it lies.

    Raises:
        PluginError: it is missing, has no name for a plug-in, or does not import.
    """
    if not path.is_file():
        raise PluginError(f"{path}: no such file; give the path of a .py file")
    if path.suffix != ".py":
        raise PluginError(f"{path}: not a .py file")
    if not is_plugin_name(path.stem):
        raise PluginError(
            f"{path}: {path.stem!r} is no name for a plug-in; allowed are {ALLOWED_NAMES}: rename"
            " the file"
        )
    return _imported(path.resolve())


def is_plugin_name(name: str) -> bool:
    """True of what may name a plug-in, and so its file without `.py`."""
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) is not None


def kind_of(module: ModuleType, path: Path) -> Kind:
    """The kind of a module, by the constant that it exports.

    Raises:
        PluginError: it exports neither or both.
    """
    kinds = [kind for kind, constant in CONSTANTS.items() if hasattr(module, constant)]
    if len(kinds) != 1:
        raise PluginError(
            f"{path}: has {'both' if kinds else 'neither'} of METHOD and BACKBONE; a plug-in"
            " exports one of them"
        )
    return kinds[0]


def check_constant(module: ModuleType, kind: Kind) -> None:
    """Make sure that a module exports what those of its kind export.

    Raises:
        PluginError: the constant is missing or of another type, or its config has no defaults.
    """
    from models.interfaces import BackboneEntry, MethodEntry  # torch is slow to import

    expected = BackboneEntry if kind == "backbones" else MethodEntry
    constant, path = CONSTANTS[kind], module.__file__
    entry = getattr(module, constant, None)
    if entry is None:
        raise PluginError(
            f"{path}: lacks the constant {constant}; end the file with"
            f" {constant} = {expected.__name__}(config=..., build=...)"
        )
    if not isinstance(entry, expected):
        raise PluginError(
            f"{path}: {constant} is of the type {type(entry).__name__}; it must be a"
            f" models.interfaces.{expected.__name__}"
        )
    problem = _problem_of(entry.config)
    if problem:
        raise PluginError(f"{path}: {constant}.config, {entry.config!r}, {problem}")


def _problem_of(config: object) -> str:
    """The reason why a class is no config, empty for none."""
    if not isinstance(config, type) or not is_dataclass(config):
        return "is not a dataclass; decorate a class with @dataclass(frozen=True)"
    if not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return "is not frozen; decorate it with @dataclass(frozen=True)"
    bare = [f.name for f in fields(config) if f.default is MISSING and f.default_factory is MISSING]
    if bare:
        return f"has no default for {', '.join(bare)}; every field needs one"
    try:
        json.dumps(asdict(config()), allow_nan=False)
    except Exception as error:  # whatever its __post_init__ raises
        return f"has defaults that it refuses or that JSON cannot hold: {one_line(error)}"
    return ""


def _built_in(kind: Kind) -> tuple[str, ...]:
    modules = pkgutil.iter_modules([str(Path(__file__).parent / kind)])
    return tuple(module.name for module in modules if not module.name.startswith("_"))


def _module(kind: Kind, name: str, file: Path | None) -> ModuleType:
    """The module of a file, or else of this name, with its constant checked."""
    if file is not None:
        module = import_file(file)
    elif name in _built_in(kind):
        module = importlib.import_module(f"models.{kind}.{name}")
    elif name in plugins()[kind]:
        module = import_file(Path(plugins()[kind][name]))
    else:
        singular = kind.removesuffix("s")
        raise ValueError(
            f"Unknown {singular} {name!r}. Available: {', '.join(available(kind))}."
            f" A new {singular} is one file: models/{kind}/{name}.py, or one elsewhere that"
            " --plugin names."
        )
    check_constant(module, kind)
    return module


@cache
def _imported(path: Path) -> ModuleType:
    name = f"plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for the names in their annotations
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginError(f"{path}: does not import: {one_line(error)}") from error
    return module
