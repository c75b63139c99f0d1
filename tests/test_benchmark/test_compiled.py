"""Compiled steps: equal to the method's own, refused where they are not, and kept in a folder."""

import logging
from dataclasses import replace
from itertools import count

import numpy as np
import pandas as pd
import pytest
import torch

from benchmark.config import Regularisers
from benchmark.cost.random_log import config_on, random_rows, random_schema
from benchmark.planning.cells import Change
from benchmark.protocol import SMOKE
from benchmark.tasks import Compute
from benchmark.training.adam import Progress, adam_values, fused_adam
from benchmark.training.build import build
from benchmark.training.compiled import built
from benchmark.training.compiled import step as compiled
from benchmark.training.compiled.built import has_compiler
from benchmark.training.compiled.step import CompiledStepError, compiled_step
from benchmark.training.optimizers import make_optimizer
from benchmark.training.trainer import TrainSplit
from datasets.loader import EncodedRows
from models.layers.kernels.library import use

BATCH = 64
SCHEMA = random_schema((4, 3, 2, 40, 30, 20), num_domains=8)
WITH_BAGS = replace(SCHEMA, bags=("tags",), bag_sizes=(9,), bag_lengths=(3,))
MODELS = [
    ("dnn", "plain", {}),
    ("dcnv2", "plain", {}),
    ("dnn", "adasparse", {}),
    ("dnn", "adasparse", {"form": "binarization", "r_scope": "domain"}),
    ("dcnv2", "adasparse", {"penalty": "l1"}),
    ("dnn", "apg", {}),
    ("dnn", "apg", {"condition": "e_d", "over_parameterisation": 40}),
    ("dnn", "maml", {"support_rows": 8}),
    ("dcnv2", "maml", {"support_rows": 8, "order": "second", "adaptive_lr": True}),
    ("dnn", "pepnet", {}),
]
compiler = pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler")


@pytest.fixture
def interpreted(monkeypatch):
    """Graphs that torch runs operation by operation: what a compiler would get."""
    monkeypatch.setattr(
        compiled, "library_of", lambda graph, inputs, folder: lambda given: graph(*given)
    )


class Setup:
    """A model with its optimiser on random rows, and the train split."""

    def __init__(self, backbone, method, options, *, schema=SCHEMA, dtype=None, **regularisers):
        protocol = replace(SMOKE, batch_size=BATCH)
        config = config_on(SCHEMA, protocol, backbone, method, options)
        penalties = Regularisers(**({"embedding_l2": 1e-4} | regularisers))
        config = replace(config, regularisers=penalties)
        self.model = build(config, schema, base_rate=0.5).train().to(dtype)
        self.optimizer = make_optimizer(
            self.model,
            1e-3,
            penalties,
            frequency=torch.ones(len(self.model.embedding.weight)),
            steps_per_epoch=4,
        )
        rows = random_rows(SCHEMA, 4 * BATCH + 10)
        if schema is WITH_BAGS:
            rows = with_bag(rows)
        self.split = TrainSplit(rows, range(len(rows)), BATCH)

    def compiled(self, tmp_path, **changes):
        compute = replace(Compute(compiles="always", graphs=tmp_path), **changes)
        return compiled_step(self.model, self.optimizer, self.split, 12, compute)

    def train(self, update, steps=8):
        """The losses of some steps, and the state afterwards."""
        torch.manual_seed(3)
        losses = []
        for number in range(steps):
            low = number % 4 * BATCH
            batch = self.split.batch(torch.arange(low, low + BATCH))
            losses.append(update(batch).item())
            self.model.method.after_step((number + 1) / 4)
        self.optimizer.catch_up()
        return losses, {name: value.clone() for name, value in self.model.state_dict().items()}

    def own(self, batch):
        return self.model.method.update(self.model, batch, self.optimizer)


def with_bag(rows):
    """The same rows with a bag of three slots, some of them empty."""
    slots = np.random.default_rng(1).integers(-1, 9, (len(rows), 3)).astype(np.int32)
    codes, ids = np.split(rows.matrix.numpy(), [len(SCHEMA.fields)], axis=1)
    return EncodedRows(np.concatenate([codes, slots, ids], axis=1), WITH_BAGS)


def assert_equal_trainings(own, other, tolerance):
    (losses, state), (found, reached) = own, other
    assert found == pytest.approx(losses, rel=tolerance, abs=tolerance)
    for name, value in state.items():
        torch.testing.assert_close(reached[name], value, rtol=tolerance, atol=tolerance)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(("backbone", "method", "options"), MODELS)
def test_the_graph_of_a_step_is_the_step_of_its_method(backbone, method, options, tmp_path):
    first, second = (
        Setup(backbone, method, options, dtype=torch.float64, weight_decay=1e-2) for _ in range(2)
    )
    step = second.compiled(tmp_path)

    assert step is not None
    assert_equal_trainings(first.train(first.own), second.train(step.update), 1e-7)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("kernels", ["torch", pytest.param("native", marks=pytest.mark.native)])
