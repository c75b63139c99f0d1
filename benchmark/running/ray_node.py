"""What a node of a Ray cluster does with a task: bring its log near, run it, hand back its files.

Nodes need not share a disk with the driver. Logs and plug-in files lie below `node_folder`, where
they serve all workers of the node and later grids.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.running.local import attempt
from datasets.encoding.cache import META_NAME, shared_folder
from models.registry import PLUGINS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmark.tasks import Task
    from datasets.prepare import PreparedData

    Fetch = Callable[[object], memoryview]  # the bytes that a reference stands for
    Plugins = Mapping[str, Mapping[str, bytes]]  # kind -> name -> content of the file

_opened: dict[str, Path] = {}  # logs that this process has checked


@dataclass(frozen=True, slots=True, kw_only=True)
class SentLog:
    """A prepared log on its way: the content of `meta.json`, and references to all other files.

    `blocks` has the references of each file in order; it is None before a node has asked for them.
    """

    meta: bytes
    blocks: Mapping[str, Sequence[object]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a task ended on a node: as an `Outcome`, with the files by their path below `out`.

    `lacks_log` says that nothing was done, because neither node nor message had the log.
    """

    seconds: float = 0.0
    error: str = ""
    detail: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    lacks_log: bool = False


class _LogWantedError(Exception):
    """The log is not on this node."""


def run_here(
    task: Task, log: SentLog, plugins: Plugins, do: Callable[[Any], None], fetch: Fetch
) -> Report:
    """Do a task on this node.

    Raises:
        OSError: the disk of the node failed.
    """
    start = time.perf_counter()
    try:
        folder = log_folder(task.data, log, fetch)
    except _LogWantedError:
        return Report(lacks_log=True)
    _use_plugins(plugins)
    with tempfile.TemporaryDirectory(prefix="out-", dir=node_folder()) as out:
        data = replace(task.data, directory=folder)
        outcome = attempt(replace(task, data=data, out=Path(out)), do)  # type: ignore[type-var]
        files = {
            path.relative_to(out).as_posix(): path.read_bytes()
            for path in Path(out).rglob("*")
            if path.is_file()
        }
    return Report(
        seconds=time.perf_counter() - start,
        error=outcome.error,
        detail=outcome.detail,
        files=files,
    )


def node_folder() -> Path:
    """Where this user keeps files on this node.

    Raises:
        OSError: it belongs to somebody else, or cannot be made.
    """
    folder = Path(tempfile.gettempdir()) / f"multi-domain-ctr-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():  # plug-ins are run from here
        reason = "belongs to another user; remove it, or set TMPDIR on this node"
        raise PermissionError(errno.EPERM, reason, str(folder))
    return folder


def log_folder(data: PreparedData, log: SentLog, fetch: Fetch) -> Path:
    """The folder of a log on this node: the driver's own where the disk is shared, else a copy.

    Raises:
        OSError: the disk failed, or what was sent is not what was prepared.
    """
    if _holds(data.directory, log.meta):
        return data.directory
    name = f"{data.fingerprint}-{hashlib.sha256(log.meta).hexdigest()[:16]}"
    if not _holds(_opened.get(name), log.meta):
        cache = node_folder() / "logs"
        _opened[name], _ = shared_folder(cache, name, lambda path: _unpack(log, path, fetch))
    return _opened[name]


def _holds(folder: Path | None, meta: bytes) -> bool:
    try:
        return folder is not None and (folder / META_NAME).read_bytes() == meta
    except OSError:
        return False


def _unpack(log: SentLog, folder: Path, fetch: Fetch) -> dict[str, Any]:
    """Write the files of a log and return its metadata; `shared_folder` writes that."""
    if log.blocks is None:
        raise _LogWantedError
    meta: dict[str, Any] = json.loads(log.meta)["content"]
    digests = meta.pop("digests")
    for name, blocks in log.blocks.items():
        digest = hashlib.sha256()
        with (folder / name).open("wb") as handle:
            for block in blocks:
                content = fetch(block)
                handle.write(content)
                digest.update(content)
        if digest.hexdigest() != digests[name]:
            reason = "changed since the log was prepared; run again to prepare it anew"
            raise OSError(errno.EIO, reason, name)
    return meta


def _use_plugins(plugins: Plugins) -> None:
    """Make these plug-ins, and no others, those of this process."""
    paths = {
        kind: {name: str(_plugin_file(name, content)) for name, content in contents.items()}
        for kind, contents in plugins.items()
    }
    os.environ[PLUGINS_VARIABLE] = json.dumps(paths)


def _plugin_file(name: str, content: bytes) -> Path:
    folder = node_folder() / "plugins" / hashlib.sha256(content).hexdigest()
    path = folder / f"{name}.py"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as part:  # workers may race
            part.write(content)
        Path(part.name).replace(path)
    return path
