"""Second search: every main cell with the values of two searches, and what their luck adds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmark.metrics import GAINS
from reports.analysis.differences import draws_note
from reports.analysis.retuned import STUDY, compare_searches
from reports.look.entries import runs_entry
from reports.look.table import Entry, Layout, Table, blocks_of, number, spread
from reports.reading.keys import DATA
from reports.reading.names import BASELINE, data_title, title_of

if TYPE_CHECKING:
    import pandas as pd

_NOTES = [
    "Test split, means over the draws and seeds that both cells have. The searches of a model have"
    " the same number of trials, training seed and log; all that they draw differs, but for trial"
    " 0, which has the papers' values in both. Δ: second minus first, run by run, in units of"
    " 0.0001, mean ± standard deviation over the runs.",
    "How much a comparison changes is a standard deviation. It is estimated from the differences of"
    " the models of a backbone, less their mean, which is no part of a comparison, and less what"
    " the noise of training explains. The two searches have trial 0 in common: it is an estimate"
    " from few models, not a bound.",
]


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone."""
    columns = ["Model"]
    for title in (metric.title for metric in GAINS.values()):
        columns += [f"{title}, first", f"{title}, second", f"Δ {title}"]
    return Layout(
        columns=[*columns, "Runs"],
        blocks=blocks_of(table, _entries),
        notes=[*_luck(table), *_NOTES, *draws_note(table)],
    )


def _luck(table: pd.DataFrame) -> list[str]:
    """How much comparisons on each log and backbone depend on the luck of two searches."""
    lines = []
    for (dataset, partition, backbone), rows in table.groupby([*DATA, "backbone"], sort=False):
        num_models = int((rows["runs"] > 0).sum())
        sizes = {metric.title: rows[f"{name}_anew_e4"].iloc[0] for name, metric in GAINS.items()}
        if all(math.isfinite(size) for size in sizes.values()):
            parts = [
                f"{number(size, 1)} of {title}" if size else f"nothing that is seen of {title}"
                for title, size in sizes.items()
            ]
            lines.append(
                f"{data_title(str(dataset), str(partition))}, {title_of(str(backbone), BASELINE)}:"
                f" a comparison of two models changes by about {' and '.join(parts)}, in units of"
                f" 0.0001, when both are searched anew ({num_models} models)."
            )
    return lines


def _entries(block: pd.DataFrame) -> list[list[Entry]]:
    return [
        [
            Entry(title_of(row["backbone"], row["method"])),
            *(entry for name in GAINS for entry in _scores(row, name)),
            runs_entry(row),
        ]
        for row in block.to_dict("records")
    ]


def _scores(row: dict, metric: str) -> list[Entry]:
    sides = (row[f"{metric}_{side}"] for side in ("first", "second"))
    means = (number(side, GAINS[metric].digits) for side in sides)
    mean, std = (row[f"{metric}_delta_e4_{part}"] for part in ("mean", "std"))
    return [*map(Entry, means), Entry(spread(mean, std, 1, signed=True))]


TABLE = Table(
    title="Second search: what the luck of tuning adds",
    section="result",
    position=4,
    study=STUDY,
    tabulate=compare_searches,
    arrange=arrange,
)
