"""The files of a log of one's own: parts without rows, folders, quotes, headers and types."""

from __future__ import annotations

import tomllib

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets.catalog import custom
from datasets.describe import main
from datasets.prepare import prepare
from datasets.profiling.data_card import card_of
from datasets.profiling.layout import guess_layout
from datasets.raw.folders import folder_values
from datasets.spec import PrepareOptions

NUM_ROWS = 300


@pytest.fixture
def log():
    """Rows in time order: a label, a scene, users and titles."""
    rng = np.random.default_rng(3)
    return pl.DataFrame(
        {
            "click": (rng.random(NUM_ROWS) < 0.3).astype(int),
            "time": 1_600_000_000 + 60 * np.arange(NUM_ROWS),
            "scene": rng.choice(["home", "search", "cart"], NUM_ROWS),
            "user": [f"u{user}" for user in rng.integers(0, 20, NUM_ROWS)],
            "title": [f"thing {title}" for title in rng.integers(0, 9, NUM_ROWS)],
        }
    )


@pytest.fixture
def describe(capsys, tmp_path):
    """Describe the files of a pattern and prepare what is proposed."""

    def run(pattern, folder=tmp_path):
        assert main([str(tmp_path / pattern)]) == 0
        text, remarks = capsys.readouterr()
        (folder / "proposed.toml").write_text(text, encoding="utf-8")
        entry = custom.read_spec(folder / "proposed.toml")
        data = prepare(entry, None, tmp_path / "cache", PrepareOptions())
        return tomllib.loads(text), remarks, data

    return run


