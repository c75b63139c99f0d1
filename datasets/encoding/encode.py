"""Writes the encoded matrix of a raw log, a block of a column at a time so that memory is bounded.

The text of the log is staged on disk and read back in blocks. In memory are at most the positions
of two columns, or the numbers of one, beside the order of the rows and the ids of their domains.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from datasets.encoding.card import card_of_codes, card_of_rows, entities_of_rows
from datasets.encoding.domains import (
    Domains,
    cluster_codes,
    number_domains,
    values_of_domains,
)
from datasets.encoding.fitted import FittedEncoders, domain_ids_of
from datasets.encoding.overlap import known_entities
from datasets.encoding.splits import RowOrder, order_rows, time_blocks
from datasets.encoding.staging import CodeFile, Staged, write_row_major
from datasets.encoding.times import time_keys
from datasets.encoding.tokens import Tokens, tokenize
from datasets.encoding.vocabulary import Encoded, encode_bag, encode_categorical, encode_numeric
from datasets.raw.tables import named
from datasets.raw.writing import VERBATIM
from datasets.spec import DataError, DatasetSpec, EncodedSchema, FeatureSpec

if TYPE_CHECKING:
    from pathlib import Path

    from datasets.raw.raw_log import RawLog, Similarity
    from datasets.spec import Entity, PrepareOptions

LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
BLOCKS, CLUSTERS = "block.npy", "cluster.npy"
NUM_THREADS = 2  # features encoded at a time; each holds a column of positions in memory
CANDIDATES, SIMILARITY = "candidates.parquet", "similarity.npz"
NUM_EXAMPLES = 5  # rows of test that users of a model see


def encode_log(
    raw: RawLog, spec: DatasetSpec, folder: Path, options: PrepareOptions
) -> dict[str, Any]:
    """Fill `folder` with the prepared files of a log; returns its schema, split and card.

    Raises:
        DataError: a line is malformed or a value is not allowed.
    """
    staged, name = Staged(raw, spec, folder), _name_of(raw, spec)
    times = _times(staged, spec)
    rows = order_rows(times, staged.num_rows, name, options).followed_by(staged.num_candidates)
    entities = _entities(staged, spec)
    _write_groups(entities.get("users"), rows, times, folder)
    card = card_of_rows(staged, spec, rows, times)
    card["entities"] = entities_of_rows(entities, staged.num_rows)
    del times
    label = read_labels(staged, spec.label)[rows.order]
    card["overlap"] |= known_entities(entities, rows, label)
    del entities
    _check_classes(spec, name, label, rows)
    codes = CodeFile(folder / "columns.bin", staged.size)
    fitted, domain_columns = _encode_features(staged, spec, rows, codes)
    if raw.truth is not None:
        np.save(folder / "p_click.npy", staged.numbers(raw.truth)[rows.order])
    examples = _examples(staged, spec, rows)
    staged.path.unlink()
    domains = number_domains(domain_columns, rows, label)
    _check_domains(spec, name, domains, rows)
    schema = _schema(spec, fitted, domains)
    task_id = codes.read(0, 0, len(label))  # the representative is the first field
    others = (domains.domain_id, task_id, domains.eval_domain_id, label)
    num_columns = len(schema.fields) + sum(schema.bag_lengths)
    write_row_major(codes, num_columns, others, folder / "rows.npy")
    card |= card_of_codes(schema, rows, codes, label, domains)
    codes.path.unlink()
    np.save(folder / "row_id.npy", rows.order.astype(np.int64, copy=False))
    np.save(
        folder / "frequencies.npy", np.concatenate([part.frequencies for part in fitted.values()])
    )
    domains.table.write_parquet(folder / "domains.parquet")
    encoders = _encoders(raw, spec, fitted, domains, examples)
    encoders.write(folder)
    write_known(raw, spec.partition.columns, rows, domains, folder)
    return {
        "schema": asdict(schema),
        "split": {name: [part.start, part.stop] for name, part in rows.ranges().items()},
        "candidates": [rows.bounds[-1], len(rows.order)],
        "card": card,
    }


def ordered_features(spec: DatasetSpec) -> tuple[list[FeatureSpec], list[FeatureSpec]]:
    """The single-valued features, the domain columns first, and the bags."""
    by_name = {feature.name: feature for feature in spec.features}
    domain = [by_name[name] for name in spec.domain_columns]
    others = [feature for feature in spec.features if feature not in domain]
    single = [feature for feature in others if feature.kind != "bag"]
    return domain + single, [feature for feature in others if feature.kind == "bag"]


def read_labels(staged: Staged, name: str) -> np.ndarray:
    """Labels as int8, in raw order.

    Raises:
        DataError: a label is neither 0 nor 1.
    """
    found, start = np.empty(staged.size, dtype=np.int8), 0
    for block in staged.blocks(name):
        labels = block.str.to_lowercase().replace_strict(LABELS, default=None, return_dtype=pl.Int8)
        if labels.null_count():
            row = int(labels.is_null().arg_max() or 0)
            raise DataError(
                f"{staged.raw.locate(start + row)}: label {name!r} is {block[row]!r}; allowed are 0"
                " and 1; correct or remove the line, or list the values that count as 1 under"
                " positive in the TOML file of the log"
            )
        found[start : start + len(block)] = labels.to_numpy()
        start += len(block)
    return found


def _name_of(raw: RawLog, spec: DatasetSpec) -> str:
    """The name of a log in an error about it as a whole, the TOML file first."""
    name = f"data set {spec.name!r}"
    return f"{raw.described_by}: {name}" if raw.described_by else name


def _times(staged: Staged, spec: DatasetSpec) -> np.ndarray | None:
    """The time keys of the rows of the log, in raw order; none without a timestamp."""
    if spec.timestamp is None:
        return None
    keys = time_keys(staged.blocks(spec.timestamp), staged.size, staged.raw.locate)
    return keys[: staged.num_rows]


def _entities(staged: Staged, spec: DatasetSpec) -> dict[Entity, Tokens]:
    """The users and items of the raw rows, as far as the spec names their columns."""
    return {
        entity: tokenize(staged.blocks(name), staged.size) for entity, name in spec.entities.items()
    }


def _write_groups(
    users: Tokens | None, rows: RowOrder, times: np.ndarray | None, folder: Path
) -> None:
    """Write which rows of train, dev and test are close: `BLOCKS`, and `CLUSTERS` of users."""
    order = rows.order[: rows.bounds[-1]]
    own = None if times is None else times[order]
    blocks = [
        time_blocks(len(part), None if own is None else own[part.start : part.stop])
        for part in rows.ranges().values()
    ]
    np.save(folder / BLOCKS, np.concatenate(blocks))
    if users is not None:
        np.save(folder / CLUSTERS, cluster_codes(users, order))


def _check_classes(spec: DatasetSpec, name: str, label: np.ndarray, rows: RowOrder) -> None:
    """Train needs both classes to learn from, dev to choose a checkpoint by AUC."""
    parts = {"the log": range(rows.bounds[-1])} | {
        part_name: part for part_name, part in rows.ranges().items() if part_name != "test"
    }
    for where, part in parts.items():
        values = label[part.start : part.stop]
        if values.min() == values.max():
            raise DataError(
                f"{name}: label {spec.label!r} is {values[0]} in all {len(part)}"
                f" rows of {where}; both 0 and 1 are needed there; use more rows or another label"
            )


def _check_domains(spec: DatasetSpec, name: str, domains: Domains, rows: RowOrder) -> None:
    """Nothing differs between domains where there is but one."""
    if domains.num_seen > 1:
        return
    values_of = values_of_domains(domains.table, spec.partition.columns)
    only = values_of.row(0, named=True)  # of most train impressions
    values = ", ".join(f"{column} = {only[column]!r}" for column in spec.partition.columns)
    raise DataError(
        f"{name}: the domain columns {spec.partition.name} make one single domain of the"
        f" {rows.num_train} rows of train ({values}); two or more domains are needed there; name"
        " other domain columns or use more rows"
    )


def _encode_features(
    staged: Staged, spec: DatasetSpec, rows: RowOrder, codes: CodeFile
) -> tuple[dict[str, Encoded], dict[str, Tokens]]:
    """Write the codes of all features; returns the features, and the domain columns."""
    features = [*itertools.chain(*ordered_features(spec))]
    widths = [feature.max_length if feature.kind == "bag" else 1 for feature in features]
    places = itertools.accumulate(widths, initial=0)
    encode = _Encoder(staged, spec, rows, codes)
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        results = list(pool.map(encode, features, places))
    fitted = {feature.name: result for feature, result in zip(features, results, strict=True)}
    return fitted, {name: encode.domain_columns[name] for name in spec.partition.columns}


class _Encoder:
    """Writes the codes of one feature after the other, from several threads."""

    def __init__(self, staged: Staged, spec: DatasetSpec, rows: RowOrder, codes: CodeFile) -> None:
        self.staged, self.rows, self.codes = staged, rows, codes
        self.partition = spec.partition.columns
        self.domain_columns: dict[str, Tokens] = {}
        self.numbers = Lock()  # one column of numbers is as large as several of positions
        self.is_train = np.zeros(staged.size, dtype=bool)
        self.is_train[rows.order[: rows.num_train]] = True

    def __call__(self, feature: FeatureSpec, place: int) -> Encoded:
        """Write the feature's codes to the columns from `place` on."""
        column = partial(self.staged.blocks, feature.name)
        if feature.kind == "bag":
            encoded = self._write(encode_bag(column, self.is_train, feature), place)
            for slot in range(feature.max_length):
                self.codes.reorder(place + slot, self.rows.order)
            return encoded
        if feature.kind == "numeric":
            with self.numbers:
                locate = self.staged.raw.locate
                return self._write(
                    encode_numeric(column(), self.rows, feature.num_buckets, locate), place
                )
        tokens = tokenize(column(), self.staged.size)
        if feature.name in self.partition:
            self.domain_columns[feature.name] = tokens
        return self._write(encode_categorical(tokens, self.rows, feature.min_count), place)

    def _write(self, encoded: Encoded, place: int) -> Encoded:
        start = 0
        for block in encoded.blocks:
            for slot, codes in enumerate(np.atleast_2d(block)):  # (slots, n)
                self.codes.write(place + slot, start, codes)
            start += block.shape[-1]
        return encoded


