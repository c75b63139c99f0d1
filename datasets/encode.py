"""Writes the encoded matrix of a raw log, one column at a time so that memory stays bounded."""

from __future__ import annotations

import itertools
import os
import re
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np
import polars as pl

from datasets.domains import Domains, number_domains
from datasets.known import num_rows, write_known
from datasets.spec import DataError, DatasetSpec, EncodedSchema, FeatureSpec
from datasets.splits import RowOrder, by_shuffle, by_time, time_keys
from datasets.vocabulary import (
    Encoded,
    Tokens,
    encode_bag,
    encode_categorical,
    encode_numeric,
    tokenize,
    tokenize_bags,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from datasets.rawlog import RawLog

LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
BLOCK_ROWS = 1 << 16
PROBE_BYTES = 1 << 20
NUM_THREADS = 2  # features encoded at a time; each holds a column in memory

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def encode_log(
    raw: RawLog, spec: DatasetSpec, folder: Path, max_train_rows: int | None, split_seed: int
) -> dict[str, Any]:
    """Fill `folder` with the prepared files of a log; returns its schema, split and card.

    Raises:
        DataError: a line is malformed or a value is not allowed.
    """
    staged = _Staged(raw, spec, folder)
    rows = _order(staged, spec, split_seed).keep_latest(max_train_rows)
    rows = rows.followed_by(staged.num_candidates)
    label = read_labels(staged.column(spec.label), raw)[rows.order]
    _check_classes(spec, label, rows)
    with (folder / "columns.bin").open("w+b") as stream:
        encoded, domains = _encode_columns(staged, spec, rows, label, stream)
        write_row_major(stream, len(label), folder / "rows.npy")
    (folder / "columns.bin").unlink()
    np.save(folder / "row_id.npy", rows.order.astype(np.int64, copy=False))
    np.save(
        folder / "frequencies.npy", np.concatenate([part.frequencies for part in encoded.values()])
    )
    domains.table.write_parquet(folder / "domains.parquet")
    if raw.truth is not None:
        np.save(folder / "p_click.npy", staged.column(raw.truth).to_numpy()[rows.order])
    write_known(raw, spec.partition.columns, rows, domains, folder)
    staged.path.unlink()
    schema = _schema(spec, encoded, domains)
    return {
        "schema": asdict(schema),
        "split": {name: [part.start, part.stop] for name, part in rows.ranges().items()},
        "candidates": [rows.bounds[-1], len(rows.order)],
        "card": _card(spec, schema, rows, label, domains, staged.num_rows),
    }


def ordered_features(spec: DatasetSpec) -> tuple[list[FeatureSpec], list[FeatureSpec]]:
    """The single-valued features, the domain columns first, and the bags."""
    by_name = {feature.name: feature for feature in spec.features}
    domain = [by_name[name] for name in spec.domain_columns]
    others = [feature for feature in spec.features if feature not in domain]
    single = [feature for feature in others if feature.kind != "bag"]
    return domain + single, [feature for feature in others if feature.kind == "bag"]


def read_labels(column: pl.Series, raw: RawLog) -> np.ndarray:
    """Labels as int32.

    Raises:
        DataError: a label is neither 0 nor 1.
    """
    labels = column.str.to_lowercase().replace_strict(LABELS, default=None, return_dtype=pl.Int32)
    if labels.null_count():
        row = int(labels.is_null().arg_max() or 0)
        raise DataError(
            f"{raw.locate(row)}: label {column.name!r} is {column[row]!r}; allowed are 0 and 1;"
            " correct or remove the line, or list the values that count as 1 under positive in the"
            " TOML file of the log"
        )
    return labels.to_numpy()


def write_row_major(columns: BinaryIO, num_rows: int, path: Path) -> None:
    """Turn int32 columns, one after the other in a file, into an .npy matrix, block by block."""
    num_columns = columns.tell() // (4 * num_rows)
    header = {"descr": "<i4", "fortran_order": False, "shape": (num_rows, num_columns)}
    with path.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for start in range(0, num_rows, BLOCK_ROWS):
            count = min(BLOCK_ROWS, num_rows - start)
            block = np.empty((count, num_columns), dtype="<i4")
            for column in range(num_columns):
                columns.seek(4 * (column * num_rows + start))
                block[:, column] = np.frombuffer(columns.read(4 * count), dtype="<i4")
            out.write(block.data)


class _Staged:
    """The needed columns of a log as one Parquet file in raw row order, read back one by one.

    Candidates of an A/B test follow the `num_rows` rows of the log.
    """

    def __init__(self, raw: RawLog, spec: DatasetSpec, folder: Path) -> None:
        self.raw = raw
        self.path = folder / "staged.parquet"
        names = [spec.label, *([spec.timestamp] if spec.timestamp else [])]
        names += [feature.name for feature in spec.features]
        columns = [pl.col(names).cast(pl.String), *([pl.col(raw.truth)] if raw.truth else [])]
        parts = [raw.frame] if raw.candidates is None else [raw.frame, raw.candidates]
        frame = pl.concat([part.select(columns) for part in parts])
        with ThreadPoolExecutor(1) as pool:
            checked = pool.submit(raw.check)
            try:
                frame.sink_parquet(
                    self.path, compression="uncompressed", statistics=False, engine="streaming"
                )
            except (pl.exceptions.PolarsError, OSError) as error:
                checked.result()  # a malformed line says more
                raise _staging_error(raw, self.path, error) from None
            checked.result()
        self.num_candidates = num_rows(raw.candidates)
        self.num_rows = len(self.column(spec.label)) - self.num_candidates
        expected = sum(table.num_rows for table in raw.tables)
        if raw.tables and self.num_rows != expected:
            raise _unreadable(raw, f"{expected} rows were counted but {self.num_rows} read")

    def column(self, name: str) -> pl.Series:
        """One column, as text (the true click probability as numbers)."""
        return pl.read_parquet(self.path, columns=[name])[name].rechunk()


def _staging_error(raw: RawLog, path: Path, error: Exception) -> Exception:
    """Tell a full disk from bad input: Polars may report both as errors of its own."""
    if isinstance(error, OSError):
        return error
    code = re.search(r"\(os error (\d+)\)", str(error))
    if code:
        return OSError(int(code[1]), os.strerror(int(code[1])), str(path))
    try:  # Polars may lose the reason too; then a write of our own finds it
        path.write_bytes(bytes(PROBE_BYTES))
    except OSError as full:
        return full
    return _unreadable(raw, str(error).splitlines()[0])


def _unreadable(raw: RawLog, reason: str) -> DataError:
    names = ", ".join(str(path) for path in raw.files)
    return DataError(f"{names}: cannot be read ({reason}); check quotes and separators")


def _order(staged: _Staged, spec: DatasetSpec, split_seed: int) -> RowOrder:
    name = f"data set {spec.name!r}"
    if spec.timestamp is None:
        return by_shuffle(staged.num_rows, split_seed, name)
    timestamps = staged.column(spec.timestamp).head(staged.num_rows)
    return by_time(time_keys(timestamps, staged.raw.locate), name)


def _check_classes(spec: DatasetSpec, label: np.ndarray, rows: RowOrder) -> None:
    """Train needs both classes to learn from, dev to choose a checkpoint by AUC."""
    parts = {"the log": range(rows.bounds[-1])} | {
        name: part for name, part in rows.ranges().items() if name != "test"
    }
    for where, part in parts.items():
        values = label[part.start : part.stop]
        if values.min() == values.max():
            raise DataError(
                f"data set {spec.name!r}: label {spec.label!r} is {values[0]} in all {len(part)}"
                f" rows of {where}; both 0 and 1 are needed there; use more rows or another label"
            )


def _check_domains(spec: DatasetSpec, domains: Domains, rows: RowOrder) -> None:
    """Nothing differs between domains where there is but one."""
    if domains.num_seen > 1:
        return
    only = domains.table.row(0, named=True)  # of most train impressions
    values = ", ".join(f"{name} = {only[name]!r}" for name in spec.partition.columns)
    raise DataError(
        f"data set {spec.name!r}: the domain columns {spec.partition.name} make one single domain"
        f" of the {rows.num_train} rows of train ({values}); two or more domains are needed there;"
        " name other domain columns or use more rows"
    )


def _encode_columns(
    staged: _Staged, spec: DatasetSpec, rows: RowOrder, label: np.ndarray, stream: BinaryIO
) -> tuple[dict[str, Encoded], Domains]:
    """Write all columns of the matrix; the codes of features are not kept in memory."""
    encoded: dict[str, Encoded] = {}
    domain_columns: dict[str, Tokens] = {}
    task_id = np.zeros(0, dtype=np.int32)
    features = [*itertools.chain(*ordered_features(spec))]
    results = _computed_ahead(lambda feature: _encode(staged, rows, feature), features)
    for feature, (part, tokens) in zip(features, results, strict=True):
        if feature.name in spec.partition.columns and tokens is not None:
            domain_columns[feature.name] = tokens
        if feature.name == spec.representative:
            task_id = part.codes
        stream.write(part.codes.data)
        encoded[feature.name] = Encoded(part.codes[:0].copy(), part.size, part.frequencies)
    in_order = {name: domain_columns[name] for name in spec.partition.columns}
    domains = number_domains(in_order, rows, label)
    _check_domains(spec, domains, rows)
    for codes in (domains.domain_id, task_id, domains.eval_domain_id, label):
        stream.write(codes.data)
    return encoded, domains


def _encode(staged: _Staged, rows: RowOrder, feature: FeatureSpec) -> tuple[Encoded, Tokens | None]:
    column = staged.column(feature.name)
    if feature.kind == "numeric":
        return encode_numeric(column, rows, feature.num_buckets, staged.raw.locate), None
    if feature.kind == "bag":
        return encode_bag(tokenize_bags(column), rows, feature), None
    tokens = tokenize(column)
    return encode_categorical(tokens, rows, feature.min_count), tokens


def _computed_ahead(
    function: Callable[[_Item], _Result], items: Sequence[_Item]
) -> Iterator[_Result]:
    """Results in order, from a few threads; no more results wait than there are threads."""
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        pending: deque[Future[_Result]] = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > NUM_THREADS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _schema(spec: DatasetSpec, encoded: dict[str, Encoded], domains: Domains) -> EncodedSchema:
    single, bags = ordered_features(spec)
    return EncodedSchema(
        fields=tuple(feature.name for feature in single),
        field_sizes=tuple(encoded[feature.name].size for feature in single),
        num_domain_fields=len(spec.partition.columns),
        bags=tuple(feature.name for feature in bags),
        bag_sizes=tuple(encoded[feature.name].size for feature in bags),
        bag_lengths=tuple(feature.max_length for feature in bags),
        num_domains=domains.num_seen + 1,
        num_tasks=encoded[spec.representative].size,
    )


def _card(
    spec: DatasetSpec,
    schema: EncodedSchema,
    rows: RowOrder,
    label: np.ndarray,
    domains: Domains,
    rows_in_log: int,
) -> dict[str, Any]:
    impressions, clicks = domains.table["test_impressions"], domains.table["test_clicks"]
    one_class = (impressions > 0) & ((clicks == 0) | (clicks == impressions))
    sizes = zip(
        (*schema.fields, *schema.bags), (*schema.field_sizes, *schema.bag_sizes), strict=True
    )
    return {
        "split_kind": rows.kind,
        "rows_in_log": rows_in_log,
        "train_rows_dropped_by_cap": rows.train_rows_dropped,
        "rows": {name: len(part) for name, part in rows.ranges().items()},
        "base_rate": {
            name: float(label[part.start : part.stop].mean())
            for name, part in rows.ranges().items()
        },
        "vocabulary_sizes": dict(sizes),
        "bag_lengths": dict(zip(schema.bags, schema.bag_lengths, strict=True)),
        "num_domains_in_train": domains.num_seen,
        "num_domains": len(domains.table),
        "num_tasks": schema.num_tasks,
        "one_class_domains_in_test": int(one_class.sum()),
    }
