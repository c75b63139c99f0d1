"""Native kernels: equal to torch's work, and clear about why they are not used."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmark.config import Regularisers
from benchmark.cost.random_log import config_on, model_on, random_rows, random_schema, training_step
from benchmark.planning.studies import Change
from benchmark.protocol import SMOKE
from benchmark.tasks import Compute
from benchmark.training.build import build
from benchmark.training.native_adam import NativeAdam
from benchmark.training.optimizers import make_optimizer
from benchmark.training.process import set_up_torch
from benchmark.training.row_adam import DomainAdam
from benchmark.training.trainer import TrainSplit
from models.interfaces import ModelShape
from models.layers.factors import map_by_factors, map_by_own
from models.layers.grouping import group_rows
from models.layers.kernels.build import library_path
from models.layers.kernels.library import Library, use, used
from models.layers.tables import DomainTable
from models.registry import available

pytestmark = pytest.mark.native
N_IN, N_OUT, TASKS = 21, 5, 9  # no multiple of the lanes of a sum


class Layer(nn.Module):
    """A shared map, and the factors and biases of domains, in double precision."""

    def __init__(self, *, kernels, has_gemm=True, is_shared=True):
        super().__init__()
        shape = ModelShape(
            n_input=N_IN,
            n_domain=N_IN,
            embedding_dim=1,
            num_domains=TASKS,
            num_tasks=TASKS,
            hidden_dims=(N_OUT,),
            activation="tanh",
            dropout=0.0,
            embedding_std=0.01,
            sparse_gradient=True,
        )
        self.is_shared = is_shared
        self.affine = nn.Linear(N_IN, N_OUT)
        self.factors = DomainTable(shape, (N_OUT, N_IN), 1.0)
        self.biases = DomainTable(shape, (N_OUT,), 0.0)
        draw = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for value in self.parameters():
                value.normal_(generator=draw)
        self.double()
        self.adams = self._adams(kernels, has_gemm=has_gemm)
        self.dense = torch.optim.SGD(self.affine.parameters(), lr=0.05)

    def _adams(self, kernels, *, has_gemm):
        tables = [self.factors, self.biases]
        if kernels == "torch":
            return [DomainAdam(tables, 1e-2)]
        library = Library(library_path(), torch.float64)
        library.gemm = library.gemm if has_gemm else None
        return [NativeAdam(table, 1e-2, library, fixed=0) for table in tables]

    def step(self, h, task_id, share_of):
        groups = group_rows(task_id)
        share = None if share_of is None else share_of[groups.ids]
        own = (self.factors, self.biases)
        if self.is_shared:
            mapped, distance = map_by_factors(h, self.affine, own, groups, share)
        else:
            mapped, distance = map_by_own(h, own, groups), None
        loss = mapped.sin().sum() + (0.0 if distance is None else distance)
        for parameter in self.parameters():
            parameter.grad = None
        loss.backward()
        for adam in (*self.adams, self.dense):
            adam.step()
        return loss.item()

    def narrowed(self):
        """With a matrix of one column less than the factors have."""
        self.affine = nn.Linear(N_IN - 1, N_OUT).double()
        return self

    def weights(self):
        for adam in self.adams:
            adam.catch_up()
        return {name: value.detach().clone() for name, value in self.named_parameters()}


def drawn_batches(count):
    """Rows of a few tasks: one task has most of them, the unseen one has some."""
    draw = torch.Generator().manual_seed(1)
    shares = torch.tensor([0.5, 8.0, 2.0, 1.0, 0.5, 0.3, 0.2, 0.1, 0.1])
    for _ in range(count):
        h = torch.randn(24, N_IN, dtype=torch.float64, generator=draw, requires_grad=True)
        yield h, torch.multinomial(shares, 24, replacement=True, generator=draw)


@pytest.mark.parametrize("has_gemm", [True, False])
@pytest.mark.parametrize(
    ("is_shared", "share_of"),
    [(True, None), (True, torch.linspace(0.0, 0.1, TASKS).double()), (False, None)],
)
def test_maps_of_domains_equal_those_of_torch(has_gemm, is_shared, share_of):
    layers = [
        Layer(kernels="torch", is_shared=is_shared),
        Layer(kernels="native", has_gemm=has_gemm, is_shared=is_shared),
    ]

    for h, task_id in drawn_batches(12):  # more, and rounding grows
        losses, gradients = [], []
        for layer in layers:
            h.grad = None
            losses.append(layer.step(h, task_id, share_of))
            gradients.append(h.grad.clone())
        assert losses[0] == pytest.approx(losses[1], rel=1e-10)
        torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-10)

    expected, found = (layer.weights() for layer in layers)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-10, msg=name)


def test_a_second_backward_pass_before_the_step_is_refused():
    layer = Layer(kernels="native")
    h, task_id = next(drawn_batches(1))
    own, groups = (layer.factors, layer.biases), group_rows(task_id)
    one, _ = map_by_factors(h, layer.affine, own, groups, None)
    other, _ = map_by_factors(h, layer.affine, own, groups, None)

    one.sum().backward()

    with pytest.raises(RuntimeError, match="second backward pass"):
        other.sum().backward()


def test_a_domain_that_the_tables_lack_is_named():
    layer = Layer(kernels="native")
    h, _ = next(drawn_batches(1))
    groups = group_rows(torch.full((len(h),), TASKS))

    with pytest.raises(IndexError, match=f"look-up of row {TASKS} in a table of {TASKS} rows"):
        map_by_factors(h, layer.affine, (layer.factors, layer.biases), groups, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda layer, h: (layer, h[:, 1:]), "(24, 20) in torch.float64, (5, 21)"),
        (lambda layer, h: (layer, h.float()), "(24, 21) in torch.float32, (5, 21)"),
        (lambda layer, h: (layer.narrowed(), h[:, 1:]), "105 factors and 5 biases"),
    ],
)
def test_values_that_do_not_fit_are_refused(change, said):
    layer = Layer(kernels="native")
    h, task_id = next(drawn_batches(1))
    layer, h = change(layer, h)

    with pytest.raises(ValueError, match=re.escape(said)):
        map_by_factors(h, layer.affine, (layer.factors, layer.biases), group_rows(task_id), None)


def test_frozen_weights_are_left_to_torch():
    layer = Layer(kernels="native")
    h, task_id = next(drawn_batches(1))
    layer.factors.weight.requires_grad_(False)
    before = layer.weights()

    layer.step(h, task_id, None)

    after = layer.weights()
    assert torch.equal(after["factors.weight"], before["factors.weight"])
    assert not torch.equal(after["biases.weight"], before["biases.weight"])


def test_values_in_place_of_a_parameter_are_read():
    layer = Layer(kernels="native")
    ids, other = torch.tensor([1, 2]), torch.full_like(layer.biases.weight, 7.0)

    found = torch.func.functional_call(layer.biases, {"weight": other}, (ids,))

    assert found.unique().tolist() == [7.0]


def test_who_reads_the_parameter_reads_what_a_look_up_gives():
    tables = [Layer(kernels="native").biases for _ in range(2)]
    for table in tables:
        table(torch.tensor([1, 2])).sin().sum().backward()
        table.native.step(table.weight.grad)
        table.weight.grad = None
        table(torch.tensor([2])).sum().backward()  # after this one row 1 is late
        table.native.step(table.weight.grad)
        table.weight.grad = None

    tables[0].announce(torch.tensor([1]))

    assert torch.equal(tables[0].weight[1], tables[1](torch.tensor([1]))[0])


def test_a_gradient_whose_rows_were_sorted_reaches_its_rows():
    tables = [Layer(kernels="native").biases for _ in range(2)]
    for table, is_sorted in zip(tables, (False, True), strict=True):
        rows = table(torch.tensor([3, 1, 2]))
        (rows * torch.tensor([[1.0], [-1.0], [2.0]])).sum().backward()
        gradient = table.weight.grad
        table.native.step(gradient.coalesce() if is_sorted else gradient)

    assert torch.equal(tables[0].weight, tables[1].weight)


def test_a_gradient_beside_the_backward_pass_is_refused():
    layer = Layer(kernels="native")
    h, task_id = next(drawn_batches(1))
    groups = group_rows(task_id)
    mapped, _ = map_by_factors(h, layer.affine, (layer.factors, layer.biases), groups, None)

    (mapped.sum() + layer.factors(groups.ids).sum()).backward()

    with pytest.raises(RuntimeError, match="have a gradient beside it"):
        layer.adams[0].step()


@pytest.mark.parametrize(("act", "num_rows"), [("sum", 3), ("sum", 12), ("sort", 3), ("spread", 2)])
def test_rows_that_do_not_fit_are_refused_as_torch_does(act, num_rows):
    use("native")
    groups = group_rows(torch.tensor([1, 2, 1, 3, 2]))

    with pytest.raises((IndexError, RuntimeError)):
        getattr(groups, act)(torch.ones(num_rows, 2))


@pytest.mark.parametrize("kind", ["sum", "products", "spread", "add", "sort", "pad"])
def test_sums_and_copies_by_group_equal_those_of_torch(kind):
    draw = torch.Generator().manual_seed(4)
    groups = group_rows(torch.randint(0, 5, (30,), generator=draw))
    rows, other = torch.randn(2, 30, 7, generator=draw)
    of_groups = torch.randn(len(groups.ids), 7, generator=draw)
    acts = {
        "sum": lambda: groups.sum(rows),
        "products": lambda: groups.sum(rows, other),
        "spread": lambda: groups.spread(of_groups),
        "add": lambda: groups.add_products(rows.clone(), other, of_groups),
        "sort": lambda: groups.unsort(groups.sort(rows)),
        "pad": lambda: groups.unpad(groups.pad(rows)),
    }

    expected = acts[kind]()
    use("native")

    torch.testing.assert_close(acts[kind](), expected, rtol=1e-6, atol=1e-6)


def test_copies_by_group_keep_the_gradient():
    use("native")
    groups = group_rows(torch.tensor([2, 1, 2]))
    rows = torch.ones(3, 2, requires_grad=True)

    (groups.sort(rows) * torch.arange(6.0).view(3, 2)).sum().backward()

    assert sorted(rows.grad.flatten().tolist()) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def logits_after_training(kernels, method, options):
    use(kernels)
    schema = random_schema((4, 3, 2, 40, 30, 20), num_domains=8)
    protocol = replace(SMOKE, batch_size=64)
    config = config_on(schema, protocol, "dcnv2", method, options)
    model = build(config, schema, base_rate=0.5).train()
    optimizer = make_optimizer(
        model,
        1e-3,
        Regularisers(embedding_l2=1e-4),
        frequency=torch.ones(len(model.embedding.weight)),
        steps_per_epoch=4,
    )
    rows = random_rows(schema, 256)
    step = training_step(model, optimizer, TrainSplit(rows, range(256), 64))
    for _ in range(20):
        step()
    optimizer.catch_up()
    optimizer.release()
    return model.eval()(rows.range(0, 256)).detach()


@pytest.mark.parametrize("method", [*available("methods"), "star with a penalty"])
def test_trainings_agree_in_single_precision(method):
    # Stated tolerance: logits within 1e-4 after 20 steps, which moved them by more than 1e-2.
    options = {"factor_l2": 1e-3} if method.startswith("star ") else {}
    name = method.split()[0]

    expected, found = (logits_after_training(k, name, options) for k in ("torch", "native"))

    assert expected.std() > 1e-2
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-4)


@pytest.mark.parametrize("kernels", ["torch", "native"])
def test_the_record_of_a_run_says_its_kernels(log, train, kernels):
    record = train(log, Change(method="star"), compute=Compute(kernels=kernels))

    assert record.environment["kernels"] == kernels


@pytest.mark.parametrize("method", available("methods"))
@pytest.mark.parametrize("kernels", ["torch", "native"])
def test_nothing_moves_after_a_broken_loss(method, kernels):
    use(kernels)
    schema = random_schema((4, 3, 2, 40), num_domains=8)
    model, optimizer = model_on(schema, replace(SMOKE, batch_size=64), "dnn", method)
    step = training_step(model, optimizer, TrainSplit(random_rows(schema, 256), range(256), 64))
    step()
    optimizer.catch_up()
    before = {name: value.clone() for name, value in model.named_parameters()}

    optimizer.guard(torch.tensor(torch.nan))
    for _ in range(3):
        step()
    optimizer.catch_up()

    for name, value in model.named_parameters():
        assert torch.equal(value, before[name]), name


def test_a_process_of_a_gpu_has_no_native_kernels(monkeypatch):
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda mode: None)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    use("native")

    set_up_torch(Compute(device="cuda"))

    assert used() == "torch"
