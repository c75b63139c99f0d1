"""Small output folders as the benchmark writes them, made without training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from benchmark.config import Regularisers, RunConfig
from benchmark.metrics import evaluate, group_scores, row_logloss
from benchmark.protocol import COMPACT
from benchmark.records import Plan, RunResult, RunStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NUM_ROWS = 300  # of dev, and of test
NUM_DOMAINS = 5  # the last one has a single class in test
BACKBONES = ("dcnv2", "dnn")  # on purpose not in the order of the tables
METHODS = ("adasparse", "plain")
SEEDS = (1, 2, 3)
CHANGES = {  # of the cells that a study has beside the main ones
    "controls": (
        ("plain", {"protocol": replace(COMPACT, hidden_dims=(149, 75, 37))}),
        ("adasparse", {"pinned": {"pruner_input": "h"}}),
    ),
    "ablations": (
        ("adasparse", {"pinned": {"penalty": "l1"}}),
        ("adasparse", {"pinned": {"prune_input": False}}),
    ),
}


class Folder:
    """Writes an output folder whose test metrics can be recomputed from its own rows."""

    def __init__(self, out: Path, dataset: str = "world", *, preset: str = "quick") -> None:
        self.store = RunStore(out)
        self.dataset = dataset
        self.preset = preset
        random = np.random.default_rng(7)
        self.log_odds = random.normal(-1.0, 1.0, NUM_ROWS)
        self.domain = random.integers(0, NUM_DOMAINS, NUM_ROWS)
        self.label = (random.random(NUM_ROWS) < 1 / (1 + np.exp(-self.log_odds))).astype(np.int8)
        self.label[self.domain == NUM_DOMAINS - 1] = 0

    def config(self, backbone: str, method: str, seed: int, **changes: object) -> RunConfig:
        config = RunConfig(
            dataset=self.dataset,
            data_fingerprint="f" * 16,
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

    def plan(self, seeds: Sequence[int] = SEEDS) -> list[RunConfig]:
        """Write the plan of a full grid, seed by seed, and return its runs."""
        configs = [self.config(b, m, seed) for seed in seeds for b in BACKBONES for m in METHODS]
        slots = {config.slot_id: config for config in configs}
        self.store.write_plan(
            Plan(preset=self.preset, slots=slots, studies={"table1": tuple(slots)})
        )
        return configs

    def plan_studies(self, backbone: str = "dnn") -> list[RunConfig]:
        """Write the plan of all studies on one backbone, MAML among the methods."""
        studies = {"table1": (), **CHANGES}
        slots, members = {}, {}
        for study, changes in studies.items():
            models = [(method, {}) for method in (*METHODS, "maml")] + list(changes)
            configs = [
                self.config(backbone, method, seed, **change)
                for seed in SEEDS
                for method, change in models
            ]
            members[study] = tuple(config.slot_id for config in configs)
            slots |= {config.slot_id: config for config in configs}
        self.store.write_plan(Plan(preset=self.preset, slots=slots, studies=members))
        return list(slots.values())

    def write_data(
        self, *, with_truth: bool = True, split_kind: str = "time", dropped: int = 0
    ) -> None:
        card = {
            "label": "click",
            "source": "a <generated> log",
            "split_kind": split_kind,
            "files": [],
            "absent_columns": [],
            "fields_dropped_by_max_fields": [],
            "bag_lengths": {"tags": 4},
            "train_rows_dropped_by_cap": dropped,
        }
        if with_truth:
            scores = evaluate(self.label, self.log_odds, self.domain)
            card["ceiling"] = {"test": scores}
        self.store.write_data("f" * 16, card, self.domains())

    def domains(self) -> pl.DataFrame:
        scores = group_scores(self.label, np.zeros(NUM_ROWS), self.domain)
        columns = {"eval_domain_id": scores.group, "scenario": [f"s{i}" for i in scores.group]}
        for split, factor in (("train", 4), ("dev", 1), ("test", 1)):
            columns[f"{split}_impressions"] = scores.impressions * factor
            columns[f"{split}_clicks"] = scores.clicks * factor
        return pl.DataFrame(columns)

    def logits(self, config: RunConfig) -> np.ndarray:
        """The truth with noise, less of it for AdaSparse, the same for every call."""
        cell = [len(config.model), len(str(config.pinned)), sum(config.protocol.hidden_dims)]
        noise = np.random.default_rng([config.seed, *cell]).normal(size=NUM_ROWS)
        scale = 0.5 if config.method == "adasparse" else 1.0
        return (self.log_odds + scale * noise).astype(np.float32)

    def scores(self, config: RunConfig) -> dict[str, float]:
        return evaluate(self.label, self.logits(config), self.domain)

    def run(self, config: RunConfig, *, device: str = "cpu", **test_metrics: float) -> None:
        """Write a finished run; `test_metrics` replace computed ones."""
        logit = self.logits(config)
        prediction = pl.DataFrame(
            {"eval_domain_id": self.domain, "label": self.label, "logit": logit}
        ).with_row_index("row_id")
        frames = [
            prediction.select(pl.lit(split).alias("split"), pl.all()) for split in ("dev", "test")
        ]
        auc = group_scores(self.label, logit, self.domain).auc
        masks = {"layer1_sparsity": np.full(NUM_DOMAINS, 0.26, np.float32)}
        if "prune_input" not in config.pinned:
            masks["layer0_sparsity"] = np.array([0.1, 0.2, 0.3, 0.4, 0.5], np.float32)
        before = {"unadapted_logloss": 0.75} if config.method == "maml" else {}
        self.store.write(
            config,
            RunResult(
                metrics={
                    "dev": self.scores(config) | before,
                    "test": {**self.scores(config), **test_metrics},
                },
                training={
                    "best_step": 20,
                    "best_dev_auc": 0.7,
                    "candidates": 3,
                    "stopped_early": False,
                },
                cost={
                    "embedding_parameters": 4000,
                    "dense_parameters": 500,
                    "domain_parameters": 0,
                    "multiply_adds": 450,
                    "optimizer_steps": 40,
                    "sample_visits": 10_240,
                },
                history=pl.DataFrame(
                    {"step": [20, 40], "split": ["dev", "dev"], "auc": [0.7, 0.6]}
                ),
                domains=self.domains().with_columns(
                    auc=pl.Series(auc), logloss=pl.Series(np.full(auc.size, row_logloss(1, 0.0)))
                ),
                predictions=pl.concat(frames),
                masks=masks if config.method == "adasparse" else {},
                timing={
                    "train_seconds": 1.5,
                    "evaluate_seconds": 0.5,
                    "step_milliseconds": 37.5,
                    "latency_batch1_p50_milliseconds": 0.25,
                    "latency_batch256_p50_milliseconds": 2.5,
                },
                environment={"commit": None, "packages": {"torch": "2.13.0"}, "device": device},
            ),
        )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty output folder."""
    return Folder(tmp_path / "out")


@pytest.fixture
def studied(folder: Folder) -> Folder:
    """All studies on one backbone, finished."""
    for config in folder.plan_studies():
        folder.run(config)
    folder.write_data()
    return folder


@pytest.fixture
def finished(folder: Folder) -> Folder:
    """A grid whose every run is finished."""
    for config in folder.plan():
        folder.run(config)
    folder.write_data()
    return folder
