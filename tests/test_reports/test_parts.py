"""The contract of every table and figure, also where cells, runs or whole studies are missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reports.build import load_figures, load_tables
from reports.look.part import Figure, rendered
from reports.reading.load import load_runs

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Folder

    from reports.reading.load import Runs

PARTS = {**load_tables(), **load_figures()}
OF_THEIR_OWN = {"draws", "masks", "pruning", "sensitivity"}  # tables with tests of their own
SHOWN = {  # what a table prints of its numbers, where that is not all of them
    "worse_domains": lambda numbers: numbers[numbers["is_worse"]],
    "claims": lambda numbers: numbers.drop_duplicates(["dataset", "partition", "claim"]),
}
SPREADS = ("_std", "_low", "_high", "_p", "_p_holm")
GAINS = ("_delta_e4_mean", "_delta_plain_e4_mean", "_uplift_percent_mean", "gauc_share_mean")
OF_ROWS = {"delong_p", "sign_test_p", "ctr_low", "ctr_high"}  # known of a single run
OF_ROWS |= {f"{name}_{end}" for name in ("cost", "sparsity") for end in ("low", "high")}
SMALL_PLANS = {
    "one seed": lambda config: config.seed == 1,
    "plain alone": lambda config: config.method == "plain",
    "adasparse alone": lambda config: config.method == "adasparse",
}


@pytest.fixture(scope="module")
def runs(whole_studies: Path) -> Runs:
    return load_runs(whole_studies)


@pytest.mark.parametrize("name", sorted(load_tables().keys() - OF_THEIR_OWN))
def test_table_arranges_what_it_tabulates(runs: Runs, name: str) -> None:
    numbers = PARTS[name].tabulate(runs)
    layout = PARTS[name].arrange(numbers)

    rows = [row for block in layout.blocks for row in block.rows]
    assert len(rows) == len(SHOWN.get(name, lambda numbers: numbers)(numbers)) > 0
    assert {len(row) for row in rows} == {len(layout.columns)}


@pytest.mark.parametrize("name", sorted(PARTS.keys() - {"fig1"}))  # which counts rows of logs
def test_part_without_finished_runs_is_empty(folder: Folder, name: str) -> None:
    folder.plan_studies()

    assert folder.tabulated(PARTS[name]).empty


@pytest.mark.parametrize("name", sorted(PARTS.keys() - {"fig1", "ledger", "claims"}))
def test_part_without_its_studies_is_empty(runs: Runs, name: str) -> None:
    others = {
        study: slots for study, slots in runs.studies.items() if study not in PARTS[name].studies
    }

    assert PARTS[name].tabulate(replace(runs.study(*others), studies=others)).empty


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("plan", SMALL_PLANS)
def test_part_of_a_small_plan_is_shown(runs: Runs, name: str, plan: str) -> None:
    cells = tuple(cell for cell in runs.cells if SMALL_PLANS[plan](cell.config))
    part = PARTS[name]

    table = part.tabulate(replace(runs, cells=cells))

    if len(table):
        assert rendered(part, table) if isinstance(part, Figure) else part.arrange(table).blocks
    if plan == "one seed":
        spreads = [one for one in table if one.endswith(SPREADS) and one not in OF_ROWS]
        assert table[spreads].isna().all(axis=None)
    if plan == "adasparse alone" and name not in ("retuned", "adaptation"):
        gains = [one for one in table if one.endswith(GAINS)]
        assert table[gains].isna().all(axis=None)
