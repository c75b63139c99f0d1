"""Decides for every column of an unknown log what kind of feature it is, or why it is none.

A column that knows the label is none: an almost perfect predictor, or what is there only after a
click.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasets.encoding.hindsight import follows_click, hindsight
from datasets.encoding.tokens import tokenize
from datasets.encoding.vocabulary import bucket_edges
from datasets.profiling.bags import bag_length, bag_separator
from datasets.profiling.names import is_token
from datasets.profiling.numbers import find_numbers
from datasets.profiling.profile import FEW_VALUES, UNIQUE_SHARE
from datasets.profiling.timeformats import Doubt, TimeColumn, holds_dates
from datasets.raw.values import plain_number

if TYPE_CHECKING:
    from datasets.profiling.numbers import Numbers
    from datasets.profiling.profile import LogProfile
    from datasets.spec import FeatureKind

SUSPECT_AUC = 0.95
MIN_CLASS_ROWS = 20  # of either class among the held-out rows, for an AUC to mean anything
MIN_EVIDENCE = 20  # rows that depart from a class's usual value
MIN_RATIO = 20.0  # how much more often they do in the other class
NUM_BUCKETS = 64
PRIOR_ROWS = 10.0


@dataclass(frozen=True, slots=True)
class ColumnPredictor:
    """The label as one column alone predicts it: AUC on held-out rows (nan if too few), a leak."""

    auc: float
    leak: str = ""


def examine(column: pl.Series, label: np.ndarray, *, is_numeric: bool) -> ColumnPredictor:
    """Learn the click rate of each value on every other row and rank the remaining rows by it."""
    tokens, values = _tokens(column, is_numeric=is_numeric)
    auc = held_out_auc(tokens, label)
    if auc >= SUSPECT_AUC:
        return ColumnPredictor(auc, f"alone it ranks held-out rows with AUC {auc:.3f}")
    counts = [np.bincount(tokens[label == side], minlength=len(values)) for side in (0, 1)]
    one_sided = _one_sided(counts, values)
    if one_sided:
        return ColumnPredictor(auc, one_sided)
    usual_share = counts[0].max(initial=0) / max(1, counts[0].sum())
    if follows_click(column.name) and (len(values) <= 2 or usual_share >= 0.8):
        return ColumnPredictor(auc, "its name suggests that it follows the click")
    return ColumnPredictor(auc)


def held_out_auc(tokens: np.ndarray, label: np.ndarray) -> float:
    """AUC on the odd rows of click rates that the even rows show, smoothed towards their mean."""
    fit, held = label[0::2], label[1::2]
    if min(held.sum(), (1 - held).sum()) < MIN_CLASS_ROWS:
        return float("nan")
    size = int(tokens.max()) + 1
    rows = np.bincount(tokens[0::2], minlength=size)
    clicks = np.bincount(tokens[0::2], weights=fit, minlength=size)
    rate = (clicks + PRIOR_ROWS * fit.mean()) / (rows + PRIOR_ROWS)
    ranks = pl.Series(rate[tokens[1::2]]).rank().to_numpy()
    num_clicks = int(held.sum())
    above = ranks[held == 1].sum() - num_clicks * (num_clicks + 1) / 2
    return float(above / num_clicks / (len(held) - num_clicks))


def _tokens(column: pl.Series, *, is_numeric: bool) -> tuple[np.ndarray, list[str | None]]:
    """A number for every value, and the values (None if missing); quantities in quantile buckets.

    The commonest number, often zero, stays apart from its neighbours.
    """
    if not is_numeric:
        found = tokenize([column], len(column))
        return found.positions.astype(np.int64), [value or None for value in found.tokens.to_list()]
    numbers = column.cast(pl.Float64, strict=False)
    values = numbers.fill_null(float("nan")).to_numpy()
    filled = values[~np.isnan(values)]
    if not len(filled):
        return np.zeros(len(values), dtype=np.int64), [None]
    usual = float(pl.Series(filled).mode().min())  # type: ignore[arg-type]
    edges = bucket_edges(filled, NUM_BUCKETS)
    tokens = np.searchsorted(edges, values, side="right")
    tokens[values == usual] = len(edges) + 1
    tokens[np.isnan(values)] = len(edges) + 2
    return tokens, ["a range"] * (len(edges) + 1) + [f"{usual:g}", None]


def _one_sided(counts: list[np.ndarray], values: list[str | None]) -> str:
    """A value that all rows of one class have and many of the other lack, in words."""
    for side in (0, 1):
        usual = int(np.argmax(counts[side]))
        here, there = (counts[which].sum() - counts[which][usual] for which in (side, 1 - side))
        rate_here = (here + 1) / (counts[side].sum() + 1)
        rate_there = there / max(1, counts[1 - side].sum())
        if there >= MIN_EVIDENCE and rate_there >= MIN_RATIO * rate_here:
            value = values[usual]
            state = "missing" if value is None else repr(value)
            return (
                f"{state} in {1 - here / counts[side].sum():.2%} of the rows with label {side} but"
                f" only in {1 - rate_there:.2%} of those with label {1 - side}"
            )
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column as a feature, or left out for a reason.

    `missing_share` counts empty values and the texts of `missing_texts`, which stand for them.
    `guess` says on what thin ground the kind was chosen; `lone_negative` marks quantities whose
    only negative value is -1. `check` says of a feature why its name asks whether it is known in
    time.
    """

    name: str
    kind: FeatureKind
    distinct: int
    missing_share: float
    missing_texts: tuple[str, ...] = ()
    decimal: str = ""
    separator: str = ";"
    lengths: int = 0
    guess: str = ""
    lone_negative: bool = False
    left_out: str = ""
    check: str = ""
    auc: float = float("nan")


