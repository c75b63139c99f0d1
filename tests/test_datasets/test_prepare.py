from __future__ import annotations

import hashlib
import json

import numpy as np
import polars as pl
import pytest

from datasets.loader import column_names
from datasets.spec import UNSEEN, DataError, DomainPartition, PrepareOptions

FEATURES = [
    "item",
    "site",
    {"name": "price", "kind": "numeric", "num_buckets": 4},
    {"name": "tags", "kind": "bag", "separator": "|", "max_length": 2},
    "place",
]
GOLDEN_LOG = "time,site,item,price,tags,click\n" + "".join(
    f"{row // 3},s{row % 2},{f'i{row // 9}' if row % 7 else ''},"
    f"{row % 11 / 4 if row % 5 else ''},{'|'.join(f't{row % n}' for n in (4, 3, 9)[: row % 4])},"
    f"{row % 3 % 2}\n"
    for row in range(90)
)
GOLDEN_DIGEST = "42380a4e38fdfb9904f4ed1d1099b8c93f1319a2853a0e378905402363c7ba3e"


@pytest.fixture
def wide(tiny):
    return tiny.with_columns(
        price=pl.col("time") * 0.5,
        tags=pl.lit("t") + (pl.col("time") % 4).cast(pl.String) + pl.lit("|u"),
        place=(pl.col("time") % 7).cast(pl.String),
    )


def test_columns_of_the_matrix_keep_the_names_of_the_log(wide, prepare_log):
    ours = {"site": "domain_id", "item": "tags[0]", "place": "domain_id_", "price": "label"}

    data = prepare_log(
        wide.rename(ours), features=[*ours.values(), FEATURES[3]], partition=["domain_id"]
    )

    fields = ("domain_id", "tags[0]", "domain_id_", "label")
    apart = ("tags[0]_", "tags[1]", "domain_id__", "task_id", "eval_domain_id", "label_")
    assert column_names(data.schema) == (*fields, *apart)


def test_columns_of_the_matrix(prepare_log, wide):
    data = prepare_log(wide, features=FEATURES, partition=["place", "site"])

    names = ("place", "site", "item", "price", "tags[0]", "tags[1]")
    assert column_names(data.schema) == (*names, "domain_id", "task_id", "eval_domain_id", "label")
    assert data.rows().shape == (60, 10)
    assert data.rows().dtype == np.int32
    assert data.schema.num_domain_fields == 2


def test_codes_lie_within_the_sizes_of_the_schema(prepare_log, wide):
    data = prepare_log(wide, features=FEATURES, partition=["place", "site"])
    rows, schema = data.rows(), data.schema

    sizes = (*schema.field_sizes, *schema.bag_sizes * 2, schema.num_domains, schema.num_tasks)
    assert (rows[:, :8].max(axis=0) < sizes).all()
    assert (rows[:, [0, 1, 2, 3, 6, 7, 8]] >= 0).all()
    assert rows[:, 8].max() < len(data.domains())
    assert np.array_equal(rows[:, 7], rows[:, 0])  # the task is the representative column


def test_prepared_bytes_have_not_changed(prepare_log):
    data = prepare_log(GOLDEN_LOG, features=["site", *FEATURES[:1], *FEATURES[2:4]])
    rows = data.rows()

    digest = hashlib.sha256(rows.tobytes()).hexdigest()

    test = rows[data.split["test"].start :]
    assert (test[:, data.schema.fields.index("item")] == UNSEEN).any()
    assert digest == GOLDEN_DIGEST, (
        "the prepared rows of a fixed log differ: where that is intended, raise"
        " PREPARATION_VERSION in datasets/prepare.py and renew this constant"
    )


def test_frequencies_count_the_train_codes(prepare_log, wide):
    data = prepare_log(wide, features=FEATURES, partition=["place", "site"])
    train = data.rows()[: len(data.split["train"])]

    frequencies = data.frequencies()

    assert [len(part) for part in frequencies] == [*data.schema.field_sizes, *data.schema.bag_sizes]
    for field in range(4):
        assert np.array_equal(frequencies[field], np.bincount(train[:, field], minlength=1))
    assert np.array_equal(frequencies[4], np.bincount(train[:, 4:6].ravel()))


def test_rows_are_in_time_order_and_keep_their_raw_number(prepare_log, tiny):
    shuffled = tiny.sample(fraction=1.0, shuffle=True, seed=3)

    data = prepare_log(shuffled)

    times = shuffled["time"].to_numpy()[data.row_ids()]
    assert times.tolist() == list(range(60))
    labels = shuffled["click"].to_numpy()[data.row_ids()]
    assert np.array_equal(data.rows()[:, -1], labels)
    assert data.row_ids().dtype == np.int64


def test_row_order_of_the_file_does_not_change_the_matrix(prepare_log, tiny):
    first = prepare_log(tiny).rows()

    again = prepare_log(tiny.reverse(), name="other").rows()

    assert np.array_equal(first, again)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_later_rows_leave_no_trace_in_train(prepare_log, tiny, split):
    data = prepare_log(tiny)
    part = data.split[split]
    changed = tiny.with_columns(
        item=pl.when(pl.col("time").is_between(part.start, part.stop - 1))
        .then(pl.lit("later"))
        .otherwise("item"),
        site=pl.when(pl.col("time") >= 58).then(pl.lit("z")).otherwise("site"),
    )

    other = prepare_log(changed, name="other")

    train = data.split["train"]
    assert np.array_equal(data.rows()[: train.stop], other.rows()[: train.stop])
    assert (other.rows()[part.start : part.stop, 1] == 0).all()
    assert other.schema == data.schema


