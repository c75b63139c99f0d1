"""Keeps a generated log as Parquet files, made once for each world, draw and size."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from datasets.encoding.cache import shared_folder
from datasets.raw.raw_log import RawLog, Similarity
from datasets.raw.tables import ParquetTable
from datasets.worlds.candidates import make_candidates, request_rows
from datasets.worlds.simulation import Simulation
from datasets.worlds.tables import TRUTH, LogTables
from datasets.worlds.world import Impressions, Stream

if TYPE_CHECKING:
    from datasets.worlds.world import World

LOG, CANDIDATES, DOMAINS = "impressions.parquet", "candidates.parquet", "domains.parquet"
COMPRESSION = "zstd"
MAX_SIMILAR = 2_000  # domains of most impressions whose similarity is told


def read_world(root: Path, world: World, num_rows: int) -> RawLog:
    """The log of a world, from its files below `root`, which are made unless they are there.

    Raises:
        DataError: there are too few rows.
    """
    name = f"{world.layout.name}-{world.mechanism}-{world.draw}-{num_rows}-{_sources()}"
    folder, _ = shared_folder(root, name, lambda empty: _write(empty, world, num_rows))
    table = ParquetTable.open(folder / LOG, {})
    return RawLog(
        frame=table.scan(),
        files=(folder / LOG, folder / CANDIDATES, folder / DOMAINS),
        tables=(table,),
        truth=TRUTH,
        candidates=pl.scan_parquet(folder / CANDIDATES, glob=False),
        similarity=_similarity(folder / DOMAINS, world),
    )


@cache
def _sources() -> str:
    """Changes with every line that generates, parameters and seeds included."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _write(folder: Path, world: World, num_rows: int) -> dict[str, Any]:
    """Stream the log block by block; memory holds one block, the population and the requests."""
    simulation = Simulation(world, num_rows)
    tables, rng = LogTables(simulation), world.stream(Stream.REQUESTS)
    requests = request_rows(num_rows, rng)
    picked = []
    with pq.ParquetWriter(folder / LOG, tables.schema, compression=COMPRESSION) as log:
        for block in simulation.blocks():
            log.write_table(tables.of_block(block))
            begin, end = np.searchsorted(requests, [block.start, block.start + len(block.p_click)])
            picked.append(block.shown.take(requests[begin:end] - block.start))
    shown = Impressions(*(np.concatenate(parts) for parts in zip(*picked, strict=True)))
    candidates = make_candidates(shown, simulation.items.arrival, rng)
    pq.write_table(
        tables.of_candidates(candidates, rng), folder / CANDIDATES, compression=COMPRESSION
    )
    tables.of_domains().write_parquet(folder / DOMAINS)
    return {}


def _similarity(path: Path, world: World) -> Similarity:
    domains = pl.read_parquet(path).head(MAX_SIMILAR)
    columns = tuple(field.name for field in world.layout.domain_fields)
    effects = domains.drop(columns).to_numpy()
    unit = effects / np.linalg.norm(effects, axis=1, keepdims=True)
    matrix = np.clip(unit @ unit.T, -1.0, 1.0).astype(np.float32)
    np.fill_diagonal(matrix, 1.0)
    return Similarity(columns=columns, values=domains.select(columns), matrix=matrix)
