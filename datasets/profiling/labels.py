"""Finds the column that is the label, and the values that count as 1."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from datasets.catalog.custom import is_at_least, is_positive
from datasets.encoding.encode import LABELS
from datasets.profiling.names import LABELS as LABEL_NAMES
from datasets.profiling.names import is_click, label_rank
from datasets.spec import DataError

if TYPE_CHECKING:
    from datasets.profiling.profile import LogProfile

POSITIVE = frozenset(("1", "yes", "y", "t", "true", "click", "clicked", "buy", "positive", "pos"))
NEGATIVE = frozenset(("0", "-1", "no", "n", "f", "false", "noclick", "none", "negative", "neg"))
MAX_RATINGS = 20
MAX_SHOWN = 30  # letters of a value
LABELLED = r"^[^\s,;|]+-[01](?:[\s,;|]+[^\s,;|]+-[01])*$"  # as MIND writes the items of a page
LIKED_SHARE = 0.8  # of the highest rating: 4 of 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A column with two classes, 0 and 1 if nothing else is said.

    `positive` are the values of class 1, or all numbers from `positive_from` on are. `guess` says
    what was guessed about it, `missing` counts rows without it.
    """

    name: str
    positive: tuple[str, ...] = ()
    positive_from: int | None = None
    base_rate: float = 0.0
    guess: str = ""
    missing: int = 0

    def values_of(self, rows: pl.DataFrame) -> pl.Series:
        """1, 0, or null where it is missing."""
        text = pl.lit(rows[self.name])
        if self.positive:
            return pl.select(is_positive(text, self.positive).cast(pl.Int8)).to_series()
        if self.positive_from is not None:
            return pl.select(is_at_least(text, self.positive_from).cast(pl.Int8)).to_series()
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
    _check_lists(profile)
    counts = [label for name in profile.volumes if (label := _of_counts(profile, name))]
    if len(counts) == 1:
        return counts[0]
    clear = [label for label in found if not label.guess]
    if len(clear) == 1:
        return clear[0]
    listed = ", ".join(f"{label.name} ({_values(profile, label.name)})" for label in found)
    raise DataError(
        f"nothing tells which column is the label: of two values are {listed}, none with a usual"
        " name of a label; name the label with --label"
        if found
        else "no column has exactly two values, as a label has; name the label with --label if it"
        " is a rating, of which the high values then count as 1 (a table of users or items alone is"
        f" no log of what was shown); columns: {', '.join(profile.volumes)}"
    )


def _values(profile: LogProfile, name: str) -> str:
    """The values of a column of a few, in words."""
    values = sorted(profile.rows[name].drop_nulls().unique())
    return " and ".join(repr(value[:MAX_SHOWN]) for value in values)


def _check_lists(profile: LogProfile) -> None:
    """Refuse a log with the labels of several items in one value."""
    for name in profile.volumes:
        filled = profile.rows[name].drop_nulls()
        is_list = filled.str.contains(LABELLED).all() and filled.str.contains(r"\S[\s,;|]").any()
        if is_list and all(filled.str.contains(rf"-{label}\b").any() for label in (0, 1)):
            raise DataError(
                f"column {name} holds several items with their labels in one value, such as"
                f" '{str(filled.first())[:40]} ...'; write a row for each of them first, the item"
                " and its label in columns of their own, then describe that file"
            )


def _asked_for(profile: LogProfile, name: str) -> Label:
    if name not in profile.volumes:
        close = difflib.get_close_matches(name, profile.volumes) or list(profile.volumes)
        raise DataError(f"--label: there is no column {name!r}; available: {', '.join(close)}")
    readings = (_of_counts, _of_two_values, _of_ratings)
    label = next((label for read in readings if (label := read(profile, name))), None)
    if label is None:
        raise DataError(
            f"--label: column {name!r} has {profile.volumes[name].distinct} distinct values; a"
            f" label has two, or up to {MAX_RATINGS} numbers, or counts clicks from 0 on"
        )
    return label


def _of_counts(profile: LogProfile, name: str) -> Label | None:
    """Counts from 0 of a column that is named as a click; more than one is a click too."""
    numbers = profile.rows[name].drop_nulls().unique().cast(pl.Int64, strict=False)
    if not is_click(name) or numbers.null_count():
        return None
    counts = sorted(numbers.to_list())
    if counts[:1] != [0] or counts[-1] < 2:
        return None
    guess = f"counts from 0 to {counts[-1]}, of which 1 and more are a click"
    return _label(profile, Label(name=name, positive_from=1, guess=guess))


def _of_two_values(profile: LogProfile, name: str) -> Label | None:
    values = sorted(profile.rows[name].drop_nulls().unique().to_list())
    if len(values) != 2:
        return None
    if {LABELS.get(value.lower()) for value in values} == {0, 1}:
        return _label(profile, Label(name=name))
    for negative, positive in (values, values[::-1]):
        if positive.lower() in POSITIVE and negative.lower() in NEGATIVE:
            return _label(profile, Label(name=name, positive=(positive,)))
    rarer = min(values, key=lambda value: (profile.rows[name] == value).sum())
    guess = f"of {values[0]!r} and {values[1]!r} the rarer"
    return _label(profile, Label(name=name, positive=(rarer,), guess=guess))


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
    if not 0 < len(liked) < len(values):
        return None
    return _label(profile, Label(name=name, positive=liked, guess=guess))


def _label(profile: LogProfile, label: Label) -> Label:
    """The label with what the log shows of it."""
    rate = float(label.values_of(profile.rows).mean())  # type: ignore[arg-type]
    return replace(label, base_rate=rate, missing=profile.volumes[label.name].missing)
