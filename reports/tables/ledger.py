"""Tuning ledger: what each search was given, what it cost and found, and what final runs cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmark.plans import Search
from benchmark.trials import best_of
from reports.keys import CELL, MODEL
from reports.layout import Entry, Layout, Table, blocks_of, number
from reports.ledger import SearchTrials, expected_best, origin
from reports.names import rank, title_of
from reports.paired import DIGITS, SCALE

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from reports.load import Runs

EXPECTED = "expected_best_"
_VALUE_DIGITS = DIGITS["auc"]
_PLANNED = {"trials": "planned_trials", "final_runs": "planned_final_runs"}
_TUNING = {  # name: heading, digits
    "num_own_dimensions": ("Own dims", 0),
    "num_shared_dimensions": ("Shared dims", 0),
    "epochs": ("Epochs", 1),
    "sample_visits": ("Rows in the loss", 0),
    "row_passes": ("Row passes", 0),
    "seconds": ("Seconds", 1),
    "paper_value": ("Paper's values", _VALUE_DIGITS),
    "best_value": ("Best", _VALUE_DIGITS),
    "delta_e4": ("Δ", 1),
    "best_trial": ("Best trial", 0),
}
_FINAL = {
    "final_sample_visits": ("Final rows in the loss", 0),
    "final_seconds": ("Final seconds", 1),
}
_SUMMED = ("epochs", "sample_visits", "row_passes", "seconds")
_INTEGERS = (
    *("planned_trials", "trials", "failed_trials", "guided_trials", "best_trial"),
    *("num_own_dimensions", "num_shared_dimensions", "sample_visits"),
    *("planned_final_runs", "final_runs", "final_sample_visits"),
)
_NOTES = [
    "A trial is a training on train that is scored on dev; test takes no part. Failed trials are"
    " part of the budget, though of their work only the seconds are known. A backbone's own values"
    " are tuned in a stage of their own, on the plain method, and are then the same for every"
    " method on it.",
    "Own dims count the tuned values of the method, in its stage those of the backbone; shared dims"
    " are the regularisers of every network, of which trial i has the same values in every search:"
    " plain on DNN, with no values of its own, is searched by them alone. The CSV file names all.",
    "Epochs, rows in the loss, row passes and seconds are sums over the trials. A row counts each"
    " time that it enters the loss. A row pass is one forward and backward pass of a row: MAML has"
    " k + 1 for each row in the loss, for its k inner steps pass rows too. Seconds depend on the"
    " machine.",
    "Paper's values: the dev value of trial 0, which has the method's values as its paper gives"
    " them, on the backbone's values as they were tuned in its own stage. Best: that of"
    " the chosen trial; Δ is the difference in units of 0.0001. The choice was made on the same dev"
    " rows, so the best value is optimistic.",
    "Best of n: the expected highest dev value of n trials (Dodge et al., 2019), as if they were"
    " drawn independently, with replacement, from the values of the complete trials. They were"
    " not: trial 0 is given, and what TPE proposes depends on the trials before.",
    "Final runs are those of the main cell, with seeds that no trial had, and of a generated log on"
    " draws that no trial had; rows and seconds (training with evaluation) are sums over the"
    " finished ones.",
]


def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per search: a backbone's own stage first, then its methods.

    `guided_trials` were proposed from earlier ones, the others given or drawn at random. Where
    values were read from `tuned_from`, one row per model says what its final runs cost.
    """
    entries = _sorted(list(runs.searches) or _read_from_files(runs))
    if not entries:
        return pd.DataFrame()
    most = max(entry.search.num_trials for entry in entries)
    sizes = [2**power for power in range(most.bit_length())]
    table = pd.DataFrame([_row(entry, sizes) for entry in entries])
    table = table.merge(_final_runs(runs), on=MODEL, how="left")
    table["tuned_from"] = runs.tuned_from
    return table.astype(dict.fromkeys(_INTEGERS, "Int64"))


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone."""
    expected = [str(name) for name in table if str(name).startswith(EXPECTED)]
    columns = [
        *("Search", "Trials", "Failed"),
        *(heading for heading, _ in _TUNING.values()),
        *(f"Best of {name.removeprefix(EXPECTED)}" for name in expected),
        *("Final runs", *(heading for heading, _ in _FINAL.values())),
    ]
    return Layout(
        columns=columns,
        blocks=blocks_of(table, lambda block: _entries(block, expected)),
        notes=[_origin(table), *_NOTES],
    )


def _origin(table: pd.DataFrame) -> str:
    guided, total = int(table["guided_trials"].sum()), int(table["trials"].sum())
    return origin(guided, total, table["tuned_from"].iloc[0])


def _sorted(entries: list[SearchTrials]) -> list[SearchTrials]:
    logs = list(dict.fromkeys((e.search.dataset, e.search.partition) for e in entries))

    def position(entry: SearchTrials) -> tuple[object, ...]:
        search = entry.search
        log = logs.index((search.dataset, search.partition))
        backbone = (rank(search.backbone), search.backbone)
        return log, backbone, search.stage != "backbone", rank(search.method)

    return sorted(entries, key=position)


def _read_from_files(runs: Runs) -> list[SearchTrials]:
    """For each model a search without trials, if values were read from files."""
    models = runs.models[runs.models["changes"] == ""] if runs.tuned_from else runs.models[:0]
    return [
        SearchTrials(
            search=Search(
                stage="method",
                num_trials=0,
                dimensions=(),
                draw=None,
                **dict(zip(MODEL, keys, strict=True)),
            ),
            trials=(),
            is_awaited=False,
        )
        for keys in models[MODEL].itertuples(index=False, name=None)
    ]


def _row(entry: SearchTrials, sizes: list[int]) -> dict[str, object]:
    search, values = entry.search, entry.dev_values
    own, shared = search.own_dimensions, search.shared_dimensions
    best = best_of(entry.trials)
    best_value = max(values, default=np.nan)
    return {
        **{name: getattr(search, name) for name in (*MODEL, "stage")},
        "planned_trials": search.num_trials,
        "trials": len(entry.trials),
        "failed_trials": len(entry.trials) - len(values),
        "guided_trials": entry.guided_trials,
        "num_own_dimensions": len(own),
        "own_dimensions": " ".join(own),
        "num_shared_dimensions": len(shared),
        "shared_dimensions": " ".join(shared),
        **{name: sum(getattr(trial, name) for trial in entry.trials) for name in _SUMMED},
        "paper_value": entry.paper_value,
        "best_value": best_value,
        "delta_e4": SCALE * (best_value - entry.paper_value),
        "best_trial": best.index if best else None,
        **{f"{EXPECTED}{size}": expected_best(values, size) for size in sizes},
    }


def _final_runs(runs: Runs) -> pd.DataFrame:
    """Per model the planned and finished runs of its main cell, and what the finished ones cost."""
    planned = runs.models[runs.models["changes"] == ""][[*MODEL, "planned_runs"]]
    parts = ["sample_visits", "train_seconds", "evaluate_seconds"]
    costs = runs.costs().reindex(columns=[*CELL, *parts])
    costs["final_sample_visits"] = costs["sample_visits"]
    costs["final_seconds"] = costs["train_seconds"] + costs["evaluate_seconds"]
    grouped = costs[costs["changes"] == ""].groupby(MODEL)
    done = grouped[list(_FINAL)].sum(min_count=1).assign(final_runs=grouped.size())
    merged = planned.merge(done.reset_index(), on=MODEL, how="left").fillna({"final_runs": 0})
    return merged.rename(columns={"planned_runs": "planned_final_runs"})


def _entries(block: pd.DataFrame, expected: list[str]) -> list[list[Entry]]:
    digits = {name: digits for name, (_, digits) in _TUNING.items()}
    digits |= dict.fromkeys(expected, _VALUE_DIGITS)
    return [
        [
            Entry(_title(row)),
            _count(row, "trials"),
            Entry(str(row["failed_trials"])),
            *(_number(row, name, digits) for name, digits in digits.items()),
            *_final_entries(row),
        ]
        for row in block.to_dict("records")
    ]


def _title(row: Mapping[Hashable, str]) -> str:
    is_backbone = row["stage"] == "backbone"
    return "Backbone stage" if is_backbone else title_of(row["backbone"], row["method"])


def _final_entries(row: Mapping[Hashable, float]) -> list[Entry]:
    """Blank where no final run belongs to the search."""
    if pd.isna(row["planned_final_runs"]):
        return [Entry("")] * (1 + len(_FINAL))
    costs = [_number(row, name, digits) for name, (_, digits) in _FINAL.items()]
    return [_count(row, "final_runs"), *costs]


def _count(row: Mapping[Hashable, float], name: str) -> Entry:
    """A count, and the planned one where it is another."""
    done, planned = row[name], row[_PLANNED[name]]
    return Entry(str(done) if done == planned else f"{done} of {planned}")


def _number(row: Mapping[Hashable, float], name: str, digits: int) -> Entry:
    value = row[name]
    return Entry(number(np.nan if pd.isna(value) else value, digits, signed=name == "delta_e4"))


TABLE = Table(title="Tuning ledger", position=31, study="main", tabulate=tabulate, arrange=arrange)
