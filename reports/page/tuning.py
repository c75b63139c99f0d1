"""The section of the page on tuning: budgets, whether they are equal, and chosen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.config import Json
from benchmark.store.slots import WAITING
from benchmark.store.trials import Tuned
from reports.reading.clock import clock_of, unit
from reports.reading.keys import Cell, partition_of
from reports.reading.ledger import SearchTrials, budget_errors, origin
from reports.reading.load import Runs
from reports.reading.names import data_title, model_title


def tuning_section(runs: Runs) -> dict[str, list[str]]:
    """The section's paragraphs, the searches with unequal budgets, and those with trials to come.

    All are empty where nothing was tuned.
    """
    searches = runs.searches
    if not searches and not runs.tuned_from:
        return {"paragraphs": [], "errors": [], "unfinished": []}
    errors = budget_errors(searches)
    unfinished = [
        f"{entry.search.title}: {len(entry.trials)} of {entry.search.num_trials} trials"
        for entry in searches
        if entry.is_unfinished
    ]
    guided = sum(entry.guided_trials for entry in searches)
    total = sum(len(entry.trials) for entry in searches)
    paragraphs = [origin(guided, total, runs.tuned_from)]
    if searches:
        paragraphs.insert(0, _budget(searches, is_equal=not errors and not unfinished))
        paragraphs += [*_borrowed(runs), *_drawn(searches)]
    return {"paragraphs": paragraphs, "errors": errors, "unfinished": unfinished}


def hyper_parameters(runs: Runs) -> dict[str, str]:
    """Every model of the main cells with the settings it ran with; tables name what differs."""
    lines = {}
    for cell in (cell for cell in runs.cells if not cell.changes):
        config = cell.config
        log = data_title(config.dataset, partition_of(config))
        lines[f"{log}, {model_title(config.backbone, config.method)}"] = _settings(runs, cell)
    return lines


def _budget(searches: Sequence[SearchTrials], *, is_equal: bool) -> str:
    """The trials of each model, and what all of them took."""
    planned = sorted({entry.search.num_trials for entry in searches})
    trials = [trial for entry in searches for trial in entry.trials]
    failed = sum(trial.state == "failed" for trial in trials)
    claim = " Of a log every cell had the same number." if is_equal else ""
    is_twice = any(entry.search.number > 1 for entry in searches)
    again = " The networks of Table 1 were searched a second time, for other cells." * is_twice
    seconds = sum(entry.seconds for entry in searches)
    of_clock = unit("s", clock_of(trial.environment for trial in trials))
    return (
        f"Budget: {' or '.join(map(str, planned))} trials for each method on each backbone, in one"
        f" search of structure, own values and regularisers.{claim}{again} In all {len(trials):,}"
        f" trials ({failed:,} failed) took {seconds:,.0f} {of_clock} and"
        f" {sum(trial.sample_visits for trial in trials):,} rows in the loss."
    )


def _borrowed(runs: Runs) -> list[str]:
    """The logs with values that were found on others."""
    searched = {(entry.search.dataset, entry.search.partition) for entry in runs.searches}
    others = [data_title(*family) for family in runs.families if family not in searched]
    found_on = " and ".join(data_title(*family) for family in runs.families if family in searched)
    return [f"Not searched on {', '.join(others)}: values found on {found_on}."] if others else []


def _drawn(searches: Sequence[SearchTrials]) -> list[str]:
    """A sentence on the draw of generated logs that searches are on."""
    draws = sorted({entry.search.draw for entry in searches if entry.search.draw is not None})
    if not draws:
        return []
    return [
        f"Of a generated log all searches are on draw {' and '.join(map(str, draws))}, which no"
        " table uses: the values were not fitted to the draws that they are judged on."
    ]


def _settings(runs: Runs, cell: Cell) -> str:
    """The values of a cell, the tuned ones first."""
    if cell.reason == WAITING:
        return WAITING
    values, model = Tuned.of(cell.config).values, (cell.config.backbone, cell.config.method)
    searches = [entry.search for entry in runs.searches]  # be they on another log
    own = [search for search in searches if (search.backbone, search.method) == model]
    names = {name for search in own for name in search.dimensions}
    tuned = {name: value for name, value in values.items() if name in names}
    fixed = {name: value for name, value in values.items() if name not in names}
    if not tuned:
        return _joined(fixed)
    text = f"tuned: {_joined(tuned)}"
    return f"{text}; fixed: {_joined(fixed)}" if fixed else text


def _joined(values: Mapping[str, Json]) -> str:
    rounded = {
        name: f"{value:.4g}" if isinstance(value, float) else value
        for name, value in values.items()
    }
    return ", ".join(f"{name.partition('.')[2]} {value}" for name, value in rounded.items())
