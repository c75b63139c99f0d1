"""The part of the contract that is about state: who moves it, who keeps it, who owns it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.contract.passes import check_rows_alone
from models.contract.subject import (
    CheckFailure,
    RandomRows,
    blaming,
    fill_by_name,
    train_briefly,
)

if TYPE_CHECKING:
    from models.contract.subject import Subject
    from models.ctr_model import CTRModel

FIRST_SELECTABLE_EPOCH = 1.0  # the protocol's: no checkpoint is picked before
EVAL_PASSES = 100


def check_eval_passes(subject: Subject) -> None:
    """100 passes in eval mode change neither state nor logits."""
    model, batch = subject.trained(), RandomRows(64).all()
    before = _state(model)
    with blaming("a pass in eval mode"), torch.no_grad():
        first, *_, last = [model(batch) for _ in range(EVAL_PASSES)]
    moved = _moved(model, before)
    if moved:
        raise CheckFailure(f"schedule advances in eval: passes in eval mode move {moved}")
    if not torch.equal(first, last):
        raise CheckFailure(
            "schedule advances in eval: passes in eval mode change the logits, though no parameter"
            " or buffer moves"
        )


def check_schedules(subject: Subject) -> None:
    """Schedules end before a checkpoint may be picked, and when the method says."""
    model = subject.trained()
    epochs = model.method.schedule_epochs
    if not 0.0 <= epochs <= FIRST_SELECTABLE_EPOCH:
        raise CheckFailure(
            f"schedule_epochs is {epochs}; allowed are 0 to {FIRST_SELECTABLE_EPOCH}, from where"
            " on checkpoints may be picked"
        )
    outcomes = []
    for progress in (epochs, epochs + 1.0):
        with blaming(f"after_step({progress})"):
            model.method.after_step(progress)
        outcomes.append(_outcome(copy.deepcopy(model)))
    if not _are_equal(*outcomes):
        raise CheckFailure(
            f"schedules go on after schedule_epochs, {epochs}: after_step({epochs}) and"
            f" after_step({epochs + 1.0}) give different logits or penalties"
        )


def check_state_dict(subject: Subject) -> None:
    """A fresh model that loads the state of a trained one gives the same logits, bit by bit."""
    trained, fresh = subject.trained(), subject.model(seed=9).eval()
    with blaming("loading the state_dict into a fresh model"):
        fresh.load_state_dict(trained.state_dict())
    (expected, penalty), (found, other) = _outcome(trained), _outcome(fresh)
    if not torch.equal(found, expected):
        raise CheckFailure(
            "state missing from state_dict: after loading, a logit is off by"
            f" {(found - expected).abs().max():.2g}"
        )
    if not torch.equal(other, penalty):
        raise CheckFailure(
            f"state missing from state_dict: after loading, penalty() is {other.item()}, not"
            f" {penalty.item()}"
        )


def check_copy(subject: Subject) -> None:
    """A deep copy predicts the same and lives on its own."""
    model, batch = subject.trained(), RandomRows(64).all()
    expected = model(batch)  # a pass with its graph still alive
    with blaming("copy.deepcopy after a pass in eval mode"):
        clone = copy.deepcopy(model)
    if not torch.equal(clone(batch), expected):
        raise CheckFailure("a deep copy gives other logits")
    train_briefly(clone)
    if not torch.equal(model.eval()(batch), expected):
        raise CheckFailure("training a deep copy changes the model it was made from")
    if torch.equal(clone.eval()(batch), expected):
        raise CheckFailure("training a deep copy does not change the copy")
    model.train()(batch)
    with blaming("copy.deepcopy after a pass in training mode"):
        copy.deepcopy(model)


def check_initial_values(subject: Subject) -> None:
    """`initialise` fills every parameter, from its generator alone."""
    model, other = subject.blank(), subject.blank()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(float("nan"))
    fill_by_name(model, 0)
    fill_by_name(other, 0)
    bare = [name for name, value in model.named_parameters() if value.isnan().any()]
    if bare:
        raise CheckFailure(f"no initialise() fills {', '.join(bare)}")
    differing = _moved(other, _state(model))
    if differing:
        raise CheckFailure(f"initial values depend on more than the generator: {differing}")


def check_adapt(subject: Subject) -> None:
    """`adapt` leaves the model as it is, and its predictor sees every row by itself."""
    model, rows = subject.trained().double(), RandomRows(256)
    before = _state(model)
    with blaming("adapt()"):
        predict = model.method.adapt(model, rows)
    check_rows_alone(predict)
    moved = _moved(model, before)
    if moved:
        raise CheckFailure(f"adapt() changes the model: {moved}")
    if model.training:
        raise CheckFailure("adapt() leaves the model in training mode")


def check_owners(subject: Subject) -> None:
    """The method does not register the layers that it hands out."""
    model = subject.blank()
    handed_out = {id(value) for value in model.backbone.parameters()}
    shared = [name for name, value in model.method.named_parameters() if id(value) in handed_out]
    if shared:
        raise CheckFailure(
            f"the method registers layers that it hands out: {', '.join(shared)}; the backbone owns"
            " them, keep them in a dict or list"
        )


def _outcome(model: CTRModel) -> tuple[Tensor, Tensor]:
    """Logits in eval mode, and the penalty of a pass in training mode (0 for None)."""
    batch = RandomRows(64).all()
    with torch.no_grad():
        logit = model.eval()(batch)
        passed = copy.deepcopy(model).train()
        passed(batch)
        penalty = passed.method.penalty()
    return logit, torch.zeros(()) if penalty is None else penalty


def _are_equal(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def _state(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers, also of those that no checkpoint holds."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: value.detach().clone() for name, value in named}


def _moved(model: nn.Module, before: dict[str, Tensor]) -> str:
    """Names of the parameters and buffers that differ from these; empty for none."""
    now = _state(model)
    return ", ".join(name for name in now if not torch.equal(now[name], before[name]))
