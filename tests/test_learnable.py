"""The embedded world tells models apart: it lies between a first-order oracle and the truth."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from benchmark.agenda import Agenda
from benchmark.datacard import store_data
from benchmark.grid import prepare_log
from benchmark.metrics import expected_scores
from benchmark.planning import Selection, lay_out
from benchmark.protocol import PRESETS
from benchmark.records import RunStore
from reports.stats import minimum_detectable

if TYPE_CHECKING:
    from pathlib import Path

    from datasets.prepare import PreparedData

NAME = "synthetic_production"
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
def test_plain_dnn_lies_between_first_order_effects_and_the_truth(tmp_path: Path) -> None:
    preset = PRESETS["quick"]
    selection = Selection(
        preset=preset,
        studies=["main"],
        data=[NAME],
        world_rows=preset.world_rows,
        backbones=["dnn"],
        methods=["plain", "adasparse"],
        num_trials=0,
        num_seeds=None,
        embedding_optimizer="sparse",
    )
    data = prepare_log(NAME, tmp_path, tmp_path / "cache", selection)
    store = RunStore(tmp_path / "out")
    store_data(store, data)
    layout = lay_out(selection, {NAME: data})
    agenda = Agenda(layout, store, device="cpu")
    while cell := agenda.take():
        cell.run()

    records = [store.read(store.run_folder(config)) for config in agenda.slots.values()]
    gauc = {
        method: np.array(
            [
                record.metrics["test"]["expected_gauc"]
                for record in records
                if record.config.method == method
            ]
        )
        for method in ("plain", "adasparse")
    }

    ceiling = store.read_card(data.fingerprint)["ceiling"]["test"]["expected_gauc"]
    assert gauc["plain"].mean() > first_order_gauc(data) + 0.02
    assert gauc["plain"].mean() < ceiling - 0.03
    assert minimum_detectable(gauc["adasparse"] - gauc["plain"]) <= 0.005
