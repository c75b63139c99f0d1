"""Masks of a log with several draws: each run beside the domains of its own draw."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from reports.analysis.masks import compare_masks
from reports.figures import fig3a
from reports.statistics.paired_tests import paired_interval
from reports.tables.masks import arrange
from tests.test_reports.test_masks.conftest import mask_row

if TYPE_CHECKING:
    from functools import partial
    from pathlib import Path

    from benchmark.config import RunConfig
    from reports.reading.load import Runs

NUM_DOMAINS = {1: 12, 2: 15, 3: 13}  # by draw


@pytest.fixture
def draws(make: partial[Runs], tmp_path: Path, main: RunConfig) -> list[Runs]:
    """The study on each draw alone, in one store."""
    configs = [
        replace(main, draw=draw, world_rows=99, data_fingerprint=str(draw) * 16)
        for draw in NUM_DOMAINS
    ]
    return [
        make.func(tmp_path, config, num_domains=num)
        for config, num in zip(configs, NUM_DOMAINS.values(), strict=True)
    ]


@pytest.fixture
def family(draws: list[Runs]) -> Runs:
    """The study on all draws."""
    cells = tuple(cell for runs in draws for cell in runs.cells)
    return replace(draws[0], cells=cells, studies={"masks": [c.config.slot_id for c in cells]})


def test_rows_of_runs_are_those_of_their_draw_alone(draws, family):
    together = compare_masks(family).set_index(["layer", "draw", "seed"])

    for draw, runs in zip(NUM_DOMAINS, draws, strict=True):
        alone = compare_masks(runs).set_index(["layer", "draw", "seed"])
        for key in [("layer1", draw, 1), ("all layers", draw, 2)]:
            for name in ("trained_mean", "delta_initial_mean", "delta_initial_p", "domains"):
                assert together.loc[key, name] == alone.loc[key, name]


def test_pooled_row_is_over_the_means_of_draws(draws, family):
    table = compare_masks(family)
    row = mask_row(table, "layer1")

    of_draws = [mask_row(compare_masks(runs), "layer1")["delta_permuted_mean"] for runs in draws]
    interval = paired_interval(of_draws)
    assert row["delta_permuted_mean"] == pytest.approx(interval.mean)
    assert row["delta_permuted_low"] == pytest.approx(interval.low)
    assert (row["runs"], row["planned_runs"], row["draws"]) == (6, 6, 3)
    assert row["domains"] == sum(NUM_DOMAINS.values()) - 3  # one of each has too few rows
    assert 0.0 < row["delta_permuted_p"] <= 1.0


def test_notes_say_what_is_of_which_draw(family):
    assert "In the first draw D_a" in arrange(compare_masks(family)).notes[0]


def test_strips_of_figure_3a_are_of_the_first_draw_and_curves_of_all(family):
    table = fig3a.tabulate(family)

    of_panel = {name: rows for name, rows in table.groupby("panel")}
    assert len(of_panel["strips"]) == 3 * of_panel["strips"]["position"].nunique()
    assert set(of_panel["curve"]["draw"]) == set(of_panel["contrast"]["draw"]) == set(NUM_DOMAINS)
    assert len(of_panel["pairs"]) == 11 * 10 // 2
    assert "are of draw 1 alone" in fig3a.notes(table)[0]
    assert fig3a.FIGURE.draw(table).axes
