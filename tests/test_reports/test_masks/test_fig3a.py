"""Figure 3a and its table where runs or domains are missing, and what the figure draws."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from reports.figures.fig3a import FIGURE
from reports.look.part import rendered
from reports.tables.masks import TABLE
from tests.test_reports.test_masks.conftest import GIVEN, LARGEST, SEEDS, mask_row, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.reading.load import Runs


@pytest.mark.parametrize("num_domains", [1, 2, 3, 7])  # the first is too small
def test_too_few_domains_are_told_and_drawn(make: Callable[..., Runs], num_domains: int) -> None:
    runs = make(num_domains=num_domains)
    table, numbers = TABLE.tabulate(runs), FIGURE.tabulate(runs)

    assert "Too few" in words_of(table)
    assert "no run" not in words_of(table)  # there are some, on permuted labels too
    assert np.isnan(mask_row(table, "layer1")["trained_mean"])
    assert numbers.empty == (num_domains < 4)
    if not numbers.empty:
        assert "too few" in "\n".join(FIGURE.notes(numbers))
        assert [bool(panel.has_data()) for panel in FIGURE.draw(numbers).axes] == [True, True]


@pytest.mark.parametrize("labels", [GIVEN, {1: ("given",)}])
def test_figure_is_drawn_from_its_csv_file(make: Callable[..., Runs], labels: dict) -> None:
    table = FIGURE.tabulate(make(labels=labels))
    text = table.to_csv(index=False)

    images = rendered(FIGURE, pd.read_csv(io.StringIO(text)))

    assert images.pdf
    assert set(table["layer"]) == {"layer1"}  # the widest hidden one


def test_figure_has_the_strips_of_the_first_seed(runs: Runs) -> None:
    table = FIGURE.tabulate(runs)
    with np.load(runs.cells[0].record.path / "masks.npz") as arrays:
        kept = arrays["layer1_keep_rate"][LARGEST] >= 0.5

    strip = table[(table["panel"] == "strips") & (table["role"] == "own")]

    assert strip.sort_values("position")["value"].astype(bool).tolist() == kept.tolist()


def test_bins_of_the_figure_hold_all_pairs(runs: Runs) -> None:
    table = FIGURE.tabulate(runs)
    curve = table[(table["panel"] == "curve") & (table["kind"] == "trained")]
    pairs = table[table["panel"] == "pairs"]

    assert curve.groupby("seed").size().tolist() == [10, 10]
    assert len(pairs) == 11 * 10 / 2
    assert curve["value"].between(-1, 1).all()


def test_study_without_similarity_has_neither(make: Callable[..., Runs]) -> None:
    runs = make()
    (runs.store.data_folder(runs.cells[0].config.data_fingerprint) / "similarity.npz").unlink()

    assert TABLE.tabulate(runs).empty
    assert FIGURE.tabulate(runs).empty


def test_without_permuted_labels_the_rest_is_told(make: Callable[..., Runs]) -> None:
    runs = make(labels=dict.fromkeys(SEEDS, ("given",)))

    table = TABLE.tabulate(runs)

    row = mask_row(table, "all layers")
    assert np.isnan(row["delta_permuted_mean"])
    assert np.isnan(row["delta_permuted_p_holm"])
    assert row["delta_initial_p"] > 0.0
    assert "--only masks" in words_of(table)
    assert "--only masks" in "\n".join(FIGURE.notes(FIGURE.tabulate(runs)))
