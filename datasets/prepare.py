"""From a raw log to encoded rows: split, codes fitted on train, domain ids, cached on disk."""

from __future__ import annotations

import logging
import shutil
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from datasets.encoding.cache import kept_meta, shared_folder
from datasets.encoding.domains import values_of_domains
from datasets.encoding.encode import BLOCKS, CANDIDATES, CLUSTERS, SIMILARITY, encode_log
from datasets.encoding.fitted import FILES, FittedEncoders
from datasets.encoding.hindsight import hindsight_lines
from datasets.encoding.overlap import overlap_lines
from datasets.files import file_digest, json_digest
from datasets.spec import (
    UNSEEN,
    DataError,
    DatasetSpec,
    EncodedSchema,
    MissingFilesError,
    PrepareOptions,
    SplitName,
    SplitVariant,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from datasets.provenance import Counted
    from datasets.raw.raw_log import CatalogEntry, RawLog

MOST_BYTES_TO_DIGEST, MOST_BYTES_TO_COUNT = 2_000_000_000, 200_000_000  # seconds of work each
PREPARATION_VERSION = 9  # raise it when the prepared files of any log change

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedData:
    """A prepared log on disk; the rows of train, dev and test follow each other.

    `candidates` are the rows after them, those of a simulated A/B test; generated logs only.
    `card` describes the log in plain JSON values, for records and reports.
    """

    directory: Path
    fingerprint: str
    spec: DatasetSpec
    schema: EncodedSchema
    split: Mapping[SplitName, range]
    candidates: range
    card: dict[str, Any]

    @property
    def draw(self) -> int | None:
        """The number of the draw of a generated log; none of real logs."""
        draw: int | None = self.card["draw"]
        return draw

    def rows(self) -> np.ndarray:
        """The encoded matrix (N, C) int32, memory-mapped; columns as in `loader.column_names`."""
        return np.load(self.directory / "rows.npy", mmap_mode="c")

    def row_ids(self) -> np.ndarray:
        """The 0-based number in the raw log of each row of train, dev and test, int64."""
        return np.load(self.directory / "row_id.npy", mmap_mode="r")[: self.candidates.start]

    def blocks(self) -> np.ndarray:
        """The block of time, within its split, of each row of train, dev and test, int16."""
        return np.load(self.directory / BLOCKS, mmap_mode="r")

    def clusters(self) -> np.ndarray | None:
        """The cluster of each row of train, dev and test, int32; none where the spec names none."""
        if self.spec.cluster is None:
            return None
        clusters: np.ndarray = np.load(self.directory / CLUSTERS, mmap_mode="r")
        return clusters

    def p_click(self) -> np.ndarray | None:
        """The true click probability of each row of train, dev and test; generated logs only."""
        path = self.directory / "p_click.npy"
        if not path.exists():
            return None
        p_click: np.ndarray = np.load(path, mmap_mode="r")
        return p_click[: self.candidates.start]

    def candidate_table(self) -> pl.DataFrame:
        """One row for each of `candidates`: request_id, bid, p_click, eval_domain_id.

        Call it only where there are candidates.
        """
        return pl.read_parquet(self.directory / CANDIDATES, glob=False)

    def similarity(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The planted similarity of domains: eval_domain_id (n,), matrix (n, n) float32.

        Of domains that occur in the log; none of real logs, nor of another partition than the
        spec's.
        """
        path = self.directory / SIMILARITY
        if not path.exists():
            return None
        with np.load(path) as arrays:
            return arrays["eval_domain_id"], arrays["planted"]

    def frequencies(self) -> tuple[np.ndarray, ...]:
        """Train occurrences of every code, per field and then per bag, int64."""
        sizes = (*self.schema.field_sizes, *self.schema.bag_sizes)
        return tuple(np.split(np.load(self.directory / "frequencies.npy"), np.cumsum(sizes)[:-1]))

    def encoders(self) -> FittedEncoders:
        """What encodes further rows of the log as these are."""
        return FittedEncoders.read(self.directory)

    def copy_encoders(self, folder: Path) -> None:
        """Copy the files of the encoders."""
        for name in FILES:
            shutil.copyfile(self.directory / name, folder / name)

    def domains(self) -> pl.DataFrame:
        """One row per `eval_domain_id`: the partition's values, and each split's volume.

        The values are found by place, see `values_of_domains`.
        """
        return pl.read_parquet(self.directory / "domains.parquet", glob=False)

    def coarser_domains(self, columns: Collection[str]) -> np.ndarray:
        """The id that some of the partition's columns give to each `eval_domain_id`, int32.

        Their joint values are numbered as the domains are: from 1 by falling train impressions,
        then by values; a joint value that train does not show has id 0.

        Raises:
            DataError: no column, or one that is not of the partition.
        """
        partition = self.spec.partition.columns
        if not columns or not set(columns) <= set(partition):
            raise DataError(
                f"data set {self.spec.name!r}: coarser domains are made of one or more of the"
                f" domain columns {', '.join(partition)}, got {list(columns)}"
            )
        table = self.domains()
        values = values_of_domains(table, partition)
        own = {str(i): values[name] for i, name in enumerate(partition) if name in columns}
        joint = pl.DataFrame(own)
        ids = (
            joint.with_columns(table["train_impressions"])
            .group_by([*own])
            .agg(pl.col("train_impressions").sum())
            .filter(pl.col("train_impressions") > 0)
            .sort("train_impressions", *own, descending=[True, *(False for _ in own)])
            .with_row_index("domain_id", offset=1)
        )
        found = joint.join(ids, on=[*own], how="left", maintain_order="left")
        return found["domain_id"].fill_null(UNSEEN).to_numpy().astype(np.int32)


def prepare(
    entry: CatalogEntry, data_dir: Path | None, cache_dir: Path, options: PrepareOptions
) -> PreparedData:
    """Prepare a log, or open it from the cache if the same was prepared before.

    Raises:
        DataError: the raw files are missing, malformed or do not fit the spec, or a variant of the
            split is asked for where no timestamp is there.
    """
    raw, spec = _adjusted(entry, _read_raw(entry, data_dir), options)
    digests = [file_digest(path) for path in raw.files]
    fingerprint = _fingerprint(spec, raw, digests, options)

    def build(folder: Path) -> dict[str, Any]:
        logger.info("preparing %s in %s", spec.name, cache_dir / fingerprint)
        return encode_log(raw, spec, folder, options)

    folder, meta = shared_folder(cache_dir, fingerprint, build)
    return PreparedData(
        directory=folder,
        fingerprint=fingerprint,
        spec=spec,
        schema=_schema(meta["schema"]),
        split={name: range(start, stop) for name, (start, stop) in meta["split"].items()},
        candidates=range(*meta["candidates"]),
        card=_describe(entry, spec, raw, digests)
        | meta["card"]
        | _check(spec, raw, meta["card"])
        | {"overlap_lines": overlap_lines(meta["card"]), "fingerprint": fingerprint},
    )


def count_rows(
    entry: CatalogEntry, data_dir: Path | None, cache_dir: Path, options: PrepareOptions
) -> dict[SplitName, int] | None:
    """About the rows by split that a log has or would have; None if to know takes too long.

    They are known of a log that was prepared before, and counted in small files.

    Raises:
        DataError: the raw files are missing or malformed.
    """
    raw = _read_raw(entry, data_dir)
    num_bytes = sum(path.stat().st_size for path in raw.files)
    if num_bytes > MOST_BYTES_TO_DIGEST:
        return None
    raw, spec = _adjusted(entry, raw, options)
    fingerprint = _fingerprint(spec, raw, [file_digest(path) for path in raw.files], options)
    if meta := kept_meta(cache_dir, fingerprint):
        return {name: stop - start for name, (start, stop) in meta["split"].items()}
    if num_bytes > MOST_BYTES_TO_COUNT:
        return None
    total = sum(table.num_rows for table in raw.tables)
    train = min(total * 2 // 3, options.max_train_rows or total)  # of a 4:1:1 split
    return {"train": train, "dev": total // 6, "test": total // 6}


def _read_raw(entry: CatalogEntry, data_dir: Path | None) -> RawLog:
    """The raw log; where its files are missing, the error says how to have them."""
    try:
        return entry.read_raw(data_dir or entry.default_dir)
    except MissingFilesError as error:
        name, way = entry.spec.name, entry.spec.source.way
        how = {"download": "fetches them", "by hand": "says where to get them"}
        command = f"; python -m datasets.download {name} {how[way]}" if way in how else ""
        raise MissingFilesError(f"{error} with --data-dir{command}") from None


def _adjusted(
    entry: CatalogEntry, raw: RawLog, options: PrepareOptions
) -> tuple[RawLog, DatasetSpec]:
    """The raw log without what the options rule out, and its spec under them."""
    spec = _effective_spec(entry.spec, raw.absent, options)
    if spec.partition != entry.spec.partition:  # what is known is known of the spec's domains
        raw = replace(raw, candidates=None, similarity=None)
    if options.variant is not None:
        _check_times(spec, options.variant)
        raw = replace(raw, candidates=None)  # an A/B test follows the period of the log
    return raw, spec


def _effective_spec(
    spec: DatasetSpec, absent: tuple[str, ...], options: PrepareOptions
) -> DatasetSpec:
    spec = spec.without(absent)
    if options.partition is not None:
        spec = spec.with_partition(options.partition)
    return spec if options.max_fields is None else spec.limited_to(options.max_fields)


def _check_times(spec: DatasetSpec, variant: SplitVariant) -> None:
    if spec.timestamp is None:
        raise DataError(
            f"data set {spec.name!r}: the split {variant!r} needs a timestamp, and the log has"
            " none; leave the variant out"
        )


def _fingerprint(
    spec: DatasetSpec, raw: RawLog, digests: list[str], options: PrepareOptions
) -> str:
    """Digest of all that the prepared bytes depend on; neither prose nor file names are part."""
    parts = asdict(spec)
    del parts["source"], parts["finer"], parts["prior"]
    is_shuffled = spec.timestamp is None or options.variant == "shuffled"
    content = {
        "version": PREPARATION_VERSION,
        "spec": parts,
        "files": digests,
        "identity": raw.identity,
        "max_train_rows": options.max_train_rows,
        "split_seed": options.split_seed if is_shuffled else None,
        "variant": options.variant,
    }
    return json_digest(content)


def _describe(
    entry: CatalogEntry, spec: DatasetSpec, raw: RawLog, digests: list[str]
) -> dict[str, Any]:
    """The part of a card that needs no look at the rows; equal rows may come from renamed files."""
    kept = {feature.name for feature in spec.features}
    dropped = [
        feature.name for feature in entry.spec.features if feature.name not in {*kept, *raw.absent}
    ]
    return {
        "name": spec.name,
        "draw": entry.draw,
        "source": spec.source.description,
        "label": spec.label,
        "timestamp": spec.timestamp,
        "cluster": spec.cluster,
        "partition": spec.partition.name,
        "representative": spec.representative,
        "files": [
            {"name": name, "sha256": digest}
            for name, digest in zip(raw.file_names, digests, strict=True)
        ],
        "absent_columns": list(raw.absent),
        "hindsight": hindsight_lines(feature.name for feature in spec.features),
        "fields_dropped_by_max_fields": dropped,
    }


def _check(spec: DatasetSpec, raw: RawLog, card: dict[str, Any]) -> dict[str, Any]:
    """The part of a card by which a user sees that the download is the right one.

    `counts` are the rows, users and items here and as published (none if unknown); `published` says
    of which release, where that stands, and how they differ. It is empty if nothing is published.
    """
    here: dict[Counted, int] = {"rows": card["rows_in_log"]} | card["entities"]
    columns = {"rows": ""} | spec.entities
    release = next((own for own in spec.source.published if own.release == raw.release), None)
    there: dict[Counted, int | None] = dict.fromkeys(here)
    if release is not None:
        there |= release.counts
    return {
        "counts": [
            {"what": what, "column": columns[what], "here": count, "published": there[what]}
            for what, count in here.items()
        ],
        "published": {}
        if release is None
        else {
            "release": release.release,
            "citation": release.citation,
            "remark": release.remark_on(here),
        },
    }


def _schema(values: dict[str, Any]) -> EncodedSchema:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return EncodedSchema(**fields)