def judge(
    profile: LogProfile,
    name: str,
    rows: pl.DataFrame,
    label: np.ndarray,
    *,
    list_separator: str | None,
    time: TimeColumn | Doubt | None,
) -> Column:
    """Judge one column by the rows that have a label; `time` is what it is as a time, if any.

    `list_separator` stands between the elements of a column of lists.
    """
    column = _kind(profile, name, list_separator)
    if (
        column.kind == "bag"
        and list_separator is None
        and (time is not None or holds_dates(rows[name]))
    ):
        column = replace(column, kind="categorical", guess="")
    found = ColumnPredictor(float("nan"))
    values = _values_of(column, rows[name])
    if column.distinct > 1 or column.missing_share:
        found = examine(values, label, is_numeric=column.kind == "numeric")
    filled = profile.num_rows * (1 - column.missing_share)
    reason = found.leak and f"LEAK? {found.leak}"
    if column.distinct + (column.missing_share > 0) <= 1:
        reason = "it has one value in all rows"
    elif not reason and isinstance(time, TimeColumn):
        reason = f"a time ({time.kind}); times of test do not occur in train"
    elif not reason and isinstance(time, Doubt) and time.is_named:
        reason = f"named as a time, {time.reason}"
    elif not reason and column.kind != "numeric" and column.distinct >= UNIQUE_SHARE * filled:
        reason = "an id with about one value per row"
    check = "" if reason else hindsight(name)
    return replace(column, left_out=reason, check=check, auc=found.auc)


def _values_of(column: Column, texts: pl.Series) -> pl.Series:
    """The values of a column as the proposed feature has them."""
    texts = texts.replace(list(column.missing_texts), None)
    if not column.decimal:
        return texts
    return pl.select(plain_number(pl.lit(texts), column.decimal)).to_series()


def _kind(profile: LogProfile, name: str, list_separator: str | None) -> Column:
    volume = profile.volumes[name]
    column = Column(
        name=name,
        kind="categorical",
        distinct=volume.distinct,
        missing_share=volume.missing / profile.num_rows,
    )
    filled = profile.rows[name].drop_nulls()
    if list_separator is not None:
        length = bag_length(filled, list_separator)
        return replace(column, kind="bag", separator=list_separator, lengths=length)
    numbers = find_numbers(name, filled)
    if numbers is not None and numbers.odd_text:
        return replace(column, guess=f"{numbers.odd_text!r} stands among numbers")
    if numbers is not None:
        num_missing = int(filled.is_in(numbers.missing_texts).sum())
        return _of_numbers(column, numbers, num_missing / len(filled))
    separator = bag_separator(filled)
    if separator is None:
        return column
    return replace(
        column,
        kind="bag",
        separator=separator,
        lengths=bag_length(filled, separator),
        guess=f"a bag, as parts between {separator!r} recur",
    )


def _of_numbers(column: Column, numbers: Numbers, missing_share: float) -> Column:
    """Quantities have fractions or a telling name; integers without one are taken for tokens.

    `missing_share` is that of the texts for missing values among the values that are not empty.
    """
    column = replace(
        column,
        missing_texts=numbers.missing_texts,
        missing_share=column.missing_share + (1 - column.missing_share) * missing_share,
        distinct=max(1, column.distinct - len(numbers.missing_texts)),
        guess=numbers.guess,
    )
    values = numbers.values
    has_fractions = bool((values != values.floor()).any())
    named_token = is_token(column.name)
    if column.distinct <= FEW_VALUES or (named_token and not has_fractions):
        return column
    lone_negative = values.filter(values < 0).to_list() == [-1.0]
    numeric = replace(column, kind="numeric", decimal=numbers.decimal, lone_negative=lone_negative)
    if has_fractions or numbers.decimal:
        return numeric
    if named_token is False:
        return _also(numeric, "integers, by its name a quantity")
    return _also(column, 'integers, taken for ids; if a quantity: kind = "numeric"')


def _also(column: Column, guess: str) -> Column:
    return replace(column, guess="; ".join(filter(None, (column.guess, guess))))
