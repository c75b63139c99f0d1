"""How a log writes its rows: text files and their values, and lists in Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from datasets.raw.kinds import is_parquet
from datasets.raw.parquet import ParquetTable
from datasets.raw.tables import named
from datasets.raw.text import TextTable
from datasets.raw.values import as_text, plain_number, plain_text, token, tokens_of
from datasets.spec import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from datasets.raw.tables import RawTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Notation:
    """The writing of one feature's values, where it is not the usual one.

    `missing` are texts that stand for a missing value of this feature. `decimal` is the mark before
    the fraction of a number, as `plain_number` reads it.

    Raises:
        DataError: the mark is neither a point nor a comma.
    """

    name: str
    missing: tuple[str, ...] = ()
    decimal: str = ""

    def __post_init__(self) -> None:
        if self.decimal not in ("", ".", ","):
            raise DataError(
                f"feature {self.name!r}: decimal must be '.' or ',', got {self.decimal!r}"
            )

    def values_of(self, column: pl.Expr) -> pl.Expr:
        """The column with null for the texts of missing values."""
        texts = pl.Series(self.missing, dtype=pl.String)
        plain = plain_number(pl.lit(texts), self.decimal) if self.decimal else token(pl.lit(texts))
        return pl.when(~column.is_in(pl.select(plain).to_series().to_list())).then(column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """The layout of the text files of a log, and the meaning of the values in any file.

    `columns` name those of text files without a header; without a `quote` quotes are plain
    characters. `missing` are texts that stand for a missing value of any feature, cluster or item,
    `notations` say more of single features. With `is_verbatim` values are tokens as they stand.

    Raises:
        DataError: a value is not allowed.
    """

    separator: str = ","
    quote: str = '"'
    columns: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    notations: tuple[Notation, ...] = ()
    is_verbatim: bool = False

    def __post_init__(self) -> None:
        if len(self.separator) != 1 or not self.separator.isascii() or self.separator in '"\r\n':
            raise DataError(
                "separator must be one ASCII character, no quote or line end, got"
                f" {self.separator!r}"
            )
        if self.quote not in ('"', ""):
            raise DataError(
                f'quote must be \'"\', or "" where quotes are plain characters, got {self.quote!r}'
            )
        repeated = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if repeated:
            raise DataError(f"columns names {', '.join(repeated)} twice; each needs its own name")

    @property
    def decimals(self) -> dict[str, str]:
        """The decimal marks of the features that have one."""
        return {own.name: own.decimal for own in self.notations if own.decimal}

    def open(self, path: Path, columns: tuple[str, ...], bags: dict[str, str]) -> RawTable:
        """A file of the log; `bags` are the separators of the columns of several tokens.

        Raises:
            DataError: the file cannot be opened, or one of the `columns` has no text.
        """
        if is_parquet(path):
            return _open_parquet(path, columns, bags)
        return TextTable.open(path, self.separator, self.columns, self.quote)

    def texts_of(self, frame: pl.LazyFrame, columns: tuple[str, ...]) -> pl.LazyFrame:
        """These columns as text: tokens, as the log means its values."""
        if self.is_verbatim:
            return plain_text(frame, columns)
        return as_text(frame, columns, self.decimals)

    def without_missing(self, frame: pl.LazyFrame, inputs: tuple[str, ...]) -> pl.LazyFrame:
        """Rows of text, in these columns with null for the texts of missing values."""
        if self.missing:
            missing = tokens_of(self.missing)
            frame = frame.with_columns(
                pl.when(~values.is_in(missing)).then(values) for values in map(named, inputs)
            )
        return frame.with_columns(
            own.values_of(named(own.name))
            for own in self.notations
            if own.missing and own.name in inputs
        )


VERBATIM = Writing(is_verbatim=True)


def _open_parquet(path: Path, columns: tuple[str, ...], bags: dict[str, str]) -> ParquetTable:
    table = ParquetTable.open(path, bags)
    for name in columns:
        is_list = name in table.bags and name not in bags
        if is_list or name in table.no_texts:
            remedy = 'it can be a feature of kind = "bag"' if is_list else "leave it out"
            raise DataError(
                f"{path}: column {name!r} is of the type {table.dtypes[name]}, which has no text;"
                f" {remedy}"
            )
    for name in set(bags) & set(table.bags):
        row = table.row_with_element(name, bags[name])
        if row is not None:
            raise DataError(
                f"{table.locate(row)}: an element of the list {name!r} holds the separator"
                f" {bags[name]!r}; give the feature one that no element holds"
            )
    return table