def _schema(spec: DatasetSpec, fitted: dict[str, Encoded], domains: Domains) -> EncodedSchema:
    single, bags = ordered_features(spec)
    return EncodedSchema(
        fields=tuple(feature.name for feature in single),
        field_sizes=tuple(fitted[feature.name].fitted.size for feature in single),
        num_domain_fields=len(spec.partition.columns),
        bags=tuple(feature.name for feature in bags),
        bag_sizes=tuple(fitted[feature.name].fitted.size for feature in bags),
        bag_lengths=tuple(feature.max_length for feature in bags),
        num_domains=domains.num_seen + 1,
        num_tasks=fitted[spec.representative].fitted.size,
    )


def _encoders(
    raw: RawLog,
    spec: DatasetSpec,
    fitted: dict[str, Encoded],
    domains: Domains,
    examples: pl.DataFrame,
) -> FittedEncoders:
    """What encodes further rows of the log as those of train, dev and test are."""
    return FittedEncoders(
        log=spec.name,
        label=spec.label,
        features=tuple(itertools.chain(*ordered_features(spec))),
        codes={name: encoded.fitted for name, encoded in fitted.items()},
        partition=spec.partition.columns,
        domain_ids=domain_ids_of(domains.table, spec.partition.columns),
        writing=raw.writing or VERBATIM,
        examples=examples,
    )


