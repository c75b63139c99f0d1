"""The comparison with other packages: its table, its rows, its windows, and what it refuses."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.cost.random_log import random_rows, random_schema
from benchmark.speed.peers import environment
from benchmark.speed.peers.comparison import write_rows
from benchmark.speed.peers.environment import PeerError, install
from benchmark.speed.peers.inside.__main__ import serve
from benchmark.speed.peers.inside.passes import PeerModel
from benchmark.speed.peers.ours import OurModel
from benchmark.speed.peers.peer_process import peer_process
from benchmark.speed.peers.products import products_of
from benchmark.speed.peers.table import Compared, beside
from benchmark.speed.peers.task import WINDOWS, PeerTask
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = random_schema((4, 3, 2, 5), num_domains=3)
ROWS = random_rows(SCHEMA, 64)
MILLISECONDS = [0.002, 0.001, 0.004]


def task_on(model: str, rows: str = "") -> PeerTask:
    return PeerTask(
        model=model,
        rows=rows,
        rows_per_pass=32,
        batch_size=8,
        field_sizes=SCHEMA.field_sizes,
        num_domain_fields=3,
        embedding_dim=2,
        hidden_dims=(3, 2),
    )


def compared(*, times: float, of_products: float, batch_size: int = 256) -> Compared:
    theirs = [times * value for value in MILLISECONDS]
    return Compared(
        name="a peer",
        batch_size=batch_size,
        num_ids=1_000,
        ours=dict.fromkeys(WINDOWS, MILLISECONDS),
        theirs=dict.fromkeys(WINDOWS, theirs),
        products=[value / of_products for value in MILLISECONDS],
    )


def test_ratio_is_the_median_of_rounds_with_its_range():
    text = beside(ours=[0.001, 0.002, 0.004], theirs=[0.003, 0.004, 0.004])

    assert text == "2 / 4: 2.00 x [1.00, 3.00]"


@pytest.mark.parametrize(
    ("times", "of_products", "batch_size", "is_met"),
    [
        (4.1, 2.0, 256, True),
        (3.9, 2.0, 256, False),
        (3.9, 2.0, 1024, True),
        (1.0, 1.29, 256, True),
        (1.0, 1.31, 1024, False),
    ],
)
def test_goal_is_a_ratio_to_the_peer_or_to_the_products(times, of_products, batch_size, is_met):
    result = compared(times=times, of_products=of_products, batch_size=batch_size)

    assert result.row().endswith("| met |" if is_met else "| missed |")


def test_a_slower_model_of_ours_is_shown_as_slower():
    row = compared(times=0.5, of_products=2.0).row()

    assert row.count("2 / 1: 0.50 x [0.50, 0.50]") == len(WINDOWS)


def test_task_is_the_same_on_the_other_side():
    task = task_on("DNN", "rows.npy")

    assert PeerTask.from_json(task.to_json()) == task


def test_peers_get_the_codes_and_labels_of_our_batches(tmp_path: Path):
    write_rows(tmp_path / "rows.npy", ROWS)

    written = np.load(tmp_path / "rows.npy")

    batch = ROWS.range(0, 64)
    assert written.dtype == np.int64
    assert (written[:, :-1] == batch.codes.numpy()).all()
    assert (written[:, -1] == batch.label.numpy()).all()


@pytest.mark.parametrize(("window", "moves_table"), [(w, w != "own_compute") for w in WINDOWS])
def test_our_table_moves_but_for_own_compute(window, moves_table):
    ours = OurModel(task_on("DCNv2"), ROWS)
    model = ours.trained if moves_table else ours.bare
    before = {name: value.clone() for name, value in model.state_dict().items()}

    ours.a_pass(window, index=1)()

    moved = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert ("embedding.weight" in moved) == moves_table
    assert {name for name, _ in model.backbone.named_parameters(prefix="backbone")} <= moved


class ToyPeer(PeerModel):
    """A network of one table and one layer; its own training does nothing."""

    seen = 0

    def make(self):
        return nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Linear(2, 1))

    def loader(self, rows):
        return torch.from_numpy(rows[:, [3, -1]]).split(self.task.batch_size)

    def train(self, batches):
        self.seen += sum(len(batch) for batch in batches)

    def loss(self, batch):
        logit = self.bare(batch[:, :1]).squeeze(1)
        return nn.functional.binary_cross_entropy_with_logits(logit, batch[:, 1].float())


@pytest.fixture
def toy_peer(tmp_path: Path) -> ToyPeer:
    write_rows(tmp_path / "rows.npy", ROWS)
    return ToyPeer(task_on("DNN", str(tmp_path / "rows.npy")))


def test_own_compute_of_a_peer_moves_its_dense_part_alone(toy_peer):
    table, _, linear = toy_peer.bare
    before = table.weight.clone(), linear.weight.clone()

    toy_peer.a_pass("own_compute", index=1)()

    assert table.weight.grad.is_sparse
    assert torch.equal(table.weight, before[0])
    assert not torch.equal(linear.weight, before[1])


@pytest.mark.parametrize("window", ["documented", "with_loader"])
def test_a_peer_trains_on_each_row_of_a_pass_once(toy_peer, window):
    toy_peer.a_pass(window, index=1)()

    assert toy_peer.seen == toy_peer.task.rows_per_pass


def test_a_request_is_answered_by_a_line(toy_peer):
    a_pass = json.dumps({"window": "documented", "index": 1})
    answers = io.StringIO()

    serve(ToyPeer, [toy_peer.task.to_json(), a_pass, a_pass], answers)

    made, *passes = map(json.loads, answers.getvalue().splitlines())
    assert made == {}
    assert [answer["seconds"] >= 0.0 for answer in passes] == [True, True]


def test_products_are_those_of_both_passes(monkeypatch):
    linear, x = nn.Linear(4, 3), torch.randn(5, 4, requires_grad=True)
    multiply = products_of(lambda: torch.autograd.backward(linear(x).sum()))
    sizes = []
    monkeypatch.setattr(torch, "matmul", lambda a, b: sizes.append((*a.shape, b.shape[1])))

    multiply()

    assert sorted(sizes) == sorted([(5, 4, 3), (3, 5, 4), (5, 3, 4)])


def fake_environment(folder: Path, python: str) -> Path:
    """A folder that looks like an environment, with these lines for an interpreter."""
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    script = folder / "bin" / "python"
    script.write_text(f"#!/bin/sh\n{python}\n", encoding="utf-8")
    script.chmod(0o755)
    return folder


def test_a_failed_install_says_what_pip_said(tmp_path: Path):
    folder = fake_environment(tmp_path / "env", "echo 'no such package' >&2; exit 1")

    with pytest.raises(PeerError, match="no such package"):
        install(folder)

    assert not (folder / environment.STAMP).exists()


def test_an_installed_environment_is_left_alone(tmp_path: Path):
    folder = fake_environment(tmp_path / "env", "exit 0")
    install(folder)
    fake_environment(tmp_path / "broken", "exit 1").joinpath("bin/python").replace(
        folder / "bin" / "python"
    )

    install(folder)


def test_a_peer_that_dies_is_named_with_its_last_line(tmp_path: Path):
    folder = fake_environment(tmp_path / "env", "echo 'out of memory' >&2; exit 3")

    with pytest.raises(PeerError, match="code 3: out of memory"), peer_process(folder, "of_rechub"):
        pass


def call(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmark.speed.peers", *words]
    return subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)


def test_a_missing_package_is_one_line(tmp_path: Path):
    folder = fake_environment(tmp_path / "env", f'exec "{sys.executable}" "$@"')
    wanted = "".join(path.read_text(encoding="utf-8") for path in environment.REQUIREMENTS)
    (folder / environment.STAMP).write_text(wanted, encoding="utf-8")

    done = call("--env", str(folder))

    assert done.returncode == 2
    assert "No module named 'torch_rechub'" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("flag", ["--env", "--fuxictr"])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, flag: str):
    (tmp_path / "notes.txt").touch()

    done = call(flag, str(tmp_path))

    assert done.returncode == 2
    assert done.stderr.startswith(f"python -m benchmark.speed.peers: error: {tmp_path} is no ")
    assert done.stderr.count("\n") == 1
