"""Scores the rows of a log by a saved model: `python -m models.predict MODEL LOG.csv`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow.parquet as pq
import torch

from datasets.command_line import OK, Parser, exit_code
from datasets.spec import DataError
from models.saved import SCORE, ModelError, SavedModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DESCRIPTION = (
    "Writes the click probability of every row of a file, in its order, as the one column p_ctr."
)
EPILOG = "exit codes: 0 all rows are scored; 2 bad input or usage"


def main(arguments: Sequence[str] | None = None) -> int:
    """Score a file; returns the exit code."""
    parser = Parser(prog="python -m models.predict", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("model", type=Path, metavar="MODEL", help="the folder of a saved model")
    parser.add_argument(
        "log", type=Path, metavar="LOG", help="a file as those of the model's log: text or Parquet"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="CSV, or Parquet by its suffix; default: printed"
    )
    args = parser.parse_args(arguments)
    act = partial(_predict, args.model, args.log, args.out)
    return exit_code(parser.prog, act, ModelError, DataError)


def _predict(folder: Path, log: Path, out: Path | None) -> int:
    torch.set_num_threads(1)  # as in training, whose logits these then are bit by bit
    model = SavedModel.read(folder)
    blocks = (pl.DataFrame({SCORE: scores}) for scores in model.predict_file(log))
    if out is None:
        for place, block in enumerate(blocks):
            sys.stdout.write(block.write_csv(include_header=place == 0))
        return OK
    with _replaced(out) as partial_file:
        write = _write_parquet if out.suffix == ".parquet" else _write_csv
        write(partial_file, blocks)
    return OK


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, which takes its place once it is whole."""
    made = path.with_name(f".{path.name}.partial")
    try:
        yield made
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)


def _write_csv(path: Path, blocks: Iterator[pl.DataFrame]) -> None:
    with path.open("wb") as stream:
        for place, block in enumerate(blocks):
            block.write_csv(stream, include_header=place == 0)


def _write_parquet(path: Path, blocks: Iterator[pl.DataFrame]) -> None:
    first = next(blocks).to_arrow()
    with pq.ParquetWriter(path, first.schema) as file:
        file.write_table(first)
        for block in blocks:
            file.write_table(block.to_arrow())


if __name__ == "__main__":
    sys.exit(main())
