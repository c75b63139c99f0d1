"""A store whose every number follows from its files, and ways to falsify one of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

from benchmark.store.files import write_text
from benchmark.store.trials import Trial, best_of, read_trials, write_best, write_trial
from reports.build import build
from reports.figures import fig1
from reports.tables import coverage, table1
from reports.verify import verify
from tests.conftest import search_of
from tests.test_reports.conftest import forge_record

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.config import RunConfig
    from benchmark.store.plan import Search

SEEDS = (1, 2)
VALUES = (0.61, 0.63)  # of the trials of a search, by index


def own_ids(path: Path) -> None:
    """Give the rows of test other ids than those of dev."""
    frame = pl.read_parquet(path)
    is_test = (pl.col("split") == "test").cast(frame["row_id"].dtype)
    frame.with_columns(row_id=pl.col("row_id") + 300 * is_test).write_parquet(path)


class Store:
    """One store: where things are in it, and how they are falsified."""

    def __init__(self, folder: object) -> None:
        self.folder = folder
        self.out: Path = folder.store.out

    def run(self, backbone: str = "dnn", method: str = "plain", seed: int = 1) -> Path:
        """The folder of a run."""
        return self.folder.store.run_folder(self.folder.config(backbone, method, seed))

    def search(self, backbone: str, method: str) -> Search:
        return search_of(dataset="world", backbone=backbone, method=method)

    def tuning(self, backbone: str = "dnn", method: str = "plain") -> Path:
        """The folder of a search."""
        return self.out / self.search(backbone, method).folder

    def name(self, path: Path) -> str:
        """A path as lines name it."""
        return path.relative_to(self.out).as_posix()

    def differences(self) -> list[str]:
        return verify(self.out).differences

    @staticmethod
    def forge_frame(run: Path, name: str, frame: pl.DataFrame) -> None:
        """Put a frame in the place of a run's file, and make the seal anew."""
        frame.write_parquet(run / name)
        forge_record(run)

    def make(self) -> None:
        """A whole grid with its tuning and card."""
        searches = [
            self.search(backbone, method)
            for method in ("plain", "adasparse")
            for backbone in ("dnn", "dcnv2")
        ]
        configs = self.folder.plan(SEEDS, searches=tuple(searches))
        self.write_card()
        for config in configs:
            self.folder.run(config)
            self.make_true(config)
        for search in searches:
            self.write_trials(search)
        self.folder.plan(SEEDS, searches=tuple(searches))  # now that all runs are done

    def write_card(self) -> None:
        """The card of the log with all that cards have."""
        folder, fingerprint = self.folder, "f" * 16
        folder.write_data(fingerprint)
        own_ids(self.out / "data" / fingerprint / "truth.parquet")
        path = self.out / "data" / fingerprint / "card.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        card["ceiling"]["dev"] = card["ceiling"]["test"]
        rows, clicks = folder.label.size, int(folder.label.sum())
        card["rows"] = {"train": 4 * rows, "dev": rows, "test": rows}
        card["base_rate"] = dict.fromkeys(card["rows"], clicks / rows)
        card |= {"fingerprint": fingerprint, "num_domains": folder.domains().height}
        write_text(path, json.dumps(card))

    def make_true(self, config: RunConfig) -> None:
        """Give a run's domains and history what follows from its predictions."""
        run, folder = self.folder.store.run_folder(config), self.folder
        logit = folder.logits(config).astype(np.float64)
        domains = pl.read_parquet(run / "domains.parquet")
        scores = pl.DataFrame(
            [self.scores_of(folder.domain == d, logit) for d in range(domains.height)]
        )
        domains.with_columns(scores).write_parquet(run / "domains.parquet")
        own_ids(run / "predictions.parquet")
        auc, loss = roc_auc_score(folder.label, logit), log_loss(folder.label, expit(logit))
        history = pl.DataFrame(
            {
                "step": [20, 20, 40],
                "epoch": [1.0, 1.0, 2.0],
                "split": ["train", "dev", "dev"],
                "loss": [0.6, loss, 0.7],
                "auc": [float("nan"), auc, 0.5],
            }
        )
        write_text(run / "history.csv", history.write_csv())
        training = json.loads((run / "record.json").read_text(encoding="utf-8"))["training"]
        forge_record(run, training=training | {"best_dev_score": float(auc)})

    def scores_of(self, rows: np.ndarray, logit: np.ndarray) -> dict[str, float]:
        """The scores of one domain, by scikit-learn and by the definitions."""
        folder = self.folder
        p, p_click = expit(logit[rows]), folder.p_click[rows]
        expected = folder.expected(p_click, logit[rows], np.zeros(p.size, np.int64))
        return {
            "logloss": log_loss(folder.label[rows], p, labels=[0, 1]),
            "expected_clicks": p_click.sum(),
            "expected_auc": expected["expected_auc"],
            "expected_logloss": expected["expected_logloss"],
        }

    def write_trials(self, search: Search) -> None:
        """Trials of which the last is the best and has the values of the final runs."""
        config = self.folder.config(search.backbone, search.method, 0)
        folder = self.out / search.folder
        for index, value in enumerate(VALUES):
            params = {"regularisers.dropout": asdict(config.regularisers)["dropout"]}
            kinds = {"index": index, "config": config, "params": params, "value": value}
            write_trial(folder, Trial(state="complete", epochs=1.5, sample_visits=1800, **kinds))
        best = best_of(read_trials(folder, len(VALUES)))
        write_best(folder, search, best)


@pytest.fixture(scope="session")
def kept_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sound store is kept once it is made; not to be written to."""
    return tmp_path_factory.mktemp("sound") / "out"


@pytest.fixture
def store(folder: object, kept_store: Path) -> Store:
    """A store in which nothing differs, to be changed; it has no report."""
    if kept_store.exists():
        shutil.copytree(kept_store, folder.store.out)
    else:
        Store(folder).make()
        shutil.copytree(folder.store.out, kept_store)
    return Store(folder)


@pytest.fixture(scope="session")
def kept_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the report of the sound store is kept once it is made."""
    return tmp_path_factory.mktemp("reported") / "report"


@pytest.fixture
def reported(store: Store, kept_report: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same with a report of a few tables and one figure."""
    tables = {"table1": table1.TABLE, "coverage": coverage.TABLE}
    monkeypatch.setattr("reports.build.load_tables", tables.copy)
    monkeypatch.setattr("reports.build.load_figures", {"fig1": fig1.FIGURE}.copy)
    if not kept_report.exists():
        build(store.out)
        shutil.copytree(store.out / "report", kept_report)
    shutil.copytree(kept_report, store.out / "report", dirs_exist_ok=True)
    return store
