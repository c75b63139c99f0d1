"""The tables of AdaSparse's formulations, of its sparsity bounds, and of nested partitions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from reports.tables import bounds, formulations, partitions
from tests.test_reports.conftest import Folder, printed

if TYPE_CHECKING:
    from benchmark.config import RunConfig

SEEDS = (1, 2, 3)
COLUMNS = ("scenario", "position", "age")
WHOLE = {"partition": COLUMNS, "domain_columns": COLUMNS}
ONE = {**WHOLE, "domain_columns": COLUMNS[:1]}
TWO = {**WHOLE, "domain_columns": COLUMNS[:2], "task": "scenario+position"}
FULL_TASK = {**WHOLE, "task": "scenario+position+age"}
MAIN = (("plain", {}), ("adasparse", {}))
FORMS = (
    *MAIN,
    ("adasparse", {"pinned": {"form": "binarization"}}),
    ("adasparse", {"pinned": {"form": "scaling"}}),
)
BOUNDS = (
    *MAIN,
    ("adasparse", {"pinned": {"sparsity_bounds": [0.25, 0.3]}}),
    ("adasparse", {"pinned": {"sparsity_bounds": [0.05, 0.1]}}),
)
BANDED = [
    f"+AdaSparse, sparsity in {band}" for band in ("[0.05, 0.1]", "[0.15, 0.25]", "[0.25, 0.3]")
]
TIMES = "\N{MULTIPLICATION SIGN}"
MINUS = "\N{MINUS SIGN}"
NESTED = (
    *(("plain", WHOLE), ("adasparse", WHOLE), ("star", WHOLE)),  # the main cells
    *(("adasparse", ONE), ("adasparse", TWO)),
    *(("star", ONE), ("star", TWO), ("star", FULL_TASK)),
)


def plan(folder: Folder, study: str, cells: tuple) -> list[RunConfig]:
    """Write the plan of one study and return the cells' configurations of the first seed."""
    configs = [folder.config("dnn", method, seed, **c) for seed in SEEDS for method, c in cells]
    folder.plan_of({study: configs})
    return configs[: len(cells)]


def run(folder: Folder, config: RunConfig, aucs: list[float]) -> None:
    for seed, auc in zip(SEEDS, aucs, strict=False):
        folder.run(replace(config, seed=seed), auc=auc, gauc=auc - 0.1)


