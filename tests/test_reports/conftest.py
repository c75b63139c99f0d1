"""Small output folders as the benchmark writes them, made without training."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pytest

from benchmark.config import OWN, Regularisers, RunConfig
from benchmark.metrics import evaluate, group_scores
from benchmark.metrics.logloss import row_logloss
from benchmark.planning.hyperparameters import facts
from benchmark.protocol import COMPACT
from benchmark.store.files import write_parquet, write_sealed
from benchmark.store.plan import Plan, write_plan
from benchmark.store.records import RECORD, RunResult, RunStore
from datasets.files import file_digest
from datasets.spec import SPLITS
from reports.reading.load import load_runs
from reports.reading.names import learn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from reports.look.part import ReportPart
    from reports.look.table import Table, TableLayout
    from reports.reading.load import Runs

NUM_ROWS = 300  # of dev, and of test
BLOCKS = np.arange(NUM_ROWS) * 20 // NUM_ROWS
NUM_DOMAINS = 5  # the last one has a single class in test
BACKBONES = ("dcnv2", "dnn")  # on purpose not in the order of the tables
METHODS = ("adasparse", "plain")
SEEDS = (1, 2, 3)
WORLD_ROWS = 6 * NUM_ROWS
NULL_WORLD = {"dataset": "synthetic_none", "data_fingerprint": "e" * 16}
RETUNED = {"search": 2, "regularisers": Regularisers(dropout=0.1)}
BLIND = {"domain_columns": (), "task": ""}
TRAINING = {"best_step": 20, "best_dev_score": 0.7, "candidates": 3, "stopped_by": "patience"}
COST = {"embedding_parameters": 4000, "dense_parameters": 500, "domain_parameters": 0}
COST |= {"served_parameters": 4900, "multiply_adds": 450}
COST |= {"optimizer_steps": 40, "sample_visits": 10_240}
TIMING = {
    "started": "2026-01-31T12:00:00+00:00",
    "train_seconds": 3.0,
    "train_cpu_seconds": 1.5,
    "evaluate_seconds": 1.0,
    "evaluate_cpu_seconds": 0.5,
    "step_milliseconds": 75.0,
    "step_cpu_milliseconds": 37.5,
}
LATENCY = {
    f"latency_batch{rows}_p50_milliseconds": value for rows, value in ((1, 0.25), (256, 2.5))
}
HISTORY_COLUMNS = ["step", "epoch", "split", "loss", "auc"]
HISTORY = [[20, 0.5, "dev", 0.5, 0.7], [40, 1.0, "dev", 0.4, 0.6]]
CHANGES = {  # of the cells that a study has beside the main ones
    "formulations": (("adasparse", {"pinned": {"form": "binarization"}}),),
    "sparsity": (("adasparse", {"pinned": {"sparsity_bounds": [0.05, 0.1]}}),),
    "controls": (
        ("plain", {"protocol": replace(COMPACT, hidden_dims=(149, 75, 37)), "matched_to": OWN}),
        ("adasparse", {"pinned": {"pruner_input": "h"}}),
        *((method, {"domains": "placebo"}) for method in ("adasparse", "maml")),
    ),
    "ablations": (
        ("adasparse", {"pinned": {"penalty": "l1"}}),
        ("adasparse", {"pinned": {"prune_input": False}}),
    ),
    "mechanisms": (("adasparse", {"pinned": {"pruner_input": "h"}, **BLIND}), ("maml", BLIND)),
    **dict.fromkeys(("partitions", "emerging", "ab_test", "zoo"), ()),
    "retuned": tuple((method, RETUNED) for method in ("plain", "adasparse", "maml")),
}


def row_of(table: pd.DataFrame, **values: object) -> pd.Series:
    """The only row with these values."""
    (position,) = np.flatnonzero((table[[*values]] == pd.Series(values)).all(axis=1))
    return table.iloc[position]


def bounds_of(row: pd.Series, name: str) -> list[float]:
    """`<name>_mean`, `_low` and `_high`."""
    return [row[f"{name}_{end}"] for end in ("mean", "low", "high")]


def printed(layout: TableLayout) -> list[dict[str, str]]:
    """The rows of all blocks, their texts by the heads of the columns."""
    rows = [row for block in layout.blocks for row in block.rows]
    return [dict(zip(layout.columns, (entry.text for entry in row), strict=True)) for row in rows]


def reseal(path: Path, **changes: object) -> None:
    """Change a sealed file as a forger would, who knows how seals are made."""
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["seal"]
    write_sealed(path, content | changes)


def forge_record(run: Path, **changes: object) -> None:
    """Change blocks of a record, and make its seal and digests anew."""
    names = json.loads((run / RECORD).read_text(encoding="utf-8"))["digests"]
    reseal(run / RECORD, digests={name: file_digest(run / name) for name in names}, **changes)


def expected_auc(p_click: np.ndarray, score: np.ndarray) -> float:
    """Over all ordered pairs of two rows."""
    weight = np.outer(p_click, 1 - p_click)
    np.fill_diagonal(weight, 0.0)
    wins = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    return float((weight * wins).sum() / weight.sum())


def expected_scores(p_click: np.ndarray, score: np.ndarray, domain: np.ndarray) -> dict[str, float]:
    """The expected metrics by their definitions; no domain has fewer than two rows."""
    aucs = {d: expected_auc(p_click[domain == d], score[domain == d]) for d in np.unique(domain)}
    return {
        "expected_logloss": float(row_logloss(p_click, score).mean()),
        "expected_auc": expected_auc(p_click, score),
        "expected_gauc": float(np.mean([aucs[d] for d in domain])),
        "expected_gauc_domains": len(aucs),
    }


class Folder:
    """Writes an output folder whose test metrics can be recomputed from its own rows.

    With a `draw` the log is generated. The first draw has the rows of the log without one; further
    ones have other rows, with more clicks.
    """

    blind = BLIND
    seeds: Sequence[int] = SEEDS  # of the studies
    expected = staticmethod(expected_scores)

    def __init__(
        self, out: Path, dataset: str = "world", *, preset: str = "quick", draw: int | None = None
    ) -> None:
        self.store = RunStore(out)
        self.dataset = dataset
        self.preset = preset
        self.draw = draw
        mark = "" if draw is None else str(draw)
        self.fingerprint = mark.rjust(16, "f")
        self.null_world = NULL_WORLD | {"data_fingerprint": mark.rjust(16, "e")}
        further = (draw or 1) - 1
        random = np.random.default_rng([7, further])
        self.log_odds = random.normal(-1.0 + 0.5 * further, 1.0, NUM_ROWS)
        self.domain = random.integers(0, NUM_DOMAINS, NUM_ROWS)
        self.label = (random.random(NUM_ROWS) < 1 / (1 + np.exp(-self.log_odds))).astype(np.int8)
        self.label[self.domain == NUM_DOMAINS - 1] = 0
        self.p_click = 1 / (1 + np.exp(-self.log_odds))

    def config(self, backbone: str, method: str, seed: int, **changes: object) -> RunConfig:
        config = RunConfig(
            dataset=self.dataset,
            data_fingerprint=self.fingerprint,
            draw=self.draw,
            world_rows=None if self.draw is None else WORLD_ROWS,
            split="time",
            features=("scenario", "item"),
            partition=("scenario",),
            task="scenario",
            protocol=COMPACT,
            backbone=backbone,
            method=method,
            seed=seed,
            embedding_optimizer="sparse",
            backbone_config={},
            method_config={"sparsity_bounds": [0.15, 0.25]} if method == "adasparse" else {},
            regularisers=Regularisers(),
        )
        config = replace(config, **changes)
        return replace(config, method_config={**config.method_config, **config.pinned})

    def plan(
        self, seeds: Sequence[int] = SEEDS, *, waiting: Sequence[str] = (), **tuning: object
    ) -> list[RunConfig]:
        """Write the plan of a full grid, seed by seed, and return its runs.

        The models in `waiting`, such as `dnn+plain`, are not tuned yet.
        """
        configs = [self.config(b, m, seed) for seed in seeds for b in BACKBONES for m in METHODS]
        slots = {config.slot_id: config for config in configs}
        unknown = {slot: "" for slot, config in slots.items() if config.model in waiting}
        plan = {"slots": slots, "studies": {"main": tuple(slots)}, "waiting": unknown}
        write_plan(self.store, Plan(preset=self.preset, facts=facts(), **plan, **tuning))
        return configs

    def plan_of(self, members: dict[str, list[RunConfig]], **tuning: object) -> None:
        """Write the plan of these studies."""
        slots = {config.slot_id: config for configs in members.values() for config in configs}
        studies = {study: tuple(one.slot_id for one in members[study]) for study in members}
        plan = Plan(preset=self.preset, slots=slots, studies=studies, facts=facts(), **tuning)
        write_plan(self.store, plan)

    def plan_studies(self, backbone: str = "dnn", **tuning: object) -> list[RunConfig]:
        """Write the plan of all studies, with MAML; that of worlds is on the null world too."""
        members = self.members(backbone)
        self.plan_of(members, **tuning)
        return list({one.slot_id: one for configs in members.values() for one in configs}.values())

    def members(self, backbone: str) -> dict[str, list[RunConfig]]:
        """The cells of all studies."""
        members = {}
        for study, changes in {"main": (), **CHANGES}.items():
            models = [(method, {}) for method in (*METHODS, "maml")] + list(changes)
            members[study] = [
                self.config(backbone, method, seed, **world, **change)
                for seed in self.seeds
                for world in ([{}, self.null_world] if study == "mechanisms" else [{}])
                for method, change in models
            ]
        return members

    def finish(self, configs: Iterable[RunConfig], **test_metrics: float) -> None:
        """Write finished runs, and the card of their log."""
        for config in configs:
            self.run(config, **test_metrics)
        self.write_data()

    def finish_studies(self, **tuning: object) -> None:
        """Plan all studies on one backbone and finish them."""
        self.finish(self.plan_studies(**tuning))
        self.write_data(self.null_world["data_fingerprint"])
        self.write_candidates()

    def tabulated(self, part: ReportPart) -> pd.DataFrame:
        """The numbers of a table or figure of this folder."""
        return part.tabulate(load_runs(self.store.out))

    def shown(self, table: Table) -> dict[str, dict[str, str]]:
        """A table as it is printed: a row for each model."""
        return {row["Model"]: row for row in printed(table.arrange(self.tabulated(table)))}

    def write_data(
        self,
        fingerprint: str = "",
        *,
        with_truth: bool = True,
        split_kind: str = "time",
        dropped: int = 0,
        unseen: float = 0.5,
    ) -> None:
        fingerprint = fingerprint or self.fingerprint
        card = {
            "draw": self.draw,
            "label": "click",
            "source": "a <generated> log",
            "split_kind": split_kind,
            **{name: [] for name in ("files", "absent_columns", "fields_dropped_by_max_fields")},
            "bag_lengths": {"tags": 4},
            "train_rows_dropped_by_cap": dropped,
            "timestamp": "time_ms",
            "times": {split: [f"{split}: first", f"{split}: last"] for split in SPLITS},
            "unseen": {"user": {"dev": 0.25, "test": unseen}, "item": {"dev": 0.0, "test": 0.0}},
            "rows_in_log": 400,
            "duplicate_rows": 7,
        }
        if with_truth:
            scores = evaluate(self.label, self.log_odds, self.domain)
            best = expected_scores(self.p_click, self.log_odds, self.domain)
            card["ceiling"] = {"test": scores | best}
            write_parquet(self.store.data_folder(fingerprint) / "truth.parquet", self.truth())
        self.store.write_data(fingerprint, card, self.domains())

    def write_candidates(self) -> None:
        """Auctions of three rows each."""
        rows = np.arange(NUM_ROWS)
        columns = {"request_id": rows // 3, "bid": 1.0 + rows % 7, "p_click": self.p_click}
        columns["eval_domain_id"] = self.domain[rows // 3]
        path = self.store.data_folder(self.fingerprint) / "candidates.parquet"
        write_parquet(path, pl.DataFrame(columns))

    def truth(self) -> pl.DataFrame:
        rows = pl.DataFrame(
            {
                **{"eval_domain_id": self.domain, "label": self.label, "p_click": self.p_click},
                "block": BLOCKS,
            }
        ).with_row_index("row_id")
        return pl.concat(
            rows.select(pl.lit(split).alias("split"), pl.all()) for split in ("dev", "test")
        )

    def domains(self) -> pl.DataFrame:
        scores = group_scores(self.label, np.zeros(NUM_ROWS), self.domain)
        columns = {"eval_domain_id": scores.group, "domain_id": scores.group + 1}
        columns["scenario"] = [f"s{i}" for i in scores.group]
        for split, factor in (("train", 4), ("dev", 1), ("test", 1)):
            columns[f"{split}_impressions"] = scores.impressions * factor
            columns[f"{split}_clicks"] = scores.clicks * factor
        return pl.DataFrame(columns)

    def logits(self, config: RunConfig) -> np.ndarray:
        """The truth with noise, less of it for AdaSparse, the same for every call."""
        pins = len(str(config.pinned)) + 1000 * config.is_blind + 2000 * config.is_placebo
        pins += 10_000 * (config.search - 1)
        cell = [len(config.model), pins, sum(config.protocol.hidden_dims)]
        noise = np.random.default_rng([config.seed, *cell]).normal(size=NUM_ROWS)
        scale = 0.5 if config.method == "adasparse" else 1.0
        return (self.log_odds + scale * noise).astype(np.float32)

    def scores(self, config: RunConfig) -> dict[str, float]:
        logit = self.logits(config)
        scores = evaluate(self.label, logit, self.domain)
        return scores | expected_scores(self.p_click, logit, self.domain)

    def over_seeds(
        self,
        metric: str,
        method: str,
        backbone: str = "dnn",
        **changes: object,
    ) -> np.ndarray:
        """A metric of the runs of a model, seed by seed."""
        configs = (self.config(backbone, method, seed, **changes) for seed in self.seeds)
        return np.array([self.scores(config)[metric] for config in configs])

    @staticmethod
    def history(config: RunConfig) -> pl.DataFrame:
        """The evaluations of a run, to be replaced where they matter."""
        return pl.DataFrame(HISTORY, schema=HISTORY_COLUMNS, orient="row")

    def run(self, config: RunConfig, *, device: str = "cpu", **test_metrics: float) -> None:
        """Write a finished run; `test_metrics` replace computed ones."""
        logit = self.logits(config)
        prediction = pl.DataFrame(
            {
                **{"eval_domain_id": self.domain, "label": self.label, "logit": logit},
                "block": BLOCKS,
            }
        ).with_row_index("row_id")
        frames = [prediction.select(pl.lit(s).alias("split"), pl.all()) for s in ("dev", "test")]
        masks = {"layer1_sparsity": np.full(NUM_DOMAINS, 0.26, np.float32)}
        if "prune_input" not in config.pinned:
            masks["layer0_sparsity"] = np.array([0.1, 0.2, 0.3, 0.4, 0.5], np.float32)
        scores, before = self.scores(config), {"unadapted_logloss": 0.75}
        environment = {"commit": None, "packages": {"torch": "2.13.0"}, "device": device}
        self.store.write(
            config,
            RunResult(
                metrics={
                    "dev": scores | (before if config.method == "maml" else {}),
                    "test": scores | test_metrics,
                },
                training=TRAINING,
                cost=COST,
                history=self.history(config),
                domains=self.domains().with_columns(
                    auc=pl.Series(group_scores(self.label, logit, self.domain).auc), logloss=0.693
                ),
                predictions=pl.concat(frames),
                masks=masks if config.method == "adasparse" else {},
                candidates=pl.DataFrame({"logit": logit}),
                timing=TIMING,
                environment=environment,
            ),
        )
        if config.is_kept:
            self.store.write_latency(config, LATENCY, environment)


@pytest.fixture(scope="session")
def folder_of() -> type[Folder]:
    return Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty output folder."""
    return Folder(tmp_path / "out")


@pytest.fixture(scope="session")
def whole_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with all studies on one backbone, finished; not to be written to."""
    folder = Folder(tmp_path_factory.mktemp("studies"))
    folder.finish_studies(tuned_from="tuned")
    return folder.store.out


@pytest.fixture(scope="session")
def whole_grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with a grid whose every run is finished; not to be written to."""
    folder = Folder(tmp_path_factory.mktemp("grid"))
    folder.finish(folder.plan())
    return folder.store.out


@pytest.fixture(scope="session")
def studies(whole_studies: Path) -> Runs:
    """What is read of all studies, finished."""
    return load_runs(whole_studies)


@pytest.fixture
def studied(folder: Folder, whole_studies: Path) -> Folder:
    """All studies on one backbone, finished."""
    shutil.copytree(whole_studies, folder.store.out)
    return folder


@pytest.fixture
def finished(folder: Folder, whole_grid: Path) -> Folder:
    """A grid whose every run is finished."""
    shutil.copytree(whole_grid, folder.store.out)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _known_models() -> None:
    """The facts of all models, which plans that tests write leave out."""
    learn(facts())