def test_tables_are_moved_by_either_kernels(kernels, tmp_path):
    use(kernels)
    first, second = (Setup("dnn", "adasparse", {}, dtype=torch.float64) for _ in range(2))

    assert_equal_trainings(
        first.train(first.own), second.train(second.compiled(tmp_path).update), 1e-7
    )


@pytest.mark.usefixtures("interpreted")
def test_bags_of_a_batch_are_in_the_graph(tmp_path):
    setups = [Setup("dnn", "plain", {}, schema=WITH_BAGS, dtype=torch.float64) for _ in range(2)]
    first, second = setups

    assert_equal_trainings(
        first.train(first.own), second.train(second.compiled(tmp_path).update), 1e-7
    )


@pytest.mark.usefixtures("interpreted")
def test_the_domains_of_a_placebo_are_in_the_graph(tmp_path):
    placebo = SCHEMA.view(domain_from="domain_id", task_from="task_id", is_placebo=True)
    setups = [Setup("dnn", "adasparse", {}, schema=placebo, dtype=torch.float64) for _ in range(2)]
    first, second = setups

    assert_equal_trainings(
        first.train(first.own), second.train(second.compiled(tmp_path).update), 1e-7
    )


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(("method", "options"), [("plain", {}), ("maml", {"support_rows": 8})])
def test_both_ways_draw_the_same_dropout(method, options, tmp_path):
    settings = {"dtype": torch.float64, "dropout": 0.3}
    first, second = (Setup("dnn", method, options, **settings) for _ in range(2))
    step = second.compiled(tmp_path)

    assert_equal_trainings(first.train(first.own), second.train(step.update), 1e-7)


@pytest.mark.usefixtures("interpreted")
def test_nothing_moves_after_a_broken_loss_in_a_graph(tmp_path):
    setup = Setup("dnn", "adasparse", {})
    step = setup.compiled(tmp_path)
    setup.train(step.update, 2)
    before = {name: value.clone() for name, value in setup.model.named_parameters()}
    labels = setup.split.batch(torch.arange(BATCH))
    broken = replace(labels, label=torch.full((BATCH,), torch.nan))

    loss = step.update(broken)
    setup.train(step.update, 2)

    assert loss.isnan()
    for name, value in setup.model.named_parameters():
        assert torch.equal(value, before[name]), name


def test_values_of_adam_are_those_of_the_fused_kernel():
    draw = torch.Generator().manual_seed(2)
    weight, gradient, first, second = torch.randn(4, 50, generator=draw, dtype=torch.float64)
    second = second.square()
    found = adam_values(weight, gradient, (first, second), torch.tensor(3.0), 1e-2)

    moved = [[weight.clone()], [gradient], ([first.clone()], [second.clone()])]
    fused_adam(*moved, Progress(torch.tensor(3.0), None), 1e-2)

    for value, expected in zip(found, (moved[0][0], *moved[2][0], *moved[2][1]), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("star", {}),  # native kernels serve its tables better
        ("plain", {"compiles": "never"}),
        ("plain", {"compiles": "auto"}),  # too short
        ("plain", {"graphs": None}),
        ("plain", {"device": "cuda"}),
    ],
)
def test_trainings_that_are_not_compiled(method, changes, tmp_path):
    assert Setup("dnn", method, {}).compiled(tmp_path, **changes) is None


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("has_compiler", [True, False])
def test_long_trainings_are_compiled_where_there_is_a_compiler(has_compiler, monkeypatch, tmp_path):
    monkeypatch.setattr(compiled, "LEAST_STEPS", 10)
    monkeypatch.setattr(compiled, "has_compiler", lambda: has_compiler)

    step = Setup("dnn", "plain", {}).compiled(tmp_path, compiles="auto")

    assert (step is not None) == has_compiler


@pytest.mark.usefixtures("interpreted")
def test_numbers_that_change_and_are_no_tensors_are_not_compiled(tmp_path, monkeypatch, caplog):
    setup = Setup("dnn", "plain", {})
    method = setup.model.method
    own, noise = method.loss, count(1)
    monkeypatch.setattr(method, "loss", lambda *given: own(*given) * next(noise))

    with caplog.at_level(logging.WARNING):
        assert setup.compiled(tmp_path) is None

    assert (
        "the step is not compiled: CompiledStepError: the compiled step departs by" in caplog.text
    )


@pytest.mark.usefixtures("interpreted")
def test_a_schedule_that_is_no_tensor_is_found_at_the_next_evaluation(tmp_path, monkeypatch):
    setup = Setup("dnn", "plain", {})
    method, scale = setup.model.method, [1.0]
    own = method.loss
    monkeypatch.setattr(method, "loss", lambda *given: own(*given) * scale[0])
    step = setup.compiled(tmp_path)
    batch = setup.split.batch(torch.arange(BATCH))
    step.checked_update(batch)

    scale[0] = 1.1

    with pytest.raises(CompiledStepError, match="keep them in buffers, or use --compile never"):
        step.checked_update(batch)


