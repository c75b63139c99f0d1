"""Claims, bins, curves, the page and verification of a log with several draws."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from scipy import stats

from benchmark.store.plan import Plan, Search, read_plan, write_plan
from reports.analysis.long_tail import bin_scores, tabulate
from reports.build import load_figures, load_tables
from reports.claims.evidence import Evidence
from reports.figures import curves, fig1
from reports.page.data_cards import data_cards
from reports.reading.findings import Findings
from reports.reading.load import load_runs
from reports.reading.predictions import ScoredRows
from reports.statistics.bins import bins_by_domain
from reports.tables import claims
from reports.verification.planned import check_plan
from tests.conftest import search_of

if TYPE_CHECKING:
    from conftest import Family, Folder

    from benchmark.config import RunConfig

SEEDS = (1, 2)
GAUC = 0  # its place among the metrics of bins


def bin_gaucs(folder: Folder, method: str, number: int) -> list[float]:
    """GAUC of a bin of a draw's own domains, for each seed."""
    bins = bins_by_domain(folder.domains().to_pandas())
    found = []
    for seed in SEEDS:
        logit = folder.logits(folder.config("dnn", method, seed))
        domain, block = folder.domain.astype(np.int32), np.arange(logit.size) // 15
        rows = ScoredRows(folder.label, logit, domain, block)
        found.append(bin_scores(rows, bins).scores[number - 1, GAUC])
    return found


def test_bins_are_those_of_each_draw_and_gains_are_over_draws(whole_family, runs):
    table = tabulate(runs)
    rows = table[table["method"] == "adasparse"]

    for row in rows.to_dict("records"):
        pairs = [
            [bin_gaucs(one, method, row["bin"]) for method in ("adasparse", "plain")]
            for one in whole_family.draws
        ]
        gains = [np.mean(np.subtract(*pair)) for pair in pairs]
        half = stats.t.ppf(0.975, 2) * np.std(gains, ddof=1) / np.sqrt(3)
        mean, high = row["gauc_delta_mean"], row["gauc_delta_high"]
        assert mean == pytest.approx(np.mean(gains), nan_ok=True)
        assert high == pytest.approx(np.mean(gains) + half, nan_ok=True)
        assert (row["pairs"], row["draws"]) == (6, 3)
    assert rows["gauc_delta_mean"].notna().any()
    assert rows["domains"].sum() == 15


def test_claims_are_settled_over_draws(runs):
    table = claims.tabulate(runs)
    rows = table[(table["claim"] == "adasparse_best") & (table["role"] == "part")]

    assert Evidence(runs, next(iter(runs.families))).replicates == "draws"
    assert set(rows["replicates"]) <= {3, 0}
    assert set(table.loc[table["replicates"] == 3, "replicates_of"]) == {"draws"}
    assert not table["to_settle"].str.contains("seeds for the hardest").any()


def test_curves_have_every_run_at_every_evaluation(runs):
    table = curves.tabulate(runs)

    own = table[(table["method"] == "plain") & (table["quantity"] == "auc")]
    assert own["step"].tolist() == [20, 40]
    assert own["evaluated"].tolist() == own["runs"].tolist() == [6, 6]


def test_volumes_are_by_draw_and_the_first_is_drawn(runs):
    table = fig1.tabulate(runs)

    assert table.groupby("draw")["impressions"].sum().tolist() == [1800] * 3
    assert "Drawn are the first draw of each generated log" in " ".join(fig1.notes(table))


@pytest.mark.slow
def test_one_draw_has_the_numbers_of_a_log_without_draws(folder_of, tmp_path, whole_studies):
    folder = folder_of(tmp_path / "drawn", draw=1)
    folder.finish_studies(tuned_from="tuned")
    drawn, real = load_runs(folder.store.out), load_runs(whole_studies)

    for name, part in {**load_tables(), **load_figures()}.items():
        own, other = part.tabulate(drawn), part.tabulate(real)
        kept = [column for column in other if column != "draw"]
        assert list(own) == list(other), name
        assert_frame_equal(own[kept], other[kept], obj=name)


def test_card_of_a_family_has_the_range_of_its_draws(whole_family, runs):
    card = next(card for card in data_cards(runs) if str(card["heading"]).startswith("world "))

    clicks = sorted(int(folder.label.sum()) for folder in whole_family.draws)
    rates = sorted(100 * folder.label.mean() for folder in whole_family.draws)
    assert card["facts"]["Draws"] == "1, 2, 3, each a log of its own"
    assert card["splits"]["rows"][2][1] == "300"
    assert card["splits"]["rows"][2][2] == f"{clicks[0]} to {clicks[-1]}"
    assert card["splits"]["rows"][2][3] == f"{rates[0]:.2f}% to {rates[-1]:.2f}%"
    assert card["splits"]["rows"][2][-2:] == ["test: first", "test: last"]


def differences(family: Family) -> list[str]:
    findings = Findings(family.out)
    check_plan(family.draws[0].store, read_plan(family.out), findings)
    return findings.differences


def plan_again(
    family: Family,
    slots: dict[str, RunConfig] | None = None,
    searches: tuple[Search, ...] = (),
) -> None:
    """Write the plan of the main study, changed."""
    plan = read_plan(family.out)
    slots = {slot: plan.slots[slot] for slot in plan.studies["main"]} if slots is None else slots
    studies = {**dict.fromkeys(plan.studies, ()), "main": tuple(slots)}
    write_plan(
        family.draws[0].store,
        Plan(preset="quick", slots=slots, studies=studies, searches=searches),
    )


def test_plan_whose_cells_have_equal_draws_and_seeds_has_no_difference(family):
    plan_again(family, searches=(search_of(dataset="world", draw=0),))

    assert differences(family) == []


def test_verify_names_a_cell_that_lacks_a_draw(family):
    plan = read_plan(family.out)
    slots = {
        slot: plan.slots[slot]
        for slot in plan.studies["main"]
        if (plan.slots[slot].draw, plan.slots[slot].method) != (3, "plain")
    }
    plan_again(family, slots)

    (line,) = differences(family)
    assert "draws and seeds of world@1/scenario dnn+plain in main" in line


@pytest.mark.parametrize(("draw", "words"), [(1, "draw of the search of"), (0, "cells on world@0")])
def test_verify_names_a_search_that_shares_a_draw_with_a_table(family, draw, words):
    plan = read_plan(family.out)
    slots = {slot: plan.slots[slot] for slot in plan.studies["main"]}
    if draw == 0:
        slots = {
            one.slot_id: one
            for config in slots.values()
            for one in [replace(config, draw=config.draw - 1)]
        }
    plan_again(family, slots, (search_of(dataset="world", draw=draw),))

    assert any(words in line for line in differences(family))


def test_rows_of_one_store_may_be_drawn_and_real(family, runs):
    assert [len(logs) for logs in runs.families.values()] == [3, 3]
    assert runs.ceilings(next(iter(runs.families))).index.tolist() == [1, 2, 3]
    assert isinstance(runs.models, pd.DataFrame)
    assert set(runs.models["draws"]) == {3}
