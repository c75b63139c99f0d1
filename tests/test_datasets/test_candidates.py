"""What the preparation makes of the candidates and similarities of a generated log."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from datasets.prepare import prepare
from datasets.provenance import Source
from datasets.raw.raw_log import CatalogEntry, RawLog, Similarity
from datasets.spec import DataError, DatasetSpec, DomainPartition, FeatureSpec, PrepareOptions

SPEC = DatasetSpec(
    name="known",
    label="click",
    timestamp="time",
    features=(FeatureSpec(name="site"), FeatureSpec(name="item")),
    partition=DomainPartition(("site",)),
    representative="site",
    source=Source(description="made by a test"),
)
BIDS = [1.0, 2.0, 4.0, 8.0]


def raw_log(tiny, sites=("a", "a", "b", "b")):
    log = tiny.with_columns(p_click=pl.col("time") / 100)
    candidates = pl.DataFrame(
        {
            "time": [59, 59, 58, 58],
            "site": list(sites),
            "item": ["i0", "i1", "new", "i3"],
            "click": [0, 1, 0, 0],
            "p_click": [0.1, 0.2, 0.3, 0.4],
            "request_id": [0, 0, 1, 1],
            "bid": BIDS,
        }
    )
    similarity = Similarity(
        values=pl.DataFrame({"site": ["b", "never", "a"]}),
        matrix=np.array([[1, 0.1, 0.5], [0.1, 1, 0.2], [0.5, 0.2, 1]], np.float32),
    )
    return RawLog(
        frame=log.lazy(),
        truth="p_click",
        candidates=candidates.lazy(),
        similarity=similarity,
        identity="known",
    )


@pytest.fixture
def prepare_raw(tmp_path):
    def run(raw, spec=SPEC, **options):
        entry = CatalogEntry(spec, lambda root: raw, tmp_path)
        return prepare(entry, tmp_path, tmp_path / "cache", PrepareOptions(**options))

    return run


def test_candidates_follow_the_rows_of_the_log(prepare_raw, tiny):
    data = prepare_raw(raw_log(tiny))

    assert data.candidates == range(60, 64)
    assert len(data.rows()) == 64
    assert data.split["test"].stop == 60
    table = data.candidate_table()
    assert table["bid"].to_list() == BIDS
    assert table["p_click"].to_list() == [0.1, 0.2, 0.3, 0.4]
    ids = dict(data.domains().select("site", "eval_domain_id").iter_rows())
    assert table["eval_domain_id"].to_list() == [ids[site] for site in "aabb"]


def test_candidates_have_the_codes_of_train_and_change_none(prepare_raw, tiny):
    raw = raw_log(tiny)

    data, without = prepare_raw(raw), prepare_raw(replace(raw, candidates=None, identity="none"))

    assert np.array_equal(data.rows()[:60], without.rows())
    assert data.domains().equals(without.domains())
    assert data.card["base_rate"] == without.card["base_rate"]
    assert not without.candidates
    item = data.schema.fields.index("item")
    assert data.rows()[62, item] == 0  # "new" does not occur in train
    assert (data.rows()[[60, 61, 63], item] > 0).all()


def test_what_is_known_of_rows_leaves_candidates_out(prepare_raw, tiny):
    data = prepare_raw(raw_log(tiny), max_train_rows=30)

    assert len(data.p_click()) == len(data.row_ids()) == data.split["test"].stop == 50
    assert data.p_click().tolist() == pytest.approx([row / 100 for row in range(10, 60)])
    assert data.candidates == range(50, 54)


def test_candidate_of_a_domain_that_the_log_lacks_is_refused(prepare_raw, tiny):
    with pytest.raises(DataError, match=r"2 candidates .* without an impression, such as zzz;"):
        prepare_raw(raw_log(tiny, sites=("a", "zzz", "b", "zzz")))


def test_similarity_is_that_of_domains_that_occur(prepare_raw, tiny):
    data = prepare_raw(raw_log(tiny))

    eval_domain_id, matrix = data.similarity()

    assert sorted(eval_domain_id.tolist()) == [0, 1]
    assert matrix.tolist() == [[1.0, 0.5], [0.5, 1.0]]


def test_nothing_is_known_of_another_partition(prepare_raw, tiny):
    data = prepare_raw(raw_log(tiny), partition=DomainPartition(("item", "site")))

    assert data.similarity() is None
    assert not data.candidates
    assert len(data.rows()) == 60
