"""The figure of volume and CTR by domain column: its numbers, and logs of every shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from reports.figures.fig1 import FIGURE
from reports.look.part import rendered
from reports.reading.load import load_runs

if TYPE_CHECKING:
    import pandas as pd
    from conftest import Folder


def domains(values: dict[str, list], impressions: list[int], clicks: list[int]) -> pl.DataFrame:
    """Domains with these impressions and clicks in train, and as many in dev; none in test."""
    ids = list(range(len(impressions)))
    columns = {"eval_domain_id": ids, "domain_id": ids, **values}
    for split, factor in (("train", 1), ("dev", 1), ("test", 0)):
        columns[f"{split}_impressions"] = [factor * count for count in impressions]
        columns[f"{split}_clicks"] = [factor * count for count in clicks]
    return pl.DataFrame(columns)


def table_of(folder: Folder, log: pl.DataFrame, *partition: str) -> pd.DataFrame:
    """The figure's table for a log of these domains."""
    partition = partition or ("scenario",)
    folder.domains = lambda: log
    folder.config = lambda *args, made=folder.config, **changes: made(
        *args, **{"partition": partition, **changes}
    )
    folder.plan(seeds=(1,))
    folder.write_data()
    return FIGURE.tabulate(load_runs(folder.store.out))


def test_values_are_summed_over_domains_and_splits_and_sorted_by_volume(folder):
    log = domains(
        {"position": ["p", "q", "q"], "scenario": ["a", "a", "b"]}, [10, 20, 50], [1, 4, 10]
    )

    table = table_of(folder, log, "position", "scenario")

    assert table["column"].tolist() == ["scenario"] * 2 + ["position"] * 2  # the task is first
    assert table["value"].tolist() == ["b", "a", "q", "p"]
    assert table["impressions"].tolist() == [100, 60, 140, 20]
    assert table["clicks"].tolist() == [20, 10, 28, 2]
    assert table["volume_share"].tolist() == [0.625, 0.375, 0.875, 0.125]
    assert table["ctr"].tolist() == pytest.approx([0.2, 1 / 6, 0.2, 0.1])


def test_interval_is_wilsons(folder):
    table = table_of(folder, domains({"scenario": ["a"]}, [5], [2]))

    # n = 10, k = 4, z = 1.959964: centre (k + z^2 / 2) / (n + z^2), Wilson (1927)
    assert table["ctr_low"].item() == pytest.approx(0.168180, abs=1e-5)
    assert table["ctr_high"].item() == pytest.approx(0.687326, abs=1e-5)


def test_values_beyond_twenty_are_one_row_at_the_end(folder):
    log = domains({"scenario": [f"s{i}" for i in range(23)]}, list(range(100, 77, -1)), [1] * 23)

    table = table_of(folder, log)

    assert len(table) == 21
    assert table["values"].tolist() == [1] * 20 + [3]
    assert table["impressions"].iloc[-1] == 2 * (80 + 79 + 78)
    assert table["volume_share"].sum() == pytest.approx(1.0)


def test_figure_names_each_column_and_the_number_of_others(folder):
    log = domains({"scenario": [f"s{i}" for i in range(23)]}, list(range(100, 77, -1)), [1] * 23)
    canvas = FIGURE.draw(table_of(folder, log))

    volume, ctr = canvas.axes

    assert volume.get_title(loc="left") == "scenario: 23 values"
    assert volume.get_yticklabels()[-1].get_text() == "3 others"
    assert volume.patches[0].get_width() > volume.patches[-2].get_width()
    assert ctr.get_xlabel() == "CTR, %"


@pytest.mark.parametrize(
    ("impressions", "clicks"), [([3], [0]), ([3, 1], [3, 1]), ([10**6, 1], [0, 1])]
)
def test_figure_renders_with_one_value_or_one_class(folder, impressions, clicks):
    names = [f"a value with a very long name {i}" for i in range(len(impressions))]
    table = table_of(folder, domains({"scenario": names}, impressions, clicks))

    images = rendered(FIGURE, table)

    assert images.png.startswith(b"\x89PNG")
    assert images.pdf.startswith(b"%PDF")


def test_figure_of_five_columns_draws_four_and_says_so(folder):
    columns = [f"column_{i}" for i in range(5)]
    table = table_of(
        folder, domains({name: ["x", "y"] for name in columns}, [4, 2], [1, 1]), *columns
    )

    canvas = FIGURE.draw(table)

    assert len(canvas.axes) == 8  # volume and CTR of each
    assert any("at most 4 of up to 5 columns" in note for note in FIGURE.notes(table))
