"""Files of generated logs alone: candidates of a simulated A/B test, planted similarities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasets.spec import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from datasets.encoding.domains import Domains
    from datasets.encoding.splits import RowOrder
    from datasets.raw.raw_log import RawLog, Similarity

CANDIDATES, SIMILARITY = "candidates.parquet", "similarity.npz"


def num_rows(frame: pl.LazyFrame | None) -> int:
    """Rows of a frame, 0 without one."""
    return 0 if frame is None else int(frame.select(pl.len()).collect().item())


def write_known(
    raw: RawLog, columns: tuple[str, ...], rows: RowOrder, domains: Domains, folder: Path
) -> None:
    """Write `CANDIDATES` and `SIMILARITY` of a log that has them; `columns` make the domains.

    Raises:
        DataError: a candidate's domain does not occur in the log.
    """
    if raw.candidates is not None and raw.truth is not None:
        own = domains.eval_domain_id[rows.bounds[-1] :]
        _check_domains(domains, columns, own)
        table = raw.candidates.select("request_id", "bid", pl.col(raw.truth).alias("p_click"))
        table.collect().with_columns(eval_domain_id=pl.Series(own)).write_parquet(
            folder / CANDIDATES
        )
    if raw.similarity is not None:
        _write_similarity(raw.similarity, domains, folder / SIMILARITY)


def _check_domains(domains: Domains, columns: tuple[str, ...], of_candidates: np.ndarray) -> None:
    counts = domains.table.select(pl.col("^.*_impressions$")).sum_horizontal().to_numpy()
    strange = np.flatnonzero(counts[of_candidates] == 0)
    if strange.size:
        values = domains.table.select(columns).row(int(of_candidates[strange[0]]))
        raise DataError(
            f"{strange.size} candidates of the A/B test are of domains without an impression, such"
            f" as {', '.join(values)}; draw requests from the impressions of the log"
        )


def _write_similarity(similarity: Similarity, domains: Domains, path: Path) -> None:
    columns = list(similarity.columns)
    known = similarity.values.select(columns).with_row_index("position")
    occurring = domains.table.filter(pl.sum_horizontal("^.*_impressions$") > 0)
    found = occurring.select("eval_domain_id", *columns).join(known, on=columns)
    found = found.sort("eval_domain_id")
    position = found["position"].to_numpy()
    np.savez(
        path,
        eval_domain_id=found["eval_domain_id"].to_numpy(),
        planted=similarity.matrix[np.ix_(position, position)],
    )
