"""Preparation of a large log: rows per second and peak memory of a process of its own."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from benchmark.speed.figures import Measurement, in_child, memory_mib
from datasets.catalog import custom
from datasets.prepare import prepare
from datasets.spec import PrepareOptions

GOAL_ROWS_PER_SECOND = 200_000
GOAL_MEMORY_GIB = 4
CHUNK_ROWS = 1_000_000
MAX_CSV_ROWS = 20_000_000  # a larger log is a Parquet file, which leaves room on the disk
ID_SIZES = (500_000, 300_000, 100_000, 50_000, 2_000_000)
CATEGORY_SIZES = (3, 8, 11, 50, 200, 1_000, 15, 9, 5_000)
BAG_SIZES = (300, 3_000)
CATEGORIES = [f"category_{index}" for index in range(len(CATEGORY_SIZES))]
IDS = [f"id_{index}" for index in range(len(ID_SIZES))]
NUMBERS = [f"number_{index}" for index in range(4)]
BAGS = [f"bag_{index}" for index in range(len(BAG_SIZES))]
HEAD = """
name = "large"
files = "large.[cp]*"
label = "click"
timestamp = "time_ms"
partition = ["category_0", "category_1", "category_2"]
"""


def measure(rows: int = 10_000_000) -> list[Measurement]:
    """Write a log of 22 columns to a temporary folder and prepare it in a child process."""
    with tempfile.TemporaryDirectory(prefix="prepare_speed_") as name:
        folder = Path(name)
        write_log(folder, rows)
        seconds, memory_gib = in_child(_prepare, folder)
    size = f"{rows:,} rows x 22 ({'CSV' if rows <= MAX_CSV_ROWS else 'Parquet'})"
    return [
        Measurement(
            f"preparation of {size}, speed",
            f"{rows / seconds:,.0f} rows/s",
            f">= {GOAL_ROWS_PER_SECOND:,}",
        ),
        Measurement(
            f"preparation of {size}, peak memory",
            f"{memory_gib:.2f} GiB",
            f"<= {GOAL_MEMORY_GIB}",
        ),
    ]


def write_log(folder: Path, rows: int) -> None:
    """A file of long ids, categories, numbers and lists, out of time order, and its TOML."""
    rng = np.random.default_rng(0)
    chunks = (_chunk(min(CHUNK_ROWS, rows - start), rng) for start in range(0, rows, CHUNK_ROWS))
    if rows <= MAX_CSV_ROWS:
        with (folder / "large.csv").open("wb") as stream:
            for place, chunk in enumerate(chunks):
                chunk.write_csv(stream, include_header=place == 0)
    else:
        first = next(chunks).to_arrow()
        with pq.ParquetWriter(folder / "large.parquet", first.schema) as writer:
            writer.write_table(first)
            for chunk in chunks:
                writer.write_table(chunk.to_arrow())
    features = [f'"{name}"' for name in CATEGORIES + IDS]
    features += [f'{{ name = "{name}", kind = "numeric" }}' for name in NUMBERS]
    features += [f'{{ name = "{name}", kind = "bag" }}' for name in BAGS]
    spec = HEAD + f"features = [{', '.join(features)}]\n"
    (folder / "large.toml").write_text(spec, encoding="utf-8")


def _chunk(rows: int, rng: np.random.Generator) -> pl.DataFrame:
    columns: dict[str, np.ndarray | pl.Series] = {
        "click": (rng.random(rows) < 0.05).astype(np.int8),
        "time_ms": rng.integers(1_650_000_000_000, 1_651_000_000_000, rows),
    }
    for name, size in zip(IDS, ID_SIZES, strict=True):
        columns[name] = rng.zipf(1.2, rows) % size * 7_919_000_000_017 + 10**18
    for name, size in zip(CATEGORIES, CATEGORY_SIZES, strict=True):
        columns[name] = rng.integers(0, size, rows)
    for name in NUMBERS:
        columns[name] = rng.random(rows)
    for name, size in zip(BAGS, BAG_SIZES, strict=True):
        first, second = (pl.Series(rng.integers(0, size, rows)).cast(pl.String) for _ in range(2))
        columns[name] = first + ";" + second
    return pl.DataFrame(columns)


def _prepare(folder: Path) -> tuple[float, float]:
    """Seconds of a preparation, and the peak of this process's memory in GiB."""
    entry = custom.read_spec(folder / "large.toml")
    start = time.perf_counter()
    prepare(entry, None, folder / "prepared", PrepareOptions())
    seconds = time.perf_counter() - start
    return seconds, memory_mib("VmHWM") / 1024
