"""Tuning ledger: what each search was given, what it cost and found, and what final runs cost."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from benchmark.config import SECOND_SEARCH
from benchmark.metrics import METRICS
from benchmark.store.plan import Search
from benchmark.store.trials import best_of
from reports.look import columns
from reports.look.table import Table, TableLayout, number
from reports.look.units import units_text
from reports.reading.clock import NOTE, unit
from reports.reading.keys import BLOCK, CELL, DATA, MODEL
from reports.reading.ledger import SearchTrials, expected_best, origin
from reports.reading.load import Runs
from reports.reading.names import BASELINE, data_title, networks, rank, title_of

EXPECTED = "expected_best_"
_SCORE = METRICS["auc"]  # on dev, by which trials are chosen
_VALUE_DIGITS = _SCORE.digits
_CHANGES = {1: "", 2: SECOND_SEARCH}  # of the cells that have a search's values
_SEARCH = [*MODEL, "search"]
_TUNING = {  # name: heading, digits
    "num_own_dimensions": ("Own dims", 0),
    "num_shared_dimensions": ("Shared dims", 0),
    "epochs": ("Epochs", 1),
    "optimizer_steps": ("Steps", 0),
    "sample_visits": ("Rows in the loss", 0),
    "row_passes": ("Row passes", 0),
    "seconds": ("Time", 1),
    "paper_value": ("Paper's values", _VALUE_DIGITS),
    "best_value": ("Best", _VALUE_DIGITS),
    "delta": ("Δ", 1),
    "best_trial": ("Best trial", 0),
}
_UNITS = {"delta": _SCORE.difference_unit}
_FINAL = ("final_sample_visits", "final_seconds")
_WORK = {  # of a whole budget, which is compared with plain's
    "optimizer_steps": "optimiser steps",
    "sample_visits": "rows in the loss",
    "row_passes": "row passes",
    "seconds": "time",
}
_INTEGERS = (
    *("planned_trials", "trials", "failed_trials", "guided_trials", "best_trial"),
    *("num_own_dimensions", "num_shared_dimensions", "optimizer_steps", "sample_visits"),
    *("planned_final_runs", "final_runs", "final_sample_visits"),
)
_NOTES = [
    "A trial is a training on train that is scored on dev; test takes no part. Failed trials are"
    " part of the budget, though of their work only the time is known. One search is all that"
    " leads to a cell: it varies the backbone's structure, the method's own values and the"
    " regularisers together.",
    "Own dims count the tuned values of the method, or of a reference; shared dims are the"
    " backbone's structure and the regularisers, of which trial i has the same values for every"
    " method on the backbone: plain, with no values of its own, is searched by them alone. The CSV"
    " file names all.",
    "Epochs, steps of the optimiser, rows in the loss, row passes and times are sums over the"
    " trials. A row counts each time that it enters the loss. A row pass is one forward and"
    " backward pass of a row: MAML has k + 1 for each row in the loss, for its k inner steps pass"
    f" rows too. {NOTE} They depend on the machine.",
    "Paper's values: the dev value of trial 0, which has all values as the papers of method and"
    " backbone give them. Best: that of the chosen trial; Δ is the difference in units of"
    f" {units_text([_SCORE])}. The choice was made on the same dev rows, so the best value is"
    " optimistic.",
    "Best of n: the expected highest dev value of n trials (Dodge et al., 2019), as if they were"
    " drawn independently, with replacement, from the values of the complete trials. They were"
    " not: trial 0 is given, and what TPE proposes depends on the trials before.",
    "Final runs are those of the main cell, or of the cell of the second search, with seeds that no"
    " trial had, and of a generated log on draws that no trial had; rows and times (training with"
    " evaluation) are sums over the finished ones.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per search, `search` saying which of its model's; all second ones after the first.

    `guided_trials` were proposed from earlier ones, the others given or drawn at random. Where
    values were read from `tuned_from`, one row per model says what its final runs cost.
    """
    entries = _sorted(list(runs.searches) or _read_from_files(runs))
    if not entries:
        return pd.DataFrame()
    most = max(entry.search.num_trials for entry in entries)
    sizes = [2**power for power in range(most.bit_length())]
    table = pd.DataFrame([_row(entry, sizes) for entry in entries])
    table = table.merge(_final_runs(runs), on=_SEARCH, how="left")
    table["tuned_from"], table["clock"] = runs.tuned_from, runs.clock
    return table.astype(dict.fromkeys(_INTEGERS, "Int64"))


def _title(row: columns.Row) -> str:
    return title_of(row["backbone"], row["method"], _CHANGES[row["search"]])


def _count(name: str, row: columns.Row) -> str:
    """A count, and the planned one where it is another."""
    done, planned = row[name], row[f"planned_{name}"]
    return str(done) if done == planned else f"{done} of {planned}"


_FINAL_COLUMNS = (
    columns.text("Final runs", partial(_count, "final_runs")),
    columns.number("Final rows in the loss", "final_sample_visits", 0),
)


