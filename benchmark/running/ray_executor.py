"""Tasks over an existing Ray cluster, which may gain and lose nodes meanwhile.

Nodes need not share a disk with the driver: the files of a log travel through Ray's object store to
the nodes that lack them, and the files that a task leaves come back with how it ended.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.running.local import attempt, work
from benchmark.running.ray_connection import check_cluster, connect, count_cpus
from benchmark.store.files import write_whole
from benchmark.store.records import ERROR, RECORD
from benchmark.tasks import Outcome
from datasets.encoding.cache import META_NAME, shared_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from numpy.typing import NDArray
    from ray import ObjectRef

    from benchmark.tasks import Task, TaskSource
    from datasets.prepare import PreparedData

    Files = Mapping[str, bytes]  # by their path below the output folder

DEATH = "the worker or its node died twice without an error: killed, out of memory, or lost"
GPU_SHARE = 0.25  # of a GPU for each task there: a training of these sizes leaves most of one idle
POLL_SECONDS = 1.0  # how often CPUs are counted anew


@dataclass(frozen=True, slots=True, kw_only=True)
class SentLog:
    """A prepared log on its way: the content of `meta.json`, and references to all other files."""

    meta: bytes
    files: Mapping[str, ObjectRef]


def run_tasks_on_ray(
    source: TaskSource,
    address: str | None,
    num_workers: int | None,
    do: Callable[[Any], None] = work,
) -> Generator[Outcome]:
    """Run tasks on the CPUs of a Ray cluster, `num_workers` at most, and yield how they ended.

    Ray chooses the nodes, and runs a task whose worker, node or disk fails once more. The cluster
    goes on afterwards; its nodes keep the logs that were sent to them for later grids.

    Args:
        source: gives out the tasks.
        address: HOST:PORT of the head node; None for the cluster of this machine.
        num_workers: None for as many as the cluster has CPUs.
        do: does a task on a worker.

    Raises:
        ConfigError: Ray is not installed, no cluster answers, or its nodes are gone.
        OSError: a result cannot be written.
    """
    check_cluster(address)
    import ray

    running: dict[ObjectRef, Task] = {}
    logs: dict[str, SentLog] = {}  # by fingerprint
    try:
        connect(address)
        run = ray.remote(
            num_cpus=1, max_retries=1, retry_exceptions=[OSError], scheduling_strategy="SPREAD"
        )(run_here)
        while True:
            room = min(num_workers or math.inf, count_cpus())
            while len(running) < room and (task := source.take()):
                if task.data.fingerprint not in logs:
                    logs[task.data.fingerprint] = send(task.data, ray.put)
                on_node = run.options(num_gpus=GPU_SHARE * (task.compute.device != "cpu"))
                running[on_node.remote(task, logs[task.data.fingerprint], do)] = task
            if not running:
                return
            for reference in ray.wait(list(running), timeout=POLL_SECONDS)[0]:
                outcome = _collect(reference, running.pop(reference))
                source.settle(outcome)
                yield outcome
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        ray.shutdown()


def send(data: PreparedData, put: Callable[[NDArray[np.uint8]], ObjectRef]) -> SentLog:
    """Put the files of a log where nodes can fetch them."""
    meta = (data.directory / META_NAME).read_bytes()
    names = json.loads(meta)["content"]["digests"]
    return SentLog(
        meta=meta,
        files={name: put(np.fromfile(data.directory / name, dtype=np.uint8)) for name in names},
    )


def _collect(reference: ObjectRef, task: Task) -> Outcome:
    """The outcome of a task, whose files are then written."""
    import ray
    from ray.exceptions import RayError

    try:
        outcome, files = ray.get(reference)
    except RayError as error:
        return Outcome(
            task=task, seconds=0.0, cpu_seconds=0.0, error=_line(error), detail=str(error)
        )
    write_files(task.out, files)
    return replace(outcome, task=task)


def _line(error: Exception) -> str:
    """One line on a task that gave nothing back, on neither try."""
    cause = getattr(error, "cause", None)
    if cause is None:
        return f"{DEATH} ({type(error).__name__})"
    return f"on the node {getattr(error, 'ip', '')}: {type(cause).__name__}: {cause}".splitlines()[
        0
    ]


def write_files(out: Path, files: Files) -> None:
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


def run_here(task: Task, log: SentLog, do: Callable[[Any], None]) -> tuple[Outcome, Files]:
    """Do a task on this node; its outcome, and the files that it left.

    Raises:
        OSError: the disk of the node failed, or what was sent is not what was prepared.
    """
    data = replace(task.data, directory=log_folder(task.data, log))
    with tempfile.TemporaryDirectory() as out:
        compute = replace(task.compute, graphs=_node_folder() / "graphs")
        task = replace(task, data=data, out=Path(out), compute=compute)  # type: ignore[type-var]
        outcome = attempt(task, do)
        found = (path for path in Path(out).rglob("*") if path.is_file())
        return outcome, {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def log_folder(data: PreparedData, log: SentLog) -> Path:
    """The folder of a log on this node: the driver's own where the disk is shared, else a copy.

    Raises:
        OSError: the disk failed, or what was sent is not what was prepared.
    """
    try:
        if (data.directory / META_NAME).read_bytes() == log.meta:
            return data.directory
    except OSError:
        pass  # the disk is not shared
    name = f"{data.fingerprint}-{hashlib.sha256(log.meta).hexdigest()[:16]}"
    return shared_folder(_node_folder(), name, partial(_unpack, log))[0]


def _node_folder() -> Path:
    """The folder of this node that outlives a grid."""
    return Path(tempfile.gettempdir(), f"multi-domain-ctr-{os.getuid()}")


def _unpack(log: SentLog, folder: Path) -> dict[str, Any]:
    """Write the files of a log and return its metadata; `shared_folder` writes that."""
    meta: dict[str, Any] = json.loads(log.meta)["content"]
    digests = meta.pop("digests")
    for name, reference in log.files.items():
        content = fetch(reference)
        if hashlib.sha256(content).hexdigest() != digests[name]:
            reason = "changed since the log was prepared; run again to prepare it anew"
            raise OSError(errno.EIO, reason, name)
        (folder / name).write_bytes(content)
    return meta


def fetch(reference: ObjectRef) -> memoryview:
    """The bytes of a file that was sent."""
    import ray

    return memoryview(ray.get(reference))
