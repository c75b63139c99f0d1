"""The checker passes correct methods, and says of each wrong one what is wrong with it."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from dataclasses import make_dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmark.protocol import PRESETS
from models.check import main, outcome
from models.contract.checks import CHECKS, FIRST_SELECTABLE_EPOCH, check_docstrings
from models.contract.subject import CheckFailure, Subject
from models.interfaces import AdaptedPredictor, DomainMethod, DomainTransform, MethodEntry
from models.layers.tables import DomainTable
from models.registry import available, load_backbone, load_method

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NoConfig = make_dataclass("NoConfig", [], frozen=True)


def failures(entry):
    """The reason of each check that a method fails with the DNN."""
    subject = Subject(load_backbone("dnn"), entry)
    results = {name: outcome(partial(check, subject)) for name, check in CHECKS.items()}
    return {name: remark for name, (is_passed, remark) in results.items() if not is_passed}


def entry_of(method):
    return MethodEntry(
        config=NoConfig,
        build=method,
        reads_tasks=method.reads_tasks,
        reads_prior=method.reads_prior,
    )


class Faulty(DomainMethod):
    """Does nothing wrong yet."""

    reads_tasks = reads_prior = reads_e_d = False

    def __init__(self, config, shape):
        super().__init__(shape)


class HiddenLayer(DomainTransform):
    """A layer that needs neither its width nor the shape of the model."""

    def __init__(self, n, shape):
        super().__init__()


class OnHidden(Faulty):
    """Has a layer behind every hidden layer."""

    layer = HiddenLayer

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self._layers = []

    def transform(self, n, place, index):
        if place != "hidden":
            return None
        self._layers.append(self.layer(n, self.shape))
        return self._layers[-1]


class StepGate(DomainTransform):
    """A step without a straight-through gradient, so that it never learns."""

    def __init__(self, n, shape):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape.n_domain, n))

    @torch.no_grad()
    def initialise(self, generator):
        self.weight.normal_(generator=generator)

    def forward(self, h, context):
        return h * (torch.sigmoid(context.e_d @ self.weight) > 0.25)  # (B, N)


class NoGradient(OnHidden):
    layer = StepGate
    reads_e_d = True


class DetachedGate(StepGate):
    """2 sigma(sg(e_d) W): the domain's embeddings are not trained by what reads them."""

    def forward(self, h, context):
        return h * 2.0 * torch.sigmoid(context.e_d.detach() @ self.weight)  # (B, N)


class DetachedDomain(OnHidden):
    layer = DetachedGate
    reads_e_d = True


class NegatingLayer(StepGate):
    """h v sign(v - 1/4), v = 2 sigma(e_d W): `torch.sign` is -1, not 0, where the gate is shut."""

    factor = None

    def forward(self, h, context):
        v = 2.0 * torch.sigmoid(context.e_d @ self.weight)  # (B, N)
        factor = v * torch.sign(v - 0.25)
        self.factor = None if self.training else factor.detach()
        return h * factor


class Negated(OnHidden):
    layer = NegatingLayer
    reads_e_d = True

    def diagnostics(self):
        factors = {number: layer.factor for number, layer in enumerate(self._layers, start=1)}
        return {
            f"layer{number}/{name}": value
            for number, factor in factors.items()
            if factor is not None
            for name, value in (("factor", factor), ("gate", (factor > 0.25).float()))
        }


class BatchNorm(HiddenLayer):
    """Batch statistics in evaluation too."""

    def forward(self, h, context):
        centred = h - h.mean(dim=0)
        return centred / (centred.square().mean(dim=0) + 0.1).sqrt()


class BatchStatistics(OnHidden):
    layer = BatchNorm


class Squash(HiddenLayer):
    """tanh(alpha h), alpha being an attribute, which no checkpoint holds."""

    alpha = torch.tensor(1.0)

    def forward(self, h, context):
        return torch.tanh(self.alpha * h)


class PlainAttribute(OnHidden):
    schedule_epochs = 1.0
    layer = Squash

    def after_step(self, progress):
        for layer in self._layers:
            layer.alpha = torch.tensor(1.0 + min(1.0, progress))


class Scale(DomainTransform):
    """A scale without `initialise`: it keeps what its constructor left there."""

    def __init__(self, n, shape):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n))

    def forward(self, h, context):
        return self.scale * h


class Uninitialised(OnHidden):
    layer = Scale