def arrange(table: pd.DataFrame) -> TableLayout:
    """One block per data set and backbone."""
    seconds = unit("s", table["clock"].iloc[0])
    final_time = columns.number(f"Final time, {seconds}", "final_seconds", 1)
    shown = [
        columns.text("Search", _title),
        columns.text("Trials", partial(_count, "trials")),
        columns.number("Failed", "failed_trials", 0),
        *(
            columns.number(
                f"{heading}, {seconds}" if name == "seconds" else heading,
                name,
                digits,
                signed=name == "delta",
                unit=_UNITS.get(name, 1.0),
            )
            for name, (heading, digits) in _TUNING.items()
        ),
        *(
            columns.number(f"Best of {name.removeprefix(EXPECTED)}", name, _VALUE_DIGITS)
            for name in map(str, table)
            if name.startswith(EXPECTED)
        ),
        *(columns.where_known("planned_final_runs", one) for one in (*_FINAL_COLUMNS, final_time)),
    ]
    guided, total = int(table["guided_trials"].sum()), int(table["trials"].sum())
    source = origin(guided, total, table["tuned_from"].iloc[0])
    return columns.laid_out(table, shown, [source, *_whole_budgets(table), *_NOTES])


def _sorted(entries: list[SearchTrials]) -> list[SearchTrials]:
    logs = list(dict.fromkeys((e.search.dataset, e.search.partition) for e in entries))

    def position(entry: SearchTrials) -> tuple[object, ...]:
        search = entry.search
        log = logs.index((search.dataset, search.partition))
        return log, rank(search.backbone), search.number, rank(search.method)

    return sorted(entries, key=position)


def _read_from_files(runs: Runs) -> list[SearchTrials]:
    """For each model a search without trials, if values were read from files."""
    models = runs.models[runs.models["changes"] == ""] if runs.tuned_from else runs.models[:0]
    return [
        SearchTrials(
            search=Search(
                num_trials=0,
                own_dimensions=(),
                shared_dimensions=(),
                draw=None,
                folder="",
                **dict(zip(MODEL, keys, strict=True)),
            ),
            trials=(),
            is_awaited=False,
        )
        for keys in models[MODEL].itertuples(index=False, name=None)
    ]


def _row(entry: SearchTrials, sizes: list[int]) -> dict[str, object]:
    search, trials, values = entry.search, entry.trials, entry.dev_values
    own, shared = search.own_dimensions, search.shared_dimensions
    best = best_of(trials)
    best_value = max(values, default=np.nan)
    return {
        **{name: getattr(search, name) for name in MODEL},
        "search": search.number,
        "planned_trials": search.num_trials,
        "trials": len(trials),
        "failed_trials": len(trials) - len(values),
        "guided_trials": entry.guided_trials,
        "num_own_dimensions": len(own),
        "own_dimensions": " ".join(own),
        "num_shared_dimensions": len(shared),
        "shared_dimensions": " ".join(shared),
        **{name: sum(getattr(trial, name) for trial in trials) for name in ("epochs", *_WORK)},
        "seconds": entry.seconds,
        "paper_value": entry.paper_value,
        "best_value": best_value,
        "delta": best_value - entry.paper_value,
        "best_trial": best.index if best else None,
        **{f"{EXPECTED}{size}": expected_best(values, size) for size in sizes},
    }


def _final_runs(runs: Runs) -> pd.DataFrame:
    """Per search the planned and finished runs of its cell, and what the finished ones cost."""
    planned = _searched(runs.models)[[*_SEARCH, "planned_runs"]]
    parts = ["sample_visits", "train_compute_seconds", "evaluate_compute_seconds"]
    costs = _searched(runs.costs().reindex(columns=[*CELL, *parts]))
    costs["final_sample_visits"] = costs["sample_visits"]
    costs["final_seconds"] = costs["train_compute_seconds"] + costs["evaluate_compute_seconds"]
    grouped = costs.groupby(_SEARCH)
    done = grouped[list(_FINAL)].sum(min_count=1).assign(final_runs=grouped.size())
    merged = planned.merge(done.reset_index(), on=_SEARCH, how="left").fillna({"final_runs": 0})
    return merged.rename(columns={"planned_runs": "planned_final_runs"})


def _searched(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells that have just the values of a search, with its number."""
    parts = [
        cells[cells["changes"] == changes].assign(search=number)
        for number, changes in _CHANGES.items()
    ]
    return pd.concat(parts)


def _whole_budgets(table: pd.DataFrame) -> list[str]:
    """A sentence per log on the whole budget of a cell: trials, and work next to plain's."""
    lines = []
    for (dataset, partition), rows in table[table["planned_trials"] > 0].groupby(DATA, sort=False):
        counts = sorted(set(rows["trials"]))
        is_equal = len(counts) == 1 and (rows["trials"] == rows["planned_trials"]).all()
        trials = f"{' or '.join(map(str, counts))} trials, {'equal' if is_equal else 'not equal'}"
        lines.append(
            f"Whole budget of a cell of {data_title(str(dataset), str(partition))}: {trials}"
            f"{_work(rows)}."
        )
    return lines


def _work(rows: pd.DataFrame) -> str:
    """The least and the most work of a method, as multiples of plain's on the same backbone."""
    place = [*BLOCK, "search"]
    is_plain = rows["method"] == BASELINE
    pairs = networks(rows[~is_plain]).merge(rows[is_plain], on=place, suffixes=("", "_plain"))
    if pairs.empty or (pairs[[f"{name}_plain" for name in _WORK]] == 0).any(axis=None):
        return ""
    parts = []
    for name, words in _WORK.items():
        times = pairs[name].astype(float) / pairs[f"{name}_plain"].astype(float)
        parts.append(f"{words} {number(times.min(), 2)} to {number(times.max(), 2)}")
    return f"; of the methods as multiples of plain's on the same backbone: {', '.join(parts)}"


TABLE = Table(
    title="Tuning ledger",
    section="evidence",
    position=80,
    is_folded=True,
    study="main",
    tabulate=tabulate,
    arrange=arrange,
)
