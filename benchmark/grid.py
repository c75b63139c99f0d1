"""The grid of one call: prepare the logs, plan the cells, run those that are not done."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.config import ConfigError
from benchmark.datacard import store_data
from benchmark.executors import run_cells
from benchmark.planning import make_plan
from benchmark.protocol import SPLIT_SEED
from benchmark.runner import Cell
from datasets import catalog
from datasets.prepare import PrepareOptions, prepare
from datasets.spec import DomainPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from benchmark.executors import Outcome
    from benchmark.planning import Selection
    from benchmark.protocol import Preset
    from benchmark.records import Plan, RunStore
    from datasets.prepare import PreparedData


def prepare_log(
    name: str, data_dir: Path | None, cache_dir: Path, preset: Preset, world_rows: int | None = None
) -> PreparedData:
    """Prepare one `--data` value: a TOML file, or a catalog name, perhaps as `kuairand/tab`.

    `world_rows` is the size of a generated log, by default the preset's.

    Raises:
        DataError: an unknown name, a bad file, or a split in which AUC is undefined.
    """
    source, columns = catalog.source_of(name)
    options = PrepareOptions(
        partition=DomainPartition(tuple(columns.split("+"))) if columns else None,
        max_fields=preset.protocol.max_fields,
        max_train_rows=None if catalog.is_world(source) else preset.max_train_rows,
        split_seed=SPLIT_SEED,
    )
    entry = catalog.load(source, world_rows=world_rows or preset.world_rows)
    return prepare(entry, data_dir, cache_dir, options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """All cells of one call over one store."""

    store: RunStore
    plan: Plan
    logs: Mapping[str, PreparedData]  # of each slot id
    device: str

    @classmethod
    def make(
        cls, store: RunStore, selection: Selection, logs: Mapping[str, PreparedData], device: str
    ) -> Grid:
        """Plan the cells and write the data cards and the plan; `logs` by their `--data` value.

        Raises:
            ConfigError: two logs have one name and partition, or there is no cell.
            OSError: the output folder cannot be written.
        """
        _check_names(logs.values())
        for data in logs.values():
            store_data(store, data)
        plan, log_of_slot = make_plan(selection, logs)
        store.write_plan(plan)
        return cls(store=store, plan=plan, logs=log_of_slot, device=device)

    def todo(self, *, retry_failed: bool) -> list[Cell]:
        """The cells that are neither done nor, unless `retry_failed`, failed."""
        wanted = ("missing", "failed") if retry_failed else ("missing",)
        return [
            Cell(config=config, data=self.logs[slot], out=self.store.out, device=self.device)
            for slot, config in self.plan.slots.items()
            if self.store.state(config) in wanted
        ]

    def run(self, cells: list[Cell], num_workers: int) -> Iterator[Outcome]:
        """Run cells and yield them as they end, failed ones marked in the store."""
        with closing(run_cells(cells, num_workers)) as outcomes:
            for outcome in outcomes:
                if outcome.error:
                    self.store.write_error(outcome.cell.config, outcome.error, outcome.detail)
                self.store.write_plan(self.plan)
                yield outcome

    def line(self, outcome: Outcome) -> str:
        """What a finished cell reached, or why it failed."""
        config = outcome.cell.config
        if outcome.error:
            return f"{config.title}: FAILED: {outcome.error}"
        test = self.store.read(self.store.run_folder(config)).metrics["test"]
        return (
            f"{config.title}: test AUC {test['auc']:.4f}, GAUC {test['gauc']:.4f}"
            f" ({outcome.seconds:.0f} s)"
        )

    def failures(self) -> list[str]:
        """Failed cells, each with its error line."""
        return [
            f"{config.title}: {self.store.read_error(config)}"
            for config in self.plan.slots.values()
            if self.store.state(config) == "failed"
        ]


def _check_names(logs: Iterable[PreparedData]) -> None:
    fingerprints: dict[tuple[str, str], str] = {}
    for data in logs:
        name = (data.spec.name, data.spec.partition.name)
        if fingerprints.setdefault(name, data.fingerprint) != data.fingerprint:
            raise ConfigError(
                f"--data: two different logs are named {name[0]!r} with the domains {name[1]!r};"
                " give one of them another name"
            )


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Raises:
        ConfigError: `cuda` without a usable GPU.
    """
    if device == "cpu":
        return
    import torch  # slow, and only workers need it otherwise

    if not torch.cuda.is_available():
        raise ConfigError(
            f"--device cuda: torch {torch.__version__} sees no GPU here; use --device cpu,"
            " or install a GPU build"
        )
