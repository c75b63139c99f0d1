"""The parts of reference models: features, indicators, candidates, configs, thread limit."""

from dataclasses import asdict, fields

import numpy as np
import pytest

from benchmark.protocol import Protocol
from benchmark.references.linear import LogisticRegressionConfig, one_hot
from benchmark.references.registry import REFERENCES
from benchmark.references.rows import features_of, one_thread
from benchmark.references.trees import BoostedTreesConfig, candidates
from datasets.loader import column_names
from datasets.spec import EncodedSchema
from models.interfaces import Range, search_space

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


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (LogisticRegressionConfig, {"inverse_regularisation": 0.0}),
        (LogisticRegressionConfig, {"inverse_regularisation": float("nan")}),
        (LogisticRegressionConfig, {"inverse_regularisation": float("inf")}),
        (LogisticRegressionConfig, {"joint_domain": "yes"}),
        (BoostedTreesConfig, {"learning_rate": -0.1}),
        (BoostedTreesConfig, {"smoothing": 0.0}),
        (BoostedTreesConfig, {"l2_regularization": -1.0}),
        (BoostedTreesConfig, {"max_leaf_nodes": 1}),
        (BoostedTreesConfig, {"max_leaf_nodes": 2.5}),
        (BoostedTreesConfig, {"max_iter": 0}),
    ],
)
def test_config_refuses_what_is_out_of_range(config, values):
    (key, value), *_ = values.items()

    with pytest.raises(ValueError, match=f"{key} must be .* got .*{value}"):
        config(**values)


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_search_spaces_are_small_and_within_the_allowed_values(name):
    config = REFERENCES[name].config

    space = search_space(config)

    assert 1 <= len(space) <= 4
    assert set(asdict(config())) == {field.name for field in fields(config)} >= set(space)
    for key, where in space.items():
        ends = (where.low, where.high) if isinstance(where, Range) else where.values
        for value in ends:
            assert getattr(config(**{key: value}), key) == value


def test_one_thread_holds_within_and_no_longer():
    pytest.importorskip("sklearn.ensemble")
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def threads():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]

    before = threads()
    with one_thread():
        assert set(threads()) == {1}

    assert threads() == before
