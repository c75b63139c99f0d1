"""What the study of masks needs: nulls for what pruners learn, and how alike domains' rows are."""

import numpy as np
import polars as pl
import pytest

from benchmark.planning.studies import Change
from benchmark.store.data_folder import input_similarity
from benchmark.training.seeding import permute_labels


def clicks_by_domain(rows):
    return np.bincount(rows[:, -2], rows[:, -1])


def test_permuted_labels_keep_the_clicks_of_each_domain_and_all_else(log):
    train = log.split["train"]
    before = log.rows()[train.start : train.stop].copy()
    after, other = before.copy(), before.copy()

    permute_labels(after, seed=1)
    permute_labels(other, seed=2)

    np.testing.assert_array_equal(after[:, :-1], before[:, :-1])
    np.testing.assert_array_equal(clicks_by_domain(after), clicks_by_domain(before))
    assert (after[:, -1] != before[:, -1]).mean() > 0.1
    assert (after[:, -1] != other[:, -1]).any()


def masks_of(record):
    with np.load(record.path / "masks.npz") as arrays:
        return dict(arrays)


def test_a_run_on_permuted_labels_starts_as_its_main_cell_and_is_scored_on_given_ones(log, train):
    changes = [Change(method="adasparse"), Change(method="adasparse", labels="permuted")]

    records = [train(log, change, name="fast", learning_rate=0.02) for change in changes]

    tables = [pl.read_parquet(record.path / "predictions.parquet") for record in records]
    given, shuffled = map(masks_of, records)
    assert tables[0]["label"].equals(tables[1]["label"])
    assert not tables[0]["logit"].equals(tables[1]["logit"])
    assert records[1].config.changes == ["labels permuted"]
    for layer in range(4):
        name = f"layer{layer}_initial_factor"
        np.testing.assert_array_equal(given[name], shuffled[name])
        assert given[name].shape == given[f"layer{layer}_mean_factor"].shape
        assert not np.array_equal(given[name], given[f"layer{layer}_mean_factor"])
    assert not np.array_equal(given["layer1_mean_factor"], shuffled["layer1_mean_factor"])


def test_input_similarity_is_the_affinity_of_shares_by_hand(log):
    alike = input_similarity(log)
    train = log.split["train"]
    rows = log.rows()[train.start : train.stop]
    first, last = log.schema.num_domain_fields, len(log.schema.fields)

    def shares(domain, column):
        values = rows[rows[:, -2] == domain, column]
        return np.bincount(values, minlength=rows[:, column].max() + 1) / values.size

    ids, observed = alike["eval_domain_id"], alike["observed"]
    pairs = [(0, 1), (2, 5), (3, 3)]
    expected = [
        np.mean(
            [
                np.sqrt(shares(ids[i], column) * shares(ids[j], column)).sum()
                for column in range(first, last)
            ]
        )
        for i, j in pairs
    ]

    assert [observed[i, j] for i, j in pairs] == pytest.approx(expected, abs=1e-6)
    assert np.bincount(rows[:, -2])[ids].tolist() == sorted(
        np.bincount(rows[:, -2])[ids].tolist(), reverse=True
    )
