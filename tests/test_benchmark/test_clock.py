"""The two clocks of a training."""

import time

import pytest

from benchmark.training.clock import Seconds


@pytest.fixture
def clocks(monkeypatch):
    """The time that both clocks show, which a test moves."""
    shown = {"perf_counter": 100.0, "process_time": 7.0}
    for name in shown:
        monkeypatch.setattr(time, name, lambda name=name: shown[name])
    return shown


def test_work_is_measured_by_both_clocks(clocks):
    start = Seconds.now()
    clocks["perf_counter"] += 3.0  # two of them for others
    clocks["process_time"] += 1.0

    named = start.passed().named("train")

    assert named == {"train_seconds": 3.0, "train_cpu_seconds": 1.0}
