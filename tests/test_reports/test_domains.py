"""Domains above and below the plain backbone: worked by hand, and counted from the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from reports.analysis.domain_gains import DomainGains
from reports.reading.load import load_runs
from reports.reading.names import joined
from reports.tables import coverage, domains, worse_domains

if TYPE_CHECKING:
    from conftest import Folder

PLAIN = np.array([[0.5, 0.6, 0.7, 0.8], [0.5, 0.6, 0.7, 0.7]])
GAIN = np.array([[0.1, 0.1, -0.1, 0.0], [0.1, -0.2, -0.1, 0.0]])
ROWS = [400, 300, 200, 100]


def gains_of(gain: np.ndarray = GAIN, plain: np.ndarray = PLAIN) -> DomainGains:
    """Four judged domains, the rows of which are half of all."""
    keys = {"dataset": "world", "partition": "tab+age", "backbone": "dnn", "method": "star"}
    counts = {"train_impressions": 5, "test_impressions": ROWS, "test_clicks": 20}
    return DomainGains(
        model=keys | {"planned_runs": 2, "draws": 1},
        draw=0,
        domains=pd.DataFrame({"tab": [1, 1, 2, 2], "age": list("abab"), **counts}),
        test_rows=2 * sum(ROWS),
        seeds=list(range(len(gain))),
        auc=plain[: len(gain)] + gain,
        plain=plain[: len(gain)],
        all_plain=plain,
    )


def tabulated(monkeypatch: pytest.MonkeyPatch, module: object, *gains: DomainGains) -> pd.DataFrame:
    monkeypatch.setattr(module, "domain_gains", lambda _: ([one] for one in gains))
    return module.TABLE.tabulate(None)


def test_upr_is_the_worked_one(monkeypatch: pytest.MonkeyPatch) -> None:
    row = tabulated(monkeypatch, domains, gains_of()).iloc[0]

    assert row["upr_percent_mean"] == pytest.approx((50 + 25) / 2)
    assert row["upr_percent_by_chance"] == pytest.approx(50 * 3 / 4)  # one of four is tied
    assert row["upr_percent_by_row"] == pytest.approx((70 + 40) / 2)
    assert row["upr_percent_by_row_by_chance"] == pytest.approx(50 * 0.9)
    assert row["upr_percent_low"] < 37.5 < row["upr_percent_high"]
    assert (row["judged_domains"], row["judged_row_share"], row["runs"]) == (4, 0.5, 2)


def test_sign_test_is_of_the_means_over_seeds_without_ties(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gain = np.tile([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, -0.1, 0.0], (2, 1))
    gain[0, 0] = -0.05  # above by its mean alone
    nine = pd.concat([gains_of().domains] * 3)[:9]
    plain = np.zeros_like(gain)
    gains = replace(gains_of(), domains=nine, auc=gain, plain=plain, all_plain=plain)

    row = tabulated(monkeypatch, domains, gains).iloc[0]

    assert (row["domains_up"], row["domains_down"]) == (7, 1)
    assert row["sign_test_p"] == pytest.approx(2 * (1 + 8) / 2**8)


def test_two_plain_runs_are_compared_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = np.array([[0.5, 0.6, 0.7, 0.8], [0.4, 0.5, 0.9, 0.8]])  # 2 of 4 above, 1 of 4, a tie

    row = tabulated(monkeypatch, domains, gains_of(plain=plain)).iloc[0]

    assert (row["upr_percent_plain_low"], row["upr_percent_plain_high"]) == (25.0, 50.0)


def test_one_seed_has_no_interval_and_no_second_plain_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = tabulated(monkeypatch, domains, gains_of(GAIN[:1], PLAIN[:1]))

    texts = [entry.text for entry in domains.TABLE.arrange(table).blocks[0].rows[0]]
    assert texts[1:5] == ["50.0 (37.5)", "70.0 (45.0)", "", "2, 1"]
    assert texts[-1] == "1 of 2"


@pytest.mark.parametrize("shape", [(0, 4), (2, 0)])
def test_upr_without_seeds_or_domains_is_undefined(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int]
) -> None:
    nothing = replace(
        gains_of(),
        domains=gains_of().domains[: shape[1]],
        auc=np.zeros(shape),
        plain=np.zeros(shape),
        all_plain=np.zeros(shape),
    )

    table = tabulated(monkeypatch, domains, nothing)

    texts = [entry.text for entry in domains.TABLE.arrange(table).blocks[0].rows[0]]
    assert texts[1:3] == ["n/a", "n/a"]
    assert texts[4:6] == ["0, 0", "n/a"]


def test_worse_domains_are_listed_by_test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    table = tabulated(monkeypatch, worse_domains, gains_of())

    assert table["domain"].tolist() == [
        "tab=1, age=a",
        "tab=1, age=b",
        "tab=2, age=a",
        "tab=2, age=b",
    ]
    assert table["is_worse"].tolist() == [False, True, True, False]
    assert table["auc_delta_mean"].tolist() == pytest.approx([0.1, -0.05, -0.1, 0])
    half = 0.15 * stats.t.ppf(0.975, 1)  # half the spread of two values is their standard error
    assert half > 1.0  # no AUC can be so much worse
    assert table["auc_delta_low"].iloc[1] == -1.0
    block = worse_domains.arrange(table).blocks[0]
    assert [row[0].text for row in block.rows] == [joined("1b"), joined("2a")]
    assert "2 of 4 judged domains got worse, with 50.0% of their test rows; 2 runs" in block.heading


def test_file_of_domains_is_cut_to_those_with_most_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worse_domains, "MOST_ROWS", 5)
    other = replace(gains_of(), model=gains_of().model | {"method": "apg"})
    table = tabulated(monkeypatch, worse_domains, gains_of(), other)

    assert len(table) == 4
    assert set(table["test_impressions"]) == {400, 300}
    assert set(table["worse_domains"]) == {2}
    assert "2 judged domains" in worse_domains.arrange(table).notes[-1]


def test_domains_of_a_store_are_those_counted_from_its_rows(finished: Folder) -> None:
    row = domains.tabulate(load_runs(finished.store.out)).set_index("backbone").loc["dcnv2"]

    shares = []
    for seed in (1, 2, 3):
        aucs = {}
        for method in ("plain", "adasparse"):
            logit = finished.logits(finished.config("dcnv2", method, seed))
            members = [finished.domain == domain for domain in range(4)]  # the last has one class
            aucs[method] = [roc_auc_score(finished.label[own], logit[own]) for own in members]
        shares.append(np.mean(np.array(aucs["adasparse"]) > np.array(aucs["plain"])))
    assert row["upr_percent_mean"] == pytest.approx(100 * np.mean(shares))
    assert row["judged_domains"] == 4
    assert row["judged_row_share"] == pytest.approx((finished.domain < 4).mean())


def test_coverage_counts_the_domains_of_one_class_and_their_rows(finished: Folder) -> None:
    row = coverage.tabulate(load_runs(finished.store.out)).iloc[0]

    assert (row["domains_without_clicks"], row["domains_without_non_clicks"]) == (1, 0)
    assert row["rows_without_clicks"] == (finished.domain == 4).sum()
    assert row["rows_without_non_clicks"] == 0
    assert row["gauc_domains"] + row["domains_without_clicks"] == row["domains"]
