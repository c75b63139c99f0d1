"""The command line of `datasets.describe`: what it proposes can be prepared."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasets.catalog import custom
from datasets.describe import main
from datasets.prepare import prepare
from datasets.spec import PrepareOptions

ROOT = Path(__file__).resolve().parents[2]
NUM_ROWS = 3_000


@pytest.fixture
def log():
    """A log with one column of every kind, among them three that know the label."""
    rng = np.random.default_rng(7)
    scenario = rng.choice(["home", "search", "cart"], NUM_ROWS, p=[0.6, 0.3, 0.1])
    click = rng.random(NUM_ROWS) < np.where(scenario == "home", 0.1, 0.4)
    tags = [";".join(rng.choice(list("abcde"), rng.integers(1, 4))) for _ in range(NUM_ROWS)]
    return pl.DataFrame(
        {
            "impression": [f"r{row}" for row in range(NUM_ROWS)],
            "time": 1_600_000_000 + 60 * np.arange(NUM_ROWS),
            "scenario": scenario,
            "userId": rng.integers(0, 200, NUM_ROWS),
            "price": np.round(rng.random(NUM_ROWS) * 50, 2),
            "tags": tags,
            "country": "fr",
            "dwell_time": np.where(click, rng.integers(1, 90, NUM_ROWS), 0),
            "landing": ["page" if seen else None for seen in click & (rng.random(NUM_ROWS) < 0.5)],
            "is_like": (rng.random(NUM_ROWS) < 0.02).astype(int),
            "click": click.astype(int),
        }
    )


def described(*arguments):
    command = [sys.executable, "-m", "datasets.describe", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def proposed(capsys, tmp_path):
    """Describe files, or a log that is written as a file; returns the TOML text and the remarks."""

    def run(log, *arguments, file="shop.csv", **layout):
        if isinstance(log, pl.DataFrame):
            log.write_csv(tmp_path / file, **layout)
            log = tmp_path / file
        assert main([str(word) for word in (log, *arguments)]) == 0
        return tuple(capsys.readouterr())

    return run


def prepared(text, folder):
    (folder / "proposed.toml").write_text(text, encoding="utf-8")
    entry = custom.read_spec(folder / "proposed.toml")
    return prepare(entry, None, folder / "cache", PrepareOptions())


def tables_of(text):
    return [part for part in tomllib.loads(text)["features"] if isinstance(part, dict)]


def test_proposal_names_label_time_partition_and_kinds(log, tmp_path):
    log.write_csv(tmp_path / "shop.csv.zst", compression="zstd")

    text, _ = described(tmp_path / "shop.csv.zst")

    content = tomllib.loads(text)
    assert content["name"] == "shop"
    assert content["label"] == "click"
    assert content["timestamp"] == "time"
    assert content["cluster"] == "userId"
    assert content["partition"] == ["scenario"]
    by_name = {
        entry if isinstance(entry, str) else entry["name"]: entry for entry in content["features"]
    }
    assert set(by_name) == {"scenario", "userId", "price", "tags"}
    assert by_name["price"]["kind"] == "numeric"
    assert by_name["tags"] == {"name": "tags", "kind": "bag", "separator": ";", "max_length": 3}
    assert prepared(text, tmp_path).card["split_kind"] == "time"


def test_remarks_name_leaks_ids_constants_and_skew(proposed, log):
    text, remarks = proposed(log)

    left_out = [line for line in text.splitlines() if "left out" in line]
    names = [line.split('"')[1] for line in left_out]
    assert names == ["impression", "country", "dwell_time", "landing", "is_like"]
    assert "alone it ranks held-out rows with AUC 1.000" in left_out[2]
    assert "missing in 100.00% of the rows with label 0" in left_out[3]
    assert "its name suggests that it follows the click" in left_out[4]
    assert (
        "leaks: left out, as they seem to know the label: dwell_time, landing, is_like" in remarks
    )
    row = next(line for line in remarks.splitlines() if line.endswith("<- proposed"))
    assert row.split()[:5] == ["scenario", "3", "1", "1", "0"]
    row = next(line for line in remarks.splitlines() if line.startswith("  landing"))
    assert row.split()[:3] == ["landing", "categorical", "1"]  # a missing value is none


def test_long_log_is_sampled_and_says_so(proposed, log, tmp_path):
    text, remarks = proposed(log, "--rows", 1_000)
    again, _ = proposed(tmp_path / "shop.csv", "--rows", 1_000)

    assert f"rows: {NUM_ROWS:,}" in remarks
    assert "rows, drawn at random from the whole log" in remarks
    assert "# Proposed from the 3,000 rows of shop.csv, a random" in text
    assert '# "dwell_time",  # left out: LEAK?' in text
    assert text == again


def test_copies_of_rows_are_counted(proposed, log):
    _, remarks = proposed(pl.concat([log, log[:300], log[:50]]))

    assert "duplicates: 350 rows (10.45%)" in remarks


def test_name_of_hindsight_is_checked_whatever_its_auc(proposed, log, tmp_path):
    rng = np.random.default_rng(4)
    seconds = rng.integers(1, 90, NUM_ROWS) + 30 * log["click"].to_numpy()
    log = log.with_columns(duration=pl.Series(seconds), duration_ms=pl.col("price"))

    text, remarks = proposed(log)
    card = prepared(text, tmp_path).card

    line = next(line for line in text.splitlines() if line.startswith('  { name = "duration",'))
    assert "CHECK: a duration is known before only if it is that of the item" in line
    assert "CHECK (see below)" in remarks
    assert [line for line in remarks.splitlines() if line.startswith("check ")] == card["hindsight"]
    (said,) = card["hindsight"]
    assert said.startswith("check duration: ")


def test_pairs_of_user_and_item_are_counted_over_all_rows(proposed, log):
    rng = np.random.default_rng(3)
    log = log.with_columns(item_id=pl.Series(rng.integers(0, 60, NUM_ROWS)))

    text, remarks = proposed(log)
    sampled = proposed(log, "--rows", 500)[1]

    pairs = log.select("userId", "item_id").n_unique()
    assert tomllib.loads(text)["item"] == "item_id"
    assert f"pairs: {pairs:,} of userId and item_id; {NUM_ROWS - pairs:,} rows" in remarks
    assert "pairs:" not in sampled + proposed(log.drop("userId"))[1]


def test_missing_values_are_counted_over_all_rows(proposed, log):
    late = pl.when(pl.int_range(pl.len()) < 2_700).then(None).otherwise("userId").alias("userId")
    _, remarks = proposed(log.with_columns(late), "--rows", 500)

    row = next(line for line in remarks.splitlines() if line.strip().startswith("userId"))
    assert "90.00%" in row


def test_times_with_gaps_are_no_timestamp(proposed, log, tmp_path):
    gap = pl.when(pl.int_range(pl.len()) != 7).then("time").alias("time")
    text, remarks = proposed(log.with_columns(gap))

    assert "timestamp" not in tomllib.loads(text)
    assert "time: no column of times without gaps; a seeded shuffle" in remarks
    assert prepared(text, tmp_path).card["split_kind"] == "shuffle"


def test_several_files_become_one_pattern(proposed, log, tmp_path):
    log[2_000:].with_columns(extra=1).write_csv(tmp_path / "day_2.csv")
    log[:2_000].write_csv(tmp_path / "day_1.csv")

    text, remarks = proposed(tmp_path / "day_?.csv")

    assert tomllib.loads(text)["files"] == "day_*.csv"
    assert "not usable: extra (not in every file)" in remarks
    assert "rows in its order" in remarks
    assert prepared(text, tmp_path).row_ids().tolist() == list(range(NUM_ROWS))


def test_files_that_no_pattern_tells_from_others_are_listed(proposed, log, tmp_path):
    for day in (1, 2, 3):
        log[1_000 * (day - 1) : 1_000 * day].write_csv(tmp_path / f"day_{day}.csv")

    text, _ = proposed(tmp_path / "day_1.csv", tmp_path / "day_2.csv")

    assert tomllib.loads(text)["files"] == ["day_1.csv", "day_2.csv"]
    assert prepared(text, tmp_path).card["rows_in_log"] == 2_000


def test_parquet_of_lists_booleans_and_times(proposed, log, tmp_path):
    typed = log.with_columns(
        pl.col("click") == 1,
        pl.from_epoch("time"),
        pl.col("tags").str.split(";"),
        nested=pl.struct(a=pl.lit(1)),
    )
    typed.write_parquet(tmp_path / "shop.parquet")

    text, remarks = proposed(tmp_path / "shop.parquet")
    data = prepared(text, tmp_path)

    assert "ISO-8601, 2020-09-13 12:26:40" in text
    assert "nested" in remarks
    assert data.schema.bags == ("tags",)
    assert data.schema.bag_sizes == (6,)


@pytest.mark.parametrize("write", [str, json.dumps], ids=["Python", "JSON"])
def test_lists_of_texts_with_commas_are_bags_of_these_texts(proposed, log, tmp_path, write):
    words = ["Action, Adventure", "a|b", "Drama", "it's, so", "War"]
    lists = [[words[row % 5], words[(row + row % 3) % 5]][: 1 + row % 2] for row in range(NUM_ROWS)]
    text, _ = proposed(log.with_columns(tags=pl.Series(list(map(write, lists)))))

    data = prepared(text, tmp_path)

    assert next(part for part in tables_of(text) if part["name"] == "tags")["max_length"] == 2
    assert data.schema.bag_sizes == (1 + len(words),)


def test_file_without_header_gets_names(proposed, log, tmp_path):
    columns = log.select("click", "time", "scenario", "price")

    text, remarks = proposed(columns, separator="\t", include_header=False)
    content = tomllib.loads(text)

    assert content["columns"] == ["c1", "c2", "c3", "c4"]
    assert (content["label"], content["separator"]) == ("c1", "\t")
    assert "the first line holds numbers" in remarks
    assert prepared(text, tmp_path).card["rows_in_log"] == NUM_ROWS


def test_space_separates_values_where_nothing_else_does(proposed, log):
    text, _ = proposed(log.select("time", "scenario", "tags", "click"), separator=" ")

    assert tomllib.loads(text)["separator"] == " "


def test_ratings_become_a_label_by_their_high_values(proposed, log, tmp_path):
    ratings = log.drop("click", "is_like", "landing", "dwell_time").with_columns(
        rating=pl.int_range(pl.len()) % 5 + 1
    )
    text, _ = proposed(ratings, "--label", "rating")

    assert tomllib.loads(text)["positive"] == ["4", "5"]
    assert prepared(text, tmp_path).card["base_rate"]["train"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("name", "arguments"), [("click", ()), ("num_clicks", ()), ("clicks", ("--label", "clicks"))]
)
def test_counts_of_clicks_are_clicks_from_1_on(proposed, log, tmp_path, name, arguments):
    counts = log.select("time", "scenario", "userId").with_columns(
        (pl.int_range(pl.len()) % 11 * (pl.int_range(pl.len()) % 3 == 0)).alias(name)
    )
    counts[2_700, name] = 70  # in no sample of 500 rows

    text, remarks = proposed(counts, "--rows", 500, *arguments)

    assert (
        "positive_from = 1  # guess: counts from 0 to 10, of which 1 and more are a click" in text
    )
    assert f"label: {name} (1 and more count as 1)" in remarks
    data = prepared(text, tmp_path)
    in_file_order = data.rows()[np.argsort(data.row_ids()), -1]
    assert np.array_equal(in_file_order, counts[name].to_numpy() > 0)


@pytest.mark.parametrize("values", [[0, 1, 2, 3, 4], [1, 2, 3], [0.5, 0, 2], [0, -1, 1]])
def test_ratings_are_no_counts_of_clicks(proposed, log, values):
    name = "label" if values[-1] == 4 else "click"
    ratings = log.select("time", "scenario").with_columns(
        pl.Series(name, [values[row % len(values)] for row in range(NUM_ROWS)])
    )

    text, _ = proposed(ratings, "--label", name)

    assert "positive_from" not in text
    assert "positive = " in text


def test_words_as_labels_and_texts_for_missing_numbers(proposed, log, tmp_path):
    every_tenth = pl.int_range(pl.len()) % 10 == 0
    words = log.with_columns(
        pl.when(pl.col("click") == 1).then(pl.lit("Yes")).otherwise(pl.lit("No")).alias("click"),
        pl.when(every_tenth).then(pl.lit("NA")).otherwise(pl.col("price")).alias("price"),
    )

    text, remarks = proposed(words)
    content = tomllib.loads(text)

    assert content["positive"] == ["Yes"]
    price = next(entry for entry in tables_of(text) if entry["name"] == "price")
    assert price["missing"] == ["NA"]
    assert "10.00%" in next(line for line in remarks.splitlines() if line.startswith("  price"))
    assert prepared(text, tmp_path).card["rows_in_log"] == NUM_ROWS


def test_texts_of_several_notations_arrive_as_the_values_of_typed_columns(proposed, log, tmp_path):
    plain = log.select("time", "scenario", "price", "tags", "userId", "click").with_columns(
        pl.when(pl.col("time") % 7 > 0).then("price").alias("price"),
        pl.when(pl.col("time") % 5 > 0).then("userId").alias("userId"),
    )
    prices = pl.col("price").cast(pl.String).str.replace(".", ",", literal=True).fill_null("NA")
    lists = pl.Series("tags", [str(tags.split(";")) for tags in log["tags"]])
    users = pl.format("{}.0", "userId")
    known = prepared(proposed(plain)[0], tmp_path)

    text, _ = proposed(plain.with_columns(prices, lists, users), separator=";", file="eu.csv")

    by_name = {entry["name"]: entry for entry in tables_of(text)}
    assert (by_name["price"]["decimal"], by_name["price"]["missing"]) == (",", ["NA"])
    assert by_name["tags"]["separator"] == ", "
    assert np.array_equal(prepared(text, tmp_path).rows(), known.rows())


def test_separator_of_lists_is_in_no_element(proposed, log, tmp_path):
    lists = pl.concat_list(pl.format("{};x", "scenario"), pl.lit("a|b"))
    log.with_columns(tags=lists).write_parquet(tmp_path / "shop.parquet")

    text, _ = proposed(tmp_path / "shop.parquet")

    tags = next(entry for entry in tables_of(text) if entry["name"] == "tags")
    assert tags == {"name": "tags", "kind": "bag", "separator": ",", "max_length": 2}
    assert prepared(text, tmp_path).schema.bag_sizes == (5,)


def test_times_of_another_format_get_it(proposed, log, tmp_path):
    times = pl.from_epoch("time").dt.strftime("%d/%m/%Y %H:%M")
    text, remarks = proposed(log.reverse().with_columns(times.alias("time")))

    assert tomllib.loads(text)["timestamp_format"] == "%d/%m/%Y %H:%M"
    assert "13/09/2020 12:26 to 15/09/2020 14:25, rows not in its order" in remarks
    assert prepared(text, tmp_path).row_ids()[0] == NUM_ROWS - 1


TIMES = {
    "fraction": pl.format("{}.25", "time"),
    "float": pl.col("time").cast(pl.Float64),
    "large float": pl.col("time") * 1e9,
    "zone": pl.from_epoch("time").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo"),
    "BigQuery": pl.from_epoch("time").dt.strftime("%Y-%m-%d %H:%M:%S UTC"),
    "two-digit year": pl.from_epoch("time").dt.strftime("%d/%m/%y %H:%M"),
    "12 hours": pl.from_epoch("time").dt.strftime("%b %d, %Y %I:%M %p"),
    "comma": pl.from_epoch("time").dt.strftime("%Y-%m-%d %H:%M:%S,000"),
    "basic": pl.from_epoch("time").dt.strftime("%Y%m%dT%H%M%SZ"),
}


@pytest.mark.parametrize("file", ["shop.csv", "shop.parquet"])
@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_times_of_any_writing_split_the_log_by_time(proposed, log, tmp_path, times, file):
    log = log.sample(fraction=1, shuffle=True, seed=3)
    order = log["time"].arg_sort().to_list()
    written = log.with_columns(times.alias("time"))
    written.write_csv(tmp_path / file) if ".csv" in file else written.write_parquet(tmp_path / file)

    text, _ = proposed(tmp_path / file)
    data = prepared(text, tmp_path)

    assert data.card["split_kind"] == "time"
    assert data.row_ids().tolist() == order
    assert 'timestamp = "time"  # guess: by its name, rows are not in its order; ' in text


def test_log_sorted_by_user_without_a_time_is_shuffled(proposed, log, tmp_path):
    users = pl.col("userId") + 1_000_000_000
    text, remarks = proposed(log.drop("time").with_columns(users).sort("userId"))

    assert "time: no column of times; rows are sorted by userId; a seeded shuffle" in remarks
    assert "userId" in tomllib.loads(text)["features"]
    assert prepared(text, tmp_path).card["split_kind"] == "shuffle"


def test_hour_of_avazu_is_the_time(proposed, log, tmp_path):
    hours = pl.from_epoch("time").dt.strftime("%y%m%d%H").alias("hour")
    text, _ = proposed(log.with_columns(hours).drop("time"))

    assert tomllib.loads(text)["timestamp_format"] == "%y%m%d%H"
    assert 'timestamp = "hour"  # digits %y%m%d%H, 20091312 to 20091514\n' in text
    assert prepared(text, tmp_path).card["split_kind"] == "time"


def test_nullable_integers_are_features(proposed, log):
    levels = log.with_columns(I8=pl.col("userId") % 50 + 0.0, gender=pl.col("userId") % 2 + 0.0)
    text, remarks = proposed(levels.drop("time"))

    assert "time: no column of times; a seeded shuffle" in remarks
    assert {"I8", "gender"} <= {
        part if isinstance(part, str) else part["name"] for part in tomllib.loads(text)["features"]
    }


def test_odd_column_names_survive(proposed, log, tmp_path):
    names = {"scenario": 'the "scene"', "price": "价格, eur", "userId": ""}
    text, _ = proposed(log.rename(names))

    assert tomllib.loads(text)["partition"] == ['the "scene"']
    assert prepared(text, tmp_path).card["rows_in_log"] == NUM_ROWS


def test_names_that_polars_takes_for_patterns(proposed, log, tmp_path):
    names = {"scenario": "*", "userId": "$", "price": "a[0]", "tags": "{b}", "dwell_time": "^a$"}
    text, remarks = proposed(log.rename(names))

    content = tomllib.loads(text)
    assert content["partition"] == ["*"]
    assert "$" in content["features"]
    assert {part["name"]: part["kind"] for part in tables_of(text)} == {
        "a[0]": "numeric",
        "{b}": "bag",
    }
    assert "not usable: ^a$ (a name from ^ to $ is a pattern; rename it)" in remarks
    assert prepared(text, tmp_path).schema.field_sizes[0] == 4


@pytest.mark.parametrize("name", ["row", "__row__", "label", "rows", "clicks", "a.b"])
def test_a_column_of_any_name_is_described_and_prepared(proposed, log, tmp_path, name):
    text, _ = proposed(log.rename({"scenario": name}))

    assert tomllib.loads(text)["partition"] == [name]
    assert prepared(text, tmp_path).domains().columns[2] == name


def test_quoted_empty_values_are_missing(proposed, log):
    gappy = log.with_columns(price=pl.when(pl.int_range(pl.len()) % 5 > 0).then("price"))
    text, _ = proposed(gappy, quote_style="always")

    kinds = {feature["name"]: feature["kind"] for feature in tables_of(text)}
    assert kinds["price"] == "numeric"


def test_time_of_an_unknown_format_is_left_out_with_a_remark(proposed, log):
    odd = log.with_columns(time=pl.format("week {} of spring", pl.int_range(pl.len()) // 30))
    text, remarks = proposed(odd)

    reason = "in a format that is not known ('week 0 of spring')"
    assert f"left out: named as a time, {reason}" in remarks
    assert f"time: no column of times; time may be one ({reason}): if so, name it" in remarks
    assert "time" not in tomllib.loads(text)["features"]
    assert all(feature["name"] != "time" for feature in tables_of(text))


def refusal(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file has no line of text"),
        ("word\nword\n", "no separator splits"),
        ("a,click\n", "no data row"),
        ("a,click\n" + "x,0\ny,1\n" * 200 + "x\n", "line 402: the line has 1 values"),
        ("a,b\n" + "x,u\ny,v\n" * 9, "nothing tells which column is the label"),
        ("a,b\n" + "x,M\ny,F\nz,M\n" * 9, "nothing tells which column is the label"),
        ("a,b\n" + "x,u\ny,v\nz,w\n" * 9, "no column has exactly two values"),
        ("a,click\n" + "x,0\nx,1\n" * 9, "no column is left that could be a feature"),
        ("a,click\n" + "1.5,0\n2.25,1\n" * 99, "no column is left that could be a feature"),
    ],
)
def test_unusable_log_is_one_clear_line(capsys, tmp_path, content, words):
    (tmp_path / "log.csv").write_text(content)

    assert words in refusal(capsys, tmp_path / "log.csv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv"], "there is no such file"),
        (["sub"], "sub: a folder; name its files, such as 'sub/**/*'"),
        (["s*b"], "sub: a folder; name its files, such as 'sub/**/*'"),
        (["log.csv", "sub/log.csv"], "several folders"),
        (["log.csv", "--label", "clik"], "no column 'clik'; available: click"),
        (["log.csv", "--label", "item"], "'item' has 30 distinct values"),
    ],
)
def test_wrong_argument_is_one_clear_line(capsys, tmp_path, monkeypatch, arguments, words):
    lines = "item,click\n" + "".join(f"i{row % 30},{row % 2}\n" for row in range(90))
    (tmp_path / "sub").mkdir()
    (tmp_path / "log.csv").write_text(lines)
    (tmp_path / "sub" / "log.csv").write_text(lines)
    monkeypatch.chdir(tmp_path)

    assert words in refusal(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name either the files of a log, or a log with --card"),
        (["x.csv", "--card", "iaac"], "name either the files of a log, or a log with --card"),
        (["x.csv", "--out", "a.md"], "--data-dir and --out belong to --card"),
        (["x.csv", "--rows", "0"], "must be a whole number of at least 1, got '0'"),
        (["x.csv", "--rows", "abc"], "must be a whole number of at least 1, got 'abc'"),
        (["--card", "iaac", "--rows", "5"], "--rows and --label do not go with --card"),
        (["--card", "iaac", "--out", "no/such/card.md"], "there is no folder no/such"),
    ],
)
def test_bad_usage_is_one_line(capsys, arguments, words):
    with pytest.raises(SystemExit) as left:
        main(arguments)

    assert left.value.code == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
