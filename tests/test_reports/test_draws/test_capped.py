"""Marks of models whose runs the cap on epochs stopped, and what no longer follows from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reports.analysis.leaderboard import leaderboard
from reports.claims.verdicts import Part, to_settle
from reports.reading.exclusions import MARK, NOTE, are_capped, last_steps
from reports.reading.load import load_runs
from reports.statistics.paired_tests import Interval
from reports.tables import claims, controls, table1
from tests.test_reports.conftest import TRAINING, printed, reseal, row_of

if TYPE_CHECKING:
    from conftest import Folder

    from reports.look.table import TableLayout


def stop_by_cap(folder: Folder, seeds: tuple[int, ...], method: str = "adasparse") -> None:
    """As if the cap had stopped the main runs with these seeds, at their best step."""
    for seed in seeds:
        run = folder.store.run_folder(folder.config("dnn", method, seed))
        reseal(run / "record.json", training=TRAINING | {"stopped_by": "cap", "best_step": 40})


def titles(layout: TableLayout) -> list[str]:
    return [row["Model"] for row in printed(layout)]


@pytest.mark.parametrize(("seeds", "is_marked"), [((), False), ((2,), True), ((1, 2, 3), True)])
def test_model_with_over_a_fifth_of_capped_runs_is_marked(studied, seeds, is_marked):
    stop_by_cap(studied, seeds)

    table = leaderboard(load_runs(studied.store.out))
    layout = table1.arrange(table)
    row = row_of(table, method="adasparse")
    assert row["capped"] == pytest.approx(len(seeds) / 3)
    assert (f"+AdaSparse {MARK}" in titles(layout)) == is_marked
    assert f"+MAML {MARK}" not in titles(layout)
    assert (NOTE in layout.notes) == is_marked


def test_exactly_a_fifth_is_not_too_many(studied):
    stop_by_cap(studied, (1,))
    runs = load_runs(studied.store.out)
    records = [c.record for c in runs.study("main").cells if c.config.method == "adasparse"]

    assert not are_capped([*records, *records[1:]])  # one of five
    assert are_capped(records)


def test_tables_of_studies_are_marked(studied):
    stop_by_cap(studied, (1,))

    layout = controls.arrange(controls.tabulate(load_runs(studied.store.out)))
    assert titles(layout).count(f"+AdaSparse {MARK}") == 1
    assert NOTE in layout.notes


def test_claim_that_rests_on_a_capped_model_is_open(studied):
    stop_by_cap(studied, (1,), "plain")
    table = claims.tabulate(load_runs(studied.store.out))

    rows = table[table["claim"] == "all_beat_backbone"]
    assert set(rows["verdict"]) == {"inconclusive"}
    assert (
        "a higher cap on epochs, which stopped over 20% of the runs of DNN"
        in (rows["to_settle"].iloc[0])
    )
    assert not table[table["claim"] == "forms"]["to_settle"].str.contains("of DNN +").any()


def test_part_that_is_blocked_is_open_whatever_its_interval():
    interval = Interval(0.02, 0.01, 0.03, 4)
    clear = Part(label="gain", measure=lambda _level: interval, replicates="draws").among(1)
    blocked = replace(clear, part=replace(clear.part, blocked="a higher cap"))

    assert (clear.outcome, blocked.outcome) == ("yes", "open")
    assert to_settle([clear, blocked]) == "a higher cap"
    wide = replace(clear, interval=Interval(0.02, -0.01, 0.05, 4))
    expected = f"about {wide.num_needed} draws for the hardest open part, to settle it with a power"
    assert to_settle([wide]).startswith(expected)


def test_page_counts_the_runs_that_kept_their_last_step(studied):
    stop_by_cap(studied, (1, 2))
    records = load_runs(studied.store.out).study("main").records

    assert last_steps(records) == (
        "2 of 9 runs (22.2%) kept the last step that the cap on epochs allows."
    )
    assert last_steps([]) == ""
