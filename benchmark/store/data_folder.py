"""A data set in the store: its card, its domains and how alike they are, its ceiling."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from benchmark.metrics import domain_metrics, evaluate, expected_domain_metrics
from benchmark.store.files import write_arrays, write_parquet, write_text
from benchmark.store.records import SCHEMA
from datasets.spec import apart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from benchmark.config import Json
    from benchmark.store.records import RunStore
    from datasets.prepare import PreparedData
    from datasets.spec import SplitName

MOST_DOMAINS = 400  # those with the most train rows
SCORED: tuple[SplitName, ...] = ("dev", "test")


def input_similarity(data: PreparedData) -> dict[str, NDArray[np.generic]]:
    """The domains with the most train rows, and how alike the inputs of any two are.

    `eval_domain_id` is (n,), from the largest domain on, and `observed` (n, n) float32: the mean
    over the fields that are no domain columns of the Bhattacharyya coefficient sum_v sqrt(p_v q_v)
    of the two domains' shares p and q of each value v in train. It is 1 for equal shares and 0 for
    domains that have no value in common.
    """
    train = data.split["train"]
    rows = data.rows()[train.start : train.stop]
    counts = np.bincount(rows[:, -2])
    largest = np.argsort(-counts, kind="stable")[:MOST_DOMAINS]
    largest = largest[counts[largest] > 0]
    place = np.full(counts.size, -1)
    place[largest] = np.arange(largest.size)
    position = place[rows[:, -2]]
    is_kept = position >= 0
    schema = data.schema
    first, last = schema.num_domain_fields, len(schema.fields)
    affinity = np.zeros((largest.size, largest.size))
    for column in range(first, last):
        affinity += _affinity(position[is_kept], rows[is_kept, column], largest.size)
    observed = affinity / max(last - first, 1)
    return {"eval_domain_id": largest.astype(np.int32), "observed": observed.astype(np.float32)}


def _affinity(
    domain: NDArray[np.int64], value: NDArray[np.int32], num_domains: int
) -> NDArray[np.float64]:
    """The Bhattacharyya coefficients (D, D) of the domains' shares of one field's values."""
    from scipy import sparse  # slow to import, and a worker needs none

    ones = np.ones(domain.size)
    counts = sparse.csr_array((ones, (domain, value)), shape=(num_domains, int(value.max()) + 1))
    counts.sum_duplicates()
    roots = (sparse.diags_array(1.0 / counts.sum(axis=1)) @ counts).sqrt()
    return (roots @ roots.T).toarray()


def store_data(store: RunStore, data: PreparedData) -> None:
    """Write `<out>/data/<fingerprint>/`: card, domains and how alike these are, truth if known.

    The encoders of its columns are there for the models that are kept.

    Raises:
        OSError: the output folder cannot be written.
    """
    folder = store.data_folder(data.fingerprint)
    card, domains = dict(data.card), data.domains()
    p_click, similarity = data.p_click(), data.similarity()
    if p_click is not None:
        truth = _truth(data, p_click)
        write_parquet(folder / "truth.parquet", truth)
        card["ceiling"] = {split: _ceiling(truth.filter(split=split)) for split in SCORED}
        domains = _with_ceiling(domains, truth.filter(split="test"))
    if data.candidates:
        write_parquet(folder / "candidates.parquet", data.candidate_table())
    arrays = input_similarity(data)
    if similarity is not None:
        arrays["planted_eval_domain_id"], arrays["planted"] = similarity
    write_arrays(folder / "similarity.npz", arrays)
    write_text(folder / SCHEMA, json.dumps(asdict(data.schema), indent=1) + "\n")
    data.copy_encoders(folder)
    store.write_data(data.fingerprint, card, domains)


def known_rows(data: PreparedData, split: SplitName) -> pl.DataFrame:
    """The stored columns of the rows of a split whatever the model, in their order.

    The columns are split, row_id, eval_domain_id, label, block (of time, within the split) and,
    where the log names one, cluster.
    """
    start, stop = data.split[split].start, data.split[split].stop
    rows, clusters = data.rows(), data.clusters()
    columns = {
        "row_id": data.row_ids()[start:stop],
        "eval_domain_id": rows[start:stop, -2],
        "label": rows[start:stop, -1].astype(np.int8),
        "block": data.blocks()[start:stop],
        **({} if clusters is None else {"cluster": clusters[start:stop]}),
    }
    return pl.DataFrame(columns).select(pl.lit(split).alias("split"), pl.all())


def domain_table(
    domains: pl.DataFrame, test: pl.DataFrame, p_click: NDArray[np.float64] | None
) -> pl.DataFrame:
    """`domains.parquet` of a run: a prepared log's domains, and the metrics within each on test.

    On generated logs also `expected_clicks` and the expected metrics, under the true click
    probability (N,) of the test rows.
    """
    domain, logit = test["eval_domain_id"].to_numpy(), test["logit"].to_numpy()
    columns = domain_metrics(test["label"].to_numpy(), logit, domain, domains.height)
    if p_click is not None:
        columns |= expected_domain_metrics(p_click, logit, domain, domains.height)
    return _with_metrics(domains, columns)


def _truth(data: PreparedData, p_click: np.ndarray) -> pl.DataFrame:
    """The `known_rows` of dev and test, and the column p_click."""
    known = pl.concat(known_rows(data, split) for split in SCORED)
    own = [p_click[data.split[split].start : data.split[split].stop] for split in SCORED]
    return known.with_columns(p_click=np.concatenate(own))


def _ceiling(truth: pl.DataFrame) -> dict[str, Json]:
    """The metrics of the true log-odds: no model can be expected to do better."""
    p_click = truth["p_click"].to_numpy()
    scores = evaluate(truth["label"], _log_odds(p_click), truth["eval_domain_id"], p_click)
    return {name: None if np.isnan(value) else value for name, value in scores.items()}


def _with_ceiling(domains: pl.DataFrame, test: pl.DataFrame) -> pl.DataFrame:
    """Per domain `test_expected_clicks` and the expected metrics of the truth itself on test."""
    p_click = test["p_click"].to_numpy()
    scores = expected_domain_metrics(
        p_click, _log_odds(p_click), test["eval_domain_id"].to_numpy(), domains.height
    )
    names = {"expected_clicks": "test_expected_clicks"}
    return _with_metrics(
        domains, {names.get(name, f"ceiling_{name}"): values for name, values in scores.items()}
    )


def _with_metrics(table: pl.DataFrame, metrics: Mapping[str, NDArray[np.generic]]) -> pl.DataFrame:
    """A table of domains with further columns of ours, for which those of the log step aside."""
    taken = {*table.columns, *metrics}
    aside = {name: apart(name, taken) for name in table.columns if name in metrics}
    own = [pl.Series(name, values) for name, values in metrics.items()]
    return table.rename(aside).with_columns(own)


def _log_odds(p_click: np.ndarray) -> np.ndarray:
    return np.log(p_click) - np.log1p(-p_click)
