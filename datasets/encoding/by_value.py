"""Numbers and truth values as a log writes them: 7 is its token `007`, and True its `TRUE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from datasets.raw.values import token
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = (pl.String, pl.Categorical, pl.Enum, pl.Null)
# Whole numbers of more bits may have lost digits.
EXACT_BITS: dict[type[pl.DataType], int] = {pl.Float32: 24, pl.Float64: 53}


class WrittenValues:
    """The texts of a column by their value; of several for one value the first counts."""

    def __init__(self, written: pl.Series) -> None:
        known = pl.DataFrame({"written": written})
        exact = known.select("written", value="written")
        by_value = known.select("written", value=_value("written"))
        self._known = pl.concat([exact, by_value]).unique(
            "value", keep="first", maintain_order=True
        )

    def of(self, texts: pl.Series) -> pl.Series:
        """The texts as the column writes them; those of no known value stay as they are."""
        asked = pl.DataFrame({"text": texts.unique().drop_nulls()})
        found = (
            asked.with_columns(value=_value("text"))
            .join(self._known, left_on="text", right_on="value", how="left")
            .join(self._known, on="value", how="left", suffix="_by_value")
            .select("text", written=pl.coalesce("written", "written_by_value", "text"))
        )
        return texts.replace(found["text"], found["written"])


def check_digits(values: pl.Series, locate: Callable[[int], str], first: int) -> None:
    """Refuse whole numbers that may have lost digits, as ids do that were read as floats.

    Raises:
        DataError: there is one.
    """
    bits = EXACT_BITS.get(type(values.dtype))
    if bits is None:
        return
    large = values.is_finite() & (values.abs() >= 2.0**bits)
    if large.any():
        row = int(large.arg_max() or 0)
        raise DataError(
            f"{locate(first + row)}: column {values.name!r} holds {values[row]!r} as a float, which"
            " may have lost digits; read the column as text"
        )


def _value(name: str) -> pl.Expr:
    """One text for every way to write a number or a truth value."""
    integer = token(pl.col(name)).cast(pl.Int64, strict=False)
    number = pl.col(name).cast(pl.Float64, strict=False)
    return pl.coalesce(
        integer.cast(pl.String),
        pl.when(number.is_finite()).then(number.cast(pl.String)),
        pl.col(name).str.to_lowercase(),
    )
