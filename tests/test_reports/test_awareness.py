"""What is awareness and what capacity: the table and figure of placebos, and what they say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from reports.claims import awareness
from reports.claims.awareness import PARTS, answers, tabulate
from reports.figures.gain_parts import FIGURE
from reports.look.part import rendered
from reports.reading.load import load_runs
from reports.statistics.estimates import UNKNOWN, Estimate, own_component, share_of
from reports.tables import controls
from reports.tables.awareness import TABLE
from tests.test_reports.conftest import bounds_of, printed, row_of

if TYPE_CHECKING:
    from conftest import Folder

    from reports.reading.load import Runs

PLACEBO = {"domains": "placebo"}
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def table(studies: Runs) -> pd.DataFrame:
    return tabulate(studies)


def made(
    gain: tuple[float, ...],
    awareness: tuple[float, ...],
    capacity: tuple[float, ...],
    **others: object,
) -> pd.DataFrame:
    """A table of one method, its differences in 0.0001 as mean, low and high."""
    row: dict[str, object] = {"dataset": "world", "partition": "scenario", "backbone": "dnn"}
    row |= {"method": "adasparse", "metric": "auc", "runs": 4, "planned_runs": 4, "draws": 1}
    row |= {"capped": 0.0, "added_parameters": 96.0, "has_verdicts": True}
    row |= {f"{arm}_mean": 0.7 for arm in ("plain", "placebo", "method")}
    row |= {f"share_{end}": math.nan for end in ("mean", "low", "high")}
    for name, values in zip(PARTS, (gain, awareness, capacity), strict=True):
        ends = zip(("mean", "low", "high"), values, strict=True)
        row |= {f"{name}_{end}": value / 1e4 for end, value in ends}
    return pd.DataFrame([row | others])


@pytest.mark.parametrize("method", ["adasparse", "maml"])
@pytest.mark.parametrize("metric", ["auc", "gauc"])
def test_parts_are_the_differences_of_the_three_arms(
    folder: Folder, table: pd.DataFrame, method: str, metric: str
) -> None:
    arms = {
        "method": folder.over_seeds(metric, method),
        "placebo": folder.over_seeds(metric, method, **PLACEBO),
        "plain": folder.over_seeds(metric, "plain"),
    }

    row = row_of(table, method=method, metric=metric)

    for arm, scores in arms.items():
        assert row[f"{arm}_mean"] == pytest.approx(scores.mean())
    for part, (left, right) in PARTS.items():
        delta = (arms[left] - arms[right]).mean()
        assert row[f"{part}_mean"] == pytest.approx(delta)
        assert row[f"{part}_low"] < delta < row[f"{part}_high"]
    parts = row["awareness_mean"] + row["capacity_mean"]
    assert row["gain_mean"] == pytest.approx(parts)
    assert row["runs"] == row["planned_runs"] == 3


def estimate_of(values: np.ndarray) -> Estimate:
    return Estimate(float(values.mean()), values.size, own_component(values))


def seeds_alone(own: dict, other: dict, metric: str, tuning: object) -> Estimate:
    """The difference of two arms without the part of its error that is of the rows."""
    pairs = [(own[place].metrics["test"], other[place].metrics["test"]) for place in sorted(own)]
    if not pairs:
        return Estimate(np.nan, 0, UNKNOWN)
    return estimate_of(np.array([one[metric] - two[metric] for one, two in pairs]))


def test_share_is_there_where_the_gain_is_clear(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awareness, "estimate", seeds_alone)
    arms = {"method": (0.75, 0.753, 0.751), "placebo": (0.744, 0.745, 0.746)}
    arms["plain"] = (0.742, 0.741, 0.743)
    folder.plan_studies()
    for seed, method, placebo, plain in zip(SEEDS, *arms.values(), strict=True):
        folder.run(folder.config("dnn", "adasparse", seed), auc=method, gauc=method)
        folder.run(folder.config("dnn", "adasparse", seed, **PLACEBO), auc=placebo, gauc=method)
        folder.run(folder.config("dnn", "plain", seed), auc=plain, gauc=method + 0.1 * seed)
    folder.write_data()

    table = tabulate(load_runs(folder.store.out))

    row, of_gauc = (row_of(table, method="adasparse", metric=one) for one in ("auc", "gauc"))
    gain = np.subtract(arms["method"], arms["plain"])
    aware = np.subtract(arms["method"], arms["placebo"])
    expected = share_of(*(estimate_of(v) for v in (aware, gain, gain - aware)))
    assert bounds_of(row, "share") == pytest.approx([expected.mean, expected.low, expected.high])
    assert np.isnan(bounds_of(of_gauc, "share")).all()  # a loss
    assert "% [" in answers(table)[1]


def test_parts_are_over_the_runs_that_all_three_arms_have(folder: Folder) -> None:
    folder.plan_studies()
    folder.finish(folder.config("dnn", "adasparse", seed) for seed in SEEDS)
    folder.finish(folder.config("dnn", "adasparse", seed, **PLACEBO) for seed in (2, 3))
    folder.finish(folder.config("dnn", "plain", seed) for seed in (1, 2))

    frame = tabulate(load_runs(folder.store.out))

    row = row_of(frame, method="adasparse", metric="auc")
    one = folder.scores(folder.config("dnn", "adasparse", 2))["auc"]
    assert (row["runs"], row["planned_runs"]) == (1, 3)
    assert row["method_mean"] == pytest.approx(one)
    assert math.isnan(row["gain_low"])
    assert row_of(frame, method="maml", metric="auc")["runs"] == 0
    assert "not known; it takes two draws or seeds" in answers(frame)[0]
    assert printed(TABLE.arrange(frame))[0]["Runs"] == "0 of 3"  # MAML comes first


def test_controls_leave_placebos_to_their_own_table(studies: Runs, table: pd.DataFrame) -> None:
    others = controls.tabulate(studies)

    assert not others["changes"].str.contains("placebo").any()
    assert table["method"].unique().tolist() == ["maml", "adasparse"]
    assert table["metric"].tolist() == ["auc", "gauc"] * 2


def test_added_parameters_are_those_of_the_placebo_alone(table: pd.DataFrame) -> None:
    assert (table["added_parameters"] == 0.0).all()
    layout = TABLE.arrange(made((1.0, 0.5, 1.5), (1.0, 0.5, 1.5), (0.0, -1.0, 1.0)))
    assert printed(layout)[0]["Added parameters"] == "96"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            ((41.0, 20.0, 62.0), (29.0, 10.0, 48.0), (12.0, 1.0, 28.0)),
            "of the gain of 0.0041 [0.0020, 0.0062] AUC, 0.0029 [0.0010, 0.0048] is domain"
            " awareness and 0.0012 [0.0001, 0.0028] is capacity.",
        ),
        (
            ((41.0, 20.0, 62.0), (29.0, 10.0, 48.0), (12.0, -4.0, 28.0)),
            "of the gain of 0.0041 [0.0020, 0.0062] AUC, 0.0029 [0.0010, 0.0048] is domain"
            " awareness; capacity, 0.0012 [\N{MINUS SIGN}0.0004, 0.0028], cannot be told from 0.",
        ),
        (
            ((41.0, 20.0, 62.0), (61.0, 50.0, 72.0), (-20.0, -35.0, -5.0)),
            "of the gain of 0.0041 [0.0020, 0.0062] AUC, 0.0061 [0.0050, 0.0072] is domain"
            " awareness and capacity costs 0.0020 [0.0005, 0.0035].",
        ),
        (
            ((41.0, 20.0, 62.0), (29.0, -1.0, 59.0), (12.0, -4.0, 28.0)),
            "of the gain of 0.0041 [0.0020, 0.0062] AUC, 0.0029 [\N{MINUS SIGN}0.0001, 0.0059] of"
            " domain awareness and 0.0012 [\N{MINUS SIGN}0.0004, 0.0028] of capacity cannot be told"
            " apart.",
        ),
        (
            ((4.0, -20.0, 28.0), (3.0, -1.0, 7.0), (1.0, -4.0, 6.0)),
            "no gain to share out, 0.0004 [\N{MINUS SIGN}0.0020, 0.0028] AUC cannot be told from 0;"
            " neither domain awareness, 0.0003 [\N{MINUS SIGN}0.0001, 0.0007], nor capacity, 0.0001"
            " [\N{MINUS SIGN}0.0004, 0.0006], can be told from 0.",
        ),
        (
            ((-14.0, -20.0, -8.0), (3.0, 1.0, 5.0), (-17.0, -24.0, -10.0)),
            "no gain but a loss of 0.0014 [0.0008, 0.0020] AUC; 0.0003 [0.0001, 0.0005] is domain"
            " awareness and capacity costs 0.0017 [0.0010, 0.0024].",
        ),
    ],
)
def test_sentence_goes_as_far_as_the_intervals(
    parts: tuple[tuple[float, ...], ...], expected: str
) -> None:
    assert answers(made(*parts)) == [f"AdaSparse on DNN: {expected}"]


def test_sentence_ends_with_a_share_that_is_defined() -> None:
    share = {"share_mean": 0.71, "share_low": 0.3, "share_high": 1.15}
    parts = ((41.0, 20.0, 62.0), (29.0, 10.0, 48.0), (12.0, -4.0, 28.0))

    (sentence,) = answers(made(*parts, **share))

    assert sentence.endswith("; awareness is 71% [30%, 115%] of it.")
    layout = TABLE.arrange(made(*parts, **share))
    assert printed(layout)[0]["Share"] == "0.71 [0.30, 1.15]"
    assert layout.notes[0] == sentence


def test_sentence_marks_capped_runs_and_names_the_log_among_several() -> None:
    parts = ((41.0, 20.0, 62.0), (29.0, 10.0, 48.0), (12.0, -4.0, 28.0))
    both = pd.concat([made(*parts, capped=0.5), made(*parts, dataset="other")], ignore_index=True)

    first, second = answers(both)

    assert first.startswith("world (domains: scenario): AdaSparse on DNN \N{DAGGER}: of the gain")
    assert second.startswith("other (domains: scenario): AdaSparse on DNN: of the gain")
    assert any(note.startswith("\N{DAGGER}") for note in TABLE.arrange(both).notes)


def test_share_that_is_not_defined_is_a_dash() -> None:
    layout = TABLE.arrange(made((4.0, -20.0, 28.0), (3.0, -1.0, 7.0), (1.0, -4.0, 6.0)))

    assert printed(layout)[0]["Share"] == "\N{EN DASH}"


def test_figure_draws_each_part_in_the_colour_of_its_method(table: pd.DataFrame) -> None:
    canvas = FIGURE.draw(table)

    panels = canvas.axes
    assert len(panels) == 2
    assert [panel.get_xlabel() for panel in panels] == [
        "Difference in AUC, in 0.0001",
        "Difference in GAUC, in 0.0001",
    ]
    labels = [label.get_text() for label in panels[0].get_yticklabels()]
    names = ("MAML", "AdaSparse")
    assert labels == [w for n in names for w in (f"{n} gain", "domain awareness", "capacity")]
    marks = [line for line in panels[0].lines if line.get_marker() in ("s", "*")]
    colours = {to_rgba(line.get_color()) for line in marks}
    assert colours == {to_rgba("#56b4e9"), to_rgba("#d55e00")}
    drawn = {float(line.get_xdata()[0]) for line in marks}
    rows = [row_of(table, method=method, metric="auc") for method in ("maml", "adasparse")]
    expected = [1e4 * row[f"{part}_mean"] for row in rows for part in PARTS]
    assert sorted(drawn) == pytest.approx(sorted(expected))


def test_figure_of_a_table_without_intervals_is_drawn() -> None:
    table = made((1.0, math.nan, math.nan), (1.0, math.nan, math.nan), (0.0, math.nan, math.nan))
    both = pd.concat([table, table.assign(metric="gauc")], ignore_index=True)

    assert rendered(FIGURE, both).png[:4] == b"\x89PNG"
    assert "(4)" in FIGURE.notes(both)[0]
