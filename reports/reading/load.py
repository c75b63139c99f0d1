"""From an output folder to frames: every cell of the plan, with its digests checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.config import Json
from benchmark.metrics import METRICS
from benchmark.protocol import PRESETS
from benchmark.store.files import RecordError
from benchmark.store.plan import read_plan
from benchmark.store.records import RunRecord, RunStore, SlotState
from benchmark.store.slots import outcome_of
from datasets.spec import DOMAIN_IDS, SplitKind
from reports.reading.clock import clock_of, times_of
from reports.reading.keys import (
    BLOCK,
    CELL,
    DATA,
    MODEL,
    REPLICATE,
    Block,
    Cell,
    Family,
    Log,
    Replicate,
    log_of,
)
from reports.reading.ledger import SearchTrials, read_searches
from reports.reading.names import facts_of, learn, rank
from reports.reading.predictions import domain_table, read_logits


class _Facts(TypedDict):
    label: str
    timestamp: str | None
    times: dict[str, list[str]]
    unseen: dict[str, dict[str, float]]
    rows_in_log: int
    duplicate_rows: int
    source: str
    split_kind: SplitKind
    files: list[dict[str, str]]
    absent_columns: list[str]
    fields_dropped_by_max_fields: list[str]
    bag_lengths: dict[str, int]
    train_rows_dropped_by_cap: int


class LogCount(TypedDict):
    """The rows, users or items of a log, and as many as are published."""

    what: str
    column: str
    here: int
    published: int | None


class Card(_Facts, total=False):
    """The data card of a prepared log, as far as reports read it; those of older stores lack some.

    `published` is empty if nothing is known.
    """

    counts: list[LogCount]
    published: dict[str, str]  # release, citation, remark
    overlap_lines: list[str]
    ceiling: dict[str, dict[str, float | None]]  # of the true click probability; on worlds only


@dataclass(frozen=True, eq=False)
class Runs:
    """All that a report reads: the cells of the last plan, in its order.

    Each is equal to itself alone, so that what follows from it can be remembered.
    """

    store: RunStore
    preset: str
    cells: tuple[Cell, ...]
    studies: Mapping[str, tuple[str, ...]]  # slot ids
    searches: tuple[SearchTrials, ...]
    tuned_from: str  # where tuned values were read instead, if they were
    call: Mapping[str, Json]  # the flags that say what was run

    def study(self, *names: str) -> Runs:
        """The cells of these studies; none of one that is not part of the plan."""
        slots = {slot for name in names for slot in self.studies.get(name, ())}
        return replace(self, cells=tuple(cell for cell in self.cells if cell.slot_id in slots))

    @property
    def records(self) -> list[RunRecord]:
        """The finished runs."""
        return [cell.record for cell in self.cells if cell.record is not None]

    @cached_property
    def finished(self) -> dict[tuple[str, ...], dict[Replicate, RunRecord]]:
        """The records of each cell with finished runs, by the values of `keys.CELL`."""
        found: dict[tuple[str, ...], dict[Replicate, RunRecord]] = {}
        for cell in self.cells:
            if cell.record is not None:
                found.setdefault(cell.key, {})[cell.replicate] = cell.record
        return found

    def unfinished(self, state: SlotState) -> list[Cell]:
        """The cells that are `missing` or `failed`."""
        return [cell for cell in self.cells if cell.state == state]

    @cached_property
    def models(self) -> pd.DataFrame:
        """The planned models with their numbers of runs and draws, in the order of tables."""
        rows = pd.DataFrame([_keys(cell) for cell in self.cells], columns=[*CELL, *REPLICATE])
        if rows.empty:
            return rows.drop(columns=REPLICATE).assign(planned_runs=0, draws=0)
        grouped = rows.groupby(CELL, sort=False)["draw"]
        models = grouped.agg(planned_runs="size", draws="nunique").reset_index()
        ranks = models[DATA].apply(lambda column: pd.factorize(column)[0])
        ranks[["backbone", "method"]] = models[["backbone", "method"]].map(rank)
        return models.loc[ranks.sort_values(MODEL, kind="stable").index].reset_index(drop=True)

    def blocks(self) -> Iterator[tuple[Block, pd.DataFrame]]:
        """The blocks and their models, in the order of tables."""
        for keys, models in self.models.groupby(BLOCK, sort=False):
            yield Block(*map(str, keys)), models

    def of_block(self, block: Block, changes: str = "") -> dict[str, dict[Replicate, RunRecord]]:
        """The finished runs of each method of a block under one setting, in the plan's order."""
        return {
            method: records
            for (*its_block, method, setting), records in self.finished.items()
            if (*its_block, setting) == (*block, changes)
        }

    @cached_property
    def fingerprints(self) -> dict[Log, str]:
        """The prepared logs of the plan, the draws of a generated one in order.

        Logs that a study splits another way are not among them.
        """
        configs = [cell.config for cell in self.cells if not cell.config.has_split_variant]
        found = {log_of(config): config.data_fingerprint for config in configs}
        places = {log.family: place for place, log in reversed(list(enumerate(found)))}
        return dict(sorted(found.items(), key=lambda item: (places[item[0].family], item[0].draw)))

    @cached_property
    def families(self) -> dict[Family, dict[int, str]]:
        """The fingerprints of each log by draw, in order."""
        found: dict[Family, dict[int, str]] = {}
        for log, fingerprint in self.fingerprints.items():
            found.setdefault(log.family, {})[log.draw] = fingerprint
        return found

    def of_log(self, log: Log) -> Runs:
        """The cells of one prepared log."""
        return replace(self, cells=tuple(cell for cell in self.cells if log_of(cell.config) == log))

    def metrics(self, split: str = "test") -> pd.DataFrame:
        """One row per finished run: its keys, every metric of the split, and what stopped it.

        Undefined metrics are nan.
        """
        return self._frame(
            {**record.metrics[split], "stopped_by": record.training["stopped_by"]}
            for record in self.records
        )

    def costs(self) -> pd.DataFrame:
        """One row per finished run: its keys, its counts and its times; see `clock.times_of`.

        Latencies are known of the runs whose weights are kept.
        """
        return self._frame(
            record.training | record.cost | record.timing | record.latency | times_of(record)
            for record in self.records
        )

    @property
    def clock(self) -> str:
        """The clock that times are shown by, see `reading.clock`."""
        trials = chain.from_iterable(entry.trials for entry in self.searches)
        return clock_of(one.environment for one in (*self.records, *trials))

    def last_values(self) -> pd.DataFrame:
        """One row per finished run: its keys, and the last row of its history."""
        paths = (record.path / "history.csv" for record in self.records)
        last = (pd.read_csv(path).iloc[-1] for path in paths)
        return self._frame({str(name): value for name, value in row.items()} for row in last)

    def environments(self) -> list[dict[str, Json]]:
        """The environments of the finished runs, equal ones once."""
        different: list[dict[str, Json]] = []
        for record in self.records:
            if record.environment not in different:
                different.append(record.environment)
        return different

    def disagreements(self) -> dict[str, list[str]]:
        """The commits, torch versions, devices, kernels and orders of rows of finished runs.

        Those that differ: the orders among runs on one log, compiled and other steps among runs of
        one cell, the rest among all runs.
        """
        known = self.environments()
        packages = [cast("Mapping[str, Json]", one["packages"]) for one in known]
        found: dict[str, Sequence[Json]] = {
            "commit": [one["commit"] for one in known],
            "torch": [one["torch"] for one in packages],
            "device": [one["device"] for one in known],
            "kernels": [
                record.environment.get("kernels", "torch")
                for record in self.records
                if not record.config.is_reference
            ],
            "row order": self._mixed_row_orders(),
            "steps": self._mixed_steps(),
        }
        different = {name: list(dict.fromkeys(map(str, values))) for name, values in found.items()}
        return {name: values for name, values in different.items() if len(values) > 1}

    def _mixed_row_orders(self) -> list[str]:
        """The orders of train rows of those logs that were trained on in several."""
        of_log: dict[str, set[str]] = {}
        for record in self.records:
            if not record.config.is_reference:
                order = str(record.environment.get("row_order", "exact"))
                of_log.setdefault(record.config.data_fingerprint, set()).add(order)
        return sorted(set().union(*(orders for orders in of_log.values() if len(orders) > 1)))

    def _mixed_steps(self) -> list[str]:
        """The ways of steps, if a cell has runs with compiled ones and runs without."""
        of_cell: dict[str, set[str]] = defaultdict(set)
        for record in self.records:
            is_compiled = record.training.get("is_compiled", False)
            of_cell[record.config.title_without_seed].add("compiled" if is_compiled else "eager")
        return sorted(set().union(*(ways for ways in of_cell.values() if len(ways) > 1)))

    def card(self, fingerprint: str) -> Card:
        """The data card of a prepared log.

        Raises:
            RecordError: it is absent, cannot be read, or lacks a fact.
        """
        card = self.store.read_card(fingerprint)
        missing = sorted(Card.__required_keys__ - card.keys())
        if missing:
            path = self.store.data_folder(fingerprint) / "card.json"
            raise RecordError(
                f"{path}: damaged or of another version, it lacks {', '.join(missing)}; run again"
                " to renew it"
            )
        return cast("Card", card)

    def cost(self, file: str, columns: list[str]) -> pd.DataFrame:
        """These columns of a file of `<out>/cost`, none of its rows if there is no such file.

        Raises:
            RecordError: it cannot be read or lacks a column.
        """
        path = self.store.out / "cost" / file
        if not path.is_file():
            return pd.DataFrame(columns=columns)
        try:
            return pd.read_csv(path, usecols=columns)
        except (OSError, ValueError) as error:  # a column that is missing is a ValueError too
            raise RecordError(
                f"{path}: damaged or of another version ({error}); delete it and run again"
            ) from None

    def ceilings(self, family: Family) -> pd.DataFrame:
        """Per draw the test metrics of the true click probability; no rows for a real log.

        A metric that is newer than the store is nan.
        """
        cards = {draw: self.card(log) for draw, log in self.families[family].items()}
        known = {draw: card["ceiling"]["test"] for draw, card in cards.items() if "ceiling" in card}
        table = pd.DataFrame.from_dict(known, orient="index", dtype=np.float64)
        return table.assign(**{name: np.nan for name in METRICS if name not in table})

    def truth(self, fingerprint: str) -> pd.DataFrame:
        """The domain and true click probability of each dev and test row of a generated log.

        The rows are those of every run's predictions, in the same order.
        """
        path = self.store.data_folder(fingerprint) / "truth.parquet"
        return pd.read_parquet(path, columns=["split", "row_id", "eval_domain_id", "p_click"])

    def predictions(self, record: RunRecord) -> pd.DataFrame:
        """The logit of each dev and test row."""
        return read_logits(record.path / "predictions.parquet", "split", "row_id")

    def domains(self, fingerprint: str) -> pd.DataFrame:
        """One row per domain of a prepared log: its values, impressions and clicks per split.

        A row's position is its `eval_domain_id`. Values are found by their place.
        """
        return domain_table(self.store.data_folder(fingerprint) / "domains.parquet")

    def values_of_domains(self, fingerprint: str, family: Family) -> pd.DataFrame:
        """The values of each domain, under the names that the log has, in rows as of `domains`."""
        columns, first = family.partition.split("+"), len(DOMAIN_IDS)
        values = self.domains(fingerprint).iloc[:, first : first + len(columns)]
        return values.set_axis(columns, axis="columns")

    def domains_by_draw(self, family: Family) -> list[pd.DataFrame]:
        """The `domains` of each draw of a log."""
        return [self.domains(fingerprint) for fingerprint in self.families[family].values()]

    def candidates(self, fingerprint: str) -> pd.DataFrame | None:
        """The candidate ads of a world's auctions, in the order of their logits; None on others."""
        path = self.store.data_folder(fingerprint) / "candidates.parquet"
        return pd.read_parquet(path) if path.is_file() else None

    def similarity(self, fingerprint: str) -> dict[str, NDArray[np.generic]] | None:
        """The similarity of domains, as `store.similarity` keeps it; None if nothing is stored."""
        path = self.store.data_folder(fingerprint) / "similarity.npz"
        return _arrays(path) if path.is_file() else None

    def masks(self, record: RunRecord) -> dict[str, NDArray[np.float32]]:
        """The arrays of `masks.npz`, none of a method that does not prune."""
        path = record.path / "masks.npz"
        return _arrays(path) if path.is_file() else {}

    def candidate_logits(self, record: RunRecord) -> NDArray[np.float32]:
        """The logits of a run on a world for every candidate."""
        return read_logits(record.path / "candidates.parquet")["logit"].to_numpy(np.float32)

    def domain_scores(self, record: RunRecord) -> pd.DataFrame:
        """One row per domain: as in `domains`, with the scores of a run on test."""
        return domain_table(record.path / "domains.parquet")

    def sparsity(self) -> pd.DataFrame:
        """One row per finished run that prunes: its keys and the sparsity of each layer on test."""
        return self._by_layer(lambda ratios, rows: np.average(ratios, weights=rows))

    def sparsity_spread(self) -> pd.DataFrame:
        """The standard deviation over domains, weighted by test rows, in rows as of `sparsity`."""
        return self._by_layer(
            lambda ratios, rows: np.sqrt(np.cov(ratios, aweights=rows, ddof=0).item())
        )

    def _by_layer(self, statistic: Callable[[np.ndarray, np.ndarray], float]) -> pd.DataFrame:
        """The statistic of the ratios of the domains in test, and of their rows, of each layer."""
        rows = []
        for record in self.records:
            weights = self.domain_scores(record)["test_impressions"].to_numpy(np.float64)
            seen = weights > 0
            rows.append(
                {
                    name.removesuffix("_sparsity"): float(statistic(ratio[seen], weights[seen]))
                    for name, ratio in self.masks(record).items()
                    if name.endswith("_sparsity")
                }
            )
        return self._frame(rows)

    def _frame(self, rows: Iterable[Mapping[str, Json]]) -> pd.DataFrame:
        """One row per finished run: its keys and what `rows` say of it; without an empty one."""
        done = [cell for cell in self.cells if cell.record is not None]
        merged = [{**_keys(cell), **row} for cell, row in zip(done, rows, strict=True) if row]
        return pd.DataFrame(merged, columns=None if merged else [*CELL, *REPLICATE])