@pytest.fixture
def nested(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """Three nested columns, planned; the only domain of the third scenario is not in train."""
    values = {
        "scenario": ["s0", "s0", "s1", "s1", "s2"],
        "position": ["p0", "p0", "p0", "p1", "p0"],
        "age": ["a0", "a1", "a0", "a0", "a0"],
        "train_impressions": [4, 3, 2, 1, 0],
    }
    table = folder.domains().with_columns(**{k: pl.Series(v) for k, v in values.items()})
    first = ["eval_domain_id", "domain_id", *list(values)[:3]]
    table = table.select(*first, pl.exclude(first))
    monkeypatch.setattr(folder, "domains", lambda: table)
    folder.write_data()
    return plan(folder, "partitions", NESTED)


def test_formulations_are_listed_as_in_the_paper_and_compared_seed_by_seed(folder: Folder) -> None:
    plain, fusion, binarization, scaling = plan(folder, "formulations", FORMS)
    run(folder, plain, [0.70, 0.71, 0.72])
    run(folder, fusion, [0.73, 0.73, 0.74])
    run(folder, binarization, [0.72, 0.72, 0.72])
    run(folder, scaling, [0.75])

    texts = folder.shown(formulations.TABLE)

    assert list(texts) == [
        *("DNN", "+AdaSparse, Binarization", "+AdaSparse, Scaling", "+AdaSparse, Fusion")
    ]
    row = texts["+AdaSparse, Binarization"]
    assert (row["AUC"], row["GAUC"]) == ("0.7200 ± 0.0000", "0.6200 ± 0.0000")
    assert row["Δ plain AUC"] == row["Δ plain GAUC"] == "+100.0 ± 100.0"
    assert row["Δ Fusion AUC"] == f"{MINUS}133.3 ± 57.7"
    assert (texts["DNN"]["Δ plain AUC"], texts["+AdaSparse, Fusion"]["Δ Fusion AUC"]) == ("", "")
    assert texts["+AdaSparse, Scaling"]["Δ plain AUC"] == "+500.0"
    assert texts["+AdaSparse, Scaling"]["Runs"] == "1 of 3"


def test_formulations_show_whether_gates_are_exact(folder: Folder) -> None:
    shares = {"binarization": (0.0, 0.0), "scaling": (1.0, 0.5)}

    def history(config: RunConfig) -> pl.DataFrame:
        found = shares.get(config.pinned.get("form"), ())
        layers = {f"fractional/layer{i}": pl.lit(share) for i, share in enumerate(found)}
        return Folder.history(config).with_columns(**layers)

    folder.history = history
    for config in plan(folder, "formulations", FORMS):
        run(folder, config, [0.7])

    texts = folder.shown(formulations.TABLE)

    shown = {name: row["Fractional factors"] for name, row in texts.items()}
    assert shown == {
        "DNN": "",
        "+AdaSparse, Binarization": "0.000",
        "+AdaSparse, Scaling": "0.750",
        "+AdaSparse, Fusion": "",
    }


@pytest.fixture
def of_bounds(folder: Folder) -> dict[str, dict[str, str]]:
    """The rows of the table of a half-finished study of bounds, by their names."""
    plain, main, high, _ = plan(folder, "sparsity", BOUNDS)
    run(folder, plain, [0.70, 0.71, 0.72])
    run(folder, main, [0.73, 0.73, 0.74])
    run(folder, high, [0.71, 0.71, 0.71])
    return folder.shown(bounds.TABLE)


def test_bounds_rise_and_are_compared_with_the_plain_backbone_and_the_main_cell(of_bounds) -> None:
    lowest, middle, highest = (of_bounds[name] for name in BANDED)

    assert list(of_bounds) == ["DNN", *BANDED]
    assert (highest["Δ plain AUC"], highest["Δ plain GAUC"]) == ("+0.0 ± 100.0", "+0.0 ± 100.0")
    assert highest["Δ main AUC"] == f"{MINUS}233.3 ± 57.7"
    assert (middle["Δ plain AUC"], middle["Δ main AUC"]) == ("+233.3 ± 57.7", "")
    assert of_bounds["DNN"]["Δ plain AUC"] == of_bounds["DNN"]["Δ main AUC"] == ""
    assert (lowest["AUC"], lowest["Δ main AUC"], lowest["Runs"]) == ("n/a", "n/a", "0 of 3")


def test_bounds_show_the_sparsity_that_was_reached(folder: Folder, of_bounds) -> None:
    lowest, middle, highest = (of_bounds[name] for name in BANDED)
    ratio = np.average([0.1, 0.2, 0.3, 0.4, 0.5], weights=np.bincount(folder.domain))

    assert 0.27 < ratio < 0.32  # layer0 is above the middle band
    assert (highest["layer0"], highest["layer1"]) == (f"{ratio:.3f}", "0.260")
    assert (middle["In band"], highest["In band"], lowest["In band"]) == ("1 of 2", "2 of 2", "")
    assert of_bounds["DNN"]["layer0"] == of_bounds["DNN"]["In band"] == lowest["layer1"] == ""


def test_partitions_count_the_domains_of_train_and_repeat_the_plain_backbone(
    folder: Folder, nested: list[RunConfig]
) -> None:
    for config in nested:
        run(folder, config, [0.7, 0.7, 0.7])

    table = folder.tabulated(partitions.TABLE)

    assert table[["num_columns", "num_domains", "method"]].to_numpy().tolist() == [
        [columns, domains, method]
        for columns, domains in ((1, 2), (2, 3), (3, 4))
        for method in ("plain", "star", "adasparse")
    ]
    assert table["domain_columns"].unique().tolist() == [
        *("scenario", "scenario+position", "scenario+position+age")
    ]
    last = table[table["num_columns"] == 3]
    assert last["changes"].tolist() == ["", "task = full partition", ""]


def test_partitions_compare_every_step_with_the_same_plain_runs(
    folder: Folder, nested: list[RunConfig]
) -> None:
    plain, main, star, one, two, *_, full = nested
    run(folder, plain, [0.70, 0.71, 0.72])
    run(folder, main, [0.73, 0.73, 0.74])
    run(folder, star, [0.99, 0.99, 0.99])  # one column's values as tasks: none of the series
    run(folder, one, [0.72, 0.72, 0.72])
    run(folder, two, [0.72])
    run(folder, full, [0.70, 0.70, 0.70])

    layout = partitions.arrange(folder.tabulated(partitions.TABLE))

    rows = printed(layout)
    assert layout.blocks[1].heading == (
        f"world (domains: scenario {TIMES} position {TIMES} age), DNN; methods see scenario {TIMES}"
        " position: 3 domains"
    )
    assert [row["Model"] for row in rows] == ["DNN", "+STAR", "+AdaSparse"] * 3
    plain, star, pruned = (rows[place::3] for place in range(3))
    assert [row["Δ AUC"] for row in pruned] == ["+100.0 ± 100.0", "+200.0", "+233.3 ± 57.7"]
    assert star[2]["Δ GAUC"] == f"{MINUS}100.0 ± 100.0"
    assert [row["Δ AUC"] for row in plain] == ["", "", ""]
    assert [row["Runs"] for row in pruned] == ["3", "1 of 3", "3"]
    assert star[0]["AUC"] == "n/a"