class Ones(DomainTransform):
    """A hidden layer whose units start equal, and are read by equal weights."""

    def __init__(self, n, shape):
        super().__init__()
        self.inner, self.outer = nn.Parameter(torch.zeros(n, 3)), nn.Parameter(torch.zeros(3, n))

    @torch.no_grad()
    def initialise(self, generator):
        self.inner.fill_(0.1)
        self.outer.fill_(0.1)

    def forward(self, h, context):
        return h + h @ self.inner @ self.outer


class EqualUnits(OnHidden):
    layer = Ones


class IdleUpdate(Faulty):
    """Takes gradients and never a step."""

    def update(self, model, batch, optimizer):
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(model(batch), batch.label)
        loss.backward()
        return loss.detach()


class OwnedLayers(Faulty):
    """Registers the layers that it hands out, which renames their parameters."""

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.layers = nn.ModuleList()

    def linear(self, n_in, n_out, role, index):
        self.layers.append(super().linear(n_in, n_out, role, index))
        return self.layers[-1]


class ShiftOfDomain1(DomainTransform):
    """Every row has the values of domain 1."""

    def __init__(self, n, shape):
        super().__init__()
        self.own = DomainTable(shape, (n,), 0.0)

    def forward(self, h, context):
        return h + self.own.weight[1]


class OneDomain(OnHidden):
    layer = ShiftOfDomain1


class ShiftOfFirstRow(ShiftOfDomain1):
    """In training the whole batch has the domain of its first row."""

    def forward(self, h, context):
        ids = context.task_id
        return h + self.own.weight[ids[:1].expand(len(ids)) if self.training else ids]


class FirstRow(OnHidden):
    layer = ShiftOfFirstRow


class AdvancingSquash(DomainTransform):
    """tanh(alpha h), alpha rising in every forward pass."""

    def __init__(self, n, shape):
        super().__init__()
        self.register_buffer("alpha", torch.tensor(1.0))

    def forward(self, h, context):
        self.alpha += 1e-3
        return torch.tanh(self.alpha * h)


class AdvancingForward(OnHidden):
    layer = AdvancingSquash


class Noisy(HiddenLayer):
    def forward(self, h, context):
        return nn.functional.dropout(h, 0.1, self.training)


class RandomInTraining(OnHidden):
    layer = Noisy


class OfNumpyAndPython(HiddenLayer):
    def forward(self, h, context):
        noise = random.random() * np.random.random()  # noqa: NPY002
        return h * (1.0 + 0.01 * noise) if self.training else h


class SeededElsewhere(OnHidden):
    layer = OfNumpyAndPython


@pytest.mark.parametrize("method", [RandomInTraining, SeededElsewhere])
def test_method_that_is_random_in_training_passes_everything(method):
    subject = Subject(load_backbone("dnn"), entry_of(method))

    for check in CHECKS.values():
        check(subject)


OWN_GENERATOR = np.random.default_rng(0)  # goes on from one training to the next
SOURCES = {
    "os.urandom": lambda: os.urandom(1)[0] / 256.0,
    "the time": lambda: time.perf_counter_ns() % 1000 / 1000.0,
    "a new generator": lambda: np.random.default_rng().random(),
    "a lasting generator": OWN_GENERATOR.random,
}


@pytest.mark.parametrize("source", SOURCES)
def test_noise_that_no_seed_fixes_is_named(source):
    class Unseeded(HiddenLayer):
        def forward(self, h, context):
            return h * (1.0 + 0.01 * SOURCES[source]()) if self.training else h

    class Method(OnHidden):
        layer = Unseeded

    found = failures(entry_of(Method))

    assert "two trainings from one seed differ in embedding.weight" in found["repeats"]
    assert "no seed fixes, such as os.urandom, the time" in found["repeats"]


class LateSchedule(Faulty):
    schedule_epochs = 1.5


class EndlessSchedule(Faulty):
    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.register_buffer("weight", torch.tensor(0.0))

    def after_step(self, progress):
        self.weight.fill_(progress)

    def penalty(self):
        return self.weight.clone()


class LostPenaltyWeight(EndlessSchedule):
    schedule_epochs = 1.0

    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.register_buffer("weight", torch.tensor(0.0), persistent=False)

    def after_step(self, progress):
        self.weight.fill_(min(1.0, progress))


class PenaltyPerRow(Faulty):
    def penalty(self):
        return torch.zeros(7)


class NaNPenalty(Faulty):
    def penalty(self):
        return torch.tensor(float("nan"))


class OwnDraw(Faulty):
    def __init__(self, config, shape):
        super().__init__(config, shape)
        self.bias = nn.Parameter(torch.zeros(()))

    def initialise(self, generator):
        nn.init.normal_(self.bias)

    def auxiliary_logit(self, context):
        return self.bias.expand(len(context.x_0))


