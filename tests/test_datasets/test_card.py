"""Data cards, of a log small enough to count by hand."""

from __future__ import annotations

import polars as pl
import pytest

from datasets import describe
from datasets.catalog import custom
from datasets.profiling.data_card import card_of, render
from datasets.provenance import PublishedCounts
from datasets.spec import PrepareOptions


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


def test_repeated_rows_are_counted_over_the_columns_that_are_read(prepare_log, tiny):
    sixth = tiny.gather_every(6)  # ten rows of sixty
    assert prepare_log(tiny).card["duplicate_rows"] == 0

    again = prepare_log(pl.concat([tiny, sixth, sixth])).card

    assert (again["rows_in_log"], again["duplicate_rows"]) == (80, 20)
    missing = pl.concat([tiny, sixth.with_columns(item=None, site=pl.lit(""))])
    assert prepare_log(missing).card["duplicate_rows"] == 0


def test_users_and_items_are_counted_without_missing_ones(prepare_log, tiny):
    user = pl.when(pl.col("time") % 7 == 3).then(pl.lit("NA")).otherwise(pl.col("time") % 4)
    log = tiny.with_columns(user=user)
    named = {"cluster": "user", "item": "item", "missing": ["NA"]}

    card, plain = prepare_log(log, **named).card, prepare_log(log).card

    counted = [(part["what"], part["column"], part["here"]) for part in card["counts"]]
    assert counted == [("rows", "", 60), ("users", "user", 4), ("items", "item", 5)]
    assert card["published"] == {}
    assert [part["what"] for part in plain["counts"]] == ["rows"]


def test_items_of_candidates_are_not_counted(prepare_entry):
    data = prepare_entry("synthetic_none", max_train_rows=100)

    items = data.card["entities"]["items"]

    log = pl.read_parquet(next(data.directory.parent.parent.rglob("impressions.parquet")))
    assert items == log["item_id"].n_unique()


PUBLISHED = PublishedCounts("Shop-1", "its README", rows=100, users=9)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"rows": 100, "users": 9, "items": 5}, "rows and users are as many as are published"),
        ({"rows": 100}, "rows are as many as are published for Shop-1"),
        (
            {"rows": 60, "users": 9},
            "this copy has 60 rows; the published log Shop-1 has 100: it is",
        ),
        ({"rows": 60, "users": 8}, "60 rows and 8 users; the published log Shop-1 has 100 and 9"),
        ({"rows": 60}, "it is a part of it or another release"),
        ({"rows": 160}, "has 100: it is another release"),
    ],
)
def test_other_counts_than_the_published_ones_are_told(found, words):
    assert words in PUBLISHED.remark_on(found)


def test_times_of_a_shuffle_are_the_least_and_the_greatest(prepare_log, tiny):
    log = tiny.with_columns(time=1_600_000_000 + 60 * pl.col("time"))

    card = prepare_log(log, options=PrepareOptions(variant="shuffled")).card

    firsts, lasts = zip(*card["times"].values(), strict=True)
    assert min(firsts) == "2020-09-13 12:26:40 UTC"
    assert max(lasts) == "2020-09-13 13:25:40 UTC"
    assert all(first < last for first, last in card["times"].values())


def test_log_without_times_has_none_in_its_card(prepare_log, tiny):
    assert prepare_log(tiny.drop("time"), timestamp=None).card["times"] == {}


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
    assert "| rows | 60 | - |" in text
    assert "| train | 40 | 14 | 35.00% |" in text
    assert "| a | 28 | 46.67% | 20 | 7 | 35.00% | 5 | 2 | 40.00% | 3 | 1 | 33.33% |" in text
    assert "domains with 5 rows" in text
    tables = [line for line in text.splitlines() if line.startswith("| train |")]
    assert [line.count("|") for line in tables] == [7, 7]


def test_page_is_self_contained_and_escaped(card):
    text = render(card, "html")

    assert "CC &lt;BY&gt;" in text
    assert card.facts["files"][0]["sha256"] in text
    assert "http" not in text
    assert "<script" not in text


def test_card_of_a_log_without_times(capsys, tmp_path, tiny, write_toml, monkeypatch):
    monkeypatch.setattr(describe, "PREPARED_DIR", tmp_path / "cache")
    tiny.drop("time").write_csv(tmp_path / "log.csv")
    toml = write_toml(timestamp=None)

    code = describe.main(["--card", str(toml)])

    assert code == 0
    assert "| split | 4:1:1 by a seeded shuffle |" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["card.html", "card.md"])
def test_card_is_written_to_a_file(tmp_path, tiny, write_toml, monkeypatch, name):
    monkeypatch.setattr(describe, "PREPARED_DIR", tmp_path / "cache")
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
    monkeypatch.setattr("datasets.describe.PREPARED_DIR", tmp_path / "cache")

    code = describe.main(
        ["--card", "synthetic_bias/scenario+ad_position", "--data-dir", str(tmp_path)]
    )

    assert code == 0
    assert "scenario" in capsys.readouterr().out
