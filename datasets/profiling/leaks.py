"""Columns that know the label: almost perfect predictors, and what is there only after a click."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from datasets.encoding.vocabulary import bucket_edges, tokenize
from datasets.profiling import names

SUSPECT_AUC = 0.95
MIN_CLASS_ROWS = 20  # of either class among the held-out rows, for an AUC to mean anything
MIN_EVIDENCE = 20  # rows that depart from a class's usual value
MIN_RATIO = 20.0  # how much more often they do in the other class
NUM_BUCKETS = 64
PRIOR_ROWS = 10.0


@dataclass(frozen=True, slots=True)
class ColumnPredictor:
    """What one column alone says about the label: AUC on held-out rows (nan if too few), a leak."""

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
    if names.follows_click(column.name) and (len(values) <= 2 or usual_share >= 0.8):
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
    """Whether all rows of one class have one value that rows of the other class often lack."""
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
