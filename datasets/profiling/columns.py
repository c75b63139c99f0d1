"""Decides for every column of an unknown log what kind of feature it is, or why it is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from datasets.profiling.leaks import ColumnPredictor, examine
from datasets.profiling.names import is_token
from datasets.profiling.timeformats import is_named_as_time

if TYPE_CHECKING:
    import numpy as np

    from datasets.profiling.profile import LogProfile
    from datasets.profiling.timeformats import TimeColumn
    from datasets.spec import FeatureKind

NO_VALUE = ("NA", "N/A", "n/a", "NULL", "null", "None", "none", "\\N", "-", "?", "#N/A", "nil")
BAG_SEPARATORS = ";|, "
BAG_PROBE = 20_000
MIN_BAGS, MIN_BAG_SHARE = 6, 0.05
FEW_VALUES = 20
UNIQUE_SHARE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column as a feature, or left out for a reason.

    `missing_share` counts empty values and the texts of `missing_texts`, which stand for them.
    `guess` says on what thin ground the kind was chosen; `lone_negative` marks quantities whose
    only negative value is -1.
    """

    name: str
    kind: FeatureKind
    distinct: int
    missing_share: float
    missing_texts: tuple[str, ...] = ()
    separator: str = ";"
    lengths: int = 0
    guess: str = ""
    lone_negative: bool = False
    left_out: str = ""
    auc: float = float("nan")


def judge(
    profile: LogProfile,
    name: str,
    rows: pl.DataFrame,
    label: np.ndarray,
    *,
    is_bag: bool,
    time: TimeColumn | None,
) -> Column:
    """Judge one column by the rows that have a label; `time` is what it is as a time, if any."""
    column = _kind(profile, name, is_bag=is_bag)
    if time is not None and column.kind == "bag":  # a date and a time of day, with a space between
        column = replace(column, kind="categorical")
    found = ColumnPredictor(float("nan"))
    values = rows[name]
    if column.missing_texts:
        values = values.replace(list(column.missing_texts), None)
    if column.distinct > 1 or column.missing_share:
        found = examine(values, label, is_numeric=column.kind == "numeric")
    filled = profile.num_rows * (1 - column.missing_share)
    reason = found.leak and f"LEAK? {found.leak}"
    if column.distinct + (column.missing_share > 0) <= 1:
        reason = "it has one value in all rows"
    elif not reason and time is not None:
        reason = f"a time ({time.kind}); times of test do not occur in train"
    elif not reason and column.kind != "numeric" and _is_unread_time(name, values):
        reason = (
            f"named as a time, in a format that is not known ({values.drop_nulls().first()!r});"
            " as timestamp it needs timestamp_format"
        )
    elif not reason and column.kind != "numeric" and column.distinct >= UNIQUE_SHARE * filled:
        reason = "an id with about one value per row"
    return replace(column, left_out=reason, auc=found.auc)


def _is_unread_time(name: str, values: pl.Series) -> bool:
    """Whether a column of many different texts has the name of a time."""
    texts = values.drop_nulls()
    is_text = texts.cast(pl.Float64, strict=False).null_count() > len(texts) / 2
    return is_text and is_named_as_time(name) and texts.n_unique() > FEW_VALUES


def _kind(profile: LogProfile, name: str, *, is_bag: bool) -> Column:
    volume = profile.volumes[name]
    column = Column(
        name=name,
        kind="categorical",
        distinct=volume.distinct,
        missing_share=volume.missing / profile.num_rows,
    )
    filled = profile.rows[name].drop_nulls()
    if is_bag:
        return replace(column, kind="bag", lengths=_longest(filled, ";"))
    no_value = filled.is_in(NO_VALUE)
    numbers = filled.filter(~no_value).cast(pl.Float64, strict=False)
    if numbers.drop_nans().len() and not numbers.null_count() and not numbers.is_infinite().any():
        numbers = numbers.drop_nans()
        texts = tuple(sorted(filled.filter(no_value).unique().to_list()))
        share = column.missing_share + (len(filled) - len(numbers)) / len(profile.rows)
        column = replace(
            column,
            missing_texts=texts,
            missing_share=share,
            distinct=max(1, column.distinct - len(texts)),
        )
        return _of_numbers(column, numbers)
    separator = _bag_separator(filled)
    if separator is None:
        return column
    return replace(column, kind="bag", separator=separator, lengths=_longest(filled, separator))


def _of_numbers(column: Column, numbers: pl.Series) -> Column:
    """Quantities have fractions or a telling name; integers without one are taken for tokens."""
    has_fractions = bool((numbers != numbers.floor()).any())
    named_token = is_token(column.name)
    if column.distinct <= FEW_VALUES or (named_token and not has_fractions):
        return column
    negative = numbers.filter(numbers.sign() == -1).unique()
    numeric = replace(column, kind="numeric", lone_negative=negative.to_list() == [-1.0])
    if has_fractions:
        return numeric
    if named_token is False:
        return replace(numeric, guess="integers, by its name a quantity")
    return replace(column, guess='integers, taken for ids; if a quantity: kind = "numeric"')


def _bag_separator(values: pl.Series) -> str | None:
    """What joins the tokens of a bag: splitting at it leaves fewer distinct parts than wholes."""
    wholes = values.gather_every(max(1, len(values) // BAG_PROBE)).unique()
    if len(wholes) < MIN_BAGS:
        return None
    for separator in BAG_SEPARATORS:
        if wholes.str.contains(separator, literal=True).sum() < MIN_BAG_SHARE * len(wholes):
            continue
        parts = wholes.str.split(separator).explode()
        parts = parts.filter(parts != "")
        if parts.n_unique() <= len(wholes) + 2:
            return separator
    return None


def _longest(values: pl.Series, separator: str) -> int:
    """Slots that hold all tokens of 95% of the bags."""
    lengths = values.str.split(separator).list.len()
    return int(lengths.quantile(0.95, interpolation="higher") or 1)
