"""From the share of a log's rows that came before to a time of day."""

from __future__ import annotations

import numpy as np

START_SECONDS = 1_640_995_200  # 2022-01-01 00:00 UTC
NUM_DAYS, HOURS = 14, 24
HOUR_SECONDS = 3_600

_HOUR_WEIGHT = np.tile(1.2 + np.sin((np.arange(HOURS) - 9) / HOURS * 2 * np.pi), NUM_DAYS)
_ENDS = np.concatenate([[0.0], np.cumsum(_HOUR_WEIGHT) / _HOUR_WEIGHT.sum()])


def timestamps(elapsed: np.ndarray) -> np.ndarray:
    """Seconds since 1970; nights are quiet."""
    hours = np.interp(elapsed, _ENDS, np.arange(len(_ENDS)))
    return START_SECONDS + (hours * HOUR_SECONDS).astype(np.int64)


def hour_of(timestamp: np.ndarray) -> np.ndarray:
    """Hour of the day, UTC."""
    return timestamp // HOUR_SECONDS % HOURS
