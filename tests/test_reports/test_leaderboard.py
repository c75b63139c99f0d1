"""The leaderboard of a log, the answer made of it, and the forest plot that draws it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from benchmark.config import REFERENCE
from benchmark.metrics import SCORES
from reports.analysis import answer as answers
from reports.analysis.answer import answer
from reports.analysis.comparisons import compare
from reports.analysis.leaderboard import COSTS, leaderboard
from reports.figures import forest
from reports.look.part import rendered
from reports.look.style import look_of
from reports.page.summary import summary
from reports.reading.keys import Family
from reports.reading.load import load_runs
from reports.reading.names import CEILING, TRUTH, model_title

if TYPE_CHECKING:
    from conftest import Folder

ARMS = np.full((6, 2), np.nan)  # controls that were not run
MODELS = [
    ("dnn", "plain", 0.70), ("dnn", "star", 0.71), ("dnn", "apg", 0.69), ("dnn", "adasparse", 0.72),
    ("dcnv2", "plain", 0.715), ("dcnv2", "star", 0.725), ("boosted_trees", REFERENCE, 0.73),
]  # fmt: skip


def board(p_values: dict[tuple[str, str], float]) -> pd.DataFrame:
    """A leaderboard of `MODELS` with these p values of AUC."""
    table = pd.DataFrame(MODELS, columns=["backbone", "method", "auc_mean"])
    plain = table[table["method"] == "plain"].set_index("backbone")["auc_mean"]
    delta = table["auc_mean"] - table["backbone"].map(plain)
    keys = zip(table["backbone"], table["method"], strict=True)
    return table.assign(
        dataset="log",
        partition="tab",
        auc_std=0.001,
        auc_delta_mean=delta.where(table["method"] != "plain"),
        auc_p=[p_values.get(key, np.nan) for key in keys],
    )


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch, finished: Folder):
    """The answer on a leaderboard with these p values, and with this least difference."""

    def of(p_values: dict[tuple[str, str], float], mde: float = 0.004, few: str = "") -> str:
        tests = pd.DataFrame([{"dataset": "log", "partition": "tab", "metric": "auc"}])
        tests = tests.assign(kind="baseline", mde=mde, draws=1)
        monkeypatch.setattr(answers, "leaderboard", lambda _: board(p_values))
        monkeypatch.setattr(answers, "compare", lambda _: tests)
        monkeypatch.setattr(answers, "few_rows", lambda *_: few)
        return answer(load_runs(finished.store.out), Family("log", "tab"))

    return of


def test_answer_names_what_beats_each_backbone(answered) -> None:
    text = answered({("dnn", "star"): 0.01, ("dnn", "adasparse"): 0.04, ("dcnv2", "star"): 0.06})

    assert text == (
        "On log +STAR (+0.0100) and +AdaSparse (+0.0200) beat plain DNN; none beats plain DCNv2, in"
        " AUC. The best network is DCNv2 +STAR: AUC 0.7250 ± 0.0010, below Boosted trees (0.7300 ±"
        " 0.0010). With these seeds and rows a difference of 0.0040 or more could be seen."
    )


def test_answer_says_that_no_method_is_better(answered) -> None:
    text = answered({("dnn", "star"): 0.051, ("dnn", "apg"): 0.01})

    assert text.startswith(
        "On log no method beats plain DNN or plain DCNv2 in AUC; DNN +APG is worse than its"
        " backbone."
    )


def test_answer_without_an_interval_tells_nothing_from_chance(answered) -> None:
    assert answered({}, mde=np.nan).endswith("cannot tell a difference from chance.")


def test_answer_on_few_rows_judges_nothing(answered) -> None:
    text = answered({("dnn", "star"): 0.001}, few="3 clicks in test; 20 are needed")

    assert text.startswith("On log no method can be told from another: 3 clicks in test")
    assert "beat" not in text


def test_preset_without_verdicts_has_no_answer(finished: Folder) -> None:
    runs = replace(load_runs(finished.store.out), preset="smoke")
    [family] = runs.families

    text = answer(runs, family)

    assert text == "The preset smoke shows that everything works, not which method is better."


def test_leaderboard_has_the_tests_and_the_costs_of_each_model(finished: Folder) -> None:
    runs = load_runs(finished.store.out)

    table = leaderboard(runs)

    own = table[(table["backbone"] == "dnn") & (table["method"] == "adasparse")].iloc[0]
    tests = compare(runs).set_index("test").loc[own["auc_test"]]
    assert own["auc_p"] == tests["two_way_p_holm"]
    assert own["auc_delta_low"] == tests["delta_low"]
    costs = runs.study("main").costs()
    served = costs["served_parameters"] - costs["embedding_parameters"]
    for name, values in {"training": costs["train_cpu_seconds"], "parameters": served}.items():
        means = values.groupby([costs["backbone"], costs["method"]]).mean()
        expected = means["dnn", "adasparse"] / means["dnn", "plain"]
        assert own[f"{name}_ratio"] == pytest.approx(expected)
    plain = table[table["method"] == "plain"]
    assert (plain[[f"{name}_ratio" for name in COSTS]] == 1.0).all(axis=None)


def test_forest_has_the_ceiling_over_the_first_plain_backbone(finished: Folder) -> None:
    table = forest.FIGURE.tabulate(load_runs(finished.store.out))

    [ceiling] = table[table["method"] == CEILING].to_dict("records")
    plain = table[table["method"] == "plain"].iloc[0]
    assert ceiling["auc_delta_mean"] == pytest.approx(ceiling["auc_mean"] - plain["auc_mean"])


def forest_table(low: float, high: float, p: float = 0.01) -> pd.DataFrame:
    """One method beside plain, its interval in both metrics, and a ceiling."""
    rows = [("dnn", "plain", np.nan), ("dnn", "star", (low + high) / 2), ("", CEILING, 0.1)]
    table = pd.DataFrame(rows, columns=["backbone", "method", "auc_delta_mean"])
    is_method = table["method"] == "star"
    for metric in forest.METRICS:
        table = table.assign(
            **{
                f"{metric}_mean": 0.7,
                f"{metric}_std": 0.01,
                f"{metric}_delta_mean": table["auc_delta_mean"],
                f"{metric}_delta_low": np.where(is_method, low, np.nan),
                f"{metric}_delta_high": np.where(is_method, high, np.nan),
                f"{metric}_p": np.where(is_method, p, np.nan),
                f"{metric}_is_told": is_method & (p < 0.05),
                f"{metric}_placebo_mean": np.nan,
                f"{metric}_blind_mean": np.nan,
            }
        )
    ratios = {f"{cost}_ratio": [1.0, 12.3, np.nan] for cost in COSTS}
    return table.assign(dataset="log", partition="tab", runs=3, draws=1, **ratios)


def test_forest_tells_its_numbers_over_points() -> None:
    svg = rendered(forest.FIGURE, forest_table(0.001, 0.003)).svg

    assert svg.count("<title>") == 2 * 3  # models in two panels
    assert "<title>DNN +STAR: AUC 0.7000, difference +20.0 [+10.0, +30.0], p 0.010</title>" in svg
    assert f"<title>{TRUTH}: GAUC 0.7000, difference +1,000.0</title>" in svg


def test_forest_mutes_what_cannot_be_told() -> None:
    def colours(p: float) -> set[str]:
        with_lines = forest.FIGURE.draw(forest_table(0.001, 0.003, p)).axes
        return {line.get_color() for axes in with_lines for line in axes.lines}

    assert forest._MUTED not in colours(0.01)
    assert forest._MUTED in colours(0.06)


def test_forest_of_a_far_interval_keeps_its_means_in_view() -> None:
    limit = forest._limit(np.array([[10.0, 5.0, 15.0]] * 5 + [[20.0, -900.0, 940.0]]), ARMS)

    assert 20.0 < limit <= 1.08 * 4.0 * 15.0


def test_forest_keeps_controls_in_view() -> None:
    assert forest._limit(np.array([[10.0, 5.0, 15.0]]), np.array([[np.nan, -70.0]])) > 70.0


def test_forest_has_the_controls_of_a_method_as_hollow_marks(studied: Folder) -> None:
    table = studied.tabulated(forest.FIGURE)

    own = table[(table["backbone"] == "dnn") & (table["method"] == "adasparse")].iloc[0]
    placebo = studied.over_seeds("auc", "adasparse", domains="placebo")
    expected = (placebo - studied.over_seeds("auc", "plain")).mean()
    assert own["auc_placebo_mean"] == pytest.approx(expected)
    assert np.isnan(table.loc[table["method"] == "plain", "auc_placebo_mean"]).all()
    panel = forest.FIGURE.draw(table).axes[1]
    unit = SCORES["auc"].difference_unit
    hollow = [
        line.get_xdata()[0]
        for line in panel.lines
        if line.get_marker() == "o" and line.get_markerfacecolor() == "white"
    ]
    assert expected / unit in [pytest.approx(x) for x in hollow]


def test_summary_ranks_models_beside_the_answer(finished: Folder) -> None:
    runs = load_runs(finished.store.out)
    [family] = runs.families

    title, text, heads, *lines = summary(runs, {family: "The answer."}).splitlines()

    table = leaderboard(runs)
    models = table[table["method"] != CEILING].sort_values("auc_mean", ascending=False)
    assert (title, text) == ("world (domains: scenario)", "The answer.")
    assert heads.split() == ["AUC", "Δ", "AUC", "(0.0001)", "training"]
    names = [model_title(*keys) for keys in models[["backbone", "method"]].itertuples(index=False)]
    assert [line.split("  ")[0] for line in lines] == names
    assert all(f"{mean:.4f}" in line for mean, line in zip(models["auc_mean"], lines, strict=True))


def test_summary_of_a_store_without_runs_has_titles_alone(folder: Folder) -> None:
    folder.plan()
    folder.write_data()
    runs = load_runs(folder.store.out)
    [family] = runs.families

    assert summary(runs, {family: ""}) == "world (domains: scenario)\n"


def test_forest_of_one_run_each_has_its_means_in_view() -> None:
    table = forest_table(-0.0055, -0.0015)
    ends = [name for name in table if name.endswith(("_low", "_high"))]

    panel = forest.FIGURE.draw(table.assign(**dict.fromkeys(ends, np.nan))).axes[1]

    stars = [line for line in panel.lines if line.get_marker() == look_of("star")["marker"]]
    assert [float(x) for line in stars for x in line.get_xdata()] == [pytest.approx(-35.0)]
    assert panel.get_xlim()[0] < -35.0


def test_forest_tells_nothing_at_a_preset_without_verdicts(finished: Folder) -> None:
    runs = load_runs(finished.store.out)

    table = forest.FIGURE.tabulate(replace(runs, preset="smoke"))

    assert not table[["auc_is_told", "gauc_is_told"]].any(axis=None)
