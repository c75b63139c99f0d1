"""Values as tokens: the rules by which a log's own ways to write a value become one text each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from polars import selectors

from datasets.raw.tables import named

if TYPE_CHECKING:
    from collections.abc import Sequence

WHOLE_FLOAT = r"^(-?\d+)\.0+$"
IN_QUOTES = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""  # as Python and JSON write a text
LIST = rf"^\[((?:[^\[\]]|{IN_QUOTES})*)\]$"  # one list, not several
QUOTED = r"""^(?:'(.*)'|"(.*)")$"""
MAX_INTEGER = 2.0**63
NO_DECIMALS: Mapping[str, str] = MappingProxyType({})


def as_text(
    frame: pl.LazyFrame, columns: tuple[str, ...], decimals: Mapping[str, str] = NO_DECIMALS
) -> pl.LazyFrame:
    """These columns as text, one token for every way to write a value, null where it is missing.

    Blanks around a value are no part of it. A whole float is the integer that it is. An empty value
    and the NaN of a Parquet file are missing. `decimals` are the marks before the fractions of
    columns of numbers, as `plain_number` reads them; they hold for columns of text alone.
    """
    if decimals:
        schema = frame.select(map(named, decimals)).collect_schema()
        decimals = {name: mark for name, mark in decimals.items() if schema[name] == pl.String}
    others = [name for name in columns if name not in decimals]
    return plain_text(frame, columns).with_columns(
        token(selectors.by_name(others)),
        *(plain_number(named(name), mark) for name, mark in decimals.items()),
    )


def plain_text(frame: pl.LazyFrame, columns: tuple[str, ...]) -> pl.LazyFrame:
    """These columns as text; a whole float is the integer that it is, NaN is missing."""
    floats = selectors.float()
    return frame.select(map(named, columns)).with_columns(
        _float_text(floats), (~floats).cast(pl.String)
    )


def token(text: pl.Expr) -> pl.Expr:
    """The text of a value without blanks around it, a whole float as an integer, null if empty."""
    text = text.str.strip_chars()
    return pl.when(text != "").then(text.map_batches(_whole, pl.String, is_elementwise=True))


def plain_number(text: pl.Expr, decimal: str) -> pl.Expr:
    """Numbers with this decimal mark as other readers take them, null if empty.

    Blanks, apostrophes and the other one of point and comma may stand between thousands. A number
    that is written in another way gets words that make it none; texts stay as they are.
    """
    text = text.str.strip_chars()
    between = r"['\s.]" if decimal == "," else r"['\s,]"
    digits = rf"(?:\d+|\d{{1,3}}(?:{between}\d{{3}})+)"
    pattern = rf"^[+-]?(?:{digits}[{decimal}]?|{digits}?[{decimal}]\d+)(?:[eE][+-]?\d+)?$"
    plain = text.str.replace_all(between, "").str.replace(decimal, ".", literal=True)
    return (
        pl.when(text.str.contains(pattern))
        .then(plain)
        .when(text.cast(pl.Float64, strict=False).is_not_nan())
        .then(pl.format("{} (decimal = '{}')", text, pl.lit(decimal)))
        .when(text != "")
        .then(text)
    )


def tokens_of(texts: Sequence[str]) -> list[str]:
    """Some values as a log's own become tokens; what is empty then is left out."""
    return (
        pl.select(token(pl.lit(pl.Series(texts, dtype=pl.String))))
        .to_series()
        .drop_nulls()
        .to_list()
    )


def split_bags(bags: pl.Series, separator: str) -> tuple[np.ndarray, pl.Series]:
    """The place of the bag of every token, rising, and the tokens.

    A bag may be written as a list of Python or JSON: square brackets around it, and quotes around
    its tokens, are no part of them; within these quotes a separator is a part of a token. Each
    token is one as `token` reads it; empty ones are left out.
    """
    bags = bags.fill_null("")
    is_list = bags.str.starts_with("[") & bags.str.contains(LIST)
    if is_list.any():
        is_quoted = is_list & bags.str.contains_any(["'", '"'])
        bags = bags.str.replace(LIST, "$1")
        parts = _split_lists(bags, is_quoted, separator)
    else:
        parts = bags.str.split(separator)
    place = np.repeat(np.arange(len(bags)), parts.list.len().to_numpy())
    words = parts.explode()
    if words.str.contains_any(["'", '"']).any():
        words = words.str.strip_chars().str.replace(QUOTED, "$1$2")
    words = pl.select(token(pl.lit(words))).to_series()
    is_filled = words.is_not_null()
    return place[is_filled.to_numpy()], words.filter(is_filled)


def _split_lists(bags: pl.Series, is_quoted: pl.Series, separator: str) -> pl.Series:
    """Split at all separators, but for those within the quotes of quoted lists.

    A comma ends a quoted token whatever the separator is, as in Python and JSON.
    """
    mark = separator.strip() or separator  # blanks around a token are no part of it
    end = re.escape(mark)
    tokens = pl.lit(bags).str.extract_all(rf"(?s)\s*(?:{IN_QUOTES})\s*(?:{end}|,|$)|.*?(?:{end}|$)")
    plain = tokens.list.eval(pl.element().str.strip_suffix(mark).str.strip_suffix(","))
    return pl.select(
        pl.when(pl.lit(is_quoted)).then(plain).otherwise(pl.lit(bags).str.split(separator))
    ).to_series()


def _float_text(number: pl.Expr) -> pl.Expr:
    """Numbers of a Parquet file; the larger ones would be written with an exponent."""
    is_whole = (number == number.floor()) & (number.abs() < MAX_INTEGER)
    integer = number.cast(pl.Int64, strict=False).cast(pl.String)
    return pl.when(is_whole).then(integer).otherwise(number.fill_nan(None).cast(pl.String))


def _whole(text: pl.Series) -> pl.Series:
    """Whole floats as integers; most columns have none, and a search in all values is dear."""
    if not (text.str.ends_with("0") & text.str.contains(".", literal=True)).any():
        return text
    return text.str.replace(WHOLE_FLOAT, "$1")
