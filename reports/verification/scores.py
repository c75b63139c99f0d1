"""The data folders of a store, and every metric, recomputed from the stored predictions.

The predictions of one run are in memory at a time.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmark.metrics import METRICS, domain_metrics, evaluate, expected_domain_metrics
from benchmark.store.files import RecordError, named_damage, read_json
from benchmark.store.records import RECORD, RunRecord, RunStore
from datasets.spec import DOMAIN_IDS, SPLITS
from reports.reading.findings import Findings
from reports.reading.folders import files_below

ROWS = ["split", "row_id", "eval_domain_id", "label", "block", "cluster"]  # as far as known
FILES = {
    "card.json",
    "domains.parquet",
    "schema.json",
    "similarity.npz",
    "truth.parquet",
    "candidates.parquet",
    *("encoders.json", "tokens.parquet", "domain_ids.parquet", "examples.parquet"),
}
UNREADABLE = (OSError, ValueError, KeyError, pl.exceptions.PolarsError)  # what damage raises
SCORED = ("dev", "test")
SCORED_COLUMNS = ("eval_domain_id", "label", "logit")
PREDICTIONS, DOMAINS, HISTORY = "predictions.parquet", "domains.parquet", "history.csv"


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


def rows_of(frame: pl.DataFrame | pl.LazyFrame, split: str, *columns: str) -> pl.DataFrame:
    """Columns of the rows of one split; of a frame that is not read yet no others are read."""
    return frame.lazy().filter(pl.col("split") == split).select(columns).collect()


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
        return pl.read_parquet(path, glob=False)
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
        rows = rows_of(log.truth, split, "eval_domain_id", "label", "p_click")
        p_click, domain = rows["p_click"].to_numpy(), rows["eval_domain_id"].to_numpy()
        log_odds = np.log(p_click) - np.log1p(-p_click)
        scores = evaluate(rows["label"], log_odds, domain, p_click)
        with named_damage(path):
            ceiling = log.card["ceiling"]
            newer = METRICS.keys() - ceiling["dev"].keys() - ceiling["test"].keys()
            stored = ceiling[split]
            check_metrics(stored, scores, path, f"ceiling {split}", findings, newer)
        check_volumes(log.domains, split, rows, log.folder / "domains.parquet", findings)


def check_metrics(
    stored: dict[str, float | None],
    recomputed: dict[str, float | int],
    path: Path,
    where: str,
    findings: Findings,
    newer: Collection[str],
) -> None:
    """Compare every recomputed metric with the stored one, null being nan.

    Of the metrics that are `newer` than the file a note says that it lacks them.
    """
    for name, value in recomputed.items():
        if name.removeprefix("expected_") in newer:
            findings.note(f"the store has no {name}; run again with --fresh to have it")
            continue
        if name not in stored:
            findings.differs(path, f"{where} {name}", "nothing", value)
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


def check_runs(
    records: Sequence[RunRecord], logs: Mapping[str, CheckedLog], findings: Findings
) -> None:
    """Recompute the metrics of all runs, and compare the rows that they are of."""
    rows: defaultdict[str, dict[Path, str]] = defaultdict(dict)  # fingerprint -> run -> digest
    for record in records:
        fingerprint = record.config.data_fingerprint
        log = logs.get(fingerprint)
        if log is None:
            known = ", ".join(logs) or "none that can be read"
            what = "data fingerprint"
            findings.differs(record.path / RECORD, what, fingerprint, f"data/ has {known}")
            continue
        try:
            draw = log.card["draw"]
            findings.compare(record.path / RECORD, "draw", record.config.draw, draw)
            rows[fingerprint][record.path] = _check_run(record, log, findings)
        except UNREADABLE as error:
            findings.damaged(record.path, error)
    for fingerprint, digests in rows.items():
        _check_rows(logs[fingerprint], digests, findings)


def _check_run(record: RunRecord, log: CheckedLog, findings: Findings) -> str:
    """Check one run against its predictions; the digest of the rows that these are of."""
    predictions = pl.scan_parquet(record.path / PREDICTIONS, glob=False)
    if not _check_splits(predictions, record.path / PREDICTIONS, findings):
        return _digest(predictions)
    for split in SCORED:
        _check_split(record, log, split, rows_of(predictions, split, *SCORED_COLUMNS), findings)
    _check_domains(record, log, predictions, findings)
    _check_choice(record, findings)
    if log.num_candidates is not None and (path := record.path / "candidates.parquet").is_file():
        findings.compare(path, "rows", pl.read_parquet(path, glob=False).height, log.num_candidates)
    return _digest(predictions)


def _check_splits(predictions: pl.LazyFrame, path: Path, findings: Findings) -> bool:
    """Name a row that is in two splits; whether all logits are finite, so that they have scores."""
    dev, test = (rows_of(predictions, split, "row_id")["row_id"] for split in SCORED)
    shared = int(dev.is_in(test.implode()).sum())
    findings.compare(path, "rows in both dev and test", shared, 0)
    logit = _column(predictions, "logit")
    finite = int(logit.is_finite().sum())
    findings.compare(path, "finite logits", finite, logit.len())
    return finite == logit.len()


def _check_split(
    record: RunRecord, log: CheckedLog, split: str, rows: pl.DataFrame, findings: Findings
) -> None:
    """The metrics of one split; what cannot be recomputed becomes a note."""
    scores = evaluate(
        rows["label"], rows["logit"], rows["eval_domain_id"], _p_click(log, split, rows)
    )
    stored: dict[str, float | None] = read_json(record.path / RECORD)["metrics"][split]
    check_metrics(stored, scores, record.path / RECORD, split, findings, record.newer)
    others = sorted(stored.keys() - scores.keys())
    if others:
        model = record.config.model
        findings.note(
            f"{split} {', '.join(others)} of {model} runs: no predictions of these are stored,"
            f" compared with {HISTORY} where it has them"
        )


def _check_domains(
    record: RunRecord, log: CheckedLog, predictions: pl.LazyFrame, findings: Findings
) -> None:
    """`domains.parquet`: the log's own columns, volumes, and the metrics of every domain."""
    path = record.path / DOMAINS
    stored, size = pl.read_parquet(path, glob=False), log.domains.height
    if stored.height != size:
        findings.differs(path, "domains", stored.height, size)
        return
    known = len(DOMAIN_IDS) + len(record.config.partition) + 2 * len(SPLITS)
    own = list(zip(stored.iter_columns(), log.domains.iter_columns(), strict=False))[:known]
    for column, of_log in own:  # by place: the names of those of the log may step aside
        if not column.equals(of_log):
            findings.differs(
                path, column.name, "another column", "that of the data folder's domains"
            )
    for split in SCORED:
        rows = rows_of(predictions, split, *SCORED_COLUMNS)
        check_volumes(stored, split, rows, path, findings)
    for name, values in _by_domain(log, rows, size).items():  # the last split is test
        check_column(stored, name, values, path, findings)
    findings.counts["domains"] += size


