"""Tasks over an existing Ray cluster, which may gain and lose nodes meanwhile."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmark.config import ConfigError
from benchmark.running.ray_connection import check_cluster, connect, living_nodes
from benchmark.running.ray_node import run_here
from benchmark.running.ray_transfer import LogSender, plugin_contents, write_files
from benchmark.running.work import work
from benchmark.tasks import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from ray import ObjectRef
    from ray.exceptions import RayError

    from benchmark.running.ray_connection import Node
    from benchmark.running.ray_node import Plugins, Report, SentLog
    from benchmark.tasks import Source, Task

DEATH = "the worker or its node died twice without an error: killed, out of memory, or lost"
POLL_SECONDS = 1.0  # how often the nodes are counted anew
PATIENCE_SECONDS = 120.0  # with no node at all


def run_tasks_on_ray(
    source: Source,
    address: str | None,
    num_workers: int | None,
    do: Callable[[Any], None] = work,
) -> Generator[Outcome]:
    """Run tasks on the CPUs of a Ray cluster, `num_workers` at most, and yield how they ended.

    A task whose worker or node dies is run once more, on another node if there is one. The cluster
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

    crew = None
    try:
        connect(address)
        crew = _Crew(source, num_workers or math.inf, do)
        yield from crew.run()
    finally:
        if crew is not None:
            crew.cancel()
        ray.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Attempt:
    """A task on a node; `shunned` is the id of the node on which it died before."""

    task: Task
    shunned: str = ""
    node: Node | None = None
    start: float = 0.0


class _Crew:
    """The tasks that run on the cluster, and those that wait for a node."""

    def __init__(self, source: Source, limit: float, do: Callable[[Any], None]) -> None:
        import ray

        self.source = source
        self.limit = limit
        self.do = do
        self.running: dict[ObjectRef, _Attempt] = {}
        self.waiting: list[_Attempt] = []
        self.logs = LogSender(ray.put)
        self.plugins = ray.put(plugin_contents())
        self.remote = ray.remote(num_cpus=1, max_retries=0)(_run_remotely)
        self.last_node_seen = time.monotonic()

    def run(self) -> Generator[Outcome]:
        """Run until no task is ready."""
        import ray

        while True:
            self.fill()
            if self.running:
                done, _ = ray.wait(list(self.running), timeout=POLL_SECONDS)
                for reference in done:
                    outcome = self.collect(reference)
                    if outcome is not None:
                        self.source.settle(outcome)
                        yield outcome
            elif self.waiting:
                self.wait_for_node()
            else:
                return

    def fill(self) -> None:
        """Give every free CPU a task: first those that wait, then what the source has ready."""
        nodes = living_nodes()
        used = Counter(attempt.node.id for attempt in self.running.values() if attempt.node)
        free = {node: node.slots - used[node.id] for node in nodes}
        self.waiting = [attempt for attempt in self.waiting if not self.start(attempt, free)]
        while self.has_room(free) and (task := self.source.take()):
            self.start(_Attempt(task=task), free)
        if nodes:
            self.last_node_seen = time.monotonic()
        elif not self.running and not self.waiting and (task := self.source.take()):
            self.waiting.append(_Attempt(task=task))

    def has_room(self, free: Mapping[Node, int]) -> bool:
        """Whether a CPU is free that may be used."""
        return len(self.running) < self.limit and any(count > 0 for count in free.values())

    def start(self, attempt: _Attempt, free: dict[Node, int]) -> bool:
        """Start a task on the node with the most free CPUs, if there is one."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = [node for node in free if node.id != attempt.shunned] or list(free)
        if not nodes or not self.has_room({node: free[node] for node in nodes}):
            return False
        node = max(nodes, key=lambda node: free[node])
        free[node] -= 1
        place = NodeAffinitySchedulingStrategy(node.id, soft=True)  # elsewhere if it has gone
        reference = self.remote.options(scheduling_strategy=place).remote(
            attempt.task, self.logs.message(attempt.task.data), self.plugins, self.do
        )
        self.running[reference] = replace(attempt, node=node, start=time.perf_counter())
        return True

    def collect(self, reference: ObjectRef) -> Outcome | None:
        """How a task ended, its files written; None if it has to run again."""
        import ray
        from ray.exceptions import RayError

        attempt = self.running.pop(reference)
        try:
            report: Report = ray.get(reference)
        except RayError as error:
            return self.lost(attempt, error)
        task = attempt.task
        if report.lacks_log:
            self.logs.send(task.data)
            self.waiting.append(attempt)
            return None
        write_files(task.out, report.files)
        return Outcome(task=task, seconds=report.seconds, error=report.error, detail=report.detail)

    def lost(self, attempt: _Attempt, error: RayError) -> Outcome | None:
        """Have a task whose worker, node or disk failed run again; it has failed after that."""
        assert attempt.node is not None
        if not attempt.shunned:
            self.waiting.append(replace(attempt, shunned=attempt.node.id))
            return None
        return Outcome(
            task=attempt.task,
            seconds=time.perf_counter() - attempt.start,
            error=_line(error, attempt.node.host),
            detail=str(error),
        )

    def wait_for_node(self) -> None:
        """Sleep a little while the cluster has no CPU, but not for ever."""
        if time.monotonic() - self.last_node_seen > PATIENCE_SECONDS:
            raise ConfigError(
                f"the Ray cluster has had no CPU for {PATIENCE_SECONDS:.0f} s; start nodes with"
                " `ray start --address HOST:PORT`, then run the same command again to go on"
            )
        time.sleep(POLL_SECONDS)

    def cancel(self) -> None:
        """End the tasks that still run."""
        import ray

        for reference in self.running:
            ray.cancel(reference, force=True)


def _run_remotely(task: Task, log: SentLog, plugins: Plugins, do: Callable[[Any], None]) -> Report:
    import ray

    return run_here(task, log, plugins, do, fetch=lambda block: memoryview(ray.get(block)))


def _line(error: RayError, host: str) -> str:
    """One line on an attempt that left no report."""
    cause = getattr(error, "cause", None)
    if cause is None:
        return f"{DEATH} ({type(error).__name__}, the last time on {host})"
    return f"on the node {host}: {type(cause).__name__}: {cause}".splitlines()[0]
