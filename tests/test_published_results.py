"""The numbers of README and docs/report.md follow from the committed records of their run."""

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
TITLES = {
    ("dnn", "plain"): "DNN",
    ("dnn", "maml"): "DNN +MAML",
    ("dnn", "star"): "DNN +STAR",
    ("dnn", "apg"): "DNN +APG",
    ("dnn", "adasparse"): "DNN +AdaSparse",
    ("dcnv2", "plain"): "DCNv2",
    ("dcnv2", "maml"): "DCNv2 +MAML",
    ("dcnv2", "star"): "DCNv2 +STAR",
    ("dcnv2", "apg"): "DCNv2 +APG",
    ("dcnv2", "adasparse"): "DCNv2 +AdaSparse",
    ("logistic_regression", "reference"): "logistic regression",
    ("boosted_trees", "reference"): "boosted trees",
}


def records(name):
    return pd.read_csv(RESULTS / f"{name}.csv").fillna({"changes": ""})


def rows_of(page):
    """The cells of the table of models on a page, by model."""
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = re.findall(r"^\| (.+) \|$", text, re.MULTILINE)
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells if row[0] in {*TITLES.values(), "true probability"}}


def signed(value, digits):
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def bounds(row, name):
    """The mean and the interval of a difference, in 0.0001."""
    mean, low, high = (1e4 * row[f"{name}_delta_{end}"] for end in ("mean", "low", "high"))
    return f"{signed(mean, 1)} [{signed(low, 1)}, {signed(high, 1)}]"


@pytest.fixture(scope="module")
def main_runs():
    """The main runs of the default world."""
    runs = records("runs")
    return runs[(runs["changes"] == "") & (runs["dataset"] == "synthetic_production")]


@pytest.mark.parametrize(("page", "column", "metric", "digits"), [
    ("README.md", 0, "auc", 4), ("README.md", 1, "gauc", 4), ("docs/report.md", 0, "logloss", 5),
])  # fmt: skip
def test_scores_of_a_page_are_those_of_the_runs(main_runs, page, column, metric, digits):
    shown = rows_of(page)

    for (backbone, method), title in TITLES.items():
        own = main_runs[(main_runs["backbone"] == backbone) & (main_runs["method"] == method)]
        scores = own[f"test_{metric}"]
        assert len(scores) == 8
        text = f"{scores.mean():.{digits}f} ± {scores.std(ddof=1):.{digits}f}"
        assert shown[title][column] == text, title


@pytest.mark.parametrize(
    ("page", "column", "metric"), [("README.md", 2, "auc"), ("docs/report.md", 1, "gauc")]
)
def test_differences_of_a_page_are_those_of_table_1(page, column, metric):
    shown, table = rows_of(page), records("table1")

    for row in table.to_dict("records"):
        if row["method"] in ("maml", "star", "apg", "adasparse"):
            assert shown[TITLES[row["backbone"], row["method"]]][column] == bounds(row, metric)


def test_table_1_has_the_means_of_the_runs(main_runs):
    table = records("table1").set_index(["backbone", "method"])

    for model in TITLES:
        own = main_runs[(main_runs["backbone"] == model[0]) & (main_runs["method"] == model[1])]
        for metric in ("auc", "gauc", "logloss"):
            mean = own[f"test_{metric}"].mean()
            assert table.loc[model, f"{metric}_mean"] == pytest.approx(mean, abs=1e-12)


def test_findings_of_the_readme_are_those_of_their_tables():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = records("table1").set_index(["backbone", "method"])["auc_delta_mean"]
    awareness = records("awareness").set_index(["backbone", "method", "metric"])
    share = awareness.loc["dnn", "adasparse", "auc"]
    settings = records("sensitivity")
    gains = settings[settings["method"] == "adasparse"].set_index("changes")["delta_mean"]

    star, own = table["dnn", "star"], table["dnn", "adasparse"]
    assert f"by {star:.4f} and {own:.4f}" in text
    low, mean, high = (f"{100 * share[f'share_{end}']:.0f}" for end in ("low", "mean", "high"))
    assert f"{mean} % [{low} %, {high} %] of AdaSparse's gain is awareness" in text
    assert f"gains {gains['']:.4f} over DNN" in text
    assert signed(gains["learning rate 0.0003"], 4).removeprefix("+") in text
    assert f"{gains['embedding size 32']:.4f} with embeddings of 32" in text
