"""The table of what really pruned networks save, from the file of the speed program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from benchmark.store.files import RecordError
from reports.reading.load import load_runs
from reports.tables.pruning import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Folder

MEASURED = ("latency_batch1_p50_milliseconds", "latency_batch256_p50_milliseconds")
MODELS = {"dnn+plain": 60, "dnn+star": 90, "dnn+adasparse": 90, "dcnv2+plain": 70} | {
    f"dnn+adasparse (e_d), {kind}": size for kind, size in (("masked", 80), ("compact", 40))
}


@pytest.fixture
def path(finished: Folder) -> Path:
    path = finished.store.out / "cost" / "models.csv"
    path.parent.mkdir(exist_ok=True)
    rows = [
        {"model": name, "num_domains": 12, "multiply_adds": size, "serving_memory_mib": 1.0}
        | dict.fromkeys(MEASURED, size / 100)
        for name, size in MODELS.items()
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_saving_is_against_the_masked_network(finished: Folder, path: Path) -> None:
    table = TABLE.tabulate(load_runs(finished.store.out))

    rows = table.set_index(["backbone", "network"])["multiply_adds_change_percent"]
    assert rows["dnn"].to_dict() == {"plain": -25.0, "masked": 0.0, "compact": -50.0}
    assert rows["dcnv2"].isna().all()  # without a masked network


def test_change_is_printed_but_of_the_masked_network(finished: Folder, path: Path) -> None:
    layout = TABLE.arrange(TABLE.tabulate(load_runs(finished.store.out)))

    texts = {row[0].text: row[2].text for row in layout.blocks[0].rows}
    assert list(texts.values()) == ["60 (\N{MINUS SIGN}25%)", "80", "40 (\N{MINUS SIGN}50%)"]


def test_without_the_file_there_is_no_table(finished: Folder) -> None:
    assert TABLE.tabulate(load_runs(finished.store.out)).empty


def test_damaged_file_is_named(finished: Folder, path: Path) -> None:
    path.write_text("model,num_domains\n", encoding="utf-8")

    with pytest.raises(RecordError, match=r"models\.csv: damaged .* delete it and run again"):
        TABLE.tabulate(load_runs(finished.store.out))
