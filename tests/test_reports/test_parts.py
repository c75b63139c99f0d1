"""The contract of every table and figure, also where cells, runs or whole studies are missing."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from reports.build import load_figures, load_tables
from reports.look.part import Figure, rendered
from reports.reading.load import load_runs

if TYPE_CHECKING:
    from conftest import Folder

    from reports.reading.load import Runs

PARTS = {**load_tables(), **load_figures()}
# tables with tests of their own
OF_THEIR_OWN = {"beside_paper", "draws", "masks", "over_logs", "pruning", "sensitivity"}
SHOWN = {  # what a table prints of its numbers, where that is not all of them
    "worse_domains": lambda numbers: numbers[numbers["is_worse"]],
    "claims": lambda numbers: numbers.drop_duplicates(["dataset", "partition", "claim"]),
}
SPREADS = ("_std", "_low", "_high", "_p", "_p_holm")
GAINS = ("_delta_mean", "_delta_plain_mean", "_uplift_percent_mean", "gauc_share_mean")
OF_ROWS = {"delong_p", "sign_test_p", "ctr_low", "ctr_high"}  # known of a single run
OF_ROWS |= {f"{name}_{end}" for name in ("cost", "sparsity") for end in ("low", "high")}
SMALL_PLANS = {
    "one seed": lambda config: config.seed == 1,
    "plain alone": lambda config: config.method == "plain",
    "adasparse alone": lambda config: config.method == "adasparse",
}


@pytest.fixture(scope="module")
def planned(folder_of: type[Folder], tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All studies, planned."""
    folder = folder_of(tmp_path_factory.mktemp("planned"))
    folder.plan_studies()
    return load_runs(folder.store.out)


@pytest.mark.parametrize("name", sorted(load_tables().keys() - OF_THEIR_OWN))
def test_table_arranges_what_it_tabulates(studies: Runs, name: str) -> None:
    numbers = PARTS[name].tabulate(studies)
    if not {*studies.studies} & {*PARTS[name].studies}:  # a study of one's own
        assert numbers.empty
        return
    layout = PARTS[name].arrange(numbers)

    rows = [row for block in layout.blocks for row in block.rows]
    assert len(rows) == len(SHOWN.get(name, lambda numbers: numbers)(numbers)) > 0
    assert {len(row) for row in rows} == {len(layout.columns)}


@pytest.mark.parametrize("name", load_figures())
def test_figure_of_its_csv_file_has_the_same_bytes(studies: Runs, name: str) -> None:
    table = PARTS[name].tabulate(studies)

    if len(table):  # masks and scaling have tests of their own
        of_file = pd.read_csv(io.StringIO(table.to_csv(index=False)))
        drawn = [rendered(PARTS[name], one, has_pdf=False) for one in (of_file, table)]
        assert drawn[0] == drawn[1]


@pytest.mark.parametrize("name", sorted(PARTS.keys() - {"fig1"}))  # which counts rows of logs
def test_part_without_finished_runs_is_empty(planned: Runs, name: str) -> None:
    assert PARTS[name].tabulate(planned).empty


@pytest.mark.parametrize("name", sorted(PARTS.keys() - {"fig1", "ledger", "claims"}))
def test_part_without_its_studies_is_empty(studies: Runs, name: str) -> None:
    others = {
        study: slots for study, slots in studies.studies.items() if study not in PARTS[name].studies
    }

    assert PARTS[name].tabulate(replace(studies.study(*others), studies=others)).empty


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("plan", SMALL_PLANS)
def test_part_of_a_small_plan_is_shown(studies: Runs, name: str, plan: str) -> None:
    cells = tuple(cell for cell in studies.cells if SMALL_PLANS[plan](cell.config))
    part = PARTS[name]

    table = part.tabulate(replace(studies, cells=cells))

    if len(table):
        is_figure = isinstance(part, Figure)
        assert rendered(part, table, has_pdf=False) if is_figure else part.arrange(table).blocks
    if plan == "one seed":
        spreads = [one for one in table if one.endswith(SPREADS) and one not in OF_ROWS]
        assert table[spreads].isna().all(axis=None)
    if plan == "adasparse alone" and name not in ("retuned", "adaptation"):
        gains = [one for one in table if one.endswith(GAINS)]
        assert table[gains].isna().all(axis=None)
