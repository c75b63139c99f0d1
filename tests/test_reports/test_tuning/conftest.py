"""Searches and their trials, as the benchmark writes them, in an output folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmark.store.trials import Trial, trial_path, write_trial
from reports.build import build
from reports.reading.load import load_runs
from reports.tables import ledger
from tests.conftest import search_of
from tests.test_reports.conftest import printed

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from benchmark.store.plan import Search
    from reports.look.table import TableLayout
    from reports.reading.ledger import SearchTrials

STRUCTURE = {"dnn": (), "dcnv2": ("backbone.num_cross_layers", "backbone.rank")}
DIMENSIONS = {
    "plain": (),
    "star": ("method.momentum",),
    "maml": ("method.inner_rate", "method.inner_steps"),
    "adasparse": ("method.alpha_max",),
}
VISITS = 1000  # of a trial


class Tuning:
    """The searches of a folder, which is the fixture of the tests of reports."""

    def __init__(self, folder: object) -> None:
        self.folder = folder
        self.out: Path = folder.store.out

    def search(self, backbone: str, method: str, num_trials: int = 4) -> Search:
        """A search of a main cell."""
        return search_of(
            dataset="world",
            backbone=backbone,
            method=method,
            num_trials=num_trials,
            own_dimensions=DIMENSIONS[method],
            shared_dimensions=(*STRUCTURE[backbone], "regularisers.dropout"),
        )

    def searched(self, backbone: str, method: str, *values: float | None, num: int = 4) -> None:
        """Plan one search and write trials of these values."""
        search = self.search(backbone, method, num)
        self.folder.plan(searches=[search])
        self.trials(search, *values)

    def grid(self) -> tuple[Search, ...]:
        """Two methods on two backbones, on purpose not in the order of the table."""
        models = [(b, m) for m in ("adasparse", "plain") for b in ("dcnv2", "dnn")]
        return tuple(self.search(*model) for model in models)

    def trials(self, search: Search, *values: float | None, start: int = 0) -> None:
        """Write trials of these dev values, None for a failed one, each longer than the last."""
        passes = 2.5 if search.method == "maml" else 1.0
        for index, value in enumerate(values, start):
            trial = Trial(
                index=index,
                config=self.folder.config(search.backbone, search.method, 0),
                params=dict.fromkeys(search.dimensions, 0.1 * index),
                state="failed" if value is None else "complete",
                value=value,
                error="NonFiniteLossError: the loss is nan" if value is None else "",
                optimizer_steps=4,
                epochs=1.5,
                sample_visits=VISITS,
                row_passes=passes * VISITS,
                seconds=2.0 + index,
                cpu_seconds=1.0 + index,
            )
            write_trial(self.out / search.folder, trial)

    def tuned_and_finished(self) -> None:
        """The whole grid, four trials each."""
        self.folder.finish(self.folder.plan(searches=self.grid()))
        for search in self.grid():
            self.trials(search, 0.7, 0.6, 0.8, 0.75)

    def path(self, search: Search, index: int) -> Path:
        return trial_path(self.out / search.folder, index)

    def entries(self) -> tuple[SearchTrials, ...]:
        return load_runs(self.out).searches

    def table(self) -> pd.DataFrame:
        return ledger.tabulate(load_runs(self.out))

    def layout(self) -> TableLayout:
        return ledger.arrange(self.table())

    def shown(self, row: int = 0) -> dict[str, str]:
        """A printed row."""
        return printed(self.layout())[row]

    def page(self) -> str:
        return build(self.out).read_text(encoding="utf-8")


@pytest.fixture
def tuning(folder: object) -> Tuning:
    """An output folder without searches."""
    return Tuning(folder)
