"""Random tables: a cell arrives as the token that it is, or one line refuses the table."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from datasets.catalog import custom
from datasets.describe import main
from datasets.prepare import prepare
from datasets.spec import PAD, DataError, PrepareOptions

NUM_ROWS = 24
pytestmark = pytest.mark.slow
EXAMPLES = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # all examples of a test share its folder

pieces = st.sampled_from([*"ab01é価$^*.-_'\"()[]#\\/,;|\t\n", " ", "\u00a0", "NA", "null", "1.0"])
words = st.lists(pieces, min_size=1, max_size=5).map("".join)
numbers = st.integers(-9, 9)
whole = numbers.flatmap(lambda n: st.sampled_from([f"{n}", f"{n}.0", f"{n}.00", f" {n}", f"{n} "]))
fractions = st.floats(-99, 99).map(lambda n: f"{n:.3f}")
gaps = st.sampled_from(["", "  ", None])
cells = {
    "word": words,
    "whole": whole,
    "numeric": fractions,
    "bag": st.lists(words, max_size=4).map("|".join),
}
names = st.lists(st.sampled_from([*"abé価_ $^*.,;|\"'#"]), max_size=4).map("".join)


@dataclass
class Table:
    """A table as text, and how it is written."""

    columns: dict[str, list[str | None]]
    kinds: dict[str, str]
    separator: str
    quoting: int
    encoding: str
    line_end: str

    def text(self) -> str:
        out = io.StringIO()
        writer = csv.writer(
            out, delimiter=self.separator, quoting=self.quoting, lineterminator=self.line_end
        )
        writer.writerow(self.columns)
        writer.writerows(zip(*self.columns.values(), strict=True))
        return out.getvalue()

    def features(self) -> list[object]:
        tables = {"numeric": {"kind": "numeric"}, "bag": {"kind": "bag", "separator": "|"}}
        return [{"name": name.strip()} | tables.get(kind, {}) for name, kind in self.kinds.items()]


@st.composite
def tables(draw):
    """A correct table: rising times, both classes everywhere, two domains or more."""
    kinds = {f"site{draw(names)}": "word"} | {
        f"c{place}{draw(names)}": draw(st.sampled_from(sorted(cells)))
        for place in range(draw(st.integers(1, 3)))
    }
    label = st.sampled_from([["0", "1"], ["0.0", "1.0"], [" 0", "1 "], ["false", "TRUE"]])
    values = {
        name: draw(st.lists(cells[kind] | gaps, min_size=NUM_ROWS, max_size=NUM_ROWS))
        for name, kind in kinds.items()
    }
    site = next(iter(kinds))
    values[site] = [f"{'xy'[row % 2]}{text or ''}" for row, text in enumerate(values[site])]
    times = [str(1_600_000_000 + 60 * row) for row in range(NUM_ROWS)]
    return Table(
        columns={"time": times, "click": draw(label) * (NUM_ROWS // 2)} | values,
        kinds=kinds,
        separator=draw(st.sampled_from(",;\t|")),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        encoding=draw(st.sampled_from(["utf-8", "utf-8-sig"])),
        line_end=draw(st.sampled_from(["\n", "\r\n"])),
    )


def token_of(cell):
    """The rule for a value, by other means."""
    text = (cell or "").strip()
    found = re.fullmatch(r"(-?[0-9]+)\.0+", text)
    return (found[1] if found else text) or None


def bag_of(cell):
    """The rule for the first eight tokens of a bag."""
    text = token_of(cell) or ""
    inner = re.fullmatch(r"""\[((?:[^\[\]]|'[^']*'|"[^"]*")*)\]""", text)
    parts = [part.strip() for part in (inner[1] if inner else text).split("|")]
    parts = [part[1:-1] if re.fullmatch(r"'.*'|\".*\"", part) else part for part in parts]
    return [token for token in map(token_of, parts) if token][:8]


def keys_of(table, file):
    """The keys of a TOML file that describes the table."""
    return {
        "files": file,
        "separator": table.separator,
        "partition": [next(iter(table.kinds)).strip()],
        "features": table.features(),
    }


def assert_codes_follow(tokens, codes, num_train):
    """In train one code for one token; elsewhere the same one, or 0 for what train has not."""
    code_of = {}
    for row, (own, known) in enumerate(zip(tokens, codes, strict=True)):
        assert len(own) == len(known)
        for token, code in zip(own, known, strict=True):
            if row < num_train:
                assert code_of.setdefault(token, code) == code > 0
            else:
                assert code == code_of.get(token, 0)
    assert len(set(code_of.values())) == len(code_of)


def check_prepared(table, data):
    rows, schema = data.rows(), data.schema
    assert data.row_ids().tolist() == list(range(NUM_ROWS))
    assert rows[:, -1].tolist() == [0, 1] * (NUM_ROWS // 2)
    num_train = len(data.split["train"])
    for name, kind in table.kinds.items():
        cells_of = table.columns[name]
        if kind == "bag":
            place = len(schema.fields) + 8 * schema.bags.index(name.strip())
            codes = [[code for code in row[place : place + 8] if code != PAD] for row in rows]
            assert_codes_follow([bag_of(cell) for cell in cells_of], codes, num_train)
        elif kind != "numeric":
            codes = rows[:, [schema.fields.index(name.strip())]].tolist()
            assert_codes_follow([[token_of(cell)] for cell in cells_of], codes, num_train)


def check_frame(frame, table):
    for name, kind in table.kinds.items():
        found = frame[name.strip()]
        if kind == "numeric":
            expected = [float(cell) if token_of(cell) else None for cell in table.columns[name]]
            assert found.cast(pl.Float64).to_list() == expected
        elif kind != "bag":
            assert found.to_list() == [token_of(cell) for cell in table.columns[name]]


@settings(EXAMPLES, max_examples=900)
@given(table=tables(), file=st.sampled_from(["log.csv", "log.parquet"]))
def test_cell_of_a_random_table_arrives_as_its_token(tmp_path, write_toml, table, file):
    if file == "log.csv":
        (tmp_path / file).write_bytes(table.text().encode(table.encoding))
    else:
        pl.DataFrame(table.columns).rename(str.strip).write_parquet(tmp_path / file)
    entry = custom.read_spec(write_toml(**keys_of(table, file)))

    frame = entry.read_raw(tmp_path).frame.collect()
    data = prepare(entry, tmp_path, tmp_path / "cache", PrepareOptions())

    check_frame(frame, table)
    check_prepared(table, data)
    site = next(iter(table.kinds))
    assert set(data.domains()[site.strip()]) == {token_of(cell) for cell in table.columns[site]}


def described(path, *arguments):
    """The exit code, the proposal and the remarks or the refusal."""
    out, remarks = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(remarks):
        code = main([str(path), *arguments])
    return code, out.getvalue(), remarks.getvalue()


def check_proposed(table, feature, found):
    """The values that a proposed feature reads, with its own texts for missing ones."""
    feature = feature if isinstance(feature, dict) else {"name": feature}
    missing = {token_of(text) for text in feature.get("missing", [])}
    for text, cell in zip(found[feature["name"]], table[feature["name"]], strict=True):
        expected = None if token_of(cell) in missing else token_of(cell)
        if feature.get("kind") == "numeric" and expected is not None and "decimal" not in feature:
            assert float(text) == float(expected) or expected.lower() == "nan"
        elif "decimal" not in feature:
            assert text == expected


@settings(EXAMPLES, max_examples=300)
@given(table=tables())
def test_proposal_of_a_random_table_reads_its_cells(tmp_path, table):
    (tmp_path / "log.csv").write_bytes(table.text().encode(table.encoding))

    code, proposal, remarks = described(tmp_path / "log.csv", "--label", "click")

    if code:
        assert (code, remarks.count("\n")) == (2, 1)
        return
    content = tomllib.loads(proposal)
    assume(content.get("separator", ",") == table.separator)  # others may fit a random table
    (tmp_path / "log.toml").write_text(proposal, encoding="utf-8")
    entry = custom.read_spec(tmp_path / "log.toml")
    with suppress(DataError):  # such as one domain in train
        prepare(entry, None, tmp_path / "cache", PrepareOptions())
    frame = entry.read_raw(tmp_path).frame.collect()
    own = {name.strip(): values for name, values in table.columns.items()}
    for feature in content["features"]:
        check_proposed(own, feature, frame)


FAULTS = (
    *("encoding", "utf-16", "one value more", "one value less", "a blank line", "an open quote"),
    *("nothing but separators", "a quote within", "a label that is none", "a time that is none"),
)


def faulty(text, fault, table):
    """A text with one fault that a reader has to name, in bytes."""
    mark, end = table.separator, table.line_end
    width = len(table.columns)
    if fault == "encoding":
        return (text + mark.join(["\u00e9"] * width) + end).encode("latin-1", errors="replace")
    if fault == "utf-16":
        return text.encode("utf-16")
    lines = {
        "one value more": mark.join(["1"] * (width + 1)),
        "one value less": mark.join(["1"] * (width - 1)),
        "a blank line": end,
        "nothing but separators": mark * (width - 1),
        "an open quote": mark.join(['"1', *["1"] * (width - 1)]),
        "a quote within": mark.join(['1"1"', *["1"] * (width - 1)]),
        "a label that is none": mark.join(["1600000000", "2", *["1"] * (width - 2)]),
        "a time that is none": mark.join(["noon", "1", *["1"] * (width - 2)]),
    }
    last = mark.join(["1600100000", "1", *["1"] * (width - 2)])
    return (text + lines[fault] + end + last + end).encode()


@settings(EXAMPLES, max_examples=300)
@given(table=tables(), fault=st.sampled_from(FAULTS))
def test_fault_of_a_random_table_is_one_line(tmp_path, write_toml, refused, table, fault):
    (tmp_path / "log.csv").write_bytes(faulty(table.text(), fault, table))
    entry = custom.read_spec(write_toml(**keys_of(table, "log.csv")))

    message = refused(prepare, entry, tmp_path, tmp_path / "cache", PrepareOptions())
    code, _, remarks = described(tmp_path / "log.csv", "--label", "click")

    assert "log.csv" in message
    assert code == 0 or (code, remarks.count("\n")) == (2, 1)
