"""The real logs, where a copy of them lies in the folder of `CTR_REAL_DATA`."""

from __future__ import annotations

import tomllib

import polars as pl
import pytest

from datasets import catalog
from datasets.catalog.kuairand import LEAKS
from datasets.describe import main

pytestmark = pytest.mark.real_data


def test_iaac_sample(real_data, prepare_entry):
    data = prepare_entry("iaac", real_data("iaac"))

    assert [file["name"] for file in data.card["files"]] == ["iaac_round1_random28k.txt.gz"]
    assert data.card["rows_in_log"] == 27_641
    assert data.rows()[:, -1].sum() == 534
    assert data.card["num_domains"] == 218
    assert data.card["split_kind"] == "shuffle"
    assert len(data.card["absent_columns"]) == 5


def test_iaac_union_where_it_is_alone(real_data, prepare_entry, tmp_path):
    root = real_data("iaac/iaac_round1_union.txt.gz")
    (tmp_path / root.name).symlink_to(root)

    data = prepare_entry("iaac")

    assert data.card["rows_in_log"] == 54_053
    assert data.rows()[:, -1].sum() == 1_093
    assert data.card["num_domains"] == 228


def test_kuairand_log(real_data, prepare_entry):
    data = prepare_entry("kuairand", real_data("kuairand_pure"))

    assert data.card["rows_in_log"] == 228_329
    assert data.card["entities"] == {"users": 25_156, "items": 6_361}
    assert "228,329 rows" in data.card["published"]["remark"]
    assert (data.card["overlap"]["pairs"], data.card["overlap"]["rows"]) == (105, 1)
    assert data.rows()[:, -1].mean() == pytest.approx(0.442, abs=5e-4)
    assert data.card["split_kind"] == "time"
    domains = data.domains()
    assert len(domains) == 15
    total = pl.sum_horizontal(pl.col("^.*_impressions$"))
    assert domains.filter(total >= 500).height == 8
    clicks = pl.sum_horizontal(pl.col("^.*_clicks$"))
    one_class = domains.filter((clicks == 0) | (clicks == total))["tab"]
    assert set(one_class) == {"10", "11", "14"}


def test_kuairand_fine_partition_and_cap(real_data, prepare_entry):
    root, fine = real_data("kuairand_pure"), catalog.load("kuairand").spec.finer[0]

    data = prepare_entry("kuairand", root, partition=fine, max_fields=12, max_train_rows=20_000)

    assert data.card["rows"]["train"] == 20_000
    assert len(data.schema.fields) + len(data.schema.bags) == 12
    assert data.schema.fields[:2] == ("tab", "user_active_degree")
    assert data.schema.num_tasks <= 16


def proposed(capsys, path):
    assert main([str(path)]) == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_all_leaks_of_kuairand_are_found(capsys, real_data):
    path = real_data("kuairand_pure/log_standard_4_25_to_5_08_pure.csv.gz")
    text, remarks = proposed(capsys, path)

    content = tomllib.loads(text)
    found = {line.split('"')[1] for line in text.splitlines() if "left out: LEAK?" in line}
    assert found == set(LEAKS)
    assert "CHECK" not in text + remarks
    assert (content["label"], content["timestamp"]) == ("is_click", "time_ms")
    assert (content["partition"], content["cluster"]) == (["tab"], "user_id")
    assert content["item"] == "video_id"
    assert "duplicates: 5,460 rows" in remarks
    tab = next(line for line in remarks.splitlines() if line.endswith("<- proposed"))
    assert tab.split()[4] == "3"  # of one class


def test_separator_of_iaac_is_a_space(capsys, real_data):
    text, _ = proposed(capsys, real_data("iaac/iaac_round1_random28k.txt.gz"))

    content = tomllib.loads(text)
    assert (content["label"], content["separator"]) == ("is_trade", " ")
    assert "timestamp" not in content
    assert "LEAK?" not in text
    assert "CHECK" not in text
