"""What a driver sends to the nodes of a Ray cluster, and what it writes of what comes back."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.running.ray_node import SentLog
from benchmark.store.files import write_whole
from benchmark.store.records import ERROR, RECORD
from datasets.encoding.cache import META_NAME
from models.registry import PLUGINS_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from benchmark.running.ray_node import Plugins
    from datasets.prepare import PreparedData

    Put = Callable[[NDArray[np.uint8]], object]  # into the object store, for a reference

BLOCK_BYTES = 64 << 20
NO_PLUGINS = '{"backbones": {}, "methods": {}}'


class LogSender:
    """The logs of a grid in Ray's object store, each put there once, when a node first asks."""

    def __init__(self, put: Put) -> None:
        self.put = put
        self.logs: dict[str, SentLog] = {}  # by fingerprint

    def message(self, data: PreparedData) -> SentLog:
        """What a node is told of a log."""
        if data.fingerprint not in self.logs:
            meta = (data.directory / META_NAME).read_bytes()
            self.logs[data.fingerprint] = SentLog(meta=meta)
        return self.logs[data.fingerprint]

    def send(self, data: PreparedData) -> None:
        """Put the files of a log where nodes can fetch them."""
        log = self.message(data)
        if log.blocks is None:
            names = json.loads(log.meta)["content"]["digests"]
            blocks = {
                name: [self.put(block) for block in _blocks(data.directory / name)]
                for name in names
            }
            self.logs[data.fingerprint] = replace(log, blocks=blocks)


def plugin_contents() -> Plugins:
    """The plug-in files of this process, by kind and name."""
    kinds = json.loads(os.environ.get(PLUGINS_VARIABLE) or NO_PLUGINS)
    return {
        kind: {name: Path(path).read_bytes() for name, path in paths.items()}
        for kind, paths in kinds.items()
    }


def write_files(out: Path, files: Mapping[str, bytes]) -> None:
    """Write what a task left; JSON last, since a record or trial marks its run as done.

    Raises:
        OSError: the folder is not writable or the disk is full.
    """
    marks = sorted(name for name in files if name.endswith(".json"))
    for name in marks:
        (out / name).unlink(missing_ok=True)
    for name in [*sorted(files.keys() - set(marks)), *marks]:
        _write(out / name, files[name])
        if Path(name).name == RECORD:
            (out / name).with_name(ERROR).unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    write_whole(path, lambda part: part.write_bytes(content))


def _blocks(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The bytes of a file, a block in memory at a time."""
    for start in range(0, path.stat().st_size, BLOCK_BYTES):
        yield np.fromfile(path, dtype=np.uint8, count=BLOCK_BYTES, offset=start)
