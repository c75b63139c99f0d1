"""Reference models: what they learn, what they never see, and scikit-learn as oracle."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from benchmark.metrics import evaluate
from benchmark.metrics.auc import auc
from benchmark.metrics.logloss import row_logloss
from benchmark.protocol import COMPACT, Protocol
from benchmark.references import linear
from benchmark.references import rows as reference_rows
from benchmark.references.linear import one_hot
from benchmark.references.registry import REFERENCES, fit
from benchmark.references.rows import Feature, features_of, labels_of, one_thread
from benchmark.references.trees import (
    NUM_FOLDS,
    candidates,
    encode_out_of_fold,
    fit_encoding,
    seeded_folds,
)
from datasets.loader import column_names
from datasets.spec import EncodedSchema

QUICK = {
    "logistic_regression": {"inverse_regularisation": 0.3},
    "boosted_trees": {"max_iter": 30, "max_leaf_nodes": 8},
}


@pytest.fixture(params=sorted(REFERENCES))
def name(request):
    return request.param


@pytest.fixture
def fitted(log, make_config):
    """A function that fits a quick model, on a changed matrix if one is given."""

    def fit_one(name, matrix=None, seed=1, protocol=COMPACT, **changes):
        config = make_config(
            backbone=name,
            method="reference",
            protocol=protocol,
            backbone_config=QUICK[name] | changes,
        )
        rows = log.rows() if matrix is None else matrix
        data = SimpleNamespace(rows=lambda: rows, schema=log.schema, split=log.split)
        return fit(config, data, seed)

    return fit_one


def rows_of(log, split):
    span = log.split[split]
    return log.rows()[span.start : span.stop]


def test_reference_beats_the_base_rate_on_test(name, fitted, log):
    test, base_rate = rows_of(log, "test"), labels_of(rows_of(log, "train")).mean()

    logit = fitted(name)(test)

    label = labels_of(test)
    constant = np.full(len(test), np.log(base_rate / (1 - base_rate)))
    assert auc(label, logit) > 0.62
    assert row_logloss(label, logit).mean() < row_logloss(label, constant).mean() - 0.01


def test_equal_seeds_give_equal_bits(name, fitted, log):
    first, second = fitted(name), fitted(name)

    assert np.array_equal(first(log.rows()), second(log.rows()))
    assert first.training.history == second.training.history
    assert first.complexity == second.complexity


def test_only_trees_depend_on_the_seed(fitted, log):
    test = rows_of(log, "test")

    def differs(name):
        return not np.array_equal(fitted(name, seed=1)(test), fitted(name, seed=2)(test))

    assert differs("boosted_trees")
    assert not differs("logistic_regression")


def test_no_row_behind_dev_takes_part(name, fitted, log):
    poisoned = np.array(log.rows())
    poisoned[log.split["test"].start :] = 1_000_000  # codes and labels that nothing could hold

    scorer = fitted(name, poisoned)

    assert np.array_equal(scorer(rows_of(log, "test")), fitted(name)(rows_of(log, "test")))


def test_labels_of_dev_choose_among_trees_and_nothing_else(fitted, log):
    flipped, dev = np.array(log.rows()), log.split["dev"]
    flipped[dev.start : dev.stop, -1] ^= 1

    linear = fitted("logistic_regression", flipped), fitted("logistic_regression")
    trees = fitted("boosted_trees", flipped), fitted("boosted_trees")

    assert np.array_equal(linear[0].weights, linear[1].weights)
    for one, two in zip(trees[0].encoding.rates, trees[1].encoding.rates, strict=True):
        assert np.array_equal(one, two)
    for one, two in zip(trees[0].training.history, trees[1].training.history, strict=True):
        assert one["auc"] == pytest.approx(1 - two["auc"])


def test_scorer_has_the_best_dev_auc_of_its_history(name, fitted, log):
    scorer = fitted(name)

    training, dev = scorer.training, rows_of(log, "dev")
    scores = {row["step"]: row["auc"] for row in training.history}
    assert training.candidates == len(scores)
    assert training.best_dev_score == scores[training.best_step] == max(scores.values())
    assert auc(labels_of(dev), scorer(dev).astype("float32")) == training.best_dev_score


def test_dev_gauc_chooses_where_the_protocol_says_so(fitted, log, make_config):
    protocol = replace(make_config().protocol, selection_metric="gauc")
    options = {"max_iter": 60, "learning_rate": 0.5, "protocol": protocol}

    scorer = fitted("boosted_trees", **options)

    dev, encoded = rows_of(log, "dev"), scorer.encoding(rows_of(log, "dev"))
    gauc = {
        step: evaluate(dev[:, -1], logit.astype("float32"), dev[:, -2])["gauc"]
        for step, logit in enumerate(scorer.model.staged_decision_function(encoded), start=1)
    }
    steps = [row["step"] for row in scorer.training.history]
    assert scorer.training.best_step == max(steps, key=gauc.get)
    assert scorer.training.best_dev_score == gauc[scorer.training.best_step]


def test_logits_do_not_depend_on_the_size_of_the_blocks(name, fitted, log, monkeypatch):
    scorer, rows = fitted(name), log.rows()
    whole = scorer(rows)

    monkeypatch.setattr(reference_rows, "BLOCK_ROWS", 700)

    assert np.array_equal(scorer(rows), whole)
    assert whole.dtype == np.float64
    assert whole.shape == (len(rows),)


def test_logits_are_finite_where_a_value_decides_the_label(name, fitted, log):
    separable = np.array(log.rows())
    separable[:, -1] = separable[:, 0] % 2  # the first field
    unseen = np.zeros_like(separable[:1])
    unseen[0, len(log.schema.fields) : -4] = -1  # no known value and empty bags
    extreme = (
        {"inverse_regularisation": 1e6}
        if name == "logistic_regression"
        else {
            "l2_regularization": 0.0,
            "learning_rate": 1.0,
        }
    )

    logit = fitted(name, separable, **extreme)(np.concatenate([separable, unseen]))

    assert np.isfinite(logit).all()
    assert np.array_equal(logit[:-1] > 0, separable[:, -1] == 1)


def test_logistic_regression_agrees_with_another_solver_on_dense_indicators(fitted, log):
    linear_model = pytest.importorskip("sklearn.linear_model")

    def dense(rows):
        places = {name: place for place, name in enumerate(column_names(log.schema))}
        sizes = zip(log.schema.fields, log.schema.field_sizes, strict=True)
        singles = [*sizes, ("domain_id", log.schema.num_domains)]
        columns = [rows[:, places[n]] == code for n, size in singles for code in range(1, size)]
        slots = [places[f"tags[{slot}]"] for slot in range(log.schema.bag_lengths[0])]
        codes = range(1, log.schema.bag_sizes[0])
        columns += [(rows[:, slots] == code).any(axis=1) for code in codes]
        return np.stack(columns, axis=1).astype(float)

    train, test = rows_of(log, "train"), rows_of(log, "test")
    oracle = linear_model.LogisticRegression(C=0.3, solver="newton-cholesky", tol=1e-10)

    oracle.fit(dense(train), labels_of(train))

    scorer = fitted("logistic_regression")
    np.testing.assert_allclose(scorer(test), oracle.decision_function(dense(test)), atol=2e-3)
    assert scorer.weights.size == dense(test).shape[1]


def test_a_solver_that_stops_early_is_said_to(fitted, monkeypatch, caplog):
    fitted("logistic_regression")
    assert not caplog.messages

    monkeypatch.setattr(linear, "MAX_ITERATIONS", 2)
    scorer = fitted("logistic_regression")

    assert scorer.training.steps == 2
    assert "failed to converge" in caplog.messages[0]


def test_trees_are_cut_after_the_best_one(fitted, log):
    scorer = fitted("boosted_trees", max_iter=80, learning_rate=0.5, max_leaf_nodes=31)
    best = scorer.training.best_step
    assert best < 80  # it overfits

    shorter = fitted("boosted_trees", max_iter=best, learning_rate=0.5, max_leaf_nodes=31)

    encoded = shorter.encoding(rows_of(log, "test"))
    logit = shorter.model.decision_function(encoded)
    np.testing.assert_allclose(scorer(rows_of(log, "test")), logit, rtol=1e-12)


def test_parameters_are_counted_by_what_they_grow_with(fitted, log):
    schema = log.schema
    values, bags = sum(schema.field_sizes) + sum(schema.bag_sizes), len(schema.bags)

    linear = fitted("logistic_regression").complexity
    stumps = fitted("boosted_trees", max_leaf_nodes=2).complexity

    assert linear["embedding_parameters"] == values - len(schema.fields) - bags
    assert linear["domain_parameters"] == schema.num_domains - 1
    assert linear["served_parameters"] == sum(linear.values()) - linear["served_parameters"]
    assert stumps["embedding_parameters"] == values
    assert stumps["leaves"] == 2 * stumps["trees"]
    assert stumps["dense_parameters"] == 4 * stumps["trees"]  # two values, a field, a threshold


def test_unknown_reference_names_the_known_ones(make_config, log):
    with pytest.raises(ValueError, match=r"'dnn'.*boosted_trees, logistic_regression"):
        fit(make_config(backbone="dnn"), log, 1)


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


def test_folds_are_equal_in_size_spread_in_time_and_fixed_by_the_seed():
    folds = seeded_folds(1_003, np.random.default_rng(1))

    assert np.bincount(folds).tolist() == [201, 201, 201, 200, 200]
    assert set(folds[:100].tolist()) == set(range(NUM_FOLDS))
    assert np.array_equal(folds, seeded_folds(1_003, np.random.default_rng(1)))
    assert not np.array_equal(folds, seeded_folds(1_003, np.random.default_rng(2)))


SCHEMA = EncodedSchema(
    fields=("place", "hour"),
    field_sizes=(3, 4),
    num_domain_fields=2,
    bags=("tags",),
    bag_sizes=(3,),
    bag_lengths=(2,),
    num_domains=5,
    num_tasks=3,
)


def test_one_hot_has_no_column_for_unseen_values_and_counts_a_tag_once():
    features = features_of(SCHEMA, joint_domain=True)
    rows = np.array([[1, 3, 2, 2, 4, 1, 0, 1], [0, 1, -1, -1, 0, 0, 5, 0]], np.int32)

    matrix = one_hot(features, rows).toarray()

    place, hour, tags, domain = np.split(matrix, [2, 5, 7], axis=1)
    assert place.tolist() == [[1, 0], [0, 0]]
    assert hour.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert tags.tolist() == [[0, 1], [0, 0]]
    assert domain.tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]


def test_features_stand_where_the_columns_of_the_encoded_rows_are():
    names = column_names(SCHEMA)

    features = features_of(SCHEMA, joint_domain=True)

    found = {feature.name: names[feature.columns] for feature in features}
    assert found == {
        "place": ("place",),
        "hour": ("hour",),
        "tags": ("tags[0]", "tags[1]"),
        "domain_id": ("domain_id",),
    }
    assert [feature.size for feature in features] == [3, 4, 3, 5]
    assert features_of(SCHEMA, joint_domain=False) == features[:-1]


def test_the_domain_of_one_column_is_no_second_feature():
    schema = SCHEMA.view(domain_from="task_id", task_from="task_id")

    names = [feature.name for feature in features_of(schema, joint_domain=True)]

    assert names == ["place", "hour", "tags"]


@pytest.mark.parametrize(
    ("max_iter", "expected"), [(200, (50, 75, 100, 125, 150, 175, 200)), (3, (1, 2, 3)), (1, (1,))]
)
def test_candidates_are_as_many_as_those_of_a_network(max_iter, expected):
    protocol = Protocol(
        name="p",
        embedding_dim=8,
        hidden_dims=(8,),
        batch_size=256,
        max_fields=None,
        max_epochs=4,
        evaluations_per_epoch=2,
        first_selectable_epoch=1.0,
    )

    assert candidates(max_iter, protocol) == expected


def test_candidates_of_any_number_of_trees_are_distinct_and_end_with_the_last(make_config):
    protocol = make_config().protocol

    for max_iter in range(1, 130):
        steps = candidates(max_iter, protocol)
        assert list(steps) == sorted(set(steps))
        assert steps[0] >= 1
        assert steps[-1] == max_iter


def test_one_thread_holds_within_and_no_longer():
    pytest.importorskip("sklearn.ensemble")
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def threads():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    before = threads()
    with one_thread():
        assert set(threads()) == {1}

    assert threads() == before
