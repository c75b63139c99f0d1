"""The order of the train rows in an epoch: which of three, each row once, and how random."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from benchmark.cost.random_log import random_schema
from benchmark.planning.studies import Change
from benchmark.running import network_run
from benchmark.tasks import Compute
from benchmark.training import epoch_order
from benchmark.training.epoch_order import (
    MAX_EXACT_ROWS,
    epoch_parts,
    in_batches,
    order_for,
)
from benchmark.training.seeding import generator
from benchmark.training.trainer import TrainSplit
from datasets.loader import EncodedRows

ORDERS = ("exact", "keyed", "blocks")
GIB = 1 << 30
LIKELY = 1e-4  # a p-value that chance goes below once in ten thousand tests


@pytest.fixture
def small_blocks(monkeypatch) -> None:
    """Blocks of 4 rows, buffers of 3 blocks, and chunks of 5 rows."""
    monkeypatch.setattr(epoch_order, "BLOCK_ROWS", 4)
    monkeypatch.setattr(epoch_order, "BUFFER_BLOCKS", 3)
    monkeypatch.setattr(epoch_order, "CHUNK_ROWS", 5)


def parts(order: str, num_rows: int, draws: torch.Generator, read=lambda block: None) -> list:
    return list(epoch_parts(order, num_rows, draws, read))


def split_of(num_rows: int, start: int, order: str) -> TrainSplit:
    """Train rows of which every column is the row's own number."""
    matrix = np.repeat(np.arange(start + num_rows, dtype=np.int32)[:, None], 6, axis=1)
    schema = replace(random_schema((4, 9), num_domains=3), num_domain_fields=1)
    return TrainSplit(EncodedRows(matrix, schema), range(start, start + num_rows), 8, order)


@pytest.mark.parametrize(
    ("num_rows", "gib", "order"),
    [
        (MAX_EXACT_ROWS, 8, "exact"),
        (MAX_EXACT_ROWS + 1, 8, "keyed"),
        (MAX_EXACT_ROWS + 1, 9, "blocks"),
        (1_000, 9, "blocks"),
    ],
)
def test_rows_and_memory_choose_the_order(num_rows: int, gib: int, order: str) -> None:
    assert order_for(num_rows, gib * GIB, memory=16 * GIB) == order


def test_the_exact_order_is_the_permutation_of_torch() -> None:
    (order,) = parts("exact", 1_000, generator(1, "order"))

    assert torch.equal(order, torch.randperm(1_000, generator=generator(1, "order")))


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("num_rows", [1, 3, 4, 12, 13, 70, 301])
def test_every_row_comes_once_in_every_epoch(order: str, num_rows: int) -> None:
    draws = generator(1, "order")

    first, second = (torch.cat(parts(order, num_rows, draws)) for _ in range(2))

    assert first.dtype == torch.int64
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(num_rows))
    assert num_rows < 12 or not torch.equal(first, second)
    again = torch.cat(parts(order, num_rows, generator(1, "order")))
    assert torch.equal(first, again)


@pytest.mark.usefixtures("small_blocks")
def test_a_buffer_is_read_block_by_block_before_its_rows_come() -> None:
    blocks: list[range] = []
    epoch = epoch_parts("blocks", 70, generator(1, "order"), blocks.append)

    for buffer in epoch:
        starts = [block.start for block in blocks]
        assert starts == sorted(starts)
        assert all(start % 4 == 0 for start in starts)
        assert sorted(buffer.tolist()) == [row for block in blocks for row in block]
        blocks.clear()


@pytest.mark.usefixtures("small_blocks")
def test_buffers_are_of_equal_size_whatever_remains() -> None:
    sizes = [len(buffer) for buffer in parts("blocks", 4 * 10, generator(1, "order"))]

    assert sizes == [12, 12, 8, 8]


@pytest.mark.usefixtures("small_blocks")
def test_by_blocks_a_row_is_equally_likely_at_every_place() -> None:
    draws = generator(1, "order")

    orders = torch.stack([torch.cat(parts("blocks", 48, draws)) for _ in range(4_800)])

    for row in (0, 5, 47):
        places = (orders == row).nonzero()[:, 1]
        assert stats.chisquare(torch.bincount(places, minlength=48)).pvalue > LIKELY


@pytest.mark.usefixtures("small_blocks")
def test_rows_of_a_block_share_a_buffer_and_others_do_by_chance() -> None:
    draws, together = generator(1, "order"), Counter[int]()
    for _ in range(2_000):
        for buffer in parts("blocks", 48, draws):  # 12 blocks, 3 in each of 4 buffers
            held = set(buffer.tolist())
            together.update(row for row in (1, 3, 4, 47) if {0, row} <= held)

    assert together[1] == together[3] == 2_000
    for row in (4, 47):  # of 11 other blocks 2 are in the buffer of row 0
        assert stats.binomtest(together[row], 2_000, 2 / (12 - 1)).pvalue > LIKELY


@pytest.mark.usefixtures("small_blocks")
def test_every_order_of_a_buffer_is_equally_likely(monkeypatch) -> None:
    monkeypatch.setattr(epoch_order, "BLOCK_ROWS", 2)
    draws = generator(1, "order")

    orders = Counter(tuple(parts("blocks", 5, draws)[0].tolist()) for _ in range(3_600))

    counts = [*orders.values(), *[0] * (120 - len(orders))]
    assert stats.chisquare(counts).pvalue > LIKELY


def test_batches_go_across_parts_and_the_remainder_is_last() -> None:
    cut = in_batches([torch.arange(5), torch.arange(5, 7), torch.arange(7, 19)], 4)

    assert [batch.tolist() for batch in cut] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 10, 11],
        [12, 13, 14, 15],
        [16, 17, 18],
    ]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("order", ORDERS)
def test_a_split_reads_and_hands_out_its_own_rows(order: str, monkeypatch) -> None:
    split, spans = split_of(70, start=10, order=order), []
    monkeypatch.setattr(split._rows, "read", lambda *span: spans.append(range(*span)))

    batches = list(split.epoch(generator(1, "order")))

    codes = torch.cat([split.batch(ids).codes[:, 0] for ids in batches])
    assert [len(ids) for ids in batches] == [8] * 8 + [6]
    assert sorted(codes.tolist()) == list(range(10, 80))
    read = [row for span in spans for row in span]
    assert sorted(read) == (list(range(10, 80)) if order == "blocks" else [])


def test_a_run_chooses_by_the_bytes_of_its_train_rows(log, train, monkeypatch) -> None:
    num_bytes = len(log.split["train"]) * log.rows()[0].nbytes
    for memory, order in [(2 * num_bytes, "exact"), (2 * num_bytes - 1, "blocks")]:
        monkeypatch.setattr(network_run, "memory_of", lambda device, memory=memory: memory)

        assert train(log, Change(method="plain")).environment["row_order"] == order


@pytest.mark.usefixtures("small_blocks")
def test_the_record_of_a_run_says_its_order_of_rows(log, train) -> None:
    plain = Change(method="plain")
    records = {order: train(log, plain, compute=Compute(row_order=order)) for order in ORDERS}
    losses = {record.metrics["test"]["logloss"] for record in records.values()}

    assert [record.environment["row_order"] for record in records.values()] == [*ORDERS]
    assert train(log, plain).environment["row_order"] == "exact"
    assert len(losses) == len(ORDERS)