def _by_domain(log: CheckedLog, rows: pl.DataFrame, size: int) -> dict[str, np.ndarray]:
    """The metrics of every domain on test, each (size,)."""
    domain, logit = rows["eval_domain_id"].to_numpy(), rows["logit"].to_numpy()
    columns = domain_metrics(rows["label"].to_numpy(), logit, domain, size)
    p_click = _p_click(log, "test", rows)
    if p_click is None:
        return columns
    return columns | expected_domain_metrics(p_click, logit, domain, size)


def _p_click(log: CheckedLog, split: str, rows: pl.DataFrame) -> np.ndarray | None:
    """The true click probabilities of a split, where they are known and as many as its rows."""
    if log.truth is None:
        return None
    truth = rows_of(log.truth, split, "p_click")["p_click"].to_numpy()
    return truth if truth.size == rows.height else None


def _check_choice(record: RunRecord, findings: Findings) -> None:
    """The checkpoint was chosen by dev alone: the history has no test, and its best is the run's.

    The metrics of dev in the history at the best step are those of the record.
    """
    path = record.path / RECORD
    history = pl.read_csv(record.path / HISTORY, infer_schema_length=None, glob=False)
    others = set(history["split"]) - {"train", "dev"}
    findings.compare(record.path / HISTORY, "other splits", ", ".join(sorted(others)), "")
    step, dev = record.training["best_step"], record.metrics["dev"]
    metric = record.config.protocol.selection_metric
    findings.compare(path, "best_dev_score", record.training["best_dev_score"], dev[metric])
    chosen = history.filter((pl.col("step") == step) & (pl.col("split") == "dev"))
    if chosen.height != 1:
        findings.differs(path, "best_step", step, f"{chosen.height} such evaluations in {HISTORY}")
        return
    for name, value in dev.items():
        column = name.replace("logloss", "loss")  # as the history names it
        if column in chosen.columns:
            findings.compare(path, f"dev {name}", value, chosen[column][0])


def _digest(predictions: pl.DataFrame | pl.LazyFrame) -> str:
    """The digest of the rows of predictions: all that is known of them, in their order."""
    digest = hashlib.sha256()
    for name in _known(predictions):
        digest.update(name.encode())
        values = _column(predictions, name)
        kind = pl.UInt8 if name == "split" else pl.Int64
        codes = values.eq("test") if name == "split" else values
        digest.update(codes.cast(kind).to_numpy().data)
    return digest.hexdigest()


def _column(frame: pl.DataFrame | pl.LazyFrame, name: str) -> pl.Series:
    return frame.lazy().select(name).collect().to_series()


def _known(rows: pl.DataFrame | pl.LazyFrame) -> list[str]:
    """The columns of `ROWS` that a table has; a log without users has no clusters."""
    known = rows.collect_schema()
    return [name for name in ROWS if name in known]


def _check_rows(log: CheckedLog, digests: Mapping[Path, str], findings: Findings) -> None:
    """All runs of a log predict the rows of its truth, or else those of most runs."""
    usual = (
        Counter(digests.values()).most_common(1)[0][0] if log.truth is None else _digest(log.truth)
    )
    model = log.truth
    for path, digest in digests.items():
        if digest == usual:
            continue
        if model is None:
            like = next(run for run, other in digests.items() if other == usual)
            model = pl.read_parquet(like / PREDICTIONS, glob=False)
        found = pl.read_parquet(path / PREDICTIONS, glob=False)
        _name_first(found, model, path / PREDICTIONS, findings)


def _name_first(found: pl.DataFrame, usual: pl.DataFrame, path: Path, findings: Findings) -> None:
    """Name the first row that is not as it is elsewhere."""
    if found.height != usual.height:
        findings.differs(path, "rows", found.height, usual.height)
        return
    if _known(found) != _known(usual):
        findings.differs(path, "columns", ", ".join(_known(found)), ", ".join(_known(usual)))
        return
    for name in _known(usual):
        wrong = np.flatnonzero((found[name] != usual[name]).to_numpy())
        if wrong.size:
            first = int(wrong[0])
            row_id = usual["row_id"][first]
            what = f"{name} of row {row_id} ({wrong.size} rows differ)"
            findings.differs(path, what, found[name][first], usual[name][first])
