"""What plain learns of draws of the default world: first-order effects, and not the whole truth."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from benchmark.metrics import expected_scores
from benchmark.planning.cells import lay_out
from benchmark.planning.selection import Selection
from benchmark.protocol import PRESETS
from benchmark.running.grid import prepare_log
from benchmark.running.local import work
from benchmark.running.schedule import Agenda
from benchmark.store.data_folder import store_data
from benchmark.store.records import RunStore

if TYPE_CHECKING:
    from pathlib import Path

    from datasets.prepare import PreparedData

DRAWS = (1, 2)
PENALTIES = (0.05, 0.15)  # the best on test counts, which favours the oracle


def first_order_gauc(data: PreparedData) -> float:
    """Expected GAUC of the main effects of all fields."""
    rows, schema = data.rows()[: data.candidates.start], data.schema
    offsets = np.cumsum([0, *schema.field_sizes, *schema.bag_sizes])
    num_fields = len(schema.fields)
    bags = rows[:, num_fields : num_fields + sum(schema.bag_lengths)]
    parts = [rows[:, [field]] + offsets[field] for field in range(num_fields)]
    starts = np.cumsum([0, *schema.bag_lengths])
    for bag, (low, high) in enumerate(pairwise(starts)):
        parts.append(
            np.where(bags[:, low:high] < 0, -1, bags[:, low:high] + offsets[num_fields + bag])
        )
    codes = np.hstack(parts)
    row, slot = np.nonzero(codes >= 0)
    shape = (len(rows), offsets[-1])
    features = sparse.csr_matrix((np.ones(len(row)), (row, codes[row, slot])), shape=shape)
    train, test = data.split["train"], data.split["test"]
    p_click, domain = data.p_click()[test.start :], rows[test.start :, -2]
    return max(
        expected_scores(
            p_click,
            LogisticRegression(C=penalty, max_iter=200)
            .fit(features[: train.stop], rows[: train.stop, -1])
            .decision_function(features[test.start :]),
            domain,
        )["expected_gauc"]
        for penalty in PENALTIES
    )


@pytest.mark.slow
@pytest.mark.parametrize("draw", DRAWS)
def test_plain_dnn_learns_first_order_effects_and_leaves_room_below_the_truth(
    draw: int, tmp_path: Path
) -> None:
    preset, name = PRESETS["quick"], f"synthetic_production@{draw}"
    selection = Selection(
        preset=preset,
        studies=["main"],
        data=[name],
        world_rows=preset.world_rows,
        backbones=["dnn"],
        methods=["plain"],
        num_trials=0,
        num_seeds=None,
        embedding_optimizer="sparse",
    )
    data = prepare_log(name, tmp_path, tmp_path / "cache", selection)
    store = RunStore(tmp_path / "out")
    store_data(store, data)
    agenda = Agenda(lay_out(selection, {name: data}), store)
    while cell := agenda.take():
        work(cell)

    gauc = np.mean(
        [
            store.read(store.run_folder(config)).metrics["test"]["expected_gauc"]
            for config in agenda.slots.values()
        ]
    )
    ceiling = store.read_card(data.fingerprint)["ceiling"]["test"]["expected_gauc"]
    assert first_order_gauc(data) - 0.005 < gauc < ceiling - 0.03
