"""Turns what a simulation drew into the columns of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from datasets.worlds.world import Impressions, Stream

if TYPE_CHECKING:
    from datasets.worlds.candidates import Candidates
    from datasets.worlds.simulation import Block, Simulation

TRUTH = "p_click"


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

    def of_block(self, block: Block) -> pa.Table:
        """Rows of the log."""
        return self._table(block.shown, block.p_click, block.clicked, block.rng)

    def of_candidates(self, candidates: Candidates, rng: np.random.Generator) -> pa.Table:
        """Rows of the simulated A/B test."""
        p_click = self._simulation.p_click(candidates.shown)
        clicked = rng.random(len(p_click)) < p_click
        table = self._table(candidates.shown, p_click, clicked, rng)
        table = table.append_column("request_id", pa.array(candidates.request_id))
        return table.append_column("bid", pa.array(candidates.bid))

    def of_domains(self) -> pl.DataFrame:
        """One row per domain, the one of most impressions first: values as text, and effects."""
        values = pl.DataFrame(self._domain_values).cast(pl.String)
        effects = self._simulation.effects.vectors()
        names = [f"effect_{place}" for place in range(effects.shape[1])]
        return values.hstack(pl.DataFrame(effects, schema=names))

    def _table(
        self,
        shown: Impressions,
        p_click: np.ndarray,
        clicked: np.ndarray,
        rng: np.random.Generator,
    ) -> pa.Table:
        columns = {self._layout.timestamp: pa.array(shown.timestamp)}
        for name, values in self._domain_values.items():
            columns[name] = pa.array(values[shown.domain])
        columns |= self._columns.of(shown, rng)
        columns[self._layout.label] = pa.array(clicked.astype(np.int8))
        columns[TRUTH] = pa.array(p_click)
        return pa.table(columns)
