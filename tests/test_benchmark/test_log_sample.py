"""Few rows of a prepared log stand for all of it where models are timed."""

import numpy as np
import pytest

from benchmark.cost.log_sample import sample_of

MANY = 1_000


def columns_of(log):
    """The first columns of the fields, of the bag's slots, and of domain and task."""
    fields, (length,) = len(log.schema.fields), log.schema.bag_lengths
    return range(fields), range(fields, fields + length), (fields + length, fields + length + 1)


def test_sample_has_the_equalities_of_its_rows_and_the_ids_of_no_others(log):
    train = log.rows()[: len(log.split["train"])]
    original = train[np.linspace(0, len(train) - 1, 50).astype(int)]
    fields, slots, ids = columns_of(log)

    sample = sample_of(log, 50, most_domains=MANY)

    rows = sample.matrix.numpy()
    for column in (*fields, *ids):
        pairs = set(zip(original[:, column].tolist(), rows[:, column].tolist(), strict=True))
        assert len(pairs) == len({old for old, _ in pairs}) == len({new for _, new in pairs})
    assert ((rows[:, slots] == -1) == (original[:, slots] == -1)).all()
    sizes = [len(np.unique(original[:, column])) for column in fields]
    assert list(sample.schema.field_sizes) == sizes
    assert rows[:, fields].max(axis=0).tolist() == [size - 1 for size in sizes]
    assert rows[:, slots].max() == sample.schema.bag_sizes[0] - 1
    assert (rows[:, -1] == original[:, -1]).all()


def test_domains_beyond_a_bound_share_ids(log):
    _, _, (domain, task) = columns_of(log)

    sample = sample_of(log, 500, most_domains=7)

    ids = sample.matrix.numpy()[:, [domain, task]]
    assert ids.min(axis=0).tolist() == [1, 1]
    assert ids.max(axis=0).tolist() == [7, 7]
    assert (sample.schema.num_domains, sample.schema.num_tasks) == (8, 8)


@pytest.mark.parametrize("num_rows", [1_200, 5_000])
def test_a_small_log_is_its_own_sample(log, num_rows):
    sample = sample_of(log, num_rows, most_domains=MANY)

    train = log.rows()[: len(log.split["train"])]
    assert len(sample) == len(train) == 1_200
    assert (sample.matrix.numpy()[:, -1] == train[:, -1]).all()
