from __future__ import annotations

import gzip

import polars as pl
import pytest

HEADER = "time,site,item,click\n"
LINES = "".join(f"{row},s{row % 2},i{row % 3},{row % 2}\n" for row in range(30))


@pytest.fixture
def message_of(prepare_log, refused):
    """The error of a log that is written as it is."""
    return lambda log, **changes: refused(prepare_log, log, **changes)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,s0,i1", "has 3 values, the header names 4"),
        ("1,s0,i1,0,9", "has 5 values, the header names 4"),
        ("", "the line is blank"),
        (",,,", "no value is filled in"),
        ("1,s0,i1,2", "label 'click' is '2'; allowed are 0 and 1"),
        ("1,s0,i1,", "label 'click' is None"),
        ("1,s0,i1,yes", "label 'click' is 'yes'"),
        ("noon,s0,i1,0", "timestamp column 'time' holds 'noon'"),
        (",s0,i1,0", "timestamp column 'time' holds None"),
        ('1,s"0,i1,0', "a quote stands inside a value"),
        ('1,"s0,i1,0', "a quote"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_wrong_line_is_named(message_of, line, words, line_end):
    log = (HEADER + LINES + line + "\n" + LINES).replace("\n", line_end)

    message = message_of(log)

    assert "log.csv line 32: " in message
    assert words in message


@pytest.mark.parametrize("block", [10, 33, 1 << 24])
def test_wrong_line_is_named_whatever_the_blocks(message_of, monkeypatch, block):
    monkeypatch.setattr("datasets.raw.text.BLOCK_BYTES", block)

    assert "line 32: " in message_of(HEADER + LINES + "1,s0\n" + LINES)
    assert "line 32: the line is blank" in message_of(HEADER + LINES + "\n" + LINES)


def test_number_column_with_text_is_named(message_of):
    features = ["site", {"name": "item", "kind": "numeric"}]

    message = message_of(HEADER + LINES, features=features)

    assert "log.csv line 2: numeric column 'item' holds 'i0'" in message


def test_bytes_that_are_not_utf8_are_named(message_of):
    log = (HEADER + LINES).encode() + b"1,s\xff,i1,0\n" + LINES.encode()

    assert "log.csv line 32: byte 0xff is not UTF-8" in message_of(log)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("time,site,itm,click", "column 'item' is missing; the closest names there: itm"),
        ("time,site,item,clicked", "column 'click' is missing; the closest names there: clicked"),
        ("time,site,site,click", "line 1: columns named twice: 'site'"),
        ("time;site;item;click", "column 'click' is missing"),
    ],
)
def test_wrong_header_is_named(message_of, header, words):
    assert words in message_of(header + "\n" + LINES)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", "the file is empty"),
        ("\n\n", "its first line is blank"),
        (HEADER, "a header but no data row"),
        (HEADER.strip(), "a header but no data row"),
        (HEADER + "\n\n", "a header but no data row"),
        (b"\xff1,2\n", "the header is not UTF-8 text"),
    ],
)
def test_file_without_rows(message_of, log, words):
    assert words in message_of(log)


@pytest.mark.parametrize("label", ["0", "1"])
def test_label_of_one_class(message_of, tiny, label):
    log = tiny.with_columns(click=pl.lit(label))

    message = message_of(log)

    assert f"label 'click' is {label} in all 60 rows of the log" in message


@pytest.mark.parametrize(("first", "last", "split"), [(0, 40, "train"), (40, 50, "dev")])
def test_split_of_one_class(message_of, tiny, first, last, split):
    inside = pl.col("time").is_between(first, last - 1)
    log = tiny.with_columns(click=pl.when(inside).then(0).otherwise("click"))

    assert f"{last - first} rows of {split};" in message_of(log)


PACKED = gzip.compress((HEADER + LINES).encode(), mtime=0)


@pytest.mark.parametrize(
    "packed",
    [PACKED[:5], PACKED[:60], PACKED[:-9]],
    ids=["head", "start", "without end"],
)
def test_damaged_gzip(message_of, packed):
    message = message_of(packed, file="log.csv.gz", files="log.csv.gz")

    assert "log.csv.gz: the compressed stream is truncated or damaged" in message
    assert "fetch the file again" in message


