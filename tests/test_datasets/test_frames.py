"""Frames in memory are logs like those in files."""

from __future__ import annotations

import datetime as dt
import re
import tomllib

import numpy as np
import pandas as pd
import polars as pl
import pytest

from datasets.frames import keep_frame, polars_frame

WHOLE = {"label": "click", "timestamp": "time", "partition": ["site"], "features": ["site", "item"]}


@pytest.fixture
def keep(tmp_path):
    """A function that keeps a frame under a description, and returns what was kept."""
    return lambda frame, **given: keep_frame(polars_frame(frame), tmp_path / "frames", given)


@pytest.fixture
def wide():
    """Rows of which one column leaks the label, and one is a time."""
    rng = np.random.default_rng(3)
    click = rng.random(3_000) < 0.3
    return pd.DataFrame(
        {
            "shown_at": pd.Timestamp("2024-05-01") + pd.to_timedelta(np.arange(3_000), unit="min"),
            "scenario": pd.Categorical(rng.choice(["home", "search"], 3_000)),
            "hour": rng.integers(0, 24, 3_000),
            "price": np.round(rng.random(3_000) * 90, 2),
            "dwell_time": np.where(click, rng.integers(1, 90, 3_000), 0),
            "click": click,
        }
    )


def described(kept):
    return tomllib.loads(kept.description.read_text())


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_frame_is_prepared_as_its_file_is(tiny, keep, prepare_log, prepare_entry, kind):
    of_file = prepare_log(tiny)
    frame = tiny.to_pandas() if kind == "pandas" else tiny

    kept = keep(frame, **WHOLE)

    data = prepare_entry(str(kept.description), folder=None)
    assert np.array_equal(data.rows(), of_file.rows())
    assert data.spec.features == of_file.spec.features
    assert described(kept) == {"name": "frame", "files": "frame.parquet", **WHOLE}
    assert kept.remarks == ()


def test_an_equal_frame_is_kept_once(tiny, keep):
    first, again = keep(tiny, **WHOLE), keep(tiny.clone(), **WHOLE)
    other = keep(tiny, **WHOLE | {"timestamp": None})

    assert first.description == again.description
    assert other.description != first.description
    assert other.description.parent == first.description.parent


def test_what_is_not_given_is_proposed_as_of_a_file(wide, keep, prepare_entry):
    kept = keep(wide)

    content = described(kept)
    assert (content["label"], content["timestamp"]) == ("click", "shown_at")
    assert "dwell_time" not in str(content["features"])
    assert any("dwell_time" in line for line in kept.remarks)
    data = prepare_entry(str(kept.description), folder=None)
    first = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    assert data.card["times"]["train"][0].startswith(f"{first:%Y-%m-%d %H:%M:%S}")


def test_what_is_given_stands_beside_the_proposal(wide, keep, prepare_entry):
    kept = keep(wide, partition=["hour"], timestamp=None, name="shop")

    data = prepare_entry(str(kept.description), folder=None)
    assert data.spec.name == "shop"
    assert data.spec.domain_columns == ("hour",)
    assert data.spec.timestamp is None
    assert data.card["split_kind"] == "shuffle"
    names = [feature.name for feature in data.spec.features]
    assert names[0] == "hour"
    assert not {"shown_at", "click"} & {*names}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"lable": "click"}, "unknown key 'lable' of a description; allowed: name, label, "),
        ({"label": "clicked"}, "label names the column 'clicked', which the frame lacks; it has"),
        ({"partition": ["place"]}, "partition names the column 'place', which the frame lacks"),
        ({"features": ["item"]}, "features are given without label and partition; give label"),
        ({"label": "item"}, "label=: column 'item' has 5 distinct values; a label has two"),
        ({"partition": "site"}, "partition must be a list of columns, got 'site'"),
        (WHOLE | {"features": ["site", {"name": "it"}]}, "features names the column 'it'"),
        (WHOLE | {"cluster": {1, 2}}, "cluster names the column {1, 2}, which"),
        (WHOLE | {"missing": {"?"}}, "a description holds texts, numbers, lists and dicts, got"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    tiny, keep, prepare_entry, refused, given, reason
):
    def prepared():
        prepare_entry(str(keep(tiny, **given).description), folder=None)

    assert reason in refused(prepared)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1, 2], "rows must be a pandas or polars DataFrame, got a list"),
        (pl.LazyFrame({"a": [1]}), "rows must be a pandas or polars DataFrame, got a LazyFrame"),
        (pd.DataFrame({"a": [1, "x", b"y"]}), "the frame cannot be read (.*column a.*); mend"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "the frame cannot be read (Duplicate column"),
    ],
)
def test_what_is_no_frame_is_refused(value, reason, refused):
    assert re.match(reason.replace("(", r"\(").replace(")", r"\)"), refused(polars_frame, value))
