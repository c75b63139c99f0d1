"""The figures of partitions and of sparsity bounds: intervals, ticks, looks, partial grids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from scipy import stats

from reports.figures import fig3c, fig3d
from reports.reading.load import load_runs

if TYPE_CHECKING:
    from conftest import Folder


SEEDS = (1, 2, 3)
AUCS = (0.70, 0.72, 0.71)
WHOLE = {"partition": ("scenario", "age"), "domain_columns": ("scenario", "age")}
ONE = {**WHOLE, "domain_columns": ("scenario",)}
NESTED = (("plain", WHOLE), ("adasparse", WHOLE), ("adasparse", ONE), ("my_method", WHOLE))
BOUNDS = (
    ("plain", {}),
    ("adasparse", {}),
    ("adasparse", {"pinned": {"sparsity_bounds": [0.05, 0.1]}}),
)


def store(folder: Folder, study: str, cells: tuple) -> None:
    """A study on one backbone whose cells are finished."""
    configs = [[folder.config("dnn", method, seed, **c) for seed in SEEDS] for method, c in cells]
    folder.plan_of({study: [config for group in configs for config in group]})
    for group in configs:
        for config, auc in zip(group, AUCS, strict=True):
            folder.run(config, auc=auc, gauc=auc - 0.1)
    domains = folder.domains()
    age = pl.Series("age", [i % 2 for i in range(len(domains))])
    folder.domains = lambda: domains.with_columns(
        age, scenario=pl.Series(["a", "a", "b", "b", "c"])
    )
    folder.write_data()


@pytest.mark.parametrize(
    ("figure", "study", "cells"),
    [(fig3c.FIGURE, "partitions", NESTED), (fig3d.FIGURE, "sparsity", BOUNDS)],
)
def test_interval_is_students_of_the_difference_to_plain(folder: Folder, figure, study, cells):
    store(folder, study, cells)
    for seed, auc in zip(SEEDS, (0.60, 0.63, 0.60), strict=True):
        folder.run(folder.config("dnn", "plain", seed, **cells[0][1]), auc=auc, gauc=auc)
    reach = stats.t.ppf(0.975, 2) * np.std([0.10, 0.09, 0.11], ddof=1) / 3**0.5

    table = folder.tabulated(figure)

    others = table[table["method"] != "plain"]
    assert others["auc_mean"].tolist() == pytest.approx([0.71] * len(others))
    assert others["auc_low"].tolist() == pytest.approx([0.71 - reach] * len(others))
    assert others["gauc_high"].tolist() == pytest.approx([0.61 + reach] * len(others))
    assert table.loc[table["method"] == "plain", "auc_low"].isna().all()


def test_partitions_have_a_point_per_method_and_number_of_domains(folder: Folder):
    store(folder, "partitions", NESTED)

    table = folder.tabulated(fig3c.FIGURE)

    steps = table.groupby("method")["num_domains"].apply(list).to_dict()
    assert steps == {"plain": [3, 5], "adasparse": [3, 5], "my_method": [5]}


def test_partitions_name_the_columns_of_every_step(folder: Folder):
    store(folder, "partitions", NESTED)

    note = fig3c.FIGURE.notes(folder.tabulated(fig3c.FIGURE))[0]

    assert "3 (scenario), 5 (+ age)" in note


@pytest.mark.parametrize(("finest", "ticks"), [(500, [3, 500]), (5, [3, 5]), (3.3, [3.3])])
def test_partitions_label_only_numbers_that_have_room(folder: Folder, finest, ticks):
    store(folder, "partitions", NESTED)
    table = folder.tabulated(fig3c.FIGURE).astype({"num_domains": float})

    canvas = fig3c.FIGURE.draw(table.replace({"num_domains": {5.0: finest}}))

    assert canvas.axes[0].get_xticks().tolist() == ticks


def test_bounds_have_the_reached_sparsity_of_their_layers(folder: Folder):
    store(folder, "sparsity", BOUNDS)
    runs = load_runs(folder.store.out)
    layers = runs.sparsity().drop_duplicates("changes").set_index("changes")

    table = fig3d.FIGURE.tabulate(runs)

    main = table[(table["method"] == "adasparse") & (table["changes"] == "")].iloc[0]
    reached = layers.loc["", ["layer0", "layer1"]].tolist()
    assert main["sparsity_mean"] == pytest.approx(sum(reached) / 2)
    assert [main["sparsity_low"], main["sparsity_high"]] == sorted(reached)
    assert table[table["method"] == "plain"]["sparsity_mean"].isna().all()


def test_bounds_are_labelled_in_rising_order_after_the_base(folder: Folder):
    store(folder, "sparsity", BOUNDS)

    legend = fig3d.FIGURE.draw(folder.tabulated(fig3d.FIGURE)).legends[0]

    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["plain", "AdaSparse", "[0.05, 0.1]", "[0.15, 0.25]"]