def load_runs(out: Path) -> Runs:
    """Read the plan of an output folder and every run that it names.

    Raises:
        RecordError: there is no plan, it cannot be read, or this version lacks its preset.
    """
    store = RunStore(out)
    plan = read_plan(out)
    learn(plan.facts)
    if plan.preset not in PRESETS:
        raise RecordError(
            f"{out}: the plan names the preset {plan.preset!r}, this version has"
            f" {', '.join(PRESETS)}; run again with another --out"
        )
    cells = []
    for slot, config in plan.slots.items():
        outcome = outcome_of(store, plan, slot)
        cell = Cell(
            config=config,
            slot_id=slot,
            run_id=config.run_id,
            state=outcome.state,
            changes=", ".join(config.changed.words(facts_of(config.method).pin_titles)),
            reason=outcome.reason,
            record=outcome.record,
        )
        cells.append(cell)
    return Runs(
        store=store,
        preset=plan.preset,
        cells=tuple(cells),
        studies=plan.studies,
        searches=read_searches(out, plan),
        tuned_from=plan.tuned_from,
        call=plan.call,
    )


def _keys(cell: Cell) -> dict[str, Json]:
    return {**dict(zip(CELL, cell.key, strict=True)), **cell.replicate._asdict()}


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path) as stored:
        return {name: stored[name] for name in stored}
