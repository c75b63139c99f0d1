"""Finds the column that is the label, and the values that count as 1."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from datasets.catalog.custom import is_positive
from datasets.encoding.encode import LABELS
from datasets.profiling.names import LABELS as LABEL_NAMES
from datasets.profiling.names import label_rank
from datasets.spec import DataError

if TYPE_CHECKING:
    from datasets.profiling.profile import LogProfile

POSITIVE = frozenset(("1", "yes", "y", "t", "true", "click", "clicked", "buy", "positive", "pos"))
NEGATIVE = frozenset(("0", "-1", "no", "n", "f", "false", "noclick", "none", "negative", "neg"))
MAX_RATINGS = 20
LIKED_SHARE = 0.8  # of the highest rating: 4 of 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A column with two classes; `positive` are the values of class 1, empty if they are 0 and 1.

    `guess` says what was guessed about it, `missing` counts rows without it.
    """

    name: str
    positive: tuple[str, ...]
    base_rate: float
    guess: str
    missing: int

    def values_of(self, rows: pl.DataFrame) -> pl.Series:
        """1, 0, or null where it is missing."""
        if self.positive:
            text = pl.select(is_positive(pl.lit(rows[self.name]), self.positive)).to_series()
            return text.cast(pl.Int8)
        return rows[self.name].str.to_lowercase().replace_strict(LABELS, return_dtype=pl.Int8)


def candidates_of(profile: LogProfile) -> list[Label]:
    """All columns with two values, those with the usual names of a label first."""
    pairs = (name for name, volume in profile.volumes.items() if volume.distinct == 2)
    labels = [_of_two_values(profile, name) for name in pairs]
    return sorted((label for label in labels if label), key=lambda label: label_rank(label.name))


def choose_label(profile: LogProfile, wanted: str | None) -> Label:
    """The column that is asked for, else the one with two values and a telling name.

    Raises:
        DataError: there is no such column, it has no two classes, or nothing tells which it is.
    """
    if wanted is not None:
        return _asked_for(profile, wanted)
    found = candidates_of(profile)
    known = [label for label in found if label_rank(label.name) < len(LABEL_NAMES)]
    if known:
        return known[0]
    clear = [label for label in found if not label.guess]
    if len(clear) == 1:
        return clear[0]
    listed = ", ".join(label.name for label in found)
    raise DataError(
        f"nothing tells which column is the label: of two values are {listed}, none with a usual"
        " name of a label; name the label with --label"
        if found
        else "no column has exactly two values; name the label with --label, such as a rating, of"
        f" which the high values then count as 1; columns: {', '.join(profile.volumes)}"
    )


def _asked_for(profile: LogProfile, name: str) -> Label:
    if name not in profile.volumes:
        close = difflib.get_close_matches(name, profile.volumes) or list(profile.volumes)
        raise DataError(f"--label: there is no column {name!r}; available: {', '.join(close)}")
    label = _of_two_values(profile, name) or _of_ratings(profile, name)
    if label is None:
        raise DataError(
            f"--label: column {name!r} has {profile.volumes[name].distinct} distinct values; a"
            f" label has two, or up to {MAX_RATINGS} numbers"
        )
    return label


def _of_two_values(profile: LogProfile, name: str) -> Label | None:
    values = sorted(profile.rows[name].drop_nulls().unique().to_list())
    if len(values) != 2:
        return None
    if {LABELS.get(value.lower()) for value in values} == {0, 1}:
        return _label(profile, name, (), "")
    for negative, positive in (values, values[::-1]):
        if positive.lower() in POSITIVE and negative.lower() in NEGATIVE:
            return _label(profile, name, (positive,), "")
    rarer = min(values, key=lambda value: (profile.rows[name] == value).sum())
    return _label(profile, name, (rarer,), f"of {values[0]!r} and {values[1]!r} the rarer")


def _of_ratings(profile: LogProfile, name: str) -> Label | None:
    values = profile.rows[name].drop_nulls().unique()
    numbers = values.cast(pl.Float64, strict=False)
    if not 2 < len(values) <= MAX_RATINGS or numbers.null_count():
        return None
    bar = LIKED_SHARE * float(numbers.max())  # type: ignore[arg-type]
    order = numbers.arg_sort()
    ordered = list(zip(values.gather(order), numbers.gather(order), strict=True))
    liked = tuple(value for value, number in ordered if number >= bar)
    guess = f"ratings from {bar:g} up, of {ordered[0][0]} to {ordered[-1][0]}"
    return _label(profile, name, liked, guess) if 0 < len(liked) < len(values) else None


def _label(profile: LogProfile, name: str, positive: tuple[str, ...], guess: str) -> Label:
    missing = profile.volumes[name].missing
    label = Label(name=name, positive=positive, base_rate=0.0, guess=guess, missing=missing)
    rate = float(label.values_of(profile.rows).mean())  # type: ignore[arg-type]
    return replace(label, base_rate=rate)