@pytest.fixture
def refusal(capsys, tmp_path):
    """The one line that a description of a pattern ends with."""

    def run(pattern):
        assert main([str(tmp_path / pattern)]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        return message

    return run


EMPTY = {
    "header": b"click,time,scene,user,title\n",
    "header without end": b"click,time,scene,user,title",
    "header and blank lines": b"click,time,scene,user,title\r\n\r\n\n",
    "nothing": b"",
}


@pytest.mark.parametrize("content", EMPTY.values(), ids=EMPTY)
@pytest.mark.parametrize("first", [False, True])
def test_parts_without_rows_are_left_out(describe, log, tmp_path, caplog, content, first):
    log[:200].write_csv(tmp_path / "part-1.csv")
    log[200:].write_csv(tmp_path / "part-2.csv")
    name = "part-0.csv" if first else "part-3.csv"
    (tmp_path / name).write_bytes(content)

    proposal, remarks, data = describe("part-*.csv")

    assert proposal["files"] == "part-*.csv"
    assert f"left out, as without rows: {tmp_path / name}" in remarks
    assert f"left out, as without rows: {tmp_path / name}" in caplog.text
    assert data.card["rows_in_log"] == NUM_ROWS
    assert [file["name"] for file in data.card["files"]] == ["part-1.csv", "part-2.csv"]


def test_parquet_parts_without_rows_are_left_out(describe, log, tmp_path):
    log.write_parquet(tmp_path / "part-1")
    log.clear().write_parquet(tmp_path / "part-0")
    (tmp_path / "part-2").write_bytes(b"")

    _, remarks, data = describe("part-*")

    assert f"without rows: {tmp_path / 'part-0'}, {tmp_path / 'part-2'}" in remarks
    assert data.card["rows_in_log"] == NUM_ROWS


def test_marks_of_tools_are_no_files_of_a_log(describe, log, tmp_path):
    write_folders(log, tmp_path / "t", "csv")
    for name in ("_SUCCESS", "scene=home/.0.crc", "scene=home/_committed_7"):
        (tmp_path / "t" / name).write_bytes(b'{"added": [1]}')

    proposal, _, data = describe("t/**", tmp_path / "t")

    assert proposal["partition"] == ["scene"]
    assert data.card["rows_in_log"] == NUM_ROWS


def test_part_of_one_line_is_no_empty_one_without_a_header(describe, log, tmp_path):
    log[:1].write_csv(tmp_path / "part-0.csv", include_header=False)
    log[1:].write_csv(tmp_path / "part-1.csv", include_header=False)
    (tmp_path / "part-2.csv").write_bytes(b"")

    _, _, data = describe("part-*.csv")

    assert data.card["rows_in_log"] == NUM_ROWS


def write_folders(log, root, kind):
    """The log by its scene, one file of the same name in each folder."""
    for (scene,), rows in log.partition_by("scene", as_dict=True).items():
        folder = root / f"scene={scene}"
        folder.mkdir(parents=True)
        part = rows.drop("scene")
        part.write_csv(folder / "0") if kind == "csv" else part.write_parquet(folder / "0")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("pattern", ["t/*/*", "t/scene=*/0", "t/**"])
def test_folders_are_a_column(describe, log, tmp_path, kind, pattern):
    write_folders(log, tmp_path / "t", kind)

    proposal, _, data = describe(pattern, tmp_path / "t")

    assert (proposal["name"], proposal["files"]) == ("t", "scene=*/0")
    assert proposal["partition"] == ["scene"]
    assert set(data.domains()["scene"]) == {"home", "search", "cart"}
    assert data.card["files"][0]["name"] == "scene=cart/0"
    entry = custom.read_spec(tmp_path / "t" / "proposed.toml")
    assert len(card_of(entry, entry.read_raw(tmp_path / "t"), data).file_sizes) == 3


def test_values_of_folders_are_part_of_what_is_read(describe, log, tmp_path):
    write_folders(log, tmp_path / "t", "csv")
    _, _, data = describe("t/*/*", tmp_path / "t")
    (tmp_path / "t" / "scene=home").rename(tmp_path / "t" / "scene=start")

    _, _, renamed = describe("t/*/*", tmp_path / "t")

    assert renamed.fingerprint != data.fingerprint
    assert "start" in renamed.domains()["scene"]


def test_escaped_missing_and_nested_values_of_folders(describe, log, tmp_path):
    places = ["day=2024-01-01 10%3A00/scene=a%2Fb", "day=2/scene=__HIVE_DEFAULT_PARTITION__"]
    for place, rows in zip(places, (log[:150], log[150:]), strict=True):
        (tmp_path / "t" / place).mkdir(parents=True)
        rows.drop("scene").write_csv(tmp_path / "t" / place / "part.csv")

    proposal, _, data = describe("t/*/*/part.csv", tmp_path / "t")

    assert proposal["files"] == "day=*/scene=*/part.csv"
    assert data.card["vocabulary_sizes"]["day"] == 3
    assert data.card["vocabulary_sizes"]["scene"] == 3
    assert folder_values(tmp_path / places[0] / "part.csv", tmp_path) == {
        "day": "2024-01-01 10:00",
        "scene": "a/b",
    }


@pytest.mark.parametrize(("own", "is_equal"), [("1", True), ("01", True), ("2", False)])
def test_column_of_a_folder_that_the_file_has_too(describe, refusal, log, tmp_path, own, is_equal):
    for day in ("01", "3"):
        (tmp_path / "t" / f"day={day}").mkdir(parents=True)
        rows = log.with_columns(day=pl.lit(own if day == "01" else "3"))
        rows.write_csv(tmp_path / "t" / f"day={day}" / "part.csv")

    if is_equal:
        assert describe("t/*/*", tmp_path / "t")[2].card["rows_in_log"] == 2 * NUM_ROWS
    else:
        message = refusal("t/*/*")
        assert "day=01/part.csv line 2: column 'day' holds '2', its folder names '01'" in message


@pytest.mark.parametrize("folders", [("day1", "day2"), ("day=1", "hour=2"), ("day=1", "day=2/x")])
def test_folders_that_are_not_alike_are_refused(refusal, log, tmp_path, folders):
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        log.write_csv(tmp_path / folder / "log.csv")

    assert "folders named key=value, of the same keys, are read as columns" in refusal("**/log.csv")


STRAY = {
    "joined lines": ['"Alias, season one', 'say "yes" twice', '"Best" of'],
    "one in a value": ['5" screen'],
    "never closed": ['"open'],
    "in two columns": [],
    "at the ends": ['24" and 27"', '"A" or "B"'],
}


@pytest.mark.parametrize("titles", STRAY.values(), ids=STRAY)
def test_quotes_that_are_no_quotes(describe, log, tmp_path, titles):
    lines = log.write_csv(separator="\t", quote_style="never").splitlines()
    for place, title in enumerate(titles):
        lines[50 + 30 * place] = lines[50 + 30 * place].rpartition("\t")[0] + f"\t{title}"
    if not titles:
        lines[50] = lines[50].replace("\tu", '\t"u')
        lines[60] = lines[60].replace("\tthing", '\t"thing')
    (tmp_path / "log.tsv").write_text("\n".join(lines) + "\n")

    proposal, remarks, data = describe("log.tsv")

    assert proposal["quote"] == ""
    assert "quotes are taken for plain characters; otherwise, " in remarks
    words = f"{tmp_path / 'log.tsv'} line " if titles else "no separator fits the first lines"
    assert f"characters; otherwise, {words}" in remarks
    assert data.card["rows_in_log"] == NUM_ROWS


def test_quoted_values_of_several_lines_are_remarked(describe, log, tmp_path, caplog):
    long = pl.when(pl.int_range(pl.len()) % 100 == 7).then(pl.lit("one\ntwo, three\n"))
    log.with_columns(title=long.otherwise("title")).write_csv(tmp_path / "log.csv")

    proposal, remarks, data = describe("log.csv")

    words = "log.csv line 9: a quoted value runs over several lines, the first of 3 that do"
    assert "quote" not in proposal
    assert words in remarks
    assert f'{words}; quote = "" makes quotes plain characters' in caplog.text
    assert data.card["rows_in_log"] == NUM_ROWS


@pytest.mark.parametrize("wrong", ['"thing "3""', '"thing "3"', '"thing 3', 'thing 3"'])
def test_one_wrong_quote_in_a_file_that_means_its_quotes(refusal, log, tmp_path, wrong):
    text = log.write_csv(quote_style="always").replace('"thing 3"', wrong, 1)
    (tmp_path / "log.csv").write_text(text)

    assert "a quote stands inside a value" in refusal("log.csv")


@pytest.mark.parametrize("quote", ['"', ""])
def test_quotes_as_the_toml_file_says(prepare_log, tiny, quote):
    log = tiny.with_columns(item=pl.format('"{}"', "item"), site=pl.format('"{}"', "site"))

    data = prepare_log(log, quote=quote)

    assert set(data.domains()["site"]) == ({"a", "b"} if quote else {'"a"', '"b"'})


def test_quote_of_another_kind_is_refused(prepare_log, refused, tiny):
    assert "quote must be '\"'" in refused(prepare_log, tiny, quote="'")


@pytest.mark.parametrize("line", ["sep=;", "# made by a tool", "click;time;scene;user"])
def test_line_that_is_unlike_the_others_is_shown(refusal, log, tmp_path, line):
    (tmp_path / "log.csv").write_text(f"{line}\n" + log.write_csv(separator=";"))

    assert f"log.csv: line {line!r} has {line.count(';') + 1} values separated by ';', most" in (
        refusal("log.csv")
    )


@pytest.mark.parametrize("mark", ["\x0b", "\x1c", "\x85", "\u2028", "\r"])
def test_marks_that_end_no_line_are_read(describe, log, tmp_path, mark):
    titles = pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(f"one{mark}two"))
    log.with_columns(title=titles.otherwise("title")).write_csv(tmp_path / "log.csv")

    assert describe("log.csv")[2].card["rows_in_log"] == NUM_ROWS


