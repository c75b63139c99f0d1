"""The paper's numbers, and which data sets stand for its logs."""

import pytest

from reports.claims.paper import paper_log, paper_scores, paper_values


def test_scores_are_those_of_the_papers_table_1():
    scores = paper_scores("synthetic_production", "dnn", "adasparse")

    assert scores == {
        "logloss": 0.063215,
        "auc": 0.7359,
        "gauc": 0.6848,
        "starred": ["auc", "gauc"],
    }
    assert paper_scores("iaac", "dcnv2", "plain")["gauc"] == 0.6443


@pytest.mark.parametrize(
    ("dataset", "log"),
    [
        ("synthetic_production_large", "production"),
        ("synthetic_public", "public"),
        ("iaac", "public"),
        ("synthetic_none", ""),
        ("kuairand", ""),
    ],
)
def test_data_sets_stand_for_logs_by_their_names(dataset, log):
    assert paper_log(dataset) == log


def test_what_the_paper_lacks_has_no_scores():
    assert paper_scores("kuairand", "dnn", "plain") is None
    assert paper_scores("iaac", "dnn", "my_method") is None


def test_table_1_is_complete_and_table_2_repeats_it():
    values = paper_values()

    rows = [
        scores
        for backbones in values["table1"].values()
        for methods in backbones.values()
        for scores in methods.values()
    ]
    assert len(rows) == 20
    for form, method in (("plain", "plain"), ("fusion", "adasparse")):
        printed = values["table1"]["production"]["dnn"][method]
        assert values["table2"][form] == {name: printed[name] for name in ("auc", "gauc")}
