"""The memory of a training: refused where its machine has less, and named where it runs out."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark.config import RunConfig
    from benchmark.running.schedule import Agenda
    from benchmark.tasks import Compute
    from datasets.spec import EncodedSchema

ADVICE = "take a coarser partition (--data NAME/COLUMN), fewer --jobs, or narrower layers"
COPIES = 4  # of a parameter: its value, Adam's two moments, and its value at the best checkpoint
GIB = 1 << 30


class MemoryShortageError(ValueError):
    """A training that cannot fit into the memory of its machine."""


class Needed(NamedTuple):
    """The parameters of a model, those that grow with the tasks, and bytes of all `COPIES`."""

    parameters: int
    of_tasks: int
    num_bytes: int


def check_fits(
    config: RunConfig, schema: EncodedSchema, compute: Compute, *, row_bytes: int = 0
) -> None:
    """Refuse a training whose parameters and moments do not fit, before anything is allocated.

    The need is a lower bound: gradients and a batch come on top. `row_bytes` are those of the
    encoded rows, which a GPU holds too. All workers of a machine are taken to need as much.

    Raises:
        MemoryShortageError: `compute` has less memory.
    """
    needed = needed_by(config, schema)
    if needed is None:
        return
    on_device = needed.num_bytes + (row_bytes if compute.device != "cpu" else 0)
    there = memory_of(compute.device)
    if on_device * compute.workers <= there:
        return
    shared = f" in each of {compute.workers} workers" if compute.workers > 1 else ""
    place = "the machine" if compute.device == "cpu" else compute.device
    raise MemoryShortageError(
        f"{config.model} needs at least {on_device / GIB:,.1f} GiB{shared} for"
        f" {needed.parameters:,} parameters, {needed.of_tasks:,} of them those of"
        f" {schema.num_tasks - 1:,} tasks, and {place} has {there / GIB:,.1f} GiB; {ADVICE}"
    )


def shortages(agenda: Agenda) -> Iterator[str]:
    """A line for each network, among those to be trained on this CPU, that will be refused."""
    if agenda.compute.device != "cpu":
        return
    seen = set()
    for config, data in (*agenda.open_trials, *agenda.open_runs):
        key = (data.fingerprint, config.title_without_seed)
        if key in seen or config.is_reference:
            continue
        from benchmark.training.build import coarser_ids, seen_schema  # imports torch

        seen.add(key)
        try:
            schema = seen_schema(config, data.schema, coarser_ids(config, data))
            check_fits(config, schema, agenda.compute)
        except MemoryShortageError as error:
            yield f"{config.title_without_seed} will be refused: {error}"


def needed_by(config: RunConfig, schema: EncodedSchema) -> Needed | None:
    """The memory of a model on a log as it sees it; None for one that is not counted unbuilt."""
    import torch  # slow, and the parent needs none

    from benchmark.training.build import assemble
    from models.layers.tables import domain_tables

    try:
        with torch.device("meta"):
            model = assemble(config, schema)
    except (RuntimeError, TypeError):  # a plug-in that reads values when it is made
        return None
    parameters = [*model.parameters()]
    return Needed(
        parameters=sum(one.numel() for one in parameters),
        of_tasks=sum(table.weight.numel() for table in domain_tables(model)),
        num_bytes=COPIES * sum(one.numel() * one.element_size() for one in parameters),
    )


def memory_of(device: str) -> int:
    """Bytes of memory of a GPU, or of this machine as far as its control groups allow."""
    if device != "cpu":
        import torch

        return int(torch.cuda.mem_get_info(device)[1])
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(physical, *cgroup_limits(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")))


def cgroup_limits(own: Path, root: Path) -> list[int]:
    """The limits in bytes of the control groups of a process and of those above them.

    `own` lists the groups as Linux does, of version 1 or 2, below `root`; there may be none.
    """
    limits = []
    for line in own.read_text(encoding="utf-8").splitlines() if own.is_file() else ():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base, name = (root, "memory.max")
        if controllers:
            base, name = (root / "memory", "memory.limit_in_bytes")
        group = base / path.lstrip("/")
        for place in (group, *group.parents):
            file = place / name
            text = file.read_text(encoding="utf-8").strip() if file.is_file() else "max"
            limits += [int(text)] if text.isdigit() else []
            if place == base:
                break
    return limits


def out_of_memory(error: BaseException) -> str:
    """A line on an allocation of numpy, torch or Python that failed; empty for other errors."""
    message = str(error)
    is_of_gpu = type(error).__name__ == "OutOfMemoryError"  # torch's; the parent does not import it
    is_of_cpu = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    is_of_cpu |= "DefaultCPUAllocator: can't allocate" in message  # torch's on a CPU
    if not (is_of_gpu or is_of_cpu):
        return ""
    found = re.search(r"allocate ([\d.]+ (?:bytes|[KMGTPE]iB))", message)
    wanted = f" for {found[1]}" if found else ""
    return f"out of memory: there was no room{wanted}; {ADVICE}"
