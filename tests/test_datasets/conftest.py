"""Small logs, written as files and prepared through the same door as a user's own log."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasets.catalog import custom
from datasets.catalog import iaac as iaac_log
from datasets.catalog import kuairand as kuairand_log
from datasets.prepare import PrepareOptions, prepare

KEYS = {
    "name": "tiny",
    "files": "log.csv",
    "label": "click",
    "timestamp": "time",
    "partition": ["site"],
    "features": ["site", "item"],
}


def to_toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {to_toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return json.dumps(value)


@pytest.fixture
def write_toml(tmp_path):
    """Write a TOML file of the usual keys; a key given as None is left out."""

    def write(**changes):
        keys = {key: value for key, value in (KEYS | changes).items() if value is not None}
        path = tmp_path / "log.toml"
        path.write_text("\n".join(f"{key} = {to_toml(value)}" for key, value in keys.items()))
        return path

    return write


@pytest.fixture
def tiny():
    """A log of 60 rows in time order: two sites, five items, every third row clicked."""
    index = np.arange(60)
    return pl.DataFrame(
        {
            "time": index,
            "site": np.where(index % 2 == 0, "a", "b"),
            "item": [f"i{value}" for value in index % 5],
            "click": (index % 3 == 0).astype(int),
        }
    )


@pytest.fixture
def prepare_log(tmp_path, write_toml):
    """Prepare a frame, or a text written as it is, with changed keys and options."""

    def run(log, *, options=None, file="log.csv", **changes):
        if isinstance(log, pl.DataFrame):
            log.write_csv(tmp_path / file, quote_style="never")
        else:
            (tmp_path / file).write_bytes(log if isinstance(log, bytes) else log.encode())
        entry = custom.read_spec(write_toml(**changes))
        return prepare(entry, tmp_path, tmp_path / "cache", options or PrepareOptions())

    return run


def write_iaac(folder: Path, file: str = "round1_ijcai_18_train_20180301.txt", drop=()):
    """Sixty rows of an official-looking file; `-1` is missing."""
    rng = np.random.default_rng(1)
    names = [feature.name for feature in iaac_log.SPEC.features]
    columns = {name: rng.integers(0, 4, 60).astype(str) for name in names}
    columns |= {name: rng.random(60).astype(str) for name in iaac_log.NUMERIC}
    columns["shop_score_service"][5] = "-1"
    columns["predict_category_property"] = np.array(["7:1,2;8:-1"] * 60)
    columns |= {"instance_id": np.arange(60), "context_id": np.arange(60)}
    columns |= {"context_timestamp": 1_537_236_544 + np.arange(60)}
    columns |= {"is_trade": (np.arange(60) % 4 == 0).astype(int)}
    pl.DataFrame(columns).drop(drop).write_csv(folder / file, separator=" ", quote_style="never")


def write_kuairand(folder: Path, file: str = "log_standard_4_25_to_5_08_pure.csv"):
    """Sixty impressions of twelve users and ten videos, with all official columns that matter."""
    index = np.arange(60)
    log = {name: index % 7 for name in (*kuairand_log.LOG_COLUMNS, *kuairand_log.LEAKS)}
    log |= {"user_id": index % 12, "video_id": index % 10, "hourmin": index % 24 * 100}
    log |= {"time_ms": 1_650_812_741_436 + index, "is_click": (index % 3 == 0).astype(int)}
    users = {name: np.arange(12) % 3 for name in kuairand_log.USER_COLUMNS}
    videos = {name: np.arange(10) % 4 for name in kuairand_log.VIDEO_COLUMNS}
    videos |= {"tag": np.array([f"{value},99" for value in np.arange(10) % 4])}
    pl.DataFrame(log).write_csv(folder / file)
    pl.DataFrame({"user_id": np.arange(12)} | users).write_csv(folder / kuairand_log.USER_FILE)
    pl.DataFrame({"video_id": np.arange(10)} | videos).write_csv(folder / kuairand_log.VIDEO_FILE)


@pytest.fixture
def write_raw(tmp_path):
    """Write small raw files of a catalog log; generated logs need none.

    A new log needs a function here that writes a few dozen rows in the format of its real files.
    """
    writers = {
        "iaac": write_iaac,
        "kuairand": write_kuairand,
        "synthetic_production": lambda folder: None,
    }

    def write(name, **changes):
        if name not in writers:
            pytest.skip(
                f"no raw sample of {name!r}: add a function that writes one, and its entry in"
                " `writers`, to tests/test_datasets/conftest.py"
            )
        writers[name](tmp_path, **changes)
        return tmp_path

    return write
