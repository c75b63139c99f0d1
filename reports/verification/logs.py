"""The data folders of a store: cards, domains and truth, each against the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from benchmark.metrics import evaluate
from benchmark.store.files import RecordError, named_damage, read_json
from reports.reading.folders import files_below

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from benchmark.store.records import RunStore
    from reports.reading.findings import Findings

ROWS = ["split", "row_id", "eval_domain_id", "label", "block", "cluster"]  # as far as known
SPLITS = ("train", "dev", "test")
FILES = {
    "card.json",
    "domains.parquet",
    "schema.json",
    "similarity.npz",
    "truth.parquet",
    "candidates.parquet",
}
UNREADABLE = (OSError, ValueError, KeyError, pl.exceptions.PolarsError)  # what damage raises


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLog:
    """A prepared log, as far as the store keeps it; `truth` of generated ones only."""

    folder: Path
    card: dict[str, Any]
    domains: pl.DataFrame
    truth: pl.DataFrame | None
    num_candidates: int | None


def read_logs(store: RunStore, findings: Findings) -> dict[str, CheckedLog]:
    """The readable logs by fingerprint; what is wrong with them is named."""
    logs = {}
    root = store.out / "data"
    for folder in sorted(path for path in root.glob("*") if path.is_dir()):
        try:
            log = _read(folder)
            with named_damage(folder / "card.json"):
                _check_card(log, findings)
            _check_truth(log, findings)
        except UNREADABLE as error:
            findings.damaged(folder, error)
            continue
        logs[folder.name] = log
    for path in files_below(root):
        parts = path.relative_to(root).parts
        if len(parts) != 2 or parts[1] not in FILES:
            findings.foreign(path)
    return logs


def rows_of(frame: pl.DataFrame, split: str) -> pl.DataFrame:
    """The rows of one split."""
    return frame.filter(pl.col("split") == split)


def check_volumes(
    domains: pl.DataFrame, split: str, rows: pl.DataFrame, path: Path, findings: Findings
) -> None:
    """Compare impressions and clicks of every domain with the rows of a split.

    Raises:
        ValueError: an id is out of range.
    """
    domain, num_domains = rows["eval_domain_id"].to_numpy(), domains.height
    if domain.size and not 0 <= domain.min() <= domain.max() < num_domains:
        raise ValueError(
            f"eval_domain_id from {domain.min()} to {domain.max()}, allowed are 0 to"
            f" {num_domains - 1}"
        )
    impressions = np.bincount(domain, minlength=num_domains)
    clicks = np.bincount(domain, rows["label"].to_numpy(), num_domains)
    check_column(domains, f"{split}_impressions", impressions, path, findings)
    check_column(domains, f"{split}_clicks", clicks, path, findings)


def _read(folder: Path) -> CheckedLog:
    truth, candidates = folder / "truth.parquet", folder / "candidates.parquet"
    return CheckedLog(
        folder=folder,
        card=read_json(folder / "card.json"),
        domains=_parquet(folder / "domains.parquet"),
        truth=_parquet(truth) if truth.is_file() else None,
        num_candidates=_parquet(candidates).height if candidates.is_file() else None,
    )


def _parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except UNREADABLE as error:
        raise RecordError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error


def _check_card(log: CheckedLog, findings: Findings) -> None:
    """Fingerprint, rows, base rates and domains, from the folder's name and its domains."""
    path, card, domains = log.folder / "card.json", log.card, log.domains
    findings.compare(path, "fingerprint", card["fingerprint"], log.folder.name)
    findings.compare(path, "num_domains", card["num_domains"], domains.height)
    for split in SPLITS:
        rows = int(domains[f"{split}_impressions"].sum())
        clicks = int(domains[f"{split}_clicks"].sum())
        findings.compare(path, f"rows of {split}", card["rows"][split], rows)
        rate = clicks / rows if rows else float("nan")
        findings.compare(path, f"base rate of {split}", card["base_rate"][split], rate)


def _check_truth(log: CheckedLog, findings: Findings) -> None:
    """The ceiling and the volumes of a generated log, from the true click probabilities."""
    if log.truth is None:
        return
    path = log.folder / "card.json"
    for split in ("dev", "test"):
        rows = rows_of(log.truth, split)
        p_click, domain = rows["p_click"].to_numpy(), rows["eval_domain_id"].to_numpy()
        log_odds = np.log(p_click) - np.log1p(-p_click)
        scores = evaluate(rows["label"], log_odds, domain, p_click)
        with named_damage(path):
            stored = log.card["ceiling"][split]
            check_metrics(stored, scores, path, f"ceiling {split}", findings)
        check_volumes(log.domains, split, rows, log.folder / "domains.parquet", findings)


def check_metrics(
    stored: dict[str, float | None],
    recomputed: dict[str, float | int],
    path: Path,
    where: str,
    findings: Findings,
) -> None:
    """Compare every recomputed metric with the stored one, null being nan.

    A metric that the program has gained since is noted: seals say that nothing was taken out.
    """
    for name, value in recomputed.items():
        if name not in stored:
            findings.note(f"the store has no {name}; run again with --fresh to have it")
            continue
        known = stored[name]
        findings.compare(path, f"{where} {name}", float("nan") if known is None else known, value)
        findings.counts["metrics"] += 1


def check_column(
    frame: pl.DataFrame, name: str, recomputed: np.ndarray, path: Path, findings: Findings
) -> None:
    """Compare a column of numbers, one per domain; the first difference stands for all."""
    if name not in frame.columns:
        findings.differs(path, name, "no such column", "one")
        return
    stored = frame[name].to_numpy().astype(np.float64)
    wrong = ~np.isclose(stored, recomputed, rtol=1e-12, atol=1e-12, equal_nan=True)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        what = f"{name} of domain {first} (and of {wrong.sum() - 1} others)"
        findings.differs(path, what, stored[first], recomputed[first])