def _examples(staged: Staged, spec: DatasetSpec, rows: RowOrder) -> pl.DataFrame:
    """The features of the first rows of test: numbers as such, all else as text."""
    names = [feature.name for feature in spec.features]
    numbers = [feature.name for feature in spec.features if feature.kind == "numeric"]
    examples = staged.rows(rows.order[rows.ranges()["test"][:NUM_EXAMPLES]], names)
    return examples.with_columns(named(name).cast(pl.Float64) for name in numbers)


def write_known(
    raw: RawLog, columns: tuple[str, ...], rows: RowOrder, domains: Domains, folder: Path
) -> None:
    """Write `CANDIDATES` and `SIMILARITY` of a log that has them; `columns` make the domains.

    Raises:
        DataError: a candidate's domain does not occur in the log.
    """
    if raw.candidates is not None and raw.truth is not None:
        own = domains.eval_domain_id[rows.bounds[-1] :]
        _check_candidates(domains, columns, own)
        table = raw.candidates.select("request_id", "bid", pl.col(raw.truth).alias("p_click"))
        table.collect().with_columns(eval_domain_id=pl.Series(own)).write_parquet(
            folder / CANDIDATES
        )
    if raw.similarity is not None:
        _write_similarity(raw.similarity, domains, folder / SIMILARITY)


def _check_candidates(
    domains: Domains, columns: tuple[str, ...], of_candidates: np.ndarray
) -> None:
    counts = domains.table.select(pl.col("^.*_impressions$")).sum_horizontal().to_numpy()
    strange = np.flatnonzero(counts[of_candidates] == 0)
    if strange.size:
        values = values_of_domains(domains.table, columns).row(int(of_candidates[strange[0]]))
        raise DataError(
            f"{strange.size} candidates of the A/B test are of domains without an impression, such"
            f" as {', '.join(values)}; draw requests from the impressions of the log"
        )


def _write_similarity(similarity: Similarity, domains: Domains, path: Path) -> None:
    columns = similarity.values.columns
    known = similarity.values.with_row_index("position")
    occurring = domains.table.filter(pl.sum_horizontal("^.*_impressions$") > 0)
    found = occurring.select("eval_domain_id", *columns).join(known, on=columns)
    found = found.sort("eval_domain_id")
    position = found["position"].to_numpy()
    np.savez(
        path,
        eval_domain_id=found["eval_domain_id"].to_numpy(),
        planted=similarity.matrix[np.ix_(position, position)],
    )
