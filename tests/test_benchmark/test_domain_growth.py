"""What is counted per number of domains: by hand, and against models that exist."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from benchmark.cost import domain_growth
from benchmark.cost.counts import parameter_counts
from benchmark.cost.domain_growth import FEW_DOMAINS, NUMS_DOMAINS, growth, store_growth
from benchmark.cost.random_log import AD_LOG, NUM_IDS, ad_log_schema, config_on, protocol_of
from benchmark.protocol import PAPER
from benchmark.training.build import build

if TYPE_CHECKING:
    from pathlib import Path

METHODS = ("plain", "maml", "star", "apg", "adasparse")
PLAIN = 352 * 128 + 128 + 128 * 64 + 64 + 64 * 32 + 32 + 32 + 1  # 22 fields of 16
CLAIMS = {
    "star": 352 * 128 + 128 * 64 + 64 * 32,
    "apg": (352 + 128) * 32 + (128 + 64) * 16 + (64 + 32) * 8,  # a quarter of the smaller width
    "adasparse": 352 + 128 + 64,
}


WIDE = 352 * 512 + 512 + 512 * 256 + 256 + 256 * 128 + 128 + 128 + 1  # of the production log


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return [row for sizes in PAPER for method in METHODS for row in growth(sizes, method)]


@pytest.fixture(scope="module")
def counted(rows) -> dict[tuple[str, int], dict[str, int]]:
    return {(row["method"], row["num_domains"]): row for row in rows if row["sizes"] == "public"}


def test_every_method_is_counted_at_every_number_of_domains(rows) -> None:
    assert [(row["sizes"], row["method"], row["num_domains"]) for row in rows] == [
        (sizes, method, num)
        for sizes in ("public", "production")
        for method in METHODS
        for num in NUMS_DOMAINS
    ]


def test_served_bytes_are_those_of_all_copies_and_of_the_embedding(rows) -> None:
    (row,) = (
        row
        for row in rows
        if (row["sizes"], row["method"], row["num_domains"]) == ("production", "maml", 5_000)
    )
    table = 1 + NUM_IDS  # rows: that of the empty slot, and the ids of all fields

    assert row["parameters"] == WIDE * 5_001
    assert row["served_bytes"] == 4 * (WIDE * 5_001 + 16 * table)


@pytest.mark.parametrize("num", NUMS_DOMAINS)
def test_counts_of_shared_and_copied_networks_are_the_worked_ones(counted, num) -> None:
    assert counted["plain", num]["parameters"] == PLAIN
    assert counted["maml", num]["parameters"] == PLAIN * (1 + num)
    assert counted["plain", num]["multiply_adds"] == 352 * 128 + 128 * 64 + 64 * 32 + 32


@pytest.mark.parametrize("method", ["star", "apg", "adasparse"])
def test_counts_are_those_of_a_model_that_exists(counted, method) -> None:
    schema = ad_log_schema(FEW_DOMAINS, num_ids=sum(AD_LOG) + 100)
    model = build(config_on(schema, protocol_of(256), "dnn", method), schema, base_rate=0.5)

    counts = parameter_counts(model, model)

    held = counts["served_parameters"] - counts["embedding_parameters"]
    assert counted[method, FEW_DOMAINS]["parameters"] == held


def test_only_parameters_per_domain_grow(counted) -> None:
    first, last = NUMS_DOMAINS[0], NUMS_DOMAINS[-1]

    grown = {m: counted[m, last]["parameters"] - counted[m, first]["parameters"] for m in METHODS}

    assert grown["plain"] == grown["apg"] == grown["adasparse"] == 0
    assert grown["star"] >= (last - first) * CLAIMS["star"]
    assert len({counted["star", num]["multiply_adds"] for num in NUMS_DOMAINS}) == 1


@pytest.mark.parametrize(("method", "of_domain"), CLAIMS.items())
def test_claims_are_those_of_the_paper(counted, method, of_domain) -> None:
    assert [counted[method, num]["claim"] for num in NUMS_DOMAINS] == [
        num * of_domain for num in NUMS_DOMAINS
    ]
    assert counted["plain", 10]["claim"] is None


def test_file_is_written_once_and_again_for_other_methods_or_if_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counting(sizes, method):
        calls.append((sizes, method))
        yield {"backbone": "dnn", "method": method, "parameters": 1, "claim": None}

    monkeypatch.setattr(domain_growth, "growth", counting)
    path = tmp_path / "cost" / "scaling.csv"

    for _ in range(2):
        store_growth(tmp_path, ["plain"])
    store_growth(tmp_path, ["star"])
    path.write_bytes(b"\xff\xfe")
    store_growth(tmp_path, ["star"])

    assert calls == [(sizes, name) for name in ("plain", "star", "star") for sizes in PAPER]
    with path.open(newline="") as lines:
        assert [row["method"] for row in csv.DictReader(lines)] == ["star"] * len(PAPER)


def test_method_that_raises_is_left_out_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counting(sizes, method):
        yield {"backbone": "dnn", "method": method, "parameters": 1, "claim": None}
        if method == "star":
            raise ZeroDivisionError("no domains")

    monkeypatch.setattr(domain_growth, "growth", counting)

    for _ in range(2):
        (line,) = store_growth(tmp_path, ["plain", "star"])
        assert line.startswith("counts of star over domains: ZeroDivisionError: no domains, at")

    with (tmp_path / "cost" / "scaling.csv").open(newline="") as lines:
        assert {row["method"] for row in csv.DictReader(lines)} == {"plain"}
