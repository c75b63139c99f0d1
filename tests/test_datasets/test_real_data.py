"""The real logs, where a copy of them lies in the folder of `CTR_REAL_DATA`."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from datasets import catalog
from datasets.encoding.options import PrepareOptions
from datasets.prepare import prepare

ROOT = Path(__file__).resolve().parents[2]
REAL_DATA = Path(os.environ.get("CTR_REAL_DATA", ROOT.parent / "shared" / "data"))

pytestmark = pytest.mark.real_data


def prepared(name, folder, cache, **options):
    root = REAL_DATA / folder
    if not root.is_dir():
        pytest.skip(f"no real logs in {root}; CTR_REAL_DATA names their folder")
    return prepare(catalog.load(name), root, cache, PrepareOptions(**options))


def test_iaac_sample(tmp_path):
    data = prepared("iaac", "iaac", tmp_path)

    assert [file["name"] for file in data.card["files"]] == ["iaac_round1_random28k.txt.gz"]
    assert data.card["rows_in_log"] == 27_641
    assert data.rows()[:, -1].sum() == 534
    assert data.card["num_domains"] == 218
    assert data.card["split_kind"] == "shuffle"
    assert len(data.card["absent_columns"]) == 5


def test_iaac_union_where_it_is_alone(tmp_path):
    root = REAL_DATA / "iaac" / "iaac_round1_union.txt.gz"
    if not root.is_file():
        pytest.skip(f"no real log at {root}; CTR_REAL_DATA names the folder of the logs")
    (tmp_path / root.name).symlink_to(root)

    data = prepare(catalog.load("iaac"), tmp_path, tmp_path / "cache", PrepareOptions())

    assert data.card["rows_in_log"] == 54_053
    assert data.rows()[:, -1].sum() == 1_093
    assert data.card["num_domains"] == 228


def test_kuairand_log(tmp_path):
    data = prepared("kuairand", "kuairand_pure", tmp_path)

    assert data.card["rows_in_log"] == 228_329
    assert data.rows()[:, -1].mean() == pytest.approx(0.442, abs=5e-4)
    assert data.card["split_kind"] == "time"
    domains = data.domains()
    assert len(domains) == 15
    total = pl.sum_horizontal(pl.col("^.*_impressions$"))
    assert domains.filter(total >= 500).height == 8
    clicks = pl.sum_horizontal(pl.col("^.*_clicks$"))
    one_class = domains.filter((clicks == 0) | (clicks == total))["tab"]
    assert set(one_class) == {"10", "11", "14"}


def test_kuairand_fine_partition_and_cap(tmp_path):
    fine = catalog.load("kuairand").spec.finer[0]

    data = prepared(
        "kuairand", "kuairand_pure", tmp_path, partition=fine, max_fields=12, max_train_rows=20_000
    )

    assert data.card["rows"]["train"] == 20_000
    assert len(data.schema.fields) + len(data.schema.bags) == 12
    assert data.schema.fields[:2] == ("tab", "user_active_degree")
    assert data.schema.num_tasks <= 16
