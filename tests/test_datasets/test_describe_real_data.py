"""Descriptions of the real logs, where a copy of them lies in the folder of `CTR_REAL_DATA`."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from datasets.catalog.kuairand import LEAKS
from datasets.describe import main

ROOT = Path(__file__).resolve().parents[2]
REAL_DATA = Path(os.environ.get("CTR_REAL_DATA", ROOT.parent / "shared" / "data"))

pytestmark = pytest.mark.real_data


def proposed(capsys, file):
    path = REAL_DATA / file
    if not path.is_file():
        pytest.skip(f"no real log at {path}; CTR_REAL_DATA names the folder of the logs")
    assert main([str(path)]) == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def test_all_leaks_of_kuairand_are_found(capsys):
    text, remarks = proposed(capsys, "kuairand_pure/log_standard_4_25_to_5_08_pure.csv.gz")

    content = tomllib.loads(text)
    found = {line.split('"')[1] for line in text.splitlines() if "left out: LEAK?" in line}
    assert found == set(LEAKS)
    assert (content["label"], content["timestamp"]) == ("is_click", "time_ms")
    assert (content["partition"], content["cluster"]) == (["tab"], "user_id")
    assert "duplicates: 5,460 rows" in remarks
    tab = next(line for line in remarks.splitlines() if line.endswith("<- proposed"))
    assert tab.split()[4] == "3"  # of one class


def test_separator_of_iaac_is_a_space(capsys):
    text, _ = proposed(capsys, "iaac/iaac_round1_random28k.txt.gz")

    content = tomllib.loads(text)
    assert (content["label"], content["separator"]) == ("is_trade", " ")
    assert "timestamp" not in content
    assert "LEAK?" not in text
