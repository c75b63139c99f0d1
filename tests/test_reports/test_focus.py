"""One model against each other model of its backbone: whom, which tests, and the paper's table."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.metrics import GAINS
from benchmark.store.plan import read_plan, write_plan
from reports import build
from reports.analysis import focus
from reports.analysis.comparisons import estimate, peers_of
from reports.analysis.focus import compare_focus
from reports.look.table import to_latex
from reports.reading.findings import Findings
from reports.reading.keys import Block
from reports.reading.load import load_runs
from reports.statistics.paired_tests import TEST_LEVEL, holm
from reports.tables.focus import TABLE
from reports.verification.artefacts import check_report

if TYPE_CHECKING:
    from conftest import Folder

BLOCK = Block("world", "scenario", "dnn")


def focused(folder: Folder, name: str) -> pd.DataFrame:
    """The numbers of a folder whose call names a focus."""
    plan = read_plan(folder.store.out)
    write_plan(folder.store, replace(plan, call={"--focus": name}))
    return compare_focus(load_runs(folder.store.out))


def p_values(folder: Folder, pairs: list[tuple[str, str]]) -> dict[tuple[str, str, str], float]:
    """The two-way p value of each pair of methods and metric."""
    runs = load_runs(folder.store.out)
    peers = peers_of(runs, BLOCK)
    return {
        (one, other, metric): estimate(
            peers.cells[one], peers.cells[other], metric, peers, peers.tuning(metric)
        ).p_value
        for one, other in pairs
        for metric in GAINS
    }


def test_a_named_model_is_compared_with_each_other_and_corrected_over_these(
    studied: Folder,
) -> None:
    table = focused(studied, "maml")

    assert table["method"].tolist() == ["plain", "adasparse", "maml"]
    assert table["is_focus"].tolist() == [False, False, True]
    assert table["is_named"].all()
    found = p_values(studied, [("maml", "plain"), ("maml", "adasparse")])
    corrected = dict(zip(found, holm([*found.values()]), strict=True))
    for method in ("plain", "adasparse"):
        row = table[table["method"] == method].iloc[0]
        gap = studied.over_seeds("gauc", "maml") - studied.over_seeds("gauc", method)
        assert row["gauc_delta_mean"] == pytest.approx(gap.mean())
        assert (row["tests"], row["pairs"]) == (len(found), 3)
        assert row["auc_p_holm"] == pytest.approx(corrected["maml", method, "auc"])
        assert row["gauc_p_holm"] == pytest.approx(corrected["maml", method, "gauc"])


def test_without_a_name_dev_chooses_and_all_pairs_are_corrected_for(studied: Folder) -> None:
    table = compare_focus(load_runs(studied.store.out))

    methods = ("plain", "adasparse", "maml")  # dev and test rows are the same here
    mean = {method: studied.over_seeds("auc", method).mean() for method in methods}
    chosen = max(mean, key=mean.get)
    found = p_values(studied, [*combinations(methods, 2)])
    corrected = dict(zip(found, holm([*found.values()]), strict=True))
    assert table["method"].iloc[-1] == chosen
    assert not table["is_named"].any()
    assert set(table["tests"]) == {len(found)} == {3 * len(GAINS)}
    for row in table[~table["is_focus"]].to_dict("records"):
        pair = tuple(sorted((row["method"], chosen), key=methods.index))
        assert row["auc_p_holm"] == pytest.approx(corrected[*pair, "auc"])


def test_dev_and_not_test_chooses(folder: Folder) -> None:
    for config in folder.plan():
        folder.run(config, **({"auc": 0.99} if config.method == "plain" else {}))  # on test alone
    folder.write_data()
    dev = {m: folder.scores(folder.config("dnn", m, 1))["auc"] for m in ("plain", "adasparse")}

    table = compare_focus(load_runs(folder.store.out))

    assert dev["adasparse"] > dev["plain"]
    assert table[table["is_focus"]]["method"].tolist() == ["adasparse", "adasparse"]


@pytest.mark.parametrize(
    ("name", "backbones"),
    [("adasparse", ["dnn", "dcnv2"]), ("dcnv2+adasparse", ["dcnv2"]), ("dnn+plain", ["dnn"])],
)
def test_a_backbone_in_the_name_leaves_out_the_others(
    finished: Folder, name: str, backbones: list[str]
) -> None:
    table = focused(finished, name)

    assert list(dict.fromkeys(table["backbone"])) == backbones
    assert set(table[table["is_focus"]]["method"]) == {name.rpartition("+")[2]}


def test_stars_are_what_is_significant_in_either_direction(
    finished: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(focus, "TEST_LEVEL", 0.2)

    better, worse = focused(finished, "adasparse"), focused(finished, "plain")

    for table in (better, worse):
        others = table[~table["is_focus"]]
        assert others["auc_star"].tolist() == (others["auc_p_holm"] < 0.2).tolist()
        assert not table[table["is_focus"]]["auc_star"].any()
    assert better["auc_star"].sum() == worse["auc_star"].sum() > 0


def test_a_preset_without_verdicts_has_no_stars(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(focus, "TEST_LEVEL", 0.2)
    folder.preset = "smoke"
    folder.finish(folder.plan())

    table = focused(folder, "adasparse")

    assert (table["auc_p_holm"] < 0.2).any()
    assert not table["auc_star"].any()


def test_one_model_alone_makes_no_table(folder: Folder) -> None:
    folder.plan()
    folder.finish([folder.config("dnn", "adasparse", 1)])

    assert compare_focus(load_runs(folder.store.out)).empty
    assert focused(folder, "plain").empty


def test_the_table_for_a_paper_is_narrow_and_has_its_caption(finished: Folder) -> None:
    table = focused(finished, "dnn+adasparse")
    layout = TABLE.arrange(table)

    lines = to_latex(TABLE.title, layout).splitlines()

    titles = [metric.title for metric in GAINS.values()]
    assert layout.columns == ["Model", *titles, *(f"Δ {title}" for title in titles)]
    rows = [line for line in lines if line.startswith(("DNN &", "+AdaSparse &"))]
    gap = round(1e4 * table["auc_delta_mean"].iloc[0])
    assert f"& +{gap} [" in rows[0]
    assert ("]* " in rows[0]) == bool(table["auc_star"].iloc[0] or table["gauc_star"].iloc[0])
    assert rows[1].endswith("&  " * len(GAINS) + "\\\\")
    caption = next(line for line in lines if line.startswith("\\caption"))
    assert f"after Holm's correction over {len(GAINS)} tests." in caption
    assert r"\textit{world, DNN}" in "\n".join(lines)
    assert "\\footnotesize" in lines
    assert all(line.startswith("% ") for line in lines[lines.index("\\end{tabular}") + 1 : -1])


def test_a_report_made_again_keeps_its_focus_and_verifies(
    finished: Folder, front_door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "load_tables", lambda: {"focus": TABLE})
    out, findings = finished.store.out, Findings(finished.store.out)
    path = out / "report" / "tables" / "focus.csv"

    first = front_door("--report-only", "--out", out)
    chosen = path.read_bytes()
    front_door("--report-only", "--focus", "plain", "--out", out)
    named = path.read_bytes()
    front_door("--report-only", "--out", out)

    check_report(load_runs(out), findings)
    assert first.returncode == 0
    assert chosen != named == path.read_bytes()
    assert read_plan(out).call["--focus"] == "plain"
    assert findings.differences == []
    assert "was named with --focus" in (out / "report" / "index.html").read_text()


def test_an_unknown_focus_is_one_line_with_the_models(finished: Folder, front_door) -> None:
    out = finished.store.out
    before = (out / "plan.json").read_bytes()

    done = front_door("--report-only", "--focus", "star", "--out", out)

    assert done.returncode == 2
    assert done.stderr == (
        "run_all.py: error: --focus star: Table 1 has no such model; available: adasparse, plain,"
        " dcnv2+adasparse, dcnv2+plain, dnn+adasparse, dnn+plain\n"
    )
    assert (out / "plan.json").read_bytes() == before


def test_differences_of_the_focus_itself_are_undefined(finished: Folder) -> None:
    row = focused(finished, "adasparse").query("is_focus").iloc[0]

    assert np.isnan([row["auc_delta_mean"], row["auc_p"], row["gauc_p_holm"]]).all()
    assert row["auc_mean"] == pytest.approx(finished.over_seeds("auc", "adasparse").mean())


def significant(p_values: np.ndarray, num_tests: int) -> np.ndarray:
    """True where Holm's correction finds something among the first tests of each row."""
    order = np.argsort(p_values, axis=1)
    factors = p_values.shape[1] - np.arange(p_values.shape[1])
    steps = np.maximum.accumulate(factors * np.take_along_axis(p_values, order, axis=1), axis=1)
    return ((steps < TEST_LEVEL) & (order < num_tests)).any(axis=1)


