"""Times are CPU time, or on a GPU those of the wall clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reports.reading.load import load_runs
from reports.tables import cost
from tests.test_reports.conftest import printed

if TYPE_CHECKING:
    from conftest import Folder


@pytest.mark.parametrize(
    ("device", "unit", "seconds", "milliseconds"),
    [("cpu", "CPU ", "1.5", "37.50"), ("cuda:0", "", "3.0", "75.00")],
)
def test_cost_shows_the_time_by_the_clock_of_the_device(
    folder: Folder, device: str, unit: str, seconds: str, milliseconds: str
) -> None:
    for config in folder.plan():
        folder.run(config, device=device)

    rows = printed(cost.arrange(folder.tabulated(cost.TABLE)))

    assert len(rows) == 4
    for row in rows:
        assert row[f"Training with evaluations, {unit}s"] == seconds
        assert row[f"Training step, {unit}ms"] == milliseconds


def test_unit_says_no_clock_where_devices_differ(folder: Folder) -> None:
    on_cpu, on_gpu, *_ = folder.plan()
    folder.run(on_cpu)
    folder.run(on_gpu, device="cuda:0")

    layout = cost.arrange(folder.tabulated(cost.TABLE))

    assert "Training with evaluations, s" in layout.columns
    costs = load_runs(folder.store.out).costs()
    assert sorted(costs["train_compute_seconds"]) == [1.5, 3.0]
