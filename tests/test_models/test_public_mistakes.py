"""Small methods with faults of public code; the contract names each one."""

from __future__ import annotations

from dataclasses import make_dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.contract.checks import CHECKS
from models.contract.subject import CheckFailure, Subject
from models.interfaces import DomainLinear, DomainMethod, MethodEntry
from models.layers.experts import ExpertLayer
from models.layers.own_maps import OwnMaps
from models.methods.mmoe import MixtureTower, Mmoe, MmoeConfig
from models.registry import load_backbone

NoConfig = make_dataclass("NoConfig", [], frozen=True)


class Faulty(DomainMethod):
    """A Shared-Bottom with the fault of a class below it."""

    reads_e_d = False

    def __init__(self, config, shape):
        super().__init__(shape)
        self.maps = OwnMaps(shape)

    def linear(self, n_in, n_out, role, index):
        if role == "logit":
            return self.logit(n_in)
        return super().linear(n_in, n_out, role, index)

    def logit(self, n_in):
        return self.maps.linear(n_in, 1, None)


class NormedLogit(DomainLinear):
    """A tower of the task's own behind normalisation by the whole batch, of all tasks."""

    def __init__(self, own, n_in):
        super().__init__()
        self.own, self.norm = own, nn.BatchNorm1d(n_in, affine=False, momentum=None)

    def forward(self, h, context):
        return self.own(self.norm(h) if len(h) > 1 else h, context)


class NormOfAllTasks(Faulty):
    def logit(self, n_in):
        return NormedLogit(super().logit(n_in), n_in)


class MaskedProbabilities(Faulty):
    """Scores every row by the tower of each task, with probability 0 for rows of other tasks."""

    def loss(self, model, batch):
        losses = []
        for task in range(1, self.shape.num_tasks):
            is_own = (batch.task_id == task).to(batch.label)
            probability = torch.sigmoid(model(batch)) * is_own
            losses.append(functional.binary_cross_entropy(probability, batch.label))
        return torch.stack(losses).mean()


class FaultyMmoe(Mmoe):
    """An MMoE with the fault of a class below it."""

    def __init__(self, config, shape):
        super().__init__(MmoeConfig(), shape)


class EqualDraws(ExpertLayer):
    def initialise(self, generator):
        super().initialise(generator)
        self.weight.data = self.weight.data[:1].repeat(len(self.weight), 1, 1)


class EqualExperts(FaultyMmoe):
    """Experts that start from one draw, so that nothing tells them apart."""

    def tower(self, n_in):
        tower = super().tower(n_in)
        for layer in tower.experts.layers:
            layer.__class__ = EqualDraws
        return tower


class OverBatch(MixtureTower):
    def weights(self, h, context):
        return torch.softmax(self.gate(h, context), dim=0)


class SoftmaxOverBatch(FaultyMmoe):
    """Gates that share 1 among the rows of a batch, not among the experts of a row."""

    def tower(self, n_in):
        return OverBatch(n_in, self.config, self.shape, self.maps)


@pytest.mark.parametrize(
    ("method", "check", "reason"),
    [
        (NormOfAllTasks, "tasks apart", "depends on rows of other tasks: a logit moves by"),
        (MaskedProbabilities, "overfitting", "update() returns a loss of"),
        (EqualExperts, "units apart", "units 0 and 1 of backbone.tower.experts.layers.0.weight st"),
        (SoftmaxOverBatch, "batch mates", "prediction depends on its batch mates: a logit moves"),
    ],
)
def test_fault_of_public_code_is_named(method, check, reason):
    entry = MethodEntry(config=NoConfig, build=method)

    with pytest.raises(CheckFailure) as failure:
        CHECKS[check](Subject(load_backbone("dnn"), entry))

    assert reason in str(failure.value)


def test_the_method_without_a_fault_passes():
    subject = Subject(load_backbone("dnn"), MethodEntry(config=NoConfig, build=Faulty))

    for check in CHECKS.values():
        check(subject)
