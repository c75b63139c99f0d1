"""The clustered heat map of masks: whose neurons it shows, and in which order."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist

from reports.figures.fig3a import clustered
from reports.figures.mask_heatmap import FIGURE
from reports.look.part import rendered

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.reading.load import Runs


def test_a_row_has_the_neurons_that_its_domain_prunes_in_the_first_seed(runs: Runs) -> None:
    table = FIGURE.tabulate(runs)
    with np.load(runs.cells[0].record.path / "masks.npz") as arrays:
        kept = arrays["layer1_keep_rate"]

    row = table.iloc[0]

    assert (len(table), row["layer"], row["width"]) == (11, "layer1", kept.shape[1])
    pruned = np.flatnonzero(kept[row["domain"]] < 0.5)
    assert row["pruned_neurons"] == " ".join(map(str, pruned))


def test_heat_map_of_its_csv_file_has_the_same_bytes(runs: Runs) -> None:
    table = FIGURE.tabulate(runs)
    text = table.to_csv(index=False)

    assert rendered(FIGURE, pd.read_csv(io.StringIO(text))) == rendered(FIGURE, table)


def test_heat_map_has_a_strip_for_each_domain_column(runs: Runs) -> None:
    canvas = FIGURE.draw(FIGURE.tabulate(runs))

    labels = [panel.get_xlabel() for panel in canvas.axes]
    assert labels == ["scenario", "position", "the 16 neurons of layer1, clustered"]


def test_too_few_domains_make_no_heat_map(make: Callable[..., Runs]) -> None:
    assert FIGURE.tabulate(make(num_domains=2)).empty


def test_clustered_rows_have_alike_ones_beside_each_other() -> None:
    masks = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 0, 1], [0, 1, 1, 1]], bool)

    order = clustered(pdist(masks, "hamming")).tolist()

    assert order in ([0, 2, 3, 1], [1, 3, 2, 0])
