"""Recognises columns of numbers: their decimal mark, and texts that stand for missing ones."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from datasets.profiling.names import is_token
from datasets.raw.values import plain_number

NO_VALUE = frozenset(  # in small letters
    (
        *("na", "n/a", "#n/a", "nan", "null", "(null)", "<null>", "none", "nil", "\\n"),
        *("-", "--", "\u2013", "\u2014", ".", "..", "?", "missing", "unknown", "unk", "undefined"),
    )
)
MIN_NUMBERS = 3  # different ones, for a text that is not in the list to stand for a missing one
DECIMALS = {  # what speaks of numbers, by the mark before their fractions
    ".": "commas between thousands",
    ",": "a decimal comma",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """The different numbers of a column, those of missing values apart.

    `missing_texts` stand for missing values among them. `odd_text` is a text that seems to be a
    value, such as '10+', so that the column holds no numbers only. `guess` says what is none of
    the usual.
    """

    values: pl.Series
    missing_texts: tuple[str, ...] = ()
    odd_text: str = ""
    decimal: str = ""
    guess: str = ""


def find_numbers(name: str, filled: pl.Series) -> Numbers | None:
    """The numbers of a text column without gaps, if it holds numbers."""
    texts = filled.unique()
    found = _read(texts, texts)
    if found is not None or is_token(name):  # ids with a comma between them are a bag
        return found
    for mark, words in DECIMALS.items():
        plain = pl.select(plain_number(pl.lit(texts), mark)).to_series()
        found = _read(texts, plain)
        if found is not None and _speaks_of_numbers(name, texts, mark):
            guess = f"numbers with {words}"
            if mark == "." and not texts.str.contains(".", literal=True).any():
                guess += ", or with a decimal comma"
            return Numbers(
                values=found.values,
                missing_texts=found.missing_texts,
                decimal=mark,
                guess="; ".join(filter(None, (guess, found.guess))),
            )
    return None


def _read(texts: pl.Series, plain: pl.Series) -> Numbers | None:
    """Different texts as numbers, but for those that mean a missing one."""
    values = plain.cast(pl.Float64, strict=False)
    is_number = values.is_finite().fill_null(value=False)
    numbers = values.filter(is_number).unique()
    others = texts.filter(~is_number).to_list()
    unknown = [text for text in others if text.lower() not in NO_VALUE]
    if not len(numbers) or len(unknown) > (len(numbers) >= MIN_NUMBERS):
        return None
    if unknown and any(letter.isdigit() for letter in unknown[0]):
        return Numbers(values=numbers, odd_text=unknown[0])
    verb = "stand" if len(others) > 1 else "stands"
    quoted = " and ".join(map(repr, sorted(others)))
    return Numbers(
        values=numbers,
        missing_texts=tuple(sorted(others)),
        guess=f"{quoted} {verb} among numbers" if others else "",
    )


def _speaks_of_numbers(name: str, texts: pl.Series, mark: str) -> bool:
    """True if texts with a comma look like numbers with this decimal mark, not like two tokens."""
    if mark == ".":
        return not texts.str.contains(r"^[+-]?\d{4,}").any()  # none without the comma
    after = texts.str.extract(r",(\d+)$").drop_nulls().str.len_chars()
    return is_token(name) is False or after.n_unique() == 1