TAR = b"log.csv".ljust(257, b"\0") + b"ustar\x0000"
STRANGERS = {
    "cut zip": (b"PK\x03\x04", "cannot be unpacked (File is not a zip file); fetch it again"),
    "cut tar": (TAR, "cannot be unpacked (truncated header); fetch it again"),
    "cut tar.gz": (gzip.compress(TAR), "cannot be unpacked (truncated header); fetch it again"),
    "empty tar": (bytes(10_240), "this is zero bytes, as of an empty tar archive; fetch it again"),
    "gz.gz": (gzip.compress(gzip.compress(b"a")), "this is a file packed twice within gzip;"),
    "parquet.gz": (gzip.compress(b"PAR1"), "this is a Parquet file within gzip; unpack it"),
    "cut bz2": (b"BZh91AY&SY", "cannot be unpacked (Compressed file ended before the end"),
    "cut xz": (b"\xfd7zXZ\0", "cannot be unpacked (Compressed file ended before the end"),
    "utf16": ("time,site\n".encode("utf-16"), "this is UTF-16 text; save it as UTF-8"),
    "json": (b'{"time": 1, "site": "s0"}\n', "this is JSON; write it as CSV or Parquet"),
    "utf16 without mark": ("time,site\n".encode("utf-16-le"), "this is UTF-16 text; save it"),
    "page": (b"\n<!DOCTYPE html>\n<html>", "this is a web page or XML; fetch the file itself"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "this is a pointer of Git LFS;"),
    "cut parquet": (b"PAR1 and no end", "not a readable Parquet file"),
}


@pytest.mark.parametrize(("content", "words"), STRANGERS.values(), ids=STRANGERS)
def test_file_of_another_kind_is_named(message_of, content, words):
    assert f"log.csv: {words}" in message_of(content).replace("by its first bytes ", "")


@pytest.mark.parametrize("name", ["part-00000", "log.parq", "log.csv.gz"])
@pytest.mark.parametrize("kind", ["csv", "gzip", "zstd", "parquet"])
def test_kind_of_a_file_is_told_by_its_bytes(prepare_log, tiny, tmp_path, name, kind):
    plain = prepare_log(tiny, name="plain")
    if kind == "parquet":
        tiny.write_parquet(tmp_path / "log")
    else:
        packing = "uncompressed" if kind == "csv" else kind
        tiny.write_csv(tmp_path / "log", compression=packing, check_extension=False)

    data = prepare_log((tmp_path / "log").read_bytes(), file=name, files=name)

    assert data.rows().tolist() == plain.rows().tolist()


@pytest.mark.parametrize(
    "log",
    [
        HEADER + LINES + "\n\n",
        (HEADER + LINES).rstrip("\n"),
        (HEADER + LINES).replace("\n", "\r\n") + "\r\n",
        "\ufeff" + HEADER + LINES,
        HEADER + LINES.replace("s1", '"s1"'),
    ],
)
def test_harmless_differences_of_files(prepare_log, log):
    plain = prepare_log(HEADER + LINES, name="plain")

    data = prepare_log(log)

    assert data.rows().tolist() == plain.rows().tolist()
    assert data.domains().equals(plain.domains())


def test_quoted_values_may_hold_separators_quotes_and_lines(prepare_log, monkeypatch):
    monkeypatch.setattr("datasets.raw.text.BLOCK_BYTES", 40)

    data = prepare_log(HEADER + LINES.replace("s1", '"a,""b""\nc"'))

    assert set(data.domains()["site"]) == {"s0", 'a,"b"\nc'}


def test_error_beyond_a_value_of_several_lines_names_the_row(message_of):
    log = HEADER + LINES.replace("s1", '"s\n1"') + "1,s0,i1,2\n"

    assert "log.csv data row 31: label" in message_of(log)


def test_quote_that_never_closes(message_of):
    message = message_of(HEADER + LINES + '1,s0,i1,"0\n')

    assert "line 32: a quote is opened and never closed" in message


@pytest.mark.parametrize(("name", "words"), [("no", "does not exist"), ("a", "is not a folder")])
def test_missing_folder_is_named(prepare_entry, refused, tmp_path, name, words):
    (tmp_path / "a").write_text("")
    folder = tmp_path / name

    assert f"data folder {folder} {words}" in refused(prepare_entry, "iaac", folder)
