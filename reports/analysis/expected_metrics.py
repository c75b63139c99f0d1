"""Expected metrics under the true click probability of a generated log, overall and by bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmark.metrics import EXPECTED_SCORES
from benchmark.store.files import RecordError
from reports.statistics.bins import bins_by_domain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.store.records import RunRecord
    from reports.reading.load import Runs

ALL = 0  # the scope of all domains; the others are the bins


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRows:
    """The test rows of a generated log, and in which bin of domains each of them is."""

    row_id: NDArray[np.int64]
    p_click: NDArray[np.float64]
    domain: NDArray[np.int64]
    bin: NDArray[np.int64]

    def expected(self, logit: NDArray[np.floating]) -> pd.DataFrame:
        """The expected metrics of logits, and the volume: one row per scope with test rows."""
        everything = np.ones(self.bin.size, np.bool_)
        scopes = {ALL: everything} | {int(n): self.bin == n for n in np.unique(self.bin)}
        return pd.DataFrame(
            [
                {
                    "scope": scope,
                    "domains": np.unique(self.domain[kept]).size,
                    "test_rows": np.count_nonzero(kept),
                }
                | {
                    name: metric.of_rows(self.p_click[kept], logit[kept], self.domain[kept])
                    for name, metric in EXPECTED_SCORES.items()
                }
                for scope, kept in scopes.items()
            ]
        )

    def ceiling(self) -> pd.DataFrame:
        """The expected metrics of the true log-odds."""
        return self.expected(np.log(self.p_click) - np.log1p(-self.p_click))


def known_rows(runs: Runs, fingerprint: str) -> KnownRows:
    """The test rows of a generated log."""
    truth = runs.truth(fingerprint)
    truth = truth[truth["split"] == "test"]
    domain = truth["eval_domain_id"].to_numpy(np.int64)
    return KnownRows(
        row_id=truth["row_id"].to_numpy(np.int64),
        p_click=truth["p_click"].to_numpy(np.float64),
        domain=domain,
        bin=bins_by_domain(runs.domains(fingerprint))[domain],
    )


def logits_of(runs: Runs, record: RunRecord, rows: KnownRows) -> NDArray[np.float32]:
    """The logits of a run on these rows.

    Raises:
        RecordError: the run predicted other rows.
    """
    predictions = runs.predictions(record)
    predictions = predictions[predictions["split"] == "test"]
    if not np.array_equal(predictions["row_id"], rows.row_id):
        raise RecordError(
            f"{record.path}: its test rows are not those of"
            f" {runs.store.data_folder(record.config.data_fingerprint)}; run again to renew it"
        )
    return predictions["logit"].to_numpy(np.float32)