@pytest.mark.parametrize(("end", "line"), [("\r", 1), ("\n", 2)])
def test_lone_carriage_returns_are_named(refusal, log, tmp_path, end, line):
    header, _, rows = log.write_csv().partition("\n")
    (tmp_path / "log.csv").write_bytes((header + end + rows.replace("\n", "\r")).encode())

    message = refusal("log.csv")
    assert f"log.csv line {line}: " in message
    assert "carriage returns stand alone" in message


def test_lone_carriage_returns_are_named_by_a_preparation(prepare_log, refused, tiny):
    header, _, rows = tiny.write_csv().partition("\n")

    message = refused(prepare_log, f"{header}\n{rows[:200]}" + rows[200:].replace("\n", "\r"))

    assert "values, the header names 4; carriage returns stand alone" in message


def test_very_long_values_are_read(describe, log, tmp_path):
    long = pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("y" * 200_000)).otherwise("title")
    log.with_columns(title=long).write_csv(tmp_path / "log.csv")

    assert describe("log.csv")[2].card["rows_in_log"] == NUM_ROWS


def test_names_that_differ_in_blanks_only_are_named(refusal, log, tmp_path):
    log.rename({"title": "user "}).write_csv(tmp_path / "log.csv")

    assert "log.csv line 1: columns named twice: 'user'; every" in refusal("log.csv")


def test_name_of_a_file_that_is_not_utf8(refusal, log, tmp_path):
    (tmp_path / "log\udcff.csv").write_text(log.write_csv())

    assert "the file's name is not UTF-8; rename it" in refusal("log*.csv")


def test_header_over_several_lines(describe, log, tmp_path, caplog):
    log.rename({"user": "user\nid", "scene": "the\r\nscene"}).write_csv(tmp_path / "log.csv")

    proposal, remarks, data = describe("log.csv")

    assert "user\nid" in proposal["features"]
    assert "several lines" not in remarks + caplog.text
    assert "  user id " in remarks
    assert data.card["rows_in_log"] == NUM_ROWS


def test_line_after_a_header_of_several_lines_is_named(prepare_log, refused, tiny):
    text = tiny.write_csv().replace("time,", '"a\n\ntime",', 1).replace(",1\n", ",7\n")
    changes = {"timestamp": None, "features": ["site", "item"]}

    assert "log.csv line 4: label 'click' is '7'" in refused(prepare_log, text, **changes)


