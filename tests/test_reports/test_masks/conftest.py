"""Makes the runs of the study of masks, with random masks, in an output folder."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from benchmark.store.records import RunStore
from reports.reading.keys import Cell
from reports.reading.load import Runs, load_runs
from reports.statistics.permutation import relabelled
from reports.tables.masks import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmark.config import RunConfig

WIDTH = 16
LARGEST, SMALL = 3, 5  # domains with the most, and with too few test rows
SEEDS = (1, 2)
GIVEN = dict.fromkeys(SEEDS, ("given", "permuted"))


def mask_row(table: pd.DataFrame, layer: str, seed: int | None = None) -> pd.Series:
    """The row of a layer and seed, or of all seeds."""
    is_seed = table["seed"].fillna(0) == (seed or 0)
    (position,) = np.flatnonzero((table["layer"] == layer) & is_seed)
    return table.iloc[position]


def words_of(table: pd.DataFrame) -> str:
    """The notes below the table of masks."""
    return "\n".join(TABLE.arrange(table).notes)


def masks_of(random: np.random.Generator, num_domains: int) -> dict[str, np.ndarray]:
    arrays = {}
    for layer, width in (("layer0", 8), ("layer1", WIDTH), ("layer2", 6)):
        kept = random.random((num_domains, width)).astype(np.float32)
        factor = random.random((num_domains, width)).astype(np.float32)
        arrays |= {f"{layer}_keep_rate": kept, f"{layer}_mean_factor": 2 * kept}
        arrays |= {f"{layer}_initial_factor": factor}
        arrays[f"{layer}_sparsity"] = 1 - kept.mean(axis=1)
    return arrays


def make_runs(
    out: Path,
    main: RunConfig,
    *,
    num_domains: int = 12,
    labels: Mapping[int, Sequence[str]] = GIVEN,
    planted: np.ndarray | None = None,
) -> Runs:
    """The study of masks: per seed the labels of its finished runs; observed similarity is 0 to 1.

    Domain i is the pair (i // 3, i % 3) of two columns.
    """
    store, random = RunStore(out), np.random.default_rng(5)
    main = replace(main, partition=("scenario", "position"), domain_columns=())
    data = store.data_folder(main.data_fingerprint)
    data.mkdir(parents=True)
    rows = 60 + np.arange(num_domains)
    rows[LARGEST % num_domains], rows[SMALL % num_domains] = 900, 49
    ids = np.arange(num_domains)
    table = {"eval_domain_id": ids, "domain_id": ids + 1, "scenario": ids // 3, "position": ids % 3}
    pd.DataFrame(table | {"test_impressions": rows}).to_parquet(data / "domains.parquet")
    alike = random.random((num_domains, num_domains))
    similarity = {"eval_domain_id": ids, "observed": (alike + alike.T) / 2}
    if planted is not None:
        similarity |= {"planted_eval_domain_id": ids[::-1], "planted": planted}
    np.savez(data / "similarity.npz", **similarity)
    cells = []
    for seed in SEEDS:
        for kind in ("given", "permuted"):
            config = replace(main, seed=seed, labels=kind)
            path = out / f"{main.draw}{seed}{kind}"
            path.mkdir()
            np.savez(path / "masks.npz", **masks_of(random, num_domains))
            is_done = kind in labels.get(seed, ())
            record = SimpleNamespace(path=path) if is_done else None
            ids = {"slot_id": config.slot_id, "run_id": config.run_id}
            cells.append(Cell(config=config, **ids, state="done", record=record))
    studies = {"masks": tuple(cell.config.slot_id for cell in cells)}
    return Runs(store, "quick", tuple(cells), studies, (), "", {})


@pytest.fixture(scope="module", autouse=True)
def few_draws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.analysis.masks.relabelled", partial(relabelled, draws=39))
        yield


@pytest.fixture(scope="module")
def main(whole_grid: Path) -> RunConfig:
    return next(
        cell.config for cell in load_runs(whole_grid).cells if cell.config.method == "adasparse"
    )


@pytest.fixture
def make(tmp_path: Path, main: RunConfig) -> Callable[..., Runs]:
    return partial(make_runs, tmp_path, main)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, main: RunConfig) -> Runs:
    return make_runs(tmp_path_factory.mktemp("masks"), main)
