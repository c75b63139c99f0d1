"""Predictions in pieces, masks by domain, and the table of domains."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from benchmark.cost.random_log import random_schema
from benchmark.store.data_folder import domain_table
from benchmark.training.scoring import MaskMeter
from datasets.loader import EncodedRows
from models.predictors import predict

SCHEMA = replace(random_schema((9,), num_domains=8), num_domain_fields=1)


def make_rows(domains):
    column = np.array(domains, np.int32)[:, None]
    return EncodedRows(
        np.concatenate([column + 1, column + 1, column + 1, column, column % 2], 1), SCHEMA
    )


def test_predictions_do_not_depend_on_the_size_of_the_pieces(monkeypatch):
    rows = make_rows(range(7))

    def predictor(batch):
        return batch.codes[:, 0].float() * 0.5

    whole = predict(predictor, rows, range(2, 7))
    monkeypatch.setattr("models.predictors.BATCH_SIZE", 2)

    assert (
        predict(predictor, rows, range(2, 7)).tolist()
        == whole.tolist()
        == [1.5, 2.0, 2.5, 3.0, 3.5]
    )
    assert whole.dtype == np.float32


def test_masks_are_means_over_the_rows_of_each_domain():
    class Method:
        def diagnostics(self):
            gate = torch.tensor([[True, False], [True, True], [False, True]])
            return {"layer1/factor": gate * 2.0, "layer1/gate": gate, "alpha": torch.tensor(5.0)}

    meter = MaskMeter(Method(), num_eval_domains=3)

    meter(make_rows([0, 0, 2]).range(0, 3))

    masks = meter.masks()
    assert sorted(masks) == ["layer1_keep_rate", "layer1_mean_factor", "layer1_sparsity"]
    np.testing.assert_allclose(masks["layer1_keep_rate"], [[1.0, 0.5], [np.nan] * 2, [0.0, 1.0]])
    np.testing.assert_allclose(masks["layer1_mean_factor"], [[2.0, 1.0], [np.nan] * 2, [0.0, 2.0]])
    np.testing.assert_allclose(masks["layer1_sparsity"], [0.25, np.nan, 0.5])


def test_a_column_of_the_log_steps_aside_for_a_metric():
    domains = pl.DataFrame({"eval_domain_id": [0], "domain_id": [1], "auc": ["a"], "auc_": ["b"]})
    test = pl.DataFrame({"eval_domain_id": [0, 0], "label": [0, 1], "logit": [0.0, 1.0]})

    table = domain_table(domains, test, p_click=None)

    assert table.columns[2:4] == ["auc__", "auc_"]
    assert table.select("auc__", "auc_", "auc").row(0) == ("a", "b", 1.0)


def test_domain_table_says_nan_where_a_domain_has_one_class_or_no_rows():
    domains = pl.DataFrame({"eval_domain_id": [0, 1, 2], "test_impressions": [2, 1, 0]})
    test = pl.DataFrame(
        {"eval_domain_id": [0, 0, 1], "label": [0, 1, 1], "logit": [0.0, 1.0, 0.0]},
        schema_overrides={"logit": pl.Float32},
    )

    table = domain_table(domains, test, p_click=np.array([0.5, 0.5, 0.25]))

    assert table["auc"].to_list()[0] == 1.0
    assert np.isnan(table["auc"].to_numpy()[1:]).all()
    assert table["logloss"].to_list()[1] == pytest.approx(np.log(2))
    assert np.isnan(table["logloss"].to_list()[2])
    assert table["expected_clicks"].to_list() == [1.0, 0.25, 0.0]
    assert table["expected_auc"].to_list()[0] == pytest.approx(0.5)  # both rows have p = 0.5
    assert np.isnan(table["expected_auc"].to_numpy()[1:]).all()  # one row, and none
    assert table["expected_logloss"].to_list()[1] == pytest.approx(np.log(2))  # of logit 0
    assert np.isnan(table["expected_logloss"].to_list()[2])
