"""Expected metrics by bin, the ceiling, and the share of the achievable gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from benchmark.store.files import RecordError, write_parquet
from reports.analysis.differences import achieved_share
from reports.statistics.bins import bins_of
from reports.tables.ceiling import TABLE
from tests.test_reports.conftest import bounds_of, row_of

if TYPE_CHECKING:
    from conftest import Folder

METRICS = ("expected_logloss", "expected_auc", "expected_gauc")


def scores_of(folder: Folder, method: str, seed: int, rows: np.ndarray) -> dict[str, float]:
    logit = folder.logits(folder.config("dnn", method, seed))
    return folder.expected(folder.p_click[rows], logit[rows], folder.domain[rows])


def frame(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"draw": 0, "seed": range(1, 1 + len(next(iter(columns.values()))))} | columns
    )


def test_scores_of_all_domains_and_of_each_bin_are_those_of_the_definition(
    finished: Folder,
) -> None:
    table = finished.tabulated(TABLE)

    bins = bins_of(finished.domains()["train_impressions"])[finished.domain]
    for scope in (0, *np.unique(bins)):
        rows = np.flatnonzero((bins == scope) | (scope == 0))
        row = row_of(table, backbone="dnn", method="adasparse", scope=scope)
        scores = [scores_of(finished, "adasparse", seed, rows) for seed in (1, 2, 3)]
        for metric in METRICS:
            values = [score[metric] for score in scores]
            assert row[f"{metric}_mean"] == pytest.approx(np.mean(values))
            assert row[f"{metric}_std"] == pytest.approx(np.std(values, ddof=1))
        assert (row["test_rows"], row["domains"]) == (rows.size, scores[0]["expected_gauc_domains"])


def test_share_is_the_part_of_the_way_to_the_ceiling(finished: Folder) -> None:
    table = finished.tabulated(TABLE)

    best = finished.expected(finished.p_click, finished.log_odds, finished.domain)
    row = row_of(table, backbone="dnn", method="adasparse", scope=0)
    for metric in METRICS:
        own, plain = (finished.over_seeds(metric, method) for method in ("adasparse", "plain"))
        shares = (own - plain) / (best[metric] - plain)
        mean, low, high = bounds_of(row, f"{metric}_share")
        assert mean == pytest.approx(shares.mean())
        assert 0.0 < mean < 1.0
        assert low < mean < high
    assert np.isnan(
        row_of(table, backbone="dnn", method="plain", scope=0)["expected_auc_share_mean"]
    )


def test_share_of_worked_seeds() -> None:
    own, plain = frame(expected_auc=[0.63, 0.64]), frame(expected_auc=[0.60, 0.59])

    share = achieved_share(own, plain, "expected_auc", pd.Series({0: 0.8}))

    assert share.mean == pytest.approx((0.03 / 0.20 + 0.05 / 0.21) / 2)


def test_share_of_logloss_is_positive_where_it_fell() -> None:
    own, plain = frame(expected_logloss=[0.38] * 2), frame(expected_logloss=[0.40] * 2)

    assert achieved_share(
        own, plain, "expected_logloss", pd.Series({0: 0.3})
    ).mean == pytest.approx(0.2)


@pytest.mark.parametrize(("metric", "sign"), [("expected_auc", 1.0), ("expected_logloss", -1.0)])
@pytest.mark.parametrize(("way", "is_blank"), [(0.0049, True), (0.0051, False), (-0.01, True)])
def test_share_of_a_short_way_is_undefined(
    metric: str, sign: float, way: float, *, is_blank: bool
) -> None:
    own, plain = frame(**{metric: [0.501] * 2}), frame(**{metric: [0.5] * 2})

    share = achieved_share(own, plain, metric, pd.Series({0: 0.5 + sign * way}))

    assert np.isnan(share.mean) == is_blank


def test_share_is_undefined_where_one_seed_has_a_short_way() -> None:
    own, plain = frame(expected_auc=[0.501, 0.501]), frame(expected_auc=[0.5, 0.4])

    assert np.isnan(achieved_share(own, plain, "expected_auc", pd.Series({0: 0.503})).mean)


def test_blocks_are_blank_where_there_is_no_share(finished: Folder) -> None:
    layout = TABLE.arrange(finished.tabulated(TABLE))

    assert len(layout.columns) <= 11
    first = layout.blocks[0]
    assert first.heading.startswith(
        "world (domains: scenario), DNN, all domains (domains: 5, test rows: 300"
    )
    plain, pruned, best = first.rows
    assert [entry.text for entry in plain[4:]] == ["", "", "", "3"]
    assert "[" in pruned[5].text
    assert best[0].text == "True probability"


def test_real_logs_have_no_ceiling(finished: Folder) -> None:
    finished.write_data(with_truth=False)

    assert finished.tabulated(TABLE).empty


def test_predictions_of_other_rows_are_refused(finished: Folder) -> None:
    truth = finished.truth().with_columns(row_id=pd.Series(range(600)).to_numpy())
    write_parquet(finished.store.data_folder("f" * 16) / "truth.parquet", truth)

    with pytest.raises(RecordError, match="its test rows are not those of"):
        finished.tabulated(TABLE)


def test_no_share_exceeds_all_of_the_way() -> None:
    own, plain = frame(expected_auc=[0.62, 0.78]), frame(expected_auc=[0.6, 0.6])

    share = achieved_share(own, plain, "expected_auc", pd.Series({0: 0.8}))

    assert share.low < 0.0  # below, there is no end
    assert share.high == 1.0
