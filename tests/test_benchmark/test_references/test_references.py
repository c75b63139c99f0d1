"""Reference models: what they learn, what they never see, and scikit-learn as oracle."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from benchmark.metrics import evaluate
from benchmark.metrics.auc import auc
from benchmark.metrics.logloss import row_logloss
from benchmark.protocol import COMPACT
from benchmark.references import linear
from benchmark.references import rows as reference_rows
from benchmark.references.registry import REFERENCES, fit
from benchmark.references.rows import labels_of
from datasets.loader import column_names

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