def choice_rates(models: int = 5, seeds: int = 5, num: int = 20_000) -> tuple[float, float]:
    """The rates at which equal models differ: over the tests of the best on dev, over all pairs.

    Dev and test share all luck of training, and GAUC has 0.9 of that of AUC.
    """
    rng = np.random.default_rng(3)
    auc, other = rng.normal(size=(2, num, models, seeds))
    gauc = 0.9 * auc + np.sqrt(1.0 - 0.9**2) * other
    chosen = auc.mean(axis=2).argmax(axis=1)  # dev and test alike
    order = (chosen[:, None] + np.arange(models)) % models  # (N, M), the chosen model first
    freedom, p_values = (models - 1) * (seeds - 1), []
    for scores in (auc, gauc):
        scores = np.take_along_axis(scores, order[:, :, None], axis=1)
        rest = scores - scores.mean(axis=2, keepdims=True) - scores.mean(axis=1, keepdims=True)
        rest = rest + scores.mean(axis=(1, 2), keepdims=True)
        error = np.sqrt(2.0 * (rest**2).sum(axis=(1, 2)) / freedom / seeds)
        means = scores.mean(axis=2)
        gaps = [means[:, one] - means[:, two] for one, two in combinations(range(models), 2)]
        p_values.append(2.0 * stats.t.sf(np.abs(gaps) / error, freedom).T)  # (N, pairs)
    own = np.concatenate([values[:, : models - 1] for values in p_values], axis=1)
    whole = np.concatenate([own, *(values[:, models - 1 :] for values in p_values)], axis=1)
    return float(significant(own, own.shape[1]).mean()), float(
        significant(whole, own.shape[1]).mean()
    )


def test_the_choice_by_dev_is_paid_for() -> None:
    over_own, over_all = choice_rates()

    assert over_own > TEST_LEVEL + 0.01
    assert over_all < TEST_LEVEL
