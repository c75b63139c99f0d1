"""Differences are kept as they are and shown in the unit of their metric."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmark.metrics import GAINS, METRICS, SCORES
from reports.figures import bin_gains, fig3b, gain_parts
from reports.look.table import interval_text, number, spread
from reports.look.units import units_text
from reports.tables import awareness, comparisons, controls, table1
from tests.test_reports.conftest import printed

if TYPE_CHECKING:
    from conftest import Folder

    from reports.look.part import Figure
    from reports.reading.load import Runs

UNIT = 0.02  # of the differences in GAUC, those in AUC being in 0.0001
AUC, OTHER = METRICS["auc"], replace(METRICS["gauc"], difference_unit=UNIT)


@pytest.fixture
def other_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """GAUC with differences in `UNIT`."""
    for names in (METRICS, SCORES, GAINS):
        monkeypatch.setitem(names, "gauc", OTHER)


def signed(value: float) -> str:
    return f"{value:+,.1f}".replace("-", "\N{MINUS SIGN}")


def mean_gap(folder: Folder, metric: str, **changes: object) -> float:
    own = folder.over_seeds(metric, "adasparse", **changes)
    return float((own - folder.over_seeds(metric, "plain")).mean())


def test_numbers_are_shown_in_their_unit() -> None:
    row = {"gain_mean": 0.03, "gain_low": -0.01, "gain_high": 0.07}

    assert number(0.0041, 1, unit=1e-4) == "41.0"
    assert number(0.0041, 4) == "0.0041"
    assert spread(0.5, 0.25, 1, signed=True, unit=0.01) == "+50.0 ± 25.0"
    assert interval_text(row, "gain", 1, unit=0.02) == "+1.5 [\N{MINUS SIGN}0.5, +3.5]"


def test_units_name_the_metrics_where_they_differ() -> None:
    brier = replace(AUC, title="Brier", difference_unit=1e-5)

    assert units_text([AUC, METRICS["gauc"]]) == "0.0001"
    assert units_text([replace(AUC, difference_unit=1.0)]) == "1"
    assert units_text([AUC, brier, METRICS["gauc"]]) == "0.0001 (AUC, GAUC) and 0.00001 (Brier)"


@pytest.mark.usefixtures("other_unit")
def test_table_1_shows_each_metric_in_its_own_unit(finished: Folder) -> None:
    texts = printed(table1.arrange(finished.tabulated(table1.TABLE)))[1]

    assert texts["Model"] == "+AdaSparse"
    assert texts["Δ AUC"].startswith(f"{signed(mean_gap(finished, 'auc') / 1e-4)} [")
    assert texts["Δ GAUC"].startswith(f"{signed(mean_gap(finished, 'gauc') / UNIT)} [")


@pytest.mark.usefixtures("other_unit")
def test_study_table_shows_each_metric_in_its_own_unit(studied: Folder) -> None:
    texts = studied.shown(controls.TABLE)["+AdaSparse, pruner reads h only"]

    changed = {"pinned": {"pruner_input": "h"}}
    for metric, unit in (("auc", 1e-4), ("gauc", UNIT)):
        gap = mean_gap(studied, metric, **changed)
        assert texts[f"Δ plain {METRICS[metric].title}"].startswith(f"{signed(gap / unit)} ±")


@pytest.mark.usefixtures("other_unit")
def test_each_comparison_is_shown_in_the_unit_of_its_metric(finished: Folder) -> None:
    units = {"logloss": 1e-4, "auc": 1e-4, "gauc": UNIT}
    table = finished.tabulated(comparisons.TABLE)
    table = table[table["metric"].isin(units)]

    rows = printed(comparisons.arrange(table))

    assert {*table["metric"]} == {*units}
    for row, numbers in zip(rows, table.to_dict("records"), strict=True):
        unit = units[numbers["metric"]]
        assert row["Δ"].startswith(signed(numbers["delta_mean"] / unit))
        assert row["Detectable"] == number(numbers["mde"] / unit, 1)


@pytest.mark.usefixtures("other_unit")
def test_parts_of_a_gain_are_shown_in_the_unit_of_its_metric(studied: Folder) -> None:
    rows = printed(awareness.arrange(studied.tabulated(awareness.TABLE)))

    texts = {row["Metric"]: row["Gain"] for row in rows if row["Model"] == "+AdaSparse"}
    assert texts["AUC"].startswith(signed(mean_gap(studied, "auc") / 1e-4))
    assert texts["GAUC"].startswith(signed(mean_gap(studied, "gauc") / UNIT))


@pytest.mark.usefixtures("other_unit")
@pytest.mark.parametrize("part", [bin_gains.FIGURE, fig3b.FIGURE, gain_parts.FIGURE])
def test_panel_is_in_the_unit_of_its_metric(studies: Runs, part: Figure) -> None:
    canvas = part.draw(part.tabulate(studies))

    for panel in canvas.axes[:2]:
        label = " ".join([panel.get_title(), panel.get_xlabel(), panel.get_ylabel()])
        assert ("in 0.02" in label) == ("GAUC" in label)
        assert ("in 0.0001" in label) == ("GAUC" not in label)


@pytest.mark.usefixtures("other_unit")
def test_points_of_figure_3b_are_in_the_unit_of_their_metric(studies: Runs) -> None:
    table = fig3b.FIGURE.tabulate(studies)
    rows = table[(table["backbone"] == "dnn") & (table["method"] == "adasparse")]

    panels = fig3b.FIGURE.draw(table).axes

    for panel, metric, unit in zip(panels, ("gauc", "auc"), (UNIT, 1e-4), strict=False):
        gains = rows[f"{metric}_delta_mean"].dropna() / unit
        points = [line.get_ydata() for line in panel.lines if line.get_marker() == "*"]
        assert [y for point in points for y in point] == pytest.approx(gains.tolist())
