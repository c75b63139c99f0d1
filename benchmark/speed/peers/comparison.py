"""Every model that a peer and we both have, measured in turn."""

from __future__ import annotations

import itertools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.cost.random_log import NUM_DOMAIN_FIELDS, ad_log_schema, random_rows
from benchmark.protocol import PAPER_PUBLIC
from benchmark.speed.peers.ours import OurModel
from benchmark.speed.peers.table import Compared
from benchmark.speed.peers.task import WINDOWS, PeerTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmark.speed.peers.peer_process import PeerProcess
    from benchmark.speed.peers.task import Window
    from datasets.loader import EncodedRows

BATCH_SIZES = (256, 1024)
ROUNDS = 7  # after one that is not counted
ROWS_PER_PASS = 6 * 1024
NUM_DOMAINS = 12  # values of one column
# As many ids as the compact preset has on the default log: two fields hold most of them.
FEW_FIELDS, FEW_IDS = (4, 9, 12, *(20,) * 17), 1_069


def compare(process: PeerProcess, title: str, models: Sequence[str]) -> Iterator[Compared]:
    """Each of the models on many ids and on few, at each batch size."""
    logs = (ad_log_schema(NUM_DOMAINS), ad_log_schema(NUM_DOMAINS, FEW_FIELDS, FEW_IDS))
    for schema in logs:
        rows = random_rows(schema, (1 + ROUNDS) * ROWS_PER_PASS)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.npy"
            write_rows(path, rows)
            for model, batch_size in itertools.product(models, BATCH_SIZES):
                task = PeerTask(
                    model=model,
                    rows=str(path),
                    rows_per_pass=ROWS_PER_PASS,
                    batch_size=batch_size,
                    field_sizes=schema.field_sizes,
                    num_domain_fields=NUM_DOMAIN_FIELDS,
                    embedding_dim=PAPER_PUBLIC.embedding_dim,
                    hidden_dims=PAPER_PUBLIC.hidden_dims,
                )
                yield _compared(process, f"{title} {model}", task, rows)


def write_rows(path: Path, rows: EncodedRows) -> None:
    """The codes of all fields and the label of all rows, as peers read them."""
    batch = rows.range(0, len(rows))
    label = batch.label.numpy()[:, None]  # (N, 1)
    np.save(path, np.concatenate([batch.codes.numpy(), label], axis=1).astype(np.int64))


def _compared(process: PeerProcess, name: str, task: PeerTask, rows: EncodedRows) -> Compared:
    ours: dict[Window, list[float]] = {window: [] for window in WINDOWS}
    theirs: dict[Window, list[float]] = {window: [] for window in WINDOWS}
    products = []
    model = OurModel(task, rows)
    process.build(task)
    steps = ROWS_PER_PASS // task.batch_size
    for index in range(1 + ROUNDS):
        for window in WINDOWS:
            ours[window].append(_seconds(model.a_pass(window, index)) / steps)
            theirs[window].append(process.seconds(window, index) / steps)
        products.append(_seconds(model.products(index)) / steps)
    for seconds in (*ours.values(), *theirs.values(), products):
        del seconds[0]  # of the round that warms up
    return Compared(
        name=name,
        batch_size=task.batch_size,
        num_ids=sum(task.field_sizes),
        ours=ours,
        theirs=theirs,
        products=products,
    )


def _seconds(act: Callable[[], None]) -> float:
    start = time.process_time()
    act()
    return time.process_time() - start