@pytest.mark.parametrize(
    "names", [["click", "101", "205", "301", "508"], ["0", "1", "2", "3", "4"], list("98765")]
)
def test_header_of_numbers_is_a_header(describe, log, tmp_path, names):
    log.rename(dict(zip(log.columns, names, strict=True))).write_csv(tmp_path / "log.csv")

    proposal, remarks, data = describe("log.csv")

    assert proposal["label"] == names[0]
    assert "the first line is taken for a header" in remarks
    assert data.card["rows_in_log"] == NUM_ROWS


NUMBERED = {  # the first line, two lines that come again and again, and whether it is a header
    "count of many": ("0,1,2,3,4,5,6,7", "0,1,5,2,0,1,0,3", "1,1,2,3,4,0,6,7", True),
    "count above texts": ("0,1,2", "0,u7,9", "1,u5,3", True),
    "count that never comes again": ("1,2,3", "0,7,9", "4,5,6", True),
    "count that comes again": ("1,2,3,4", "1,7,5,2", "0,2,3,1", False),
    "count from 0 that comes again": ("0,1,2", "1,3,4", "0,2,2", False),
    "count of two": ("1,2", "0,7", "3,5", False),
    "numbers that come again": ("3,4,9", "1,5,9", "0,4,8", False),
    "third values above two": ("101,205,301", "0,7,9", "1,5,8", True),
}


@pytest.mark.parametrize(("first", "one", "other", "is_header"), NUMBERED.values(), ids=NUMBERED)
def test_first_line_of_numbers_is_a_header_if_nothing_speaks_against_it(
    tmp_path, first, one, other, is_header
):
    (tmp_path / "log.csv").write_text("\n".join([first, *[one, other] * 9]))

    layout = guess_layout([tmp_path / "log.csv"])

    assert layout.numbered == is_header
    assert bool(layout.columns) != is_header


@pytest.mark.parametrize("value", ["", "unknown", "NA"])
def test_first_line_with_a_gap_among_numbers_is_data(describe, log, tmp_path, value):
    log = log.with_columns(price=pl.when(pl.int_range(pl.len()) > 0).then("time"))
    text = log.write_csv(include_header=False, null_value=value)
    (tmp_path / "log.csv").write_text(text)

    proposal, _, data = describe("log.csv")

    assert proposal["columns"][0] == "c1"
    assert data.card["rows_in_log"] == NUM_ROWS


def test_error_says_that_names_are_invented(refusal, log, tmp_path):
    log.select("time", "scene", "user").write_csv(tmp_path / "log.csv", include_header=False)

    assert "columns: c1, c2, c3 (invented names, as the first line holds numbers)" in refusal(
        "log.csv"
    )


ODD = {
    "map": pa.array([[("k", 1)]] * NUM_ROWS, pa.map_(pa.string(), pa.int64())),
    "struct": pa.array([{"a": 1}] * NUM_ROWS),
    "bytes": pa.array([b"\xff\xfe"] * NUM_ROWS),
    "pairs": pa.array([[[1, 2]]] * NUM_ROWS),
    "flags": pa.array([[True]] * NUM_ROWS),
    "vector": pa.array([[1.0, 2.0]] * NUM_ROWS, pa.list_(pa.float64(), 2)),
    "length": pa.array([5] * NUM_ROWS, pa.duration("ms")),
}


def test_columns_without_text_are_named_and_the_rest_described(describe, log, tmp_path):
    table = log.to_arrow()
    for name, values in ODD.items():
        table = table.append_column(name, values)
    pq.write_table(table, tmp_path / "log.parquet")

    _, remarks, data = describe("log.parquet")

    assert f": {', '.join(ODD)}" in remarks
    assert data.card["rows_in_log"] == NUM_ROWS


@pytest.mark.parametrize("name", ["map", "struct", "pairs", "flags", "vector", "length"])
def test_column_without_text_is_refused_as_a_feature(prepare_log, refused, tiny, tmp_path, name):
    table = tiny.to_arrow().append_column("odd", ODD[name][:60])
    pq.write_table(table, tmp_path / "log.parquet")

    message = refused(prepare_log, "", file="unused", files="log.parquet", features=["site", "odd"])

    assert "log.parquet: column 'odd' is of the type " in message
    assert "which has no text; leave it out" in message


def test_list_that_is_no_bag_is_named(prepare_log, refused, tiny, tmp_path):
    tiny.with_columns(tags=pl.lit(["x"])).write_parquet(tmp_path / "log.parquet")

    message = refused(
        prepare_log, "", file="unused", files="log.parquet", features=["site", "tags"]
    )

    assert "column 'tags' is of the type List(String), which has no text; it can be a" in message