class NaNForUnseen(Faulty):
    def auxiliary_logit(self, context):
        return torch.log(context.task_id.to(context.x_0.dtype)) * 0.0


class HalfEpoch(Faulty):
    def batches(self, rows, generator):
        yield from torch.randperm(300, generator=generator).split(100)


class WrongIds(Faulty):
    def batches(self, rows, generator):
        yield from torch.arange(1, len(rows) + 1).split(rows.batch_size)


class UnseededBatches(Faulty):
    def batches(self, rows, generator):
        yield from torch.randperm(len(rows)).split(rows.batch_size)


class LastingAdaptation(Faulty):
    def adapt(self, model, rows):
        model.base_logit += 1.0
        return model


class ReadsLabels(Faulty):
    def adapt(self, model, rows):
        return lambda batch: model(batch) + batch.label


class BareFunction(Faulty):
    def adapt(self, model, rows):
        return lambda batch: model(batch)


class Louder(AdaptedPredictor):
    def __init__(self, model, by):
        self.model, self.by = model, by

    def __call__(self, batch):
        return self.model(batch) * self.by

    def tensors(self):
        return {"by": self.by}


class Unkept(Faulty):
    def adapt(self, model, rows):
        return Louder(model, torch.tensor(2.0))


class Forgotten(Unkept):
    def readapted(self, model, tensors):
        return model


class Told(Faulty):
    reads_tasks = True


class Untold(Faulty):
    def auxiliary_logit(self, context):
        return context.task_id.to(context.x_0.dtype)


class GateOfInput(StepGate):
    """2 sigma(sg(x) W): a gate that should read prior columns reads x_0 alone."""

    def __init__(self, n, shape):
        super().__init__(n, shape)
        self.weight = nn.Parameter(torch.zeros(shape.n_input, n))

    def forward(self, h, context):
        return h * 2.0 * torch.sigmoid(context.x_0.detach() @ self.weight)  # (B, N)


class ToldPrior(OnHidden):
    layer = GateOfInput
    reads_prior = True


class UntoldPrior(Faulty):
    def auxiliary_logit(self, context):
        return self.shape.prior_of(context.x_0).sum(dim=1)


class NeedsPrior(UntoldPrior):
    reads_prior = True

    def auxiliary_logit(self, context):
        return self.shape.prior_of(context.x_0).mean(dim=1)  # nan of nothing


class RefusesNoPrior(UntoldPrior):
    reads_prior = True

    def auxiliary_logit(self, context):
        return self.shape.prior_of(context.x_0).amax(dim=1)


class StoppedInput(DomainTransform):
    """The tower reads what a gate should read: its fields but e_d and prior have no gradient."""

    def __init__(self, shape):
        super().__init__()
        self.shape = shape

    def forward(self, h, context):
        moved = torch.zeros_like(h[:1])
        for number in (0, 1, *self.shape.prior):
            moved[:, number * self.shape.embedding_dim :][:, : self.shape.embedding_dim] = 1.0
        return torch.where(moved > 0, h, h.detach())


class Stopped(Faulty):
    def transform(self, n, place, index):
        return StoppedInput(self.shape) if place == "input" else None


class SlashlessDiagnostics(Faulty):
    def diagnostics(self):
        return {"gates": torch.zeros(7, 3)}


class FractionalGates(Faulty):
    def diagnostics(self):
        return {"layer1/factor": torch.ones(64, 3), "layer1/gate": torch.full((64, 3), 0.5)}


class HiddenCounter(DomainTransform):
    passes = 0

    def forward(self, h, context):
        self.passes += 1
        return h / (1.0 + self.passes)


class CountedPasses(Faulty):
    def transform(self, n, place, index):
        return HiddenCounter() if place == "input" else None


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (Negated, {"pruned values": "pruned values not exactly zero: layer1/factor is -0."}),
        (
            BatchStatistics,
            {
                "batch mates": "prediction depends on its batch mates",
                "adapt": "prediction depends on its batch mates",
            },
        ),
        (
            PlainAttribute,
            {"state_dict": "state missing from state_dict: after loading, a logit is off by"},
        ),
        (
            NoGradient,
            {
                "gradients": "no gradient to backbone.tower.transforms.0.weight, backbone.tower",
                "e_d": "reads_e_d is True, but training moves no e_d",
            },
        ),
        (DetachedDomain, {"e_d": "reads_e_d is True, but training moves no e_d"}),
        (
            Uninitialised,
            {"initial values": "no initialise() fills backbone.tower.transforms.0.scale"},
        ),
        (
            IdleUpdate,
            {
                "gradients": "update() takes no optimiser step",
                "deep copy": "training a deep copy does not change the copy",
                "overfitting": "does not learn: the loss on 32 rows is",
            },
        ),
        (
            OwnedLayers,
            {"owner of layers": "the method registers layers that it hands out: layers.0.affine"},
        ),
        (
            OneDomain,
            {"gradients": "no gradient to backbone.tower.transforms.0.own.weight[2, 3], backbone"},
        ),
    ],
)
def test_wrong_method_fails_for_its_fault_alone(method, expected):
    found = failures(entry_of(method))

    assert found.keys() == expected.keys()
    assert all(reason in found[check] for check, reason in expected.items())


