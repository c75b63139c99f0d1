"""The cost of every model, and the savings of really pruned networks."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from benchmark.cost.compact import BACKBONES
from benchmark.speed.cells import BATCH_SIZE, MeasuredModel, measure_cell, write_rows
from benchmark.speed.figures import Measurement, in_child
from models.registry import available

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmark.speed.cells import Row

NUM_DOMAINS = 12  # values of one column
HEAD = (
    "dense + domain parameters | multiply-adds of a row | ms at batch 1: p50 / p99 | at batch"
    f" {BATCH_SIZE} | MiB to serve | to train | rows/s in training"
)


def measure(out: Path) -> Iterator[Measurement]:
    """A line per model as it is measured, and `<out>/cost/models.csv` in the end.

    AdaSparse whose pruners read e_d alone is measured as it is trained, masked, and compact; both
    on batches of 12 domains and of one, since a compact network serves the rows of one domain.
    """
    cells = [
        MeasuredModel(backbone=backbone, method=method, num_domains=NUM_DOMAINS)
        for backbone, method in product(available("backbones"), available("methods"))
    ]
    cells += [
        MeasuredModel(
            backbone=backbone,
            method="adasparse",
            num_domains=num_domains,
            reads_e_d=True,
            is_compact=is_compact,
        )
        for backbone in BACKBONES
        for num_domains in (NUM_DOMAINS, 1)
        for is_compact in (False, True)
    ]
    yield Measurement("cost of a model", HEAD, "none")
    rows = []
    for cell in cells:
        row = in_child(measure_cell, cell)
        rows.append(row)
        yield Measurement(f"{row['model']}, D = {row['num_domains']}", _text(row), "none")
    write_rows(out / "cost" / "models.csv", rows)


def _text(row: Row) -> str:
    latencies = (
        f"{row[f'latency_batch{n}_p50_milliseconds']:.2f} /"
        f" {row[f'latency_batch{n}_p99_milliseconds']:.2f}"
        for n in (1, BATCH_SIZE)
    )
    trained = ""
    if "train_rows_per_second" in row:
        trained = f" | {row['training_memory_mib']:.0f} | {row['train_rows_per_second']:,.0f}"
    return (
        f"{row['dense_parameters']:,} + {row['domain_parameters']:,} | {row['multiply_adds']:,}"
        f" | {' | '.join(latencies)} | {row['serving_memory_mib']:.0f}{trained}"
    )
