"""Recognises bags in text: the mark between their tokens."""

from __future__ import annotations

import numpy as np
import polars as pl

from datasets.raw.values import LIST, split_bags

SEPARATORS = ";|, "
BLANK = " "
WITHIN_NAMES = ", "
PROBE = 20_000
MIN_BAGS, MIN_SHARE = 6, 0.05
FEW_NAMES = 20  # values of several words; so few are names


def bag_separator(values: pl.Series) -> str | None:
    """The mark between the tokens of a column of bags, with a blank where one always follows."""
    wholes = values.gather_every(max(1, len(values) // PROBE)).unique()
    if len(wholes) < MIN_BAGS:
        return None
    if wholes.str.contains(LIST).all():
        return _spaced(wholes, BLANK if not wholes.str.contains(r"[,'\"]").any() else ",")
    for separator in SEPARATORS:
        counts = wholes.str.count_matches(separator, literal=True)
        if (counts > 0).sum() >= MIN_SHARE * len(wholes) and _is_mark(wholes, separator):
            return _spaced(wholes, separator)
    return None


def bag_length(values: pl.Series, separator: str) -> int:
    """Slots that hold all tokens of 95% of the bags."""
    bags, _ = split_bags(values, separator)
    lengths = np.bincount(bags, minlength=max(1, len(values)))
    return max(1, int(np.quantile(lengths, 0.95, method="higher")))


def _spaced(wholes: pl.Series, separator: str) -> str:
    """The separator with the blank that follows it everywhere, if one does."""
    counts, spaced = (
        wholes.str.count_matches(mark, literal=True) for mark in (separator, f"{separator} ")
    )
    is_spaced = separator != BLANK and bool(counts.sum()) and (counts == spaced).all()
    return f"{separator} " if is_spaced else separator


def _is_mark(wholes: pl.Series, separator: str) -> bool:
    """True if parts recur: there are fewer of them than wholes, and one stands in several bags.

    Commas and blanks stand within names too, such as 'Paris, France': there a part must stand in
    several places, and words must be at most half as many as wholes.
    """
    bags, parts = split_bags(wholes, separator)
    limit = len(wholes) + 2
    if separator == BLANK:
        limit = len(wholes) // 2 if len(wholes) > FEW_NAMES else 0
    num_parts = parts.n_unique()
    if num_parts > limit or not _recur(bags, parts):
        return False
    if separator not in WITHIN_NAMES:
        return True
    places = pl.DataFrame(
        {"part": parts, "place": np.arange(len(bags)) - np.searchsorted(bags, bags)}
    )
    is_ragged = len(np.unique(np.bincount(bags, minlength=len(wholes)))) > 1
    return is_ragged or places.n_unique() > num_parts


def _recur(bags: np.ndarray, parts: pl.Series) -> bool:
    """True if a part of a bag of several stands in another bag too."""
    of_several = np.bincount(bags)[bags] > 1
    table = pl.DataFrame({"part": parts, "bag": bags, "of_several": of_several}).unique()
    uses = table.group_by("part").agg(pl.len().alias("bags"), pl.col("of_several").any())
    return bool(uses.select(((pl.col("bags") > 1) & pl.col("of_several")).any()).item())
