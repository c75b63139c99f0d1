"""Cost against the number of domains: from the files of `<out>/cost` to what is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmark.store.files import RecordError
from reports.figures.scaling import FIGURE
from reports.look.part import rendered

if TYPE_CHECKING:
    import pandas as pd
    from conftest import Folder

COUNTS = """program,sizes,backbone,method,num_domains,parameters,multiply_adds,served_bytes,claim
0,public,dnn,star,10,110,11,480,100
0,public,dnn,star,1000,10010,11,40080,10000
0,public,dnn,plain,10,10,9,80,
0,public,dnn,plain,1000,10,9,80,
0,production,dnn,star,1000,50010,51,200080,50000
"""
TIMES = """model,num_domains,latency_batch1_p50_milliseconds,latency_batch1_p99_milliseconds,\
latency_batch256_p50_milliseconds,latency_batch256_p99_milliseconds,serving_memory_mib,\
step_milliseconds,served_parameters
dnn+star,10,0.5,0.75,2.0,2.5,40,3.0,7
dnn+plain,10,0.25,0.5,1.0,1.5,30,2.0,7
"""


def write(folder: Folder, name: str, text: str) -> None:
    (folder.store.out / "cost").mkdir(exist_ok=True)
    (folder.store.out / "cost" / name).write_text(text)


@pytest.fixture
def counted(folder: Folder) -> Folder:
    """A store whose costs were counted and not timed."""
    folder.plan()
    write(folder, "scaling.csv", COUNTS)
    return folder


def values(table: pd.DataFrame, method: str, quantity: str, kind: str) -> list[float]:
    keys = {"method": method, "quantity": quantity, "kind": kind}
    return table[(table[list(keys)] == list(keys.values())).all(axis=1)]["value"].tolist()


def test_counts_and_claims_are_those_of_the_file(counted: Folder) -> None:
    table = counted.tabulated(FIGURE)

    assert values(table, "star", "parameters", "counted") == [110, 10010]
    assert values(table, "star", "multiply_adds", "counted") == [11, 11]
    assert values(table, "star", "multiply_adds", "claimed") == [100, 10000]
    assert values(table, "plain", "parameters", "claimed") == []
    assert table["method"].drop_duplicates().tolist() == ["plain", "star"]


def test_times_have_the_slowest_calls_as_their_bar(counted: Folder) -> None:
    write(counted, "domains.csv", TIMES)

    table = counted.tabulated(FIGURE)

    latency = table[table["quantity"] == "latency_batch256_p50_milliseconds"]
    assert latency[["method", "value", "value_high"]].to_numpy().tolist() == [
        ["plain", 1.0, 1.5],
        ["star", 2.0, 2.5],
    ]
    step = table[table["quantity"] == "step_milliseconds"]
    assert step["value"].tolist() == [2.0, 3.0]
    assert step["value_high"].isna().all()


@pytest.mark.parametrize(("has_times", "num_panels"), [(False, 2), (True, 6)])
def test_figure_has_a_panel_per_quantity(counted: Folder, has_times: bool, num_panels: int) -> None:
    if has_times:
        write(counted, "domains.csv", TIMES)
    table = counted.tabulated(FIGURE)

    canvas = FIGURE.draw(table)

    assert rendered(FIGURE, table).png
    assert len(canvas.axes) == num_panels
    labels = [text.get_text() for text in canvas.legends[0].get_texts()]
    assert labels == ["plain", "STAR", "claimed, O(D ...)"]


def test_caption_says_how_parameters_grow_and_what_times_are(counted: Folder) -> None:
    growth, times = FIGURE.notes(counted.tabulated(FIGURE))[-2:]

    assert growth == "Parameters at 1,000 domains, as a multiple of those at 10: plain 1, STAR 91."
    assert "python -m benchmark.speed scaling" in times
    write(counted, "domains.csv", TIMES)
    assert "99th percentile" in FIGURE.notes(counted.tabulated(FIGURE))[-1]


def test_figure_of_times_alone_and_of_nothing(folder: Folder) -> None:
    folder.plan()

    assert folder.tabulated(FIGURE).empty
    write(folder, "domains.csv", TIMES)
    table = folder.tabulated(FIGURE)
    assert set(table["kind"]) == {"timed"}
    assert len(FIGURE.notes(table)) == 1
    assert len(FIGURE.draw(table).axes) == 4


@pytest.mark.parametrize("text", ["", "program,backbone,method\n0,dnn,plain\n"])
def test_damaged_file_is_named(counted: Folder, text: str) -> None:
    write(counted, "scaling.csv", text)

    with pytest.raises(RecordError, match=r"scaling\.csv: damaged .* delete it and run again"):
        counted.tabulated(FIGURE)


def test_unknown_methods_come_last(counted: Folder) -> None:
    write(counted, "scaling.csv", COUNTS + "0,public,dnn,my_method,10,5,5,60,\n")

    table = counted.tabulated(FIGURE)

    assert table["method"].drop_duplicates().tolist() == ["plain", "star", "my_method"]
    growth = FIGURE.notes(table)[-2]
    assert "my_method" not in growth
    assert not np.isnan(table["value"].astype(float)).any()
