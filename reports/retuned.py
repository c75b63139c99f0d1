"""Two searches of each main cell: how far their outcomes are apart, and how large chance is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmark.config import SECOND_SEARCH
from reports.keys import MODEL
from reports.paired import DIGITS, differences, rows_of, run_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from reports.load import Runs

STUDY = "retuned"


@dataclass(frozen=True, slots=True)
class TuningNoise:
    """The variance that the luck of one search gives a model's score, and its freedom.

    A comparison of two models holds the luck of both searches: twice the variance.
    """

    variance: float
    freedom: int

    @property
    def anew(self) -> float:
        """The standard deviation of a comparison's change when both models are searched anew.

        Before and after it holds the luck of two searches, of four in all.
        """
        return float(np.sqrt(4.0 * self.variance))


def tuning_noise(backbones: Sequence[ArrayLike]) -> TuningNoise:
    """The noise of one search from pairs of searches, pooled over backbones.

    A difference of two searches holds the luck of both, so that its variance is twice that of one.
    What another draw of the shared values does alike to all models of a backbone is no part of a
    comparison, and is removed with their mean. nan where no backbone has two models, or where a
    difference is undefined.

    Args:
        backbones: for each backbone (M,) differences, second search minus first, of its models.
    """
    values = [np.asarray(found, np.float64) for found in backbones]
    freedom = sum(max(found.size - 1, 0) for found in values)
    if not freedom:
        return TuningNoise(np.nan, 0)
    squares = sum(float(((found - found.mean()) ** 2).sum()) for found in values if found.size)
    return TuningNoise(squares / (2.0 * freedom), freedom)


def compare_searches(runs: Runs) -> pd.DataFrame:
    """One row per model that is searched twice, over the `runs` that both its cells have.

    `<metric>_first` and `<metric>_second` are the means on test with the values of either search,
    `<metric>_delta_e4_mean` and `_std` are second minus first, run by run, in units of 0.0001.
    `planned_runs` and `draws` are those of the second search.
    """
    runs = runs.study(STUDY)
    scores = runs.metrics()
    if scores.empty:
        return pd.DataFrame()
    again = runs.models[runs.models["changes"] == SECOND_SEARCH]
    rows = []
    for model in again.to_dict("records"):
        keys = {name: model[name] for name in MODEL}
        first, second = (
            rows_of(scores, keys | {"changes": changes}) for changes in ("", SECOND_SEARCH)
        )
        row: dict[str, object] = {**keys, "runs": len(run_pairs(second, first, "auc"))}
        row |= {name: model[name] for name in ("planned_runs", "draws")}
        for metric in DIGITS:
            pairs = run_pairs(second, first, metric).mean(skipna=False)
            row |= {f"{metric}_first": pairs["other"], f"{metric}_second": pairs["own"]}
        rows.append(row | differences(second, first, "delta"))
    return pd.DataFrame(rows)


def num_searches(runs: Runs) -> int:
    """How many searches the networks of the main table have had, 0 where nothing was tuned."""
    if runs.tuned_from:
        return 1
    return max((entry.search.number for entry in runs.searches), default=0)


def search_notes(table: pd.DataFrame) -> list[str]:
    """What a table of comparisons says of the luck of tuning, by its column `searches`."""
    searches = table["searches"].iloc[0]
    if searches == 1:
        return [
            "Every model was searched once: intervals and tests do not contain the variance of"
            " tuning. Another search may choose other values and so change a difference."
        ]
    if searches > 1:
        return [
            "Every network was searched a second time; the table of second searches says how far"
            " the two are apart."
        ]
    return []
