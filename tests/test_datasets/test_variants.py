"""The same log split another way: shuffled, or in a window of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from datasets.spec import VARIANTS, DataError, PrepareOptions


def parts(data, values):
    return [values[part.start : part.stop] for part in data.split.values()]


def test_shuffled_split_has_the_same_rows_in_splits_of_the_same_sizes(prepare_log, tiny):
    own = prepare_log(tiny, options=PrepareOptions(max_train_rows=15))

    data = prepare_log(tiny, options=PrepareOptions(max_train_rows=15, variant="shuffled"))

    assert data.split == own.split
    assert sorted(data.row_ids()) == sorted(own.row_ids()) == list(range(25, 60))
    assert data.row_ids().tolist() != own.row_ids().tolist()
    train, _, test = parts(data, data.row_ids())
    assert max(train) > min(test)
    assert np.array_equal(data.rows()[:, -1], tiny["click"].to_numpy()[data.row_ids()])
    assert data.card["split_kind"] == "shuffled"
    assert data.card["train_rows_dropped_by_cap"] == 25


@pytest.mark.parametrize(
    ("timestamp", "variant", "kind"), [(None, None, "shuffle"), ("time", "shuffled", "shuffled")]
)
def test_shuffle_is_drawn_by_the_seed(prepare_log, tiny, timestamp, variant, kind):
    first, again, other = (
        prepare_log(
            tiny, timestamp=timestamp, options=PrepareOptions(variant=variant, split_seed=seed)
        )
        for seed in (0, 0, 1)
    )

    assert first.card["split_kind"] == kind
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.row_ids().tolist() != other.row_ids().tolist()


def test_shuffled_rows_keep_their_days(prepare_log, tiny):
    days = [f"2024-{1 + row // 30:02d}-{1 + row % 28:02d}" for row in range(60)]

    data = prepare_log(
        tiny.with_columns(time=np.array(days)), options=PrepareOptions(variant="shuffled")
    )

    for ids, blocks in zip(parts(data, data.row_ids()), parts(data, data.blocks()), strict=True):
        own = [days[row] for row in ids]
        assert blocks.tolist() == [sorted(set(own)).index(day) for day in own]


@pytest.mark.parametrize(("cut", "rows"), [(1, (0, 48)), (2, (6, 54)), (3, (12, 60))])
def test_cuts_are_windows_in_the_order_of_time(prepare_log, tiny, cut, rows):
    log = tiny.sample(fraction=1.0, shuffle=True, seed=3)

    data = prepare_log(log, options=PrepareOptions(variant=f"cut {cut}"))

    times = log["time"].to_numpy()[data.row_ids()]
    assert times.tolist() == list(range(*rows))
    assert data.card["rows"] == {"train": 32, "dev": 8, "test": 8}
    assert data.card["split_kind"] == f"cut {cut}"
    assert data.card["rows_in_log"] == 60
    assert np.array_equal(data.rows()[:, -1], log["click"].to_numpy()[data.row_ids()])


def test_numbers_of_a_window_are_those_of_its_rows(prepare_log, tiny):
    log = tiny.with_columns(price=tiny["time"] * 1.5)
    features = ["site", {"name": "price", "kind": "numeric", "num_buckets": 4}]
    options = PrepareOptions(variant="cut 2", max_train_rows=16)

    data = prepare_log(log, features=features, options=options)

    assert data.row_ids().tolist() == list(range(22, 54))
    assert data.rows()[:16, 1].tolist() == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4


def test_every_variant_is_a_log_of_its_own(prepare_log, tiny):
    options = [PrepareOptions(), *(PrepareOptions(variant=name) for name in VARIANTS)]

    found = {prepare_log(tiny, options=own).fingerprint for own in options}

    assert len(found) == 1 + len(VARIANTS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_generated_log_keeps_its_truth_but_has_no_candidates(prepare_entry, variant):
    own = prepare_entry("synthetic_production")

    data = prepare_entry("synthetic_production", variant=variant)

    assert not data.candidates
    truth = dict(zip(own.row_ids().tolist(), own.p_click().tolist(), strict=True))
    assert data.p_click().tolist() == [truth[row] for row in data.row_ids().tolist()]
    assert len(data.clusters()) == len(data.row_ids()) == len(data.blocks())


@pytest.mark.parametrize("variant", VARIANTS)
def test_log_without_times_has_no_variant(prepare_log, tiny, variant):
    with pytest.raises(DataError, match=f"the split '{variant}' needs a timestamp"):
        prepare_log(tiny, timestamp=None, options=PrepareOptions(variant=variant))


def test_unknown_variant_lists_what_exists():
    with pytest.raises(DataError, match="'cut 4'; allowed: shuffled, cut 1, cut 2, cut 3"):
        replace(PrepareOptions(), variant="cut 4")
