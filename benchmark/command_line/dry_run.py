"""The studies, cells and time of a call, printed and not run: `--dry-run`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from benchmark.command_line.progress import counted, duration
from benchmark.planning.cells import SearchKey
from benchmark.planning.estimate import Estimates, SplitRows, Work, usual_schema, wall_seconds
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
from datasets.catalog import PREPARED_DIR
from datasets.prepare import count_rows
from datasets.spec import DataError, DomainPartition

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmark.planning.cells import PlannedCell
    from benchmark.protocol import Protocol
    from benchmark.tasks import Compute
    from datasets.spec import DatasetSpec


class LogRows(NamedTuple):
    """The rows of a log before a run, None where nobody knows; and its train rows in words."""

    rows: SplitRows | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPart:
    """The part of a study in a call: `added` is what no study above it has.

    That is cells, each with the number of its seeds that are new, and searches.
    """

    name: str
    num_runs: int
    num_added: int
    added: list[tuple[PlannedCell, int]]
    searches: list[SearchKey]


def plan_lines(
    selection: Selection, compute: Compute, jobs: int, data_dir: Path | None, *, lists_cells: bool
) -> list[str]:
    """All of a call, done or not, by study, and about how long it would take here.

    Raises:
        ConfigError: there is no cell.
        DataError: an unknown data set or domain column.
    """
    parts = study_parts(selection)
    check_not_empty(selection, parts)
    logs = {log: data_dir for log in selection.data}
    logs |= {cell[0]: logs.get(cell[0]) for part in parts for cell, _ in part.added}
    rows = {log: rows_of(log, selection, folder) for log, folder in logs.items()}
    known = {log: of_log.rows for log, of_log in rows.items()}
    clock = _Clock(selection, Estimates(compute), known)
    lines: list[str] = []
    for part in parts:
        lines.append(_study_line(part, clock, jobs))
        lines += _cell_lines(part, clock) if lists_cells else []
    return [
        *_budget_lines(selection, {log: known.words for log, known in rows.items()}),
        _logs_line(selection),
        *lines,
        _total_line(parts, clock, jobs),
    ]


def study_parts(selection: Selection) -> list[StudyPart]:
    """The studies of a call in their order, and what each adds to those above it.

    A `Change` has no hash, so that cells are looked for one by one.
    """
    cells: list[PlannedCell] = []
    seeds: list[int] = []
    keys: dict[SearchKey, None] = {}
    parts = []
    for name in STUDIES:
        num_runs, num_added = 0, 0
        added, searches = [], []
        for cell in _cells_of(name, selection):
            log, backbone, change = cell
            own, num_draws = selection.seeds_of(name, log), len(selection.draws_of(log))
            if cell not in cells:
                cells.append(cell)
                seeds.append(0)
            place = cells.index(cell)
            new = max(own - seeds[place], 0)
            seeds[place] += new
            num_runs += own * num_draws
            num_added += new * num_draws
            added += [(cell, new)] if new else []
            found = search_log(name, log, selection)
            key = SearchKey(found, backbone, change.method, change.search)
            if selection.num_trials and key not in keys:
                keys[key] = None
                searches.append(key)
        if num_runs:
            part = StudyPart(
                name=name, num_runs=num_runs, num_added=num_added, added=added, searches=searches
            )
            parts.append(part)
    return parts


def searched_models(selection: Selection) -> list[SearchKey]:
    """The searches of a call."""
    return [key for part in study_parts(selection) for key in part.searches]


def rows_of(log: str, selection: Selection, data_dir: Path | None) -> LogRows:
    """The rows of a log as far as they are known; a real one is counted where that is cheap."""
    if catalog.is_generated(log):
        num = selection.world_rows
        known = SplitRows(num * 2 // 3, num // 6, num // 6)
        return LogRows(known, f"at most {known.train:,} train rows")
    entry = catalog.load(catalog.source_of(log)[0])
    reason = "its files are large"
    try:
        counts = count_rows(entry, data_dir, PREPARED_DIR, selection.preparation_of(log))
    except DataError as error:
        counts, reason = None, str(error)
    if counts:
        known = SplitRows(**counts)
        return LogRows(known, f"about {known.train:,} train rows")
    most = selection.preset.max_train_rows
    if most:
        capped = SplitRows(most, most // 4, most // 4)  # of a 4:1:1 split
        return LogRows(capped, f"at most {most:,} train rows (not counted: {reason})")
    return LogRows(None, f"all train rows (not counted: {reason})")


class _Clock:
    """Seconds of cells and trials, nan where nobody knows."""

    def __init__(
        self, selection: Selection, estimates: Estimates, rows: Mapping[str, SplitRows | None]
    ) -> None:
        self.selection, self._estimates = selection, estimates
        self._rows = {_undrawn(log): known for log, known in rows.items()}

    @property
    def unknown(self) -> list[str]:
        """The logs of which nobody knows the rows."""
        return [log for log, known in self._rows.items() if known is None]

    def of_cell(self, cell: PlannedCell, *, is_trial: bool = False) -> float:
        log, backbone, change = cell
        rows = self._rows[_undrawn(log)]
        if rows is None:
            return math.nan
        protocol = with_setting(self.selection.protocol_of(log), change.setting)
        num_fields = len(_spec_of(log).features)
        work = Work(
            protocol=protocol,
            backbone=backbone,
            method=change.match or change.method,
            schema=usual_schema(
                min(num_fields, protocol.max_fields or num_fields),
                has_many_tasks=change.ids == "partition_as_task" or (change.num_columns or 1) > 1,
            ),
            rows=rows,
            is_trial=is_trial,
        )
        return self._estimates.seconds(work)

    def of_trial(self, key: SearchKey) -> float:
        return self.of_cell((key.log, key.backbone, key.change), is_trial=True)

    def of_part(self, part: StudyPart) -> list[float]:
        """Seconds of every trial and run that a study adds."""
        seconds = [
            self.of_cell(cell)
            for cell, num_seeds in part.added
            for _ in range(num_seeds * len(self.selection.draws_of(cell[0])))
        ]
        trials = range(self.selection.num_trials)
        return seconds + [self.of_trial(key) for key in part.searches for _ in trials]


def _undrawn(log: str) -> str:
    """The word of --data without the draw: all draws of a generated log have as many rows."""
    return catalog.family_of(log)


def _study_line(part: StudyPart, clock: _Clock, jobs: int) -> str:
    trials = len(part.searches) * clock.selection.num_trials
    words = [counted(part.num_runs, "cell")]
    if shared := part.num_runs - part.num_added:
        words.append(f"{shared if part.num_added else 'all'} of them in studies above")
    words += [counted(trials, "trial")] if trials else []
    seconds = clock.of_part(part)
    words += [_about(sum(seconds) / min(jobs, len(seconds)))] if seconds else []
    return f"{part.name}: {', '.join(words)}"


def _cell_lines(part: StudyPart, clock: _Clock) -> list[str]:
    """A line for each cell and search that a study adds."""
    selection = clock.selection
    lines = [
        f"  {cell[0]} {cell[1]}+{cell[2].label}: {_runs_text(selection, cell[0], num_seeds)},"
        f" {_about(clock.of_cell(cell))} each"
        for cell, num_seeds in part.added
    ]
    return lines + [
        f"  tuning of {key.log} {key.backbone}+{key.change.label}:"
        f" {counted(selection.num_trials, 'trial')}, {_about(clock.of_trial(key))} each"
        for key in part.searches
    ]


def _total_line(parts: list[StudyPart], clock: _Clock, jobs: int) -> str:
    trials = sum(len(part.searches) for part in parts) * clock.selection.num_trials
    cells = sum(part.num_added for part in parts)
    seconds = wall_seconds([each for part in parts for each in clock.of_part(part)], jobs)
    time = (
        f"{_about(seconds)} with {counted(jobs, 'job')} on the CPU, longer where later epochs"
        " still help"
    )
    if math.isnan(seconds):
        why = f"nobody has counted the rows of {', '.join(clock.unknown)}"
        time = f"time unknown: {why if clock.unknown else 'a model could not be measured'}"
    return (
        f"{counted(trials, 'trial')} and {counted(cells, 'cell')}, {time}; nothing was run"
        " (-v lists the cells)"
    )


def _cells_of(name: str, selection: Selection) -> list[PlannedCell]:
    return [
        (log, *model)
        for log in logs_of(name, selection)
        for model in models_of(name, selection, log, _spec_of(log))
    ]


def _budget_lines(selection: Selection, train_rows: Mapping[str, str]) -> list[str]:
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
    lines += [f"{log}: {words}, {_seeds_text(selection, log)}" for log, words in train_rows.items()]
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
    return f"{counted(len(named), 'log')} to prepare{again}"


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
    seeds = counted(num_seeds, "seed")
    if not catalog.is_generated(log):
        return seeds
    return f"{counted(len(selection.draws_of(log)), 'draw')} x {seeds}"


def _about(seconds: float) -> str:
    return "time unknown" if math.isnan(seconds) else f"about {duration(seconds)}"


def _spec_of(log: str) -> DatasetSpec:
    """The description of a `--data` value before its rows are read."""
    source, columns = catalog.source_of(log)
    spec = catalog.load(source).spec
    return spec.with_partition(DomainPartition(tuple(columns.split("+")))) if columns else spec
