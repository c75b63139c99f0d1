"""Formats of the values of a described log: text layout, labels, times, missing values."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import polars as pl

from datasets.spec import DataError, DatasetSpec

PROBE = dt.datetime(
    2019, 5, 17, 15, tzinfo=dt.UTC
)  # a format that has a date and perhaps a time reads it back


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLayout:
    """Files of a log as patterns, their text layout, and the meaning of their values.

    `columns` name those of text files without a header. `missing` are texts that stand for a
    missing value of a feature or a cluster. `positive` are the labels that count as 1, all others
    as 0; without them labels are 0 and 1.

    Raises:
        DataError: a value is not allowed.
    """

    files: tuple[str, ...]
    separator: str = ","
    columns: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    timestamp_format: str | None = None

    def __post_init__(self) -> None:
        if len(self.separator) != 1 or not self.separator.isascii() or self.separator in '"\r\n':
            raise DataError(
                "separator must be one ASCII character, no quote or line end, got"
                f" {self.separator!r}"
            )
        if not self.files or any(not file or Path(file).is_absolute() for file in self.files):
            raise DataError(
                "files must be a pattern such as 'log*.csv' within the data folder, or a list of"
                f" them, got {', '.join(map(repr, self.files)) or 'none'}"
            )
        repeated = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if repeated:
            raise DataError(f"columns names {', '.join(repeated)} twice; each needs its own name")
        if self.timestamp_format is not None:
            self._check_format(self.timestamp_format)

    @property
    def identity(self) -> str:
        """All but the files that changes what is read; empty if nothing departs from the usual."""
        usual = {field.name: field.default for field in fields(self)}
        changed = {
            key: value
            for key, value in asdict(self).items()
            if key not in ("files", "separator") and value != usual[key]
        }
        return json.dumps(changed, sort_keys=True) if changed else ""

    def values_of(self, frame: pl.LazyFrame, spec: DatasetSpec) -> pl.LazyFrame:
        """Rows of text with missing values as nulls, labels as 0 and 1, and times as ISO-8601."""
        if self.missing:
            inputs = pl.col(spec.inputs)
            frame = frame.with_columns(pl.when(~inputs.is_in(self.missing)).then(inputs))
        if self.positive:
            frame = frame.with_columns(is_positive(pl.col(spec.label), self.positive))
        if self.timestamp_format is not None and spec.timestamp is not None:
            text = pl.col(spec.timestamp)
            times = read_time(text, self.timestamp_format).dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
            frame = frame.with_columns(pl.coalesce(times, text))  # what is no time is named later
        return frame

    def _check_format(self, layout: str) -> None:
        """A format must read back the day that it writes; one without a year does not."""
        written = pl.Series([PROBE])
        try:
            text = written.dt.strftime(layout)
            days = pl.select(read_time(pl.lit(text), layout)).to_series().dt.date()
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
        else:
            if days.to_list() == [PROBE.date()]:
                return
            reason = "year, month and day are needed"
        raise DataError(
            f"timestamp_format {layout!r} does not describe a date ({reason}); use one such as"
            " '%d/%m/%Y %H:%M:%S'"
        )


def read_time(column: pl.Expr, layout: str) -> pl.Expr:
    """Times of a text column, without a zone (UTC if the layout has one); null where unreadable."""
    layout = layout.replace(".%f", "%.f")  # Python's way to write the fraction of a second
    if ("%H" in layout or "%I" in layout) and "%M" not in layout:
        column, layout = column + " 00", f"{layout} %M"  # hours alone are no time to Polars
    times = column.str.to_datetime(layout, time_unit="us", strict=False)
    return times.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if "%z" in layout else times


def is_positive(label: pl.Expr, positive: tuple[str, ...]) -> pl.Expr:
    """1 for the listed labels, whatever the case or the notation of a number, null if missing."""
    numbers = pl.Series(positive).cast(pl.Float64, strict=False).drop_nulls()
    texts = [value.lower() for value in positive]
    is_listed = label.str.to_lowercase().is_in(texts)
    is_equal = label.cast(pl.Float64, strict=False).is_in(numbers.to_list()).fill_null(value=False)
    return pl.when(label != "").then((is_listed | is_equal).cast(pl.Int8).cast(pl.String))