@pytest.mark.parametrize(
    ("method", "check", "reason"),
    [
        (
            AdvancingForward,
            "eval passes",
            "schedule advances in eval: passes in eval mode move backbone.tower.transforms.0.alpha",
        ),
        (FirstRow, "training order", "depends on the order of the rows: a logit moves"),
    ],
)
def test_fault_is_caught_where_it_is(method, check, reason):
    found = failures(entry_of(method))

    assert reason in found[check]
    assert not found.keys() & {"gradients", "state_dict", "overfitting"}


def test_missing_sections_of_a_docstring_are_named():
    module = ModuleType("undocumented", "Halves the hidden units.")
    names = {"__doc__": "Equation: h / 2.", "__module__": module.__name__}
    module.Halve = type("Halve", (DomainTransform,), names)

    with pytest.raises(CheckFailure, match="has Paper:, Shapes:, Deviation:"):
        check_docstrings(module)


@pytest.mark.parametrize(
    ("method", "check", "reason"),
    [
        (LateSchedule, "schedules", "schedule_epochs is 1.5; allowed are 0 to 1.0"),
        (EndlessSchedule, "schedules", "schedules go on after schedule_epochs, 0.0"),
        (LostPenaltyWeight, "state_dict", "after loading, penalty() is 0.0, not 1.0"),
        (PenaltyPerRow, "penalty", "penalty() gives a Tensor of the shape (7,)"),
        (NaNPenalty, "penalty", "penalty() is nan"),
        (NaNPenalty, "gradients", "the loss of a training step is nan"),
        (OwnDraw, "initial values", "depend on more than the generator: method.bias"),
        (NaNForUnseen, "unseen domain", "the logit of an unseen domain is nan"),
        (HalfEpoch, "batches", "an epoch of 600 rows visits 300 in 3 batches"),
        (
            EqualUnits,
            "units apart",
            "units 0 and 1 of backbone.tower.transforms.0.outer stay equal",
        ),
        (WrongIds, "batches", "batches() must give int64 row ids from 0 to 599"),
        (UnseededBatches, "batches", "other rows under an equal generator"),
        (LastingAdaptation, "adapt", "adapt() changes the model: base_logit"),
        (ReadsLabels, "adapt", "depends on the labels that it is scored by: a logit moves by 1"),
        (
            Told,
            "task ids",
            "reads_tasks is True, but under other task ids predictions are the same",
        ),
        (Untold, "task ids", "predictions are others; write reads_tasks=True in the entry"),
        (ToldPrior, "prior columns", "reads_prior is True, but under another prior column"),
        (UntoldPrior, "prior columns", "are others; write reads_prior=True in the entry"),
        (NeedsPrior, "prior columns", "on a log without prior columns, the loss of a training st"),
        (RefusesNoPrior, "prior columns", "on a log without prior columns, training raises Index"),
        (Stopped, "gradients", "no gradient to the embeddings of 'tags'"),
        (BareFunction, "adapt", "gives a function; allowed: the model itself, or an Adapted"),
        (
            Unkept,
            "adapt",
            "tensors() or readapted() raises NotImplementedError: a method",
        ),
        (Forgotten, "adapt", "readapted() makes another predictor of tensors() than adapt() did"),
        (SlashlessDiagnostics, "diagnostics", "names a per-row tensor 'gates'"),
        (FractionalGates, "pruned values", "layer1/factor needs a layer1/gate of zeros and ones"),
        (CountedPasses, "eval passes", "change the logits, though no parameter or buffer moves"),
    ],
)
def test_fault_is_named(method, check, reason):
    subject = Subject(load_backbone("dnn"), entry_of(method))

    with pytest.raises(CheckFailure) as failure:
        CHECKS[check](subject)

    assert reason in str(failure.value)


