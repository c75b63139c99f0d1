"""Data cards, of a log small enough to count by hand."""

from __future__ import annotations

import polars as pl
import pytest

from datasets import describe
from datasets.catalog import custom
from datasets.profiling import data_card
from datasets.profiling.data_card import card_of, render


@pytest.fixture
def card(prepare_log, tiny, tmp_path, write_toml):
    """Sixty rows in time order; site c and item new appear only in test, site d only in dev."""
    late = pl.col("time") >= 55
    other_site = pl.when(pl.col("time") == 45).then(pl.lit("d")).otherwise("site")
    log = tiny.with_columns(
        pl.when(late).then(pl.lit("c")).otherwise(other_site).alias("site"),
        pl.when(late).then(pl.lit("new")).otherwise("item").alias("item"),
        time=1_600_000_000 + pl.col("time"),
        tags=pl.when(late).then(pl.lit("x;y")).otherwise(pl.lit("x")),
    )
    changes = {
        "features": ["site", "item", {"name": "tags", "kind": "bag"}],
        "licence": "CC <BY>",
        "citation": "A | B",
    }
    data = prepare_log(log, **changes)
    entry = custom.read_spec(write_toml(**changes))
    return card_of(entry, entry.read_raw(tmp_path), data)


def test_splits_have_dates_and_rates(card):
    train, dev, test = card.splits

    assert [part.rows for part in card.splits] == [40, 10, 10]
    assert train.base_rate == pytest.approx(14 / 40)
    assert (train.first, train.last) == ("2020-09-13 12:26:40 UTC", "2020-09-13 12:27:19 UTC")
    assert dev.first == "2020-09-13 12:27:20 UTC"
    assert test.last == "2020-09-13 12:27:39 UTC"


def test_fields_count_what_train_does_not_know(card):
    unseen = {field.name: (field.num_known, field.unseen["test"]) for field in card.fields}

    assert unseen["site"] == (2, 0.5)
    assert unseen["item"] == (5, 0.5)
    assert unseen["tags"] == (1, pytest.approx(5 / 15))
    assert [field.unseen["dev"] for field in card.fields] == [0.1, 0.0, 0.0]


def test_shares_do_not_depend_on_blocks(prepare_log, tiny, monkeypatch):
    data = prepare_log(tiny, name="other")
    whole = data_card._fields(data)

    monkeypatch.setattr(data_card, "BLOCK_ROWS", 3)

    assert data_card._fields(data) == whole


def test_domains_name_what_is_new_in_test(card):
    assert (card.domains.new_in_test, card.domains.rows_of_new) == (1, 5)
    assert card.domains.skew["train"].num_domains == 2
    assert card.domains.skew["test"].num_domains == 3
    assert [domain["rows"] for domain in card.domains.top] == [28, 26, 5, 1]
    assert card.domains.top[2]["rates"]["train"] is None


def test_markdown_escapes_values(card):
    text = render(card, "md")

    assert "| citation | A \\| B |" in text
    assert "| licence | CC &lt;BY> |" in text
    assert "| train | 40 | 35.00% |" in text
    assert "domains with 5 rows" in text
    tables = [line for line in text.splitlines() if line.startswith("| train |")]
    assert [line.count("|") for line in tables] == [6, 7]


def test_page_is_self_contained_and_escaped(card):
    text = render(card, "html")

    assert "CC &lt;BY&gt;" in text
    assert card.facts["files"][0]["sha256"] in text
    assert "http" not in text
    assert "<script" not in text


def test_card_of_a_log_without_times(capsys, tmp_path, tiny, write_toml, monkeypatch):
    monkeypatch.setattr(describe, "CACHE_DIR", tmp_path / "cache")
    tiny.drop("time").write_csv(tmp_path / "log.csv")
    toml = write_toml(timestamp=None)

    code = describe.main(["--card", str(toml)])

    assert code == 0
    assert "| split | 4:1:1 by a seeded shuffle |" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["card.html", "card.md"])
def test_card_is_written_to_a_file(tmp_path, tiny, write_toml, monkeypatch, name):
    monkeypatch.setattr(describe, "CACHE_DIR", tmp_path / "cache")
    tiny.write_csv(tmp_path / "log.csv")

    code = describe.main(["--card", str(write_toml()), "--out", str(tmp_path / name)])

    assert code == 0
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>" if name.endswith("html") else "# Data card: tiny")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--card", "nowhere"], "unknown data set 'nowhere'"),
        (["--card", "iaac", "--data-dir", "nowhere"], "data folder nowhere does not exist"),
    ],
)
def test_card_of_nothing_is_one_clear_line(capsys, arguments, words):
    assert describe.main(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_card_of_another_partition(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("datasets.describe.CACHE_DIR", tmp_path / "cache")

    code = describe.main(
        ["--card", "synthetic_bias/scenario+ad_position", "--data-dir", str(tmp_path)]
    )

    assert code == 0
    assert "scenario" in capsys.readouterr().out
