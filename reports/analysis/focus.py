"""One model against every other model of its backbone, with the correction that its choice asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from benchmark.metrics import GAINS
from benchmark.store.focus import FLAG, is_in_focus
from reports.analysis.comparisons import Key, Peers, Replicates, best, estimate, peers_of
from reports.analysis.differences import averages, rows_of
from reports.analysis.retuned import num_searches
from reports.reading.exclusions import may_be_told
from reports.reading.keys import CELL, MODEL
from reports.reading.load import Runs
from reports.statistics.estimates import NONE, Estimate
from reports.statistics.paired_tests import TEST_LEVEL, holm

Pair = tuple[Key, Key]


def compare_focus(runs: Runs) -> pd.DataFrame:
    """A row per finished model of each backbone that has the focus, which is the last one.

    The focus is what the call names; without a name, `is_named` is false and it is the model with
    the best mean AUC on dev of its backbone. `<metric>_delta_*` is the focus less the model of the
    row, with its 95% interval, `<metric>_p` the two-way p value, `<metric>_p_holm` that after
    Holm's correction over the `tests` of the block, and `<metric>_star` if it is significant. They
    are undefined for the focus itself.
    """
    name, main = runs.call.get(FLAG), runs.study("main")
    seeds, scores = main.finished, main.metrics()
    rows: list[dict[str, object]] = []
    for block, models in main.blocks():
        cells = [tuple(cell) for cell in models[CELL].to_numpy() if tuple(cell) in seeds]
        focus = _focus(seeds, cells, name)
        if focus is None or len(cells) < 2:
            continue
        others = [cell for cell in cells if cell != focus]
        pairs = [(focus, other) for other in others]
        pairs += [] if name else list(combinations(others, 2))
        tested = _tested(seeds, pairs, peers_of(runs, block))
        planned = {tuple(model[key] for key in CELL): model for model in models.to_dict("records")}
        for cell in (*others, focus):
            own = rows_of(scores, dict(zip(CELL, cell, strict=True)))
            rows.append(
                {key: planned[cell][key] for key in (*MODEL, "planned_runs", "draws")}
                | {"is_focus": cell == focus, "is_named": bool(name), "runs": len(own)}
                | averages(own)
                | {"tests": len(pairs) * len(GAINS)}
                | tested.get((focus, cell), _UNTESTED)
            )
    table = pd.DataFrame(rows)
    return table if table.empty else _starred(runs, table)


def _focus(seeds: Mapping[Key, Replicates], cells: list[Key], name: object) -> Key | None:
    """The cell that a focus names, if it is finished; without a name the best one on dev."""
    if not name:
        return best(seeds, cells, "dev", "auc") if cells else None
    backbone, method = CELL.index("backbone"), CELL.index("method")
    named = [cell for cell in cells if is_in_focus(str(name), cell[backbone], cell[method])]
    return next(iter(named), None)


def _tested(
    seeds: Mapping[Key, Replicates], pairs: Sequence[Pair], peers: Peers
) -> dict[Pair, dict[str, object]]:
    """The differences of pairs of cells, corrected over all of them and both metrics."""
    found = {
        ((one, other), metric): estimate(seeds[one], seeds[other], metric, peers, tuning)
        for metric in GAINS
        for tuning in [peers.tuning(metric)]
        for one, other in pairs
    }
    corrected = dict(zip(found, holm([one.p_value for one in found.values()]), strict=True))
    return {
        pair: {"pairs": len(seeds[pair[0]].keys() & seeds[pair[1]].keys())}
        | {
            name: value
            for metric in GAINS
            for name, value in _named(metric, found[pair, metric], corrected[pair, metric]).items()
        }
        for pair in pairs
    }


def _named(metric: str, one: Estimate, corrected: float) -> dict[str, object]:
    p_values = {f"{metric}_p": one.p_value, f"{metric}_p_holm": corrected}
    return {**one.interval().named(f"{metric}_delta"), **p_values, "has_tuning": one.tuning != NONE}


_UNTESTED: dict[str, object] = {"pairs": pd.NA, "has_tuning": True} | {
    f"{metric}_{name}": np.nan
    for metric in GAINS
    for name in ("delta_mean", "delta_low", "delta_high", "p", "p_holm")
}


def _starred(runs: Runs, table: pd.DataFrame) -> pd.DataFrame:
    """The table with its stars, and the number of `searches` of each network."""
    told = may_be_told(runs, table)
    stars = {f"{m}_star": told & (table[f"{m}_p_holm"] < TEST_LEVEL) for m in GAINS}
    return table.assign(**stars, searches=num_searches(runs)).astype({"pairs": "Int64"})