class AsksTheHost(OnHidden):
    """Has a layer whose pass does `act` with the task ids (B,) and the values (B, n)."""

    act = None

    def transform(self, n, place, index):
        layer = super().transform(n, place, index)
        if layer is not None:
            layer.forward = lambda h, context: (type(self).act(context.task_id, h), h)[1]
        return layer


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda ids, h: h.sum().item(), "reads a value of a tensor on the host"),
        (lambda ids, h: bool(h.sum() > 0), "reads a value of a tensor on the host"),
        (lambda ids, h: ids.unique(), "makes a shape that depends on values (_unique2)"),
        (lambda ids, h: h[ids > 1], "makes a shape that depends on values (index)"),
        (lambda ids, h: h.clone().index_put_((ids > 1,), h.new_zeros(())), "makes a shape that"),
        (lambda ids, h: h.repeat_interleave(ids, dim=0), "makes a shape that"),
        (lambda ids, h: ids.tolist(), "copies a tensor to the host (tolist)"),
        (lambda ids, h: ids.cpu(), "copies a tensor to the host (cpu)"),
        (lambda ids, h: np.asarray(ids), "copies a tensor to the host (__array__)"),
        (lambda ids, h: h.register_hook(lambda grad: grad * grad.sum().item()), "reads a value"),
    ],
)
def test_a_step_that_asks_the_host_is_run_eagerly(act, said):
    method = type("Asks", (AsksTheHost,), {"act": staticmethod(act)})

    remark = CHECKS["captured step"](Subject(load_backbone("dnn"), entry_of(method)))

    assert remark.startswith(f"run eagerly: HostReadError: {said}")
    assert "test_check.py" in remark  # where


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("plain", {}),
        ("maml", {}),
        ("mmoe", {"gate": "e_d"}),
        ("star", {"factor_l2": 0.1}),
        ("apg", {}),
        ("apg", {"condition": "e_d"}),
        ("adasparse", {}),
        ("adasparse", {"r_scope": "domain"}),
        ("adasparse", {"form": "binarization", "penalty": "l1"}),
    ],
)
def test_step_of_a_method_can_be_captured(method, options):
    entry = load_method(method)
    entry = replace(entry, config=partial(entry.config, **options))

    assert CHECKS["captured step"](Subject(load_backbone("dcnv2"), entry)) == "can be captured"


def test_correct_method_passes_everything(capsys):
    path = HERE / "domain_gain.py"

    code = main([str(path)])

    head, *rows, last = capsys.readouterr().out.splitlines()
    assert code == 0
    assert head.split() == ["check", "backbone", "result", "reason"]
    assert len(rows) == 1 + len(available("backbones")) * len(CHECKS)
    assert last == f"{path}: {len(rows)} of {len(rows)} checks pass"
    assert {row.split()[-2] for row in rows if "overfitting" in row} == {"50"}


def test_backbone_is_checked_with_every_method(monkeypatch, capsys):
    name = "shape of logits"
    monkeypatch.setattr("models.check.CHECKS", {name: CHECKS[name]})

    code = main([str(ROOT / "models" / "backbones" / "dnn.py")])

    head, docstrings, *rows, last = capsys.readouterr().out.splitlines()
    assert code == 0
    assert head.split() == ["check", "method", "result", "reason"]
    assert docstrings.split() == ["docstrings", "-", "pass"]
    assert [row.removeprefix(name).split()[0] for row in rows] == [*available("methods")]
    assert last.endswith(f"{1 + len(rows)} of {1 + len(rows)} checks pass")


def test_first_selectable_epoch_is_the_protocols():
    epochs = {preset.protocol.first_selectable_epoch for preset in PRESETS.values()}

    assert epochs == {FIRST_SELECTABLE_EPOCH}


def test_table_names_check_backbone_and_reason():
    command = [sys.executable, "-m", "models.check", str(HERE / "wrong_methods" / "squeezed.py")]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 1
    assert done.stderr == ""
    for backbone in ("dcnv2", "dnn"):
        assert re.search(rf"shape of logits  {backbone} +FAIL    B = 1 in eval mode", done.stdout)


@pytest.mark.parametrize("name", ["no_constant.py", "no_such_file.py"])
def test_file_that_cannot_be_loaded_is_one_line_and_code_2(name, tmp_path, capsys):
    (tmp_path / "no_constant.py").write_text("MODEL = 3\n", encoding="utf-8")

    code = main([str(tmp_path / name)])

    out, err = capsys.readouterr()
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert name in err


def test_bad_usage_is_one_line_and_code_2(capsys):
    with pytest.raises(SystemExit, match="2"):
        main([])

    assert capsys.readouterr().err.count("\n") == 1