@pytest.mark.usefixtures("interpreted")
def test_a_penalty_that_is_no_tensor_is_found_by_its_gradient(tmp_path, monkeypatch):
    setup = Setup("dnn", "adasparse", {})
    method, scale = setup.model.method, [1.0]
    own = method.penalty
    monkeypatch.setattr(method, "penalty", lambda: own() * scale[0])
    step = setup.compiled(tmp_path)
    batch = setup.split.batch(torch.arange(BATCH))
    setup.train(step.update)
    step.checked_update(batch)

    scale[0] = 1.2  # the loss is the same, its gradient is not

    with pytest.raises(CompiledStepError, match="keep them in buffers"):
        step.checked_update(batch)


@pytest.mark.usefixtures("interpreted")
def test_a_step_that_asks_the_host_is_not_compiled(tmp_path, monkeypatch, caplog):
    setup = Setup("dnn", "plain", {})
    own = setup.model.method.loss
    monkeypatch.setattr(
        setup.model.method, "loss", lambda *given: own(*given) * (1 + int(given[1].label.sum() > 0))
    )

    assert setup.compiled(tmp_path) is None
    assert "the step is not compiled" in caplog.text


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("method", ["adasparse", "maml"])
def test_a_run_with_compiled_steps_has_the_same_history(log, train, method, tmp_path):
    histories, records = [], []
    for compute in (Compute(), Compute(compiles="always", graphs=tmp_path / "graphs")):
        # 19 steps an epoch, the last of which is no whole batch
        records.append(train(log, Change(method=method), compute=compute, batch_size=64))
        (path,) = tmp_path.rglob("history.csv")
        histories.append(pd.read_csv(path).drop(columns="split"))

    assert [record.training["is_compiled"] for record in records] == [False, True]
    assert not histories[0].equals(histories[1])
    pd.testing.assert_frame_equal(*histories, rtol=0.0, atol=1e-3)
    losses = [history["loss"].to_numpy() for history in histories]
    np.testing.assert_allclose(*losses, rtol=0.0, atol=1e-6)


def test_always_needs_a_compiler(front_door, monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")

    called = front_door("--compile", "always", "--out", tmp_path / "out")

    assert called.returncode == 2
    assert "error: --compile always: no C++ compiler found; install g++" in called.stderr


def test_steps_are_compiled_on_a_cpu(front_door, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    called = front_door("--device", "cuda", "--compile", "always", "--out", tmp_path / "out")

    assert called.returncode == 2
    assert "--compile always: steps are compiled on a CPU" in called.stderr


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """One folder for the compiled steps of all tests here."""
    return tmp_path_factory.mktemp("graphs")


@compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "dropout"), [("plain", 0.3), ("adasparse", 0.0), ("apg", 0.0), ("maml", 0.3)]
)
def test_trainings_by_compiled_steps_agree_and_repeat(method, dropout, graphs, monkeypatch):
    # Stated tolerance: 1e-3 after 8 steps, each of which moves a weight by about 1e-3.
    options = {"support_rows": 8} if method == "maml" else {}
    own, first, again = (Setup("dnn", method, options, dropout=dropout) for _ in range(3))
    expected = own.train(own.own)
    found = first.train(first.compiled(graphs).update)
    monkeypatch.setattr(built, "_build", None)  # the second is there already

    repeated = again.train(again.compiled(graphs).update)

    assert_equal_trainings(expected, found, 1e-3)
    assert repeated[0] == found[0]
    assert all(torch.equal(value, found[1][name]) for name, value in repeated[1].items())


@compiler
@pytest.mark.slow
def test_a_damaged_library_is_built_again(graphs, caplog):
    first = Setup("dnn", "plain", {})
    expected = first.train(first.compiled(graphs).update)
    for path in graphs.glob("*.pt2"):
        path.write_bytes(path.read_bytes()[:1000])
    second = Setup("dnn", "plain", {})

    found = second.train(second.compiled(graphs).update)

    assert "cannot be loaded" in caplog.text
    assert found[0] == expected[0]


@compiler
@pytest.mark.slow
def test_a_grid_with_compiled_steps(run_all, tmp_path, tiny_log):
    words = ("--preset", "smoke", "--data", tiny_log, "--backbones", "dnn", "--seeds", "1")
    words += ("--methods", "plain", "star", "--only", "main", "--trials", "0", "--jobs", "2")

    done = run_all(*words, "--compile", "always", "--out", tmp_path / "out")

    assert done.returncode == 0, done.stderr
    records = [path.read_text() for path in (tmp_path / "out").glob("runs/**/record.json")]
    assert sum('"is_compiled": true' in text for text in records) == 1
    assert sum('"is_compiled": false' in text for text in records) == 1
