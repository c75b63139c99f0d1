"""The checker passes correct methods, and says of each wrong one what is wrong with it."""

from __future__ import annotations

import re
from dataclasses import make_dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.protocol import PRESETS
from models.check import main, outcome
from models.contract import state
from models.contract.checks import CHECKS, check_docstrings
from models.contract.subject import CheckFailure, Subject
from models.interfaces import DomainMethod, DomainTransform, MethodEntry
from models.registry import import_file, load_backbone

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WRONG = HERE / "wrong_methods"
NoConfig = make_dataclass("NoConfig", [], frozen=True)


def failures(path):
    """The reason of each check that a file fails with the DNN."""
    module = import_file(path)
    subject = Subject(load_backbone("dnn"), module.METHOD)
    checks = {name: partial(check, subject) for name, check in CHECKS.items()}
    results = {name: outcome(check) for name, check in checks.items()}
    results["docstrings"] = outcome(partial(check_docstrings, module))
    return {name: remark for name, (is_passed, remark) in results.items() if not is_passed}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("negated", {"pruned values": "pruned values not exactly zero: layer1/factor is -0."}),
        (
            "batch_statistics",
            {
                "batch mates": "prediction depends on its batch mates",
                "adapt": "prediction depends on its batch mates",
            },
        ),
        (
            "plain_attribute",
            {"state_dict": "state missing from state_dict: after loading, a logit is off by"},
        ),
        (
            "no_gradient",
            {"gradients": "no gradient to backbone.tower.transforms.0.weight, backbone.tower"},
        ),
        (
            "uninitialised",
            {"initial values": "no initialise() fills backbone.tower.transforms.0.scale"},
        ),
        (
            "idle_update",
            {
                "gradients": "update() takes no optimiser step",
                "deep copy": "training a deep copy does not change the copy",
                "overfitting": "does not learn: the loss on 32 rows is",
            },
        ),
        (
            "owned_layers",
            {"owner of layers": "the method registers layers that it hands out: layers.0.affine"},
        ),
        (
            "one_domain",
            {"gradients": "no gradient to backbone.tower.transforms.0.own.weight[2, 3], backbone"},
        ),
        ("undocumented", {"docstrings": "has Paper:, Shapes:, Deviation:"}),
    ],
)
def test_wrong_method_fails_for_its_fault_alone(name, expected):
    found = failures(WRONG / f"{name}.py")

    assert found.keys() == expected.keys()
    assert all(reason in found[check] for check, reason in expected.items())


def test_schedule_that_advances_in_forward_is_caught_by_name():
    found = failures(WRONG / "advancing_forward.py")

    moved = "backbone.tower.transforms.0.alpha"
    assert f"schedule advances in eval: passes in eval mode move {moved}" in found["eval passes"]
    assert not found.keys() & {"shape of logits", "gradients", "schedules", "overfitting"}


@pytest.mark.parametrize(
    ("name", "check", "reason"),
    [
        ("squeezed", "shape of logits", "B = 1 in eval mode raises RuntimeError"),
        ("first_row", "training order", "depends on the order of the rows: a logit moves"),
    ],
)
def test_fault_is_caught_where_it_is(name, check, reason):
    found = failures(WRONG / f"{name}.py")

    assert reason in found[check]
    assert not found.keys() & {"gradients", "eval passes", "state_dict"}


def test_every_wrong_method_is_tried():
    text = "".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_check*.py"))
    tried = set(re.findall(r'"(\w+)(?:\.py)?"', text))

    assert {path.stem for path in WRONG.glob("*.py")} - tried == set()


class Faulty(DomainMethod):
    """Does nothing wrong yet."""

    def __init__(self, config, shape):
        super().__init__(shape)


class Noisy(DomainTransform):
    def forward(self, h, context):
        return nn.functional.dropout(h, 0.1, self.training)


class RandomInTraining(Faulty):
    def transform(self, n, place):
        return Noisy() if place == "hidden" else None


def test_method_that_is_random_in_training_passes_everything():
    subject = Subject(load_backbone("dnn"), MethodEntry(config=NoConfig, build=RandomInTraining))

    for check in CHECKS.values():
        check(subject)


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
    def transform(self, n, place):
        return HiddenCounter() if place == "input" else None


@pytest.mark.parametrize(
    ("method", "check", "reason"),
    [
        (LateSchedule, "schedules", "schedule_epochs is 1.5; allowed are 0 to 1.0"),
        (EndlessSchedule, "schedules", "schedules go on after schedule_epochs, 0.0"),
        (LostPenaltyWeight, "state_dict", "after loading, penalty() is 0.0, not 1.0"),
        (PenaltyPerRow, "penalty", "penalty() gives a Tensor of the shape (7,)"),
        (NaNPenalty, "penalty", "penalty() is nan"),
        (NaNPenalty, "gradients", "update() returns nan; it must be a finite number"),
        (OwnDraw, "initial values", "depend on more than the generator: method.bias"),
        (NaNForUnseen, "unseen domain", "the logit of an unseen domain is nan"),
        (HalfEpoch, "batches", "an epoch of 600 rows visits 300 in 3 batches"),
        (WrongIds, "batches", "batches() must give int64 row ids from 0 to 599"),
        (UnseededBatches, "batches", "other rows under an equal generator"),
        (LastingAdaptation, "adapt", "adapt() changes the model: base_logit"),
        (ReadsLabels, "adapt", "depends on the labels that it is scored by: a logit moves by 1"),
        (SlashlessDiagnostics, "diagnostics", "names a per-row tensor 'gates'"),
        (FractionalGates, "pruned values", "layer1/factor needs a layer1/gate of zeros and ones"),
        (CountedPasses, "eval passes", "change the logits, though no parameter or buffer moves"),
    ],
)
def test_fault_is_named(method, check, reason):
    subject = Subject(load_backbone("dnn"), MethodEntry(config=NoConfig, build=method))

    with pytest.raises(CheckFailure) as failure:
        CHECKS[check](subject)

    assert reason in str(failure.value)


@pytest.mark.parametrize(
    "path", [HERE / "domain_gain.py", ROOT / "models" / "methods" / "plain.py"]
)
def test_correct_method_passes_everything(path, capsys):
    code = main([str(path)])

    head, *rows, last = capsys.readouterr().out.splitlines()
    assert code == 0
    assert head.split() == ["check", "backbone", "result", "reason"]
    assert len(rows) == 1 + 2 * len(CHECKS)
    assert last == f"{path}: {len(rows)} of {len(rows)} checks pass"
    assert {row.split()[-2] for row in rows if "overfitting" in row} == {"50"}


def test_first_selectable_epoch_is_the_protocols():
    epochs = {preset.protocol.first_selectable_epoch for preset in PRESETS.values()}

    assert epochs == {state.FIRST_SELECTABLE_EPOCH}
