"""What the store keeps of a data set: its card, its domains, and the ceiling of a world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from benchmark.metrics import evaluate

if TYPE_CHECKING:
    from benchmark.config import Json
    from benchmark.records import RunStore
    from datasets.prepare import PreparedData
    from datasets.spec import SplitName

SCORED: tuple[SplitName, ...] = ("dev", "test")


def store_data(store: RunStore, data: PreparedData) -> None:
    """Write `<out>/data/<fingerprint>/`: card, domains and, on worlds, the true p_click.

    Raises:
        OSError: the output folder cannot be written.
    """
    card = dict(data.card)
    p_click = data.p_click()
    if p_click is not None:
        truth = _truth(data, p_click)
        store.write_truth(data.fingerprint, truth)
        card["ceiling"] = {split: _ceiling(truth.filter(split=split)) for split in SCORED}
    store.write_data(data.fingerprint, card, data.domains())


def _truth(data: PreparedData, p_click: np.ndarray) -> pl.DataFrame:
    """One row per dev and test row: split, row_id, eval_domain_id, label, p_click."""
    frames = []
    rows = data.rows()  # its last columns are eval_domain_id and label
    for split in SCORED:
        span = data.split[split]
        start, stop = span.start, span.stop
        frames.append(
            pl.DataFrame(
                {
                    "row_id": data.row_ids()[start:stop],
                    "eval_domain_id": rows[start:stop, -2],
                    "label": rows[start:stop, -1].astype(np.int8),
                    "p_click": p_click[start:stop],
                }
            ).select(pl.lit(split).alias("split"), pl.all())
        )
    return pl.concat(frames)


def _ceiling(truth: pl.DataFrame) -> dict[str, Json]:
    """The metrics of the true log-odds: no model can be expected to do better."""
    p_click = truth["p_click"].to_numpy()
    log_odds = np.log(p_click) - np.log1p(-p_click)
    scores = evaluate(truth["label"], log_odds, truth["eval_domain_id"])
    return {name: None if np.isnan(value) else value for name, value in scores.items()}