def test_cap_keeps_the_latest_train_rows_and_fits_on_them_only(prepare_log, tiny):
    early = tiny.with_columns(
        item=pl.when(pl.col("time") < 30).then(pl.lit("early")).otherwise("item"),
        site=pl.when(pl.col("time") < 30).then(pl.lit("e")).otherwise("site"),
    )

    data = prepare_log(early, options=PrepareOptions(max_train_rows=10))

    assert data.row_ids().tolist() == list(range(30, 60))
    assert {name: len(part) for name, part in data.split.items()} == data.card["rows"]
    assert data.card["rows"] == {"train": 10, "dev": 10, "test": 10}
    assert data.card["train_rows_dropped_by_cap"] == 30
    assert data.schema.field_sizes == (3, 6)
    assert data.domains()["site"].to_list() == ["a", "b"]


def test_max_fields_keeps_the_domain_columns_and_the_first_others(prepare_log, wide):
    options = PrepareOptions(max_fields=3)

    data = prepare_log(wide, options=options, features=FEATURES, partition=["place"])

    assert data.schema.fields == ("place", "item", "site")
    assert data.schema.bags == ()
    assert data.card["fields_dropped_by_max_fields"] == ["price", "tags"]


def test_another_partition_gives_other_domains(prepare_log, wide):
    options = PrepareOptions(partition=DomainPartition(("place", "item")))

    data = prepare_log(wide, options=options, features=FEATURES)

    assert data.spec.partition.name == "place+item"
    assert data.schema.fields[:2] == ("place", "item")
    assert data.spec.representative == "place"
    assert len(data.domains()) == 35


def test_prior_columns_are_those_that_are_left(prepare_log, wide):
    log = {"log": wide, "features": FEATURES, "partition": ["site"], "prior": ["item", "place"]}
    finer = PrepareOptions(partition=DomainPartition(("site", "item")))

    assert prepare_log(**log).spec.prior == ("item", "place")
    assert prepare_log(**log, options=PrepareOptions(max_fields=4)).spec.prior == ("item",)
    assert prepare_log(**log, options=finer).spec.prior == ("place",)
    assert prepare_log(**log).spec.without(("item",)).prior == ("place",)


@pytest.mark.parametrize("column", ["", ".", "..", "/tmp/x", "a\\b", "a+b", "a\0b"])
def test_domain_column_that_cannot_name_a_folder(column):
    with pytest.raises(DataError, match="cannot name a folder") as caught:
        DomainPartition(("site", column))

    assert repr(column) in str(caught.value)


def test_unknown_partition_column_is_an_error(prepare_log, wide):
    options = PrepareOptions(partition=DomainPartition(("plaice",)))

    with pytest.raises(DataError, match="'plaice' is not a categorical feature; available: item"):
        prepare_log(wide, options=options, features=FEATURES)


@pytest.mark.parametrize("changes", [{"max_fields": 0}, {"max_train_rows": -1}])
def test_options_below_one_are_an_error(changes):
    with pytest.raises(DataError, match="must be at least 1"):
        PrepareOptions(**changes)


def test_card_is_json_and_describes_the_log(prepare_log, tiny):
    card = prepare_log(tiny, source="mine").card

    assert json.loads(json.dumps(card)) == card
    assert card["base_rate"]["train"] == pytest.approx(14 / 40)
    assert card["split_kind"] == "time"
    assert card["rows_in_log"] == 60
    assert [file["name"] for file in card["files"]] == ["log.csv"]
    assert card["vocabulary_sizes"] == {"site": 3, "item": 6}
    assert (card["num_domains_in_train"], card["num_domains"], card["num_tasks"]) == (2, 2, 3)
    assert card["source"] == "mine"


@pytest.mark.parametrize("text", ["0.0 1.0", "false true", "False True", "0 1"])
def test_label_forms(prepare_log, tiny, text):
    no, yes = text.split()
    log = tiny.with_columns(
        click=pl.when(pl.col("click") == 1).then(pl.lit(yes)).otherwise(pl.lit(no))
    )

    data = prepare_log(log)

    assert np.array_equal(data.rows()[:, -1], tiny["click"].to_numpy())


def test_one_class_domains_of_test_are_counted(prepare_log, tiny):
    log = tiny.with_columns(
        click=pl.when((pl.col("time") >= 50) & (pl.col("site") == "a")).then(0).otherwise("click")
    )

    assert prepare_log(log).card["one_class_domains_in_test"] == 1


def test_small_blocks_write_the_same_files(prepare_log, wide, monkeypatch):
    shuffled = wide.sample(fraction=1.0, shuffle=True, seed=4)
    options = PrepareOptions(max_train_rows=25)
    whole = prepare_log(shuffled, features=FEATURES, partition=["place", "site"], options=options)

    monkeypatch.setattr("datasets.encoding.staging.BLOCK_ROWS", 7)
    monkeypatch.setattr("datasets.encoding.staging.READ_ROWS", 11)
    monkeypatch.setattr("datasets.encoding.vocabulary.PART_ROWS", 5)
    monkeypatch.setattr("datasets.encoding.domains.PART_ROWS", 5)
    monkeypatch.setattr("datasets.raw.text.BLOCK_BYTES", 50)
    keys = {"features": FEATURES, "partition": ["place", "site"], "options": options}
    blocks = prepare_log(shuffled, name="other", **keys)

    assert np.array_equal(whole.rows(), blocks.rows())
    assert np.array_equal(whole.row_ids(), blocks.row_ids())
    assert whole.domains().equals(blocks.domains())
    assert all(map(np.array_equal, whole.frequencies(), blocks.frequencies()))
