"""A generated log as Parquet files, made once for each world, draw and size."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from datasets.encoding.cache import shared_folder
from datasets.raw.parquet import ParquetTable
from datasets.raw.raw_log import RawLog, Similarity
from datasets.worlds.candidates import make_candidates, request_rows
from datasets.worlds.simulation import DECIMALS, Simulation
from datasets.worlds.world import Impressions, Stream

if TYPE_CHECKING:
    from datasets.worlds.candidates import Candidates
    from datasets.worlds.simulation import RowBlock
    from datasets.worlds.world import World

LOG, CANDIDATES, DOMAINS = "impressions.parquet", "candidates.parquet", "domains.parquet"
COMPRESSION = "zstd"
TRUTH = "p_click"
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
    domains = pl.read_parquet(path, glob=False).head(MAX_SIMILAR)
    columns = [field.name for field in world.layout.domain_fields]
    effects = domains.drop(columns).to_numpy()
    unit = effects / np.linalg.norm(effects, axis=1, keepdims=True)
    matrix = np.clip(unit @ unit.T, -1.0, 1.0).astype(np.float32)
    np.fill_diagonal(matrix, 1.0)
    return Similarity(values=domains.select(columns), matrix=matrix)


class LogTables:
    """Arrow tables of one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._layout = simulation.world.layout
        self._columns = self._layout.columns(
            simulation.users, simulation.items, simulation.world.stream(Stream.COLUMNS)
        )
        self._domain_values = {
            field.name: np.array(field.values)[index]
            for field, index in zip(
                self._layout.domain_fields, simulation.domains.value_index.T, strict=True
            )
        }  # of each domain

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the log's columns."""
        nobody = np.zeros(0, dtype=np.int64)
        shown = Impressions(np.zeros(0), nobody, nobody, nobody, nobody)
        rng = self._simulation.world.stream(Stream.COLUMNS)
        return self._table(shown, np.zeros(0), nobody, rng).schema

    def of_block(self, block: RowBlock) -> pa.Table:
        """Rows of the log."""
        return self._table(block.shown, block.p_click, block.clicked, block.rng)

    def of_candidates(self, candidates: Candidates, rng: np.random.Generator) -> pa.Table:
        """Rows of the simulated A/B test."""
        p_click = self._simulation.p_click(candidates.shown)
        clicked = rng.random(len(p_click)) < p_click
        table = self._table(candidates.shown, p_click, clicked, rng)
        table = table.append_column("request_id", pa.array(candidates.request_id))
        return table.append_column("bid", pa.array(candidates.bid.round(DECIMALS)))

    def of_domains(self) -> pl.DataFrame:
        """One row per domain, the one of most impressions first: values as text, and effects."""
        values = pl.DataFrame(self._domain_values).cast(pl.String)
        effects = self._simulation.effects.vectors()
        names = [f"effect_{place}" for place in range(effects.shape[1])]
        return values.hstack(pl.DataFrame(effects.round(DECIMALS), schema=names))

    def _table(
        self,
        shown: Impressions,
        p_click: np.ndarray,
        clicked: np.ndarray,
        rng: np.random.Generator,
    ) -> pa.Table:
        return pa.table(
            {
                self._layout.timestamp: shown.timestamp,
                **{name: values[shown.domain] for name, values in self._domain_values.items()},
                **self._columns.of(shown, rng),
                self._layout.label: clicked.astype(np.int8),
                TRUTH: p_click,
            }
        )
