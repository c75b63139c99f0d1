"""Second search: every main cell with the values of two searches, and what their luck adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.keys import DATA
from reports.layout import Entry, Layout, Table, blocks_of, number
from reports.names import data_title, title_of
from reports.paired import DIGITS, delta_entries, draws_note, runs_entry
from reports.retuned import STUDY, compare_searches, tuning_noise

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = {"auc": "AUC", "gauc": "GAUC"}
_NOTES = [
    "Test split, means over the draws and seeds that both cells have. The searches of a model have"
    " the same number of trials, training seed and log; all that they draw differs, but for trial"
    " 0, which has the papers' values in both. Δ: second minus first, run by run, in units of"
    " 0.0001, mean ± standard deviation over the runs.",
    "How much a comparison changes is a standard deviation. It is estimated from the differences of"
    " all models, each less the mean of its backbone: what happens alike to all models is no part"
    " of a comparison. The means hold some noise of training too, and the two searches have trial 0"
    " in common: it is an estimate from few models, not a bound.",
]


def arrange(table: pd.DataFrame) -> Layout:
    """One block per data set and backbone."""
    columns = ["Model"]
    for title in _SHOWN.values():
        columns += [f"{title}, first", f"{title}, second", f"Δ {title}"]
    return Layout(
        columns=[*columns, "Runs"],
        blocks=blocks_of(table, _entries),
        notes=[*_luck(table), *_NOTES, *draws_note(table)],
    )


def _luck(table: pd.DataFrame) -> list[str]:
    """How much comparisons on each log depend on the luck of two searches."""
    lines = []
    for (dataset, partition), rows in table.groupby(DATA, sort=False):
        noises = {}
        for metric, title in _SHOWN.items():
            deltas = rows.groupby("backbone")[f"{metric}_delta_e4_mean"]
            noises[title] = tuning_noise([own.dropna() for _, own in deltas])
        parts = [f"{number(noise.anew, 1)} of {title}" for title, noise in noises.items()]
        freedom = min(noise.freedom for noise in noises.values())
        if freedom:
            lines.append(
                f"{data_title(str(dataset), str(partition))}: a comparison of two models changes by"
                f" about {' and '.join(parts)}, in units of 0.0001, when both are searched anew"
                f" ({freedom} degree{'s' if freedom > 1 else ''} of freedom)."
            )
    return lines


def _entries(block: pd.DataFrame) -> list[list[Entry]]:
    return [
        [
            Entry(title_of(row["backbone"], row["method"])),
            *(entry for metric in _SHOWN for entry in _scores(row, metric)),
            runs_entry(row),
        ]
        for row in block.to_dict("records")
    ]


def _scores(row: dict, metric: str) -> list[Entry]:
    means = (number(row[f"{metric}_{side}"], DIGITS[metric]) for side in ("first", "second"))
    return [*map(Entry, means), *delta_entries(row, "delta", (metric,))]


TABLE = Table(
    title="Second search: what the luck of tuning adds",
    position=3,
    study=STUDY,
    tabulate=compare_searches,
    arrange=arrange,
)
