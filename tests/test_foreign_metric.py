"""A metric of one's own is one file: it is in records, tables, tests, and verified."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from benchmark.store.plan import read_plan
from benchmark.store.records import RunStore
from tests.conftest import ROOT, write_tiny_log

BRIER = '''\
"""Brier score: the mean squared error of the click probability."""

import numpy as np

from benchmark.metrics import Metric, probability


def brier(label, logit, domain):
    return float(np.mean((probability(logit) - label) ** 2)) if len(label) else np.nan


METRIC = Metric(title="Brier", of_rows=brier, lower_is_better=True, widest=1.0, digits=5)
'''
pytestmark = pytest.mark.slow  # a whole run and its verification
CALL = ("--preset", "smoke", "--trials", "0", "--seeds", "2", "--backbones", "dnn", "--no-mlflow")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """The output folder of a copy of the program with one more metric, and a runner of modules."""
    folder = tmp_path_factory.mktemp("foreign")
    for name in ("benchmark", "datasets", "models", "reports"):
        ignored = shutil.ignore_patterns("__pycache__", "runs", "data", "reference")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "run_all.py", folder)
    (folder / "benchmark" / "metrics" / "brier.py").write_text(BRIER, encoding="utf-8")

    def run(*words):
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    out, spec = folder / "out", write_tiny_log(folder)
    what = ("--methods", "plain", "star", "--only", "main,controls")
    run("run_all.py", *CALL, "--data", spec, "--out", out, *what)
    return out, run


def test_foreign_metric_is_in_every_record(foreign):
    store = RunStore(foreign[0])

    for config in read_plan(foreign[0]).slots.values():
        record = store.read_run(config)
        rows = pd.read_parquet(record.path / "predictions.parquet").query("split == 'test'")
        error = 1.0 / (1.0 + np.exp(-rows["logit"].astype(float))) - rows["label"]
        assert record.metrics["test"]["brier"] == pytest.approx((error**2).mean(), abs=1e-12)


def test_foreign_metric_is_compared_and_tested(foreign):
    tables = foreign[0] / "report" / "tables"

    scores, tests = (pd.read_csv(tables / f"{name}.csv") for name in ("table1", "comparisons"))

    own = tests[tests["metric"] == "brier"]
    star = scores.query("method == 'star'").iloc[0]
    assert own["delta_e4_low"].notna().all()
    assert star["brier_delta_e4_low"] == own.query("kind == 'baseline'")["delta_e4_low"].item()
    assert "Δ Brier" in (tables / "table1.md").read_text(encoding="utf-8")
    assert "Δ plain Brier" in (tables / "controls.md").read_text(encoding="utf-8")


def test_foreign_metric_is_verified(foreign):
    out, run = foreign

    assert run("-m", "reports.verify", out).startswith("0 differences; checked 6 runs, 132 metrics")
