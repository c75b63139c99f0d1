"""Target encoding: hand-worked rates, scikit-learn as oracle, and no row sees its own label."""

import numpy as np
import pytest

from benchmark.references.rows import Feature
from benchmark.references.trees import (
    NUM_FOLDS,
    encode_out_of_fold,
    fit_encoding,
    seeded_folds,
)

FIELD = Feature(name="item", columns=slice(0, 1), size=4)
BAG = Feature(name="tags", columns=slice(1, 3), size=3)
LOG = np.array(  # item, two slots of tags, label
    [[1, 1, 2, 1], [1, 1, -1, 0], [1, 2, -1, 1], [2, -1, -1, 0], [2, 1, 1, 0]], np.int32
)  # 2 clicks of 5: the prior is 0.4


def random_log(num_rows=300, seed=0):
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, 4, num_rows), *rng.integers(-1, 3, (2, num_rows))]
    return np.stack([*columns, rng.integers(0, 2, num_rows)], axis=1).astype(np.int32)


def test_rates_are_smoothed_towards_the_prior():
    encoding = fit_encoding((FIELD, BAG), LOG, smoothing=2.0)

    assert encoding.prior == 0.4
    of_items, of_tags = encoding.rates
    # unseen, 2 clicks of 3, 0 of 2, without rows
    np.testing.assert_allclose(of_items, [0.4, (2 + 0.8) / (3 + 2), 0.8 / (2 + 2), 0.4])
    # tag 1 fills 4 slots, the row with click once; tag 2 fills 2, both with click
    np.testing.assert_allclose(of_tags, [0.4, (1 + 0.8) / (4 + 2), (2 + 0.8) / (2 + 2)])


def test_a_bag_is_the_mean_of_its_slots_and_the_prior_if_empty():
    encoding = fit_encoding((FIELD, BAG), LOG, smoothing=2.0)

    encoded = encoding(np.array([[3, 1, 2, 0], [0, -1, -1, 0], [1, 2, 2, 1]], np.int32))

    np.testing.assert_allclose(encoded, [[0.4, (0.3 + 0.7) / 2], [0.4, 0.4], [0.56, 0.7]])


def test_rows_are_encoded_by_the_other_folds():
    folds = np.array([0, 1, 2, 3, 4])

    encoded = encode_out_of_fold((FIELD,), LOG, 2.0, folds)

    # row 0: the others have 1 click of 4, item 1 among them 1 of 2
    np.testing.assert_allclose(encoded[0], (1 + 2 * 0.25) / (2 + 2))
    # row 1: the others have 2 clicks of 4, item 1 among them 2 of 2
    np.testing.assert_allclose(encoded[1], (2 + 2 * 0.5) / (2 + 2))
    # row 3: the others have 2 clicks of 4, item 2 among them 0 of 1
    np.testing.assert_allclose(encoded[3], (0 + 2 * 0.5) / (1 + 2))


def test_a_value_of_one_fold_is_encoded_there_by_the_prior_of_the_others():
    folds = np.array([0, 1, 2, 3, 3])  # all of item 2 in fold 3

    encoded = encode_out_of_fold((FIELD,), LOG, 2.0, folds)

    np.testing.assert_allclose(encoded[3:], 2 / 3)


@pytest.mark.parametrize("smoothing", [1.0, 50.0])
def test_rates_agree_with_those_of_scikit_learn(smoothing):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    rows, others = random_log(), random_log(seed=1)
    rows = rows[rows[:, 0] != 2]  # so that the others have an unseen value
    oracle = preprocessing.TargetEncoder(smooth=smoothing, target_type="binary")

    oracle.fit(rows[:, :1], rows[:, -1])

    encoded = fit_encoding((FIELD,), rows, smoothing)(others)
    np.testing.assert_allclose(encoded, oracle.transform(others[:, :1]), rtol=1e-12)


def test_no_label_enters_the_encoding_of_its_own_row():
    rows, features = random_log(), (FIELD, BAG)
    folds = seeded_folds(len(rows), np.random.default_rng(3))
    before = encode_out_of_fold(features, rows, 5.0, folds)

    for row in range(0, len(rows), 7):
        flipped = rows.copy()
        flipped[row, -1] = 1 - flipped[row, -1]
        after = encode_out_of_fold(features, flipped, 5.0, folds)

        assert np.array_equal(after[folds == folds[row]], before[folds == folds[row]])
        assert (after[folds != folds[row]] != before[folds != folds[row]]).any(axis=1).all()


def test_noise_of_single_rows_stays_noise_out_of_fold():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 2_000)
    rows = np.stack([np.arange(2_000), label], axis=1).astype(np.int32)  # every value once
    feature = Feature(name="id", columns=slice(0, 1), size=2_000)

    encoded = encode_out_of_fold((feature,), rows, 1.0, seeded_folds(2_000, rng))[:, 0]

    assert len(np.unique(encoded)) <= NUM_FOLDS  # the priors of the folds
    leaking = fit_encoding((feature,), rows, 1.0)(rows)[:, 0]
    assert np.array_equal(leaking > 0.5, label == 1)


def test_folds_are_equal_in_size_spread_in_time_and_fixed_by_the_seed():
    folds = seeded_folds(1_003, np.random.default_rng(1))

    assert np.bincount(folds).tolist() == [201, 201, 201, 200, 200]
    assert set(folds[:100].tolist()) == set(range(NUM_FOLDS))
    assert np.array_equal(folds, seeded_folds(1_003, np.random.default_rng(1)))
    assert not np.array_equal(folds, seeded_folds(1_003, np.random.default_rng(2)))
