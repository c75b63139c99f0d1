"""The cells and the time of a call, printed and not run: `--dry-run`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmark.planning.cells import SearchKey
from benchmark.planning.selection import (
    Selection,
    check_not_empty,
    logs_of,
    logs_to_prepare,
    models_of,
    search_log,
)
from benchmark.planning.studies import STUDIES
from benchmark.protocol import departures, with_setting
from datasets import catalog
from datasets.spec import DomainPartition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark.planning.cells import PlannedCell
    from benchmark.planning.estimate import Work
    from benchmark.protocol import Protocol
    from datasets.spec import DatasetSpec


def plan_lines(selection: Selection, jobs: int) -> list[str]:
    """All cells of a call, done or not, by study, and about how long they would take here.

    Raises:
        ConfigError: there is no cell.
        DataError: an unknown data set or domain column.
    """
    cells, by_study = _counted(selection)
    check_not_empty(selection, cells)
    searched = searched_models(selection)
    from benchmark.planning.estimate import Estimates, wall_seconds  # torch is slow to import

    estimates = Estimates()

    def seconds_of(cell: PlannedCell, *, is_trial: bool = False) -> float:
        work = _work_of(cell, selection, is_trial=is_trial)
        return math.nan if work is None else estimates.seconds(work)

    of_cells = [seconds_of(cell) for cell, _ in cells]
    of_trials = [seconds_of((key.log, key.backbone, key.change), is_trial=True) for key in searched]
    lines = [
        f"{log} {backbone}+{change.label}: {_runs_text(selection, log, num_seeds)}, {_about(each)}"
        for ((log, backbone, change), num_seeds), each in zip(cells, of_cells, strict=True)
    ]
    lines += [
        f"tuning of {key.log} {key.backbone}+{key.change.label}: {selection.num_trials} trials,"
        f" {_about(each)}"
        for key, each in zip(searched, of_trials, strict=True)
    ]
    runs = [num * len(selection.draws_of(log)) for (log, *_), num in cells]
    count, trials = sum(runs), len(searched) * selection.num_trials
    all_seconds = [each for each in of_trials for _ in range(selection.num_trials)]
    all_seconds += [each for each, num in zip(of_cells, runs, strict=True) for _ in range(num)]
    minutes = wall_seconds(all_seconds, jobs) / 60
    end = f"about {minutes:.1f} min with {jobs} jobs, more where later epochs are better"
    if math.isnan(minutes):
        end = "time unknown, since the rows of a real log are not counted before a run"
    logs = dict.fromkeys(log for (log, *_), _ in cells)
    budgets = _budget_lines(selection, {log: _most_train_rows(selection, log) for log in logs})
    return [
        *budgets,
        _logs_line(selection),
        *lines,
        *by_study,
        f"{trials} trials and {count} cells, {end}; nothing was run",
    ]


def _counted(selection: Selection) -> tuple[list[tuple[PlannedCell, int]], list[str]]:
    """Every cell with its number of seeds, and the cells of each study in words.

    A `Change` has no hash, so that cells are looked for one by one.
    """
    cells: list[PlannedCell] = []
    seeds: list[int] = []
    lines = []
    for name in STUDIES:
        members = _cells_of(name, selection)
        total = shared = 0
        for cell in members:
            own, num_draws = selection.seeds_of(name, cell[0]), len(selection.draws_of(cell[0]))
            total += own * num_draws
            if cell in cells:
                place = cells.index(cell)
                shared += min(own, seeds[place]) * num_draws
                seeds[place] = max(own, seeds[place])
            else:
                cells.append(cell)
                seeds.append(own)
        if members:
            text = f"{name}: {total} cells"
            lines.append(text + (f", {shared} of them shared" if shared else ""))
    return list(zip(cells, seeds, strict=True)), lines


def _cells_of(name: str, selection: Selection) -> list[PlannedCell]:
    return [
        (log, *model)
        for log in logs_of(name, selection)
        for model in models_of(name, selection, log, _spec_of(log))
    ]


def _work_of(cell: PlannedCell, selection: Selection, *, is_trial: bool) -> Work | None:
    """The training of a cell; None where nobody knows how many rows it has."""
    from benchmark.planning.estimate import SplitRows, Work  # torch is slow to import

    log, backbone, change = cell
    train = _most_train_rows(selection, log)
    if train is None:
        return None
    protocol = with_setting(selection.protocol_of(log), change.setting)
    num_fields = len(_spec_of(log).features)
    return Work(
        protocol=protocol,
        backbone=backbone,
        method=change.match or change.method,
        has_many_tasks=change.ids == "partition_as_task" or (change.num_columns or 1) > 1,
        num_fields=min(num_fields, protocol.max_fields or num_fields),
        rows=SplitRows(train, train // 4, train // 4),  # of a 4:1:1 split
        is_trial=is_trial,
    )


def _most_train_rows(selection: Selection, log: str) -> int | None:
    """Two thirds of a generated log, and the preset's cap of any other; None without a cap.

    The rows of a real log are not counted before a run.
    """
    if catalog.is_generated(log):
        return selection.world_rows * 2 // 3
    return selection.preset.max_train_rows


def _budget_lines(selection: Selection, train_rows: Mapping[str, int | None]) -> list[str]:
    """The budget of every cell: protocols, rows, trials and seeds, and where the paper differs."""
    protocols: dict[Protocol, list[str]] = {}
    for log in train_rows:
        protocols.setdefault(selection.protocol_of(log), []).append(log)
    lines = [
        f"protocol {protocol.name} on {', '.join(logs)}: {protocol.sizes}, embedding"
        f" {protocol.embedding_dim}, at most {protocol.max_epochs} epochs with"
        f" {protocol.evaluations_per_epoch} evaluations each"
        for protocol, logs in protocols.items()
    ]
    lines += [
        f"{log}: "
        + ("all train rows" if rows is None else f"at most {rows:,} train rows")
        + f", {_seeds_text(selection, log)}"
        for log, rows in train_rows.items()
    ]
    again = ", two searches for each main cell" if logs_of("retuned", selection) else ""
    lines.append(
        f"preset {selection.preset.name}: {selection.num_trials} trials for each search{again}"
    )
    return [*lines, *filter(None, [departures(protocols)])]


def _logs_line(selection: Selection) -> str:
    """The number of logs that are prepared, each of them kept on disk."""
    named = logs_to_prepare(selection)
    splits = {
        (draw, change.split)
        for name in STUDIES
        for log, _, change in _cells_of(name, selection)
        for draw in selection.draws_of(log)
        if change.split is not None
    }
    again = f", and {len(splits)} that are split another way" if splits else ""
    return f"{len(named)} logs to prepare{again}"


def _seeds_text(selection: Selection, log: str) -> str:
    """The number of runs of each cell of a log, in words."""
    texts = {
        STUDIES[name].is_of_table_1: _runs_text(selection, log, selection.seeds_of(name, log))
        for name in selection.studies
    }
    if len(set(texts.values())) == 1:
        return f"{texts.popitem()[1]} for each cell"
    return f"{texts[True]} for each cell of Table 1, {texts[False]} for those of other studies"


def _runs_text(selection: Selection, log: str, num_seeds: int) -> str:
    """The seeds of a cell, and of a generated log the draws that have them."""
    seeds = f"{num_seeds} seed{'s' if num_seeds > 1 else ''}"
    if not catalog.is_generated(log):
        return seeds
    num_draws = len(selection.draws_of(log))
    return f"{num_draws} draw{'s' if num_draws > 1 else ''} x {seeds}"


def _about(seconds: float) -> str:
    return "time unknown" if math.isnan(seconds) else f"about {seconds:.0f} s each"


def searched_models(selection: Selection) -> list[SearchKey]:
    """The searches of a call."""
    if not selection.num_trials:
        return []
    keys = [
        SearchKey(search_log(name, log, selection), backbone, change.method, change.search)
        for name in STUDIES
        for log, backbone, change in _cells_of(name, selection)
    ]
    return list(dict.fromkeys(keys))


def _spec_of(log: str) -> DatasetSpec:
    """The description of a `--data` value before its rows are read."""
    source, columns = catalog.source_of(log)
    spec = catalog.load(source).spec
    return spec.with_partition(DomainPartition(tuple(columns.split("+")))) if columns else spec
