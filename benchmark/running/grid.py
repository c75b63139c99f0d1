"""The grid of one call: prepare the logs, plan the cells, run those that are not done."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from benchmark.config import ConfigError, log_name
from benchmark.planning.cells import lay_out
from benchmark.running.schedule import MISSING, Agenda
from benchmark.store.data_folder import store_data
from benchmark.store.failures import failures
from benchmark.store.plan import write_plan
from benchmark.store.trials import read_trial
from benchmark.tasks import Compute, RunTask, TrialTask
from datasets import catalog
from datasets.prepare import prepare
from datasets.spec import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from benchmark.planning.selection import Selection
    from benchmark.store.records import RunStore, SlotState
    from benchmark.store.trials import Given
    from benchmark.tasks import Outcome
    from datasets.prepare import PreparedData
    from datasets.spec import SplitVariant


def prepare_log(
    name: str,
    data_dir: Path | None,
    cache_dir: Path,
    selection: Selection,
    variant: SplitVariant | None = None,
) -> PreparedData:
    """Prepare one log: a TOML file, or a catalog name, perhaps as `kuairand/tab`.

    Raises:
        DataError: an unknown name, a bad file, or a split in which AUC is undefined.
    """
    entry = catalog.load(catalog.source_of(name)[0], world_rows=selection.world_rows)
    return prepare(entry, data_dir, cache_dir, selection.preparation_of(name, variant))


Execute = Callable[[Agenda], "Generator[Outcome]"]  # an executor, as `local.run_tasks`


class Grid:
    """All trials and cells of one call over one store."""

    def __init__(self, store: RunStore, agenda: Agenda) -> None:
        self.store, self.agenda = store, agenda

    @classmethod
    def make(
        cls,
        store: RunStore,
        selection: Selection,
        logs: Mapping[str, PreparedData],
        *,
        compute: Compute = Compute(),
        wanted: Collection[SlotState] = MISSING,
        given: Given | None = None,
    ) -> Grid:
        """Plan the cells and write the data cards and the plan; `logs` by their words.

        Raises:
            ConfigError: two logs have one name and partition, there is no cell, or the values that
                are given lack one.
            OSError: the output folder cannot be written.
        """
        _check_names(data for data in logs.values() if data.card["split_kind"] not in VARIANTS)
        for data in {data.fingerprint: data for data in logs.values()}.values():
            store_data(store, data)
        layout = lay_out(selection, logs)
        agenda = Agenda(layout, store, compute=compute, wanted=wanted, given=given)
        write_plan(store, agenda.plan)
        return cls(store, agenda)

    def run(self, execute: Execute) -> Iterator[Outcome]:
        """Run all that is open by an executor and yield how it ends.

        The plan is written when cells get their values, and with the states of all at the end.
        """
        waiting = len(self.agenda.waiting)
        try:
            with closing(execute(self.agenda)) as outcomes:
                for outcome in outcomes:
                    if len(self.agenda.waiting) != waiting:
                        waiting = len(self.agenda.waiting)
                        write_plan(self.store, self.agenda.plan)
                    yield outcome
        finally:
            write_plan(self.store, self.agenda.plan)

    def seconds_left(self, num_workers: int | None) -> float:
        """About how long all that is open takes here; nan where nobody knows.

        Measured are models on a CPU of this machine.
        """
        agenda = self.agenda
        if num_workers is None or agenda.compute.device != "cpu":
            return math.nan
        from benchmark.planning.estimate import Estimates, wall_seconds, work_of  # torch is slow

        estimates = Estimates(agenda.compute)
        work = [work_of(*trial, is_trial=True) for trial in agenda.open_trials]
        work += [work_of(*run, is_trial=False) for run in agenda.open_runs]
        return wall_seconds([*map(estimates.seconds, work)], num_workers)

    def line(self, outcome: Outcome) -> str:
        """The scores of a finished task, or the reason why it failed."""
        task = outcome.task
        if outcome.error:
            return f"{task.title}: FAILED: {outcome.error}"
        if isinstance(task, TrialTask):
            trial = read_trial(task.out / task.folder, task.index)
            metric = task.config.protocol.selection_metric.upper()
            return f"{task.short_title}: dev {metric} {trial.value:.4f} ({outcome.seconds:.0f} s)"
        assert isinstance(task, RunTask)
        test = self.store.metrics(task.config)["test"]
        return (
            f"{task.short_title}: test AUC {test['auc']:.4f}, GAUC {test['gauc']:.4f}"
            f" ({outcome.seconds:.0f} s)"
        )

    def problems(self) -> list[str]:
        """Failed trainings, each with its error line, and searches of unequal budgets."""
        return [*failures(self.store, self.agenda.plan), *self.agenda.unequal()]


def _check_names(logs: Iterable[PreparedData]) -> None:
    fingerprints: dict[tuple[str, str], str] = {}
    for data in logs:
        name = (log_name(data.spec.name, data.draw), data.spec.partition.name)
        if fingerprints.setdefault(name, data.fingerprint) != data.fingerprint:
            raise ConfigError(
                f"--data: two different logs are named {name[0]!r} with the domains {name[1]!r};"
                " give one of them another name"
            )


def check_compute(compute: Compute) -> None:
    """Refuse a device, kernels or a compiler that are not there.

    Raises:
        ConfigError: `cuda` without a usable GPU, native kernels that are not built or not for this
            machine, or steps to be compiled without a C++ compiler.
    """
    is_on_cpu = compute.device == "cpu"
    if not is_on_cpu:
        _check_gpu(compute.device)
    if compute.kernels == "native":
        if not is_on_cpu:
            raise ConfigError("--kernels native: the kernels are those of a CPU; leave it out")
        _check_kernels()
    if compute.compiles == "always":
        if not is_on_cpu:
            raise ConfigError("--compile always: steps are compiled on a CPU; leave it out")
        _check_compiler()


def _check_gpu(device: str) -> None:
    import torch  # slow, and only workers need it otherwise

    if not torch.cuda.is_available():
        raise ConfigError(
            f"--device {device}: torch {torch.__version__} sees no GPU here; use --device cpu, or"
            " install a GPU build"
        )


def _check_kernels() -> None:
    from models.layers.kernels.build import KernelError
    from models.layers.kernels.library import use  # imports torch

    try:
        use("native")
    except KernelError as error:
        raise ConfigError(f"--kernels native: {error}; or leave the option out") from None


def _check_compiler() -> None:
    from benchmark.training.compiled.built import has_compiler  # imports torch

    if not has_compiler():
        raise ConfigError(
            "--compile always: no C++ compiler found; install g++ or clang++, or name one in CXX;"
            " or leave the option out"
        )
