"""The contract of a method, as checks that say in words what a method does not keep.

Each check takes a method on a backbone and raises `CheckFailure`; some return a remark.
"""

from __future__ import annotations

import copy
import inspect
import random
import re
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.contract.host_reads import HostReadError, no_host_reads
from models.contract.subject import (
    CheckFailure,
    IdleOptimizer,
    RandomRows,
    WatchedAdam,
    blaming,
    fill_by_name,
    seeded,
    train_briefly,
    with_unseen_domain,
)
from models.interfaces import AdaptedPredictor, check_predictor
from models.layers.static_shapes import static_shapes
from models.layers.tables import domain_tables
from models.own_code import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from datasets.loader import Batch
    from models.contract.subject import Subject
    from models.ctr_model import CTRModel
    from models.interfaces import Predictor

TOLERANCE = 1e-6  # of a row's logit against its batch mates
OVERFIT_STEPS, OVERFIT_RATE, OVERFIT_LOSS = 50, 2e-2, 0.05
RETURNED_LOSS = 0.2  # of a pass in training mode, or before an adaptation
FIRST_SELECTABLE_EPOCH = 1.0  # the protocol's: no checkpoint is picked before
EVAL_PASSES = 100
SECTIONS = ("Paper:", "Equation:", "Shapes:", "Deviation:")


def check_shapes(subject: Subject) -> None:
    """Logits are (B,), in training and in evaluation."""
    for is_training in (False, True):
        mode = "training" if is_training else "eval"
        for n in (0, 1, 7):
            model = subject.model().train(is_training)
            with blaming(f"B = {n} in {mode} mode"):
                logit = model(RandomRows(n).all())
            if logit.shape != (n,):
                raise CheckFailure(
                    f"B = {n} in {mode} mode gives logits of the shape {tuple(logit.shape)}, not"
                    f" ({n},)"
                )


def check_placebo(subject: Subject) -> None:
    """The method trains on a placebo of its domains, with an e_d apart from x_0 if read."""
    placebo = replace(subject, schema=replace(subject.schema, is_placebo=True))
    try:
        with blaming("scoring"):
            logit = placebo.trained()(RandomRows(7).all())
    except CheckFailure as failure:
        raise CheckFailure(
            "on a placebo of its domains, which has an e_d only where `reads_e_d` is true,"
            f" {failure}"
        ) from None
    if not logit.isfinite().all():
        raise CheckFailure("a placebo of its domains gives logits that are not finite")


def check_unseen_domain(subject: Subject) -> None:
    """A domain and task with id 0 gets finite logits."""
    model = subject.trained()
    rows = with_unseen_domain(RandomRows(1))
    with blaming("a row of an unseen domain"), torch.no_grad():
        logit = model(rows.all())
    if not logit.isfinite().all():
        raise CheckFailure(f"the logit of an unseen domain is {logit.item()}")


def check_gradients(subject: Subject) -> None:
    """Over batches that cover all domains and tasks every parameter gets a finite gradient.

    In a table with a row per domain every row gets one, but that of the domain unseen in train. The
    embeddings of every column get one.
    """
    model = subject.model()
    optimizer = train_briefly(model)
    if not optimizer.steps:
        raise CheckFailure("update() takes no optimiser step")
    unreached = []
    for name, parameter in model.named_parameters():
        reached = optimizer.reached.get(name, torch.tensor(False))
        if not reached.any():
            unreached.append(name)
        elif parameter is model.embedding.weight:
            unreached += _columns_apart(subject, reached.tolist())
        elif reached.ndim and not reached[1:].all():
            rows = [
                row for row, is_reached in enumerate(reached.tolist()) if row and not is_reached
            ]
            unreached.append(f"{name}[{', '.join(map(str, rows))}]")
    if unreached:
        raise CheckFailure(f"no gradient to {', '.join(unreached)}")


def _columns_apart(subject: Subject, reached: list[bool]) -> list[str]:
    """The columns of whose rows in the embedding table none is reached, in words."""
    schema = subject.schema
    spans = pairwise(accumulate((*schema.field_sizes, *schema.bag_sizes), initial=1))
    return [
        f"the embeddings of {name!r}"
        for name, span in zip((*schema.fields, *schema.bags), spans, strict=True)
        if not any(reached[slice(*span)])
    ]


def check_training_order(subject: Subject) -> None:
    """In training mode a row's logit does not depend on where in the batch the row is.

    A method whose training passes are random passes.
    """
    same, order = torch.arange(48), torch.randperm(48, generator=torch.Generator().manual_seed(5))
    logits = []
    for ids in (same, same, order):
        model = subject.trained().double().train()
        with blaming("a pass in training mode in float64"):
            logits.append(model(RandomRows(48).batch(ids)).detach())
    once, again, permuted = logits
    if not torch.equal(once, again):
        return
    distance = (permuted - once[order]).abs().max()
    if not distance <= TOLERANCE * (1.0 + once.abs().max()):
        raise CheckFailure(
            "in training mode a prediction depends on the order of the rows: a logit moves by"
            f" {distance:.2g}"
        )


def check_tasks_apart(subject: Subject) -> None:
    """In training mode a row's logit depends on no row of another task, if tasks are read at all.

    A method whose training passes are random passes.
    """
    if not subject.method.reads_tasks:
        return
    rows, others = RandomRows(128), RandomRows(128, seed=7)
    others.task_id, others.domain_id = rows.task_id, rows.domain_id
    is_own = rows.task_id == 1
    for name in ("codes", "label"):
        getattr(others, name)[is_own] = getattr(rows, name)[is_own]
    others.bags = tuple(
        torch.where(is_own.unsqueeze(1), one, other)
        for one, other in zip(rows.bags, others.bags, strict=True)
    )
    logits = []
    for batch in (rows.all(), rows.all(), others.all()):
        model = subject.trained().double().train()
        with blaming("a pass in training mode in float64"):
            logits.append(model(batch).detach()[is_own])
    once, again, beside = logits
    if not torch.equal(once, again):
        return
    distance = (beside - once).abs().max()
    if not distance <= TOLERANCE * (1.0 + once.abs().max()):
        raise CheckFailure(
            "in training mode a prediction depends on rows of other tasks: a logit moves by"
            f" {distance:.2g}"
        )


def check_batch_mates(subject: Subject) -> None:
    """In eval mode a row's logit depends neither on the other rows nor on their order."""
    check_rows_alone(subject.trained().double())


def check_units_apart(subject: Subject) -> None:
    """No two units of a layer, nor two experts, are trained and stay equal.

    In float64, where rounding does not set them apart.
    """
    model = subject.model().double()
    before = _units(model)
    train_briefly(model)
    for name, units in _units(model).items():
        distance = torch.cdist(units, units, p=torch.inf).fill_diagonal_(torch.inf)
        distance[(units == before[name]).all(dim=1)] = torch.inf  # not trained
        pairs = (distance <= TOLERANCE * units.abs().max()).nonzero().tolist()
        if pairs:
            first, second = pairs[0]
            raise CheckFailure(
                f"units {first} and {second} of {name} stay equal in training: nothing sets them"
                " apart; start each at a draw of its own"
            )


def _units(model: CTRModel) -> dict[str, Tensor]:
    """Copies of the matrices and stacks of matrices, a unit or an expert a row, by name.

    Of a table with a row per domain it is that of the last one.
    """
    tables = {id(table.weight): table.values for table in domain_tables(model)}
    values = {
        name: value[-1].view(tables[id(value)]) if id(value) in tables else value
        for name, value in model.dense_parameters().items()
    }
    return {
        name: value.detach().flatten(1).clone() for name, value in values.items() if value.ndim > 1
    }


def check_penalty(subject: Subject) -> None:
    """After a pass in training mode the penalty is None or a finite scalar."""
    model = subject.model().train()
    model(RandomRows(7).all())
    with blaming("penalty()"):
        penalty = model.method.penalty()
    if penalty is None:
        return
    if not isinstance(penalty, Tensor) or penalty.shape != ():
        shape = f" of the shape {tuple(penalty.shape)}" if isinstance(penalty, Tensor) else ""
        raise CheckFailure(
            f"penalty() gives a {type(penalty).__name__}{shape}; allowed: None, a scalar tensor"
        )
    if not penalty.isfinite():
        raise CheckFailure(f"penalty() is {penalty.item()}")


def check_pruned_values(subject: Subject) -> None:
    """A factor in `diagnostics` is exactly 0 where its gate is shut, and never negative."""
    recorded = _recorded(subject.trained(), 64)
    for name, factor in recorded.items():
        layer, _, kind = name.rpartition("/")
        if kind != "factor":
            continue
        gate = recorded.get(f"{layer}/gate")
        if gate is None or not ((gate == 0) | (gate == 1)).all():
            raise CheckFailure(f"{name} needs a {layer}/gate of zeros and ones beside it")
        shut = factor[gate == 0]
        if shut.any():
            raise CheckFailure(
                f"pruned values not exactly zero: {name} is {shut[shut.nonzero()[0, 0]]} where"
                " its gate is shut"
            )
        if (factor < 0).any():
            raise CheckFailure(f"{name} is negative: {factor.min()}")


def check_diagnostics(subject: Subject) -> None:
    """Diagnostics are scalars, and per-row tensors of the last pass if it was in eval mode."""
    model = subject.trained()
    _recorded(model, 64)
    for name, value in _recorded(model, 7).items():
        if value.ndim not in (0, 2) or (value.ndim == 2 and value.shape[0] != 7):
            raise CheckFailure(
                f"diagnostics() gives {name} the shape {tuple(value.shape)} after a pass of 7"
                " rows; allowed: (), (7, n)"
            )
        if value.ndim == 2 and name.count("/") != 1:
            raise CheckFailure(
                f"diagnostics() names a per-row tensor {name!r}; allowed: '<layer>/<what>'"
            )
        if value.requires_grad:
            raise CheckFailure(f"diagnostics() gives {name} with its graph; detach it")
    model.train()(RandomRows(64).all())
    kept = [name for name, value in model.method.diagnostics().items() if value.ndim]
    if kept:
        raise CheckFailure(f"diagnostics() still has {', '.join(kept)} after a training pass")


def check_batches(subject: Subject) -> None:
    """An epoch is as long as for every method: N rows, in batches of the protocol's size."""
    rows = RandomRows(600, batch_size=256)
    with blaming("batches()"):
        epochs = [
            list(subject.model().method.batches(rows, torch.Generator().manual_seed(1)))
            for _ in range(2)
        ]
    first = epochs[0]
    ids = torch.cat(first)
    if ids.dtype != torch.int64 or not ((ids >= 0) & (ids < len(rows))).all():
        raise CheckFailure(f"batches() must give int64 row ids from 0 to {len(rows) - 1}")
    sizes = [len(batch) for batch in first]
    if not all(0 < size <= rows.batch_size for size in sizes):
        raise CheckFailure(f"batches have {sizes} rows; allowed: 1 to {rows.batch_size}")
    if not abs(sum(sizes) - len(rows)) < rows.batch_size or len(sizes) != 3:
        raise CheckFailure(
            f"an epoch of {len(rows)} rows visits {sum(sizes)} in {len(sizes)} batches; it must"
            f" visit about as many in 3 batches of at most {rows.batch_size}"
        )
    if not all(torch.equal(*pair) for pair in zip(*epochs, strict=False)):
        raise CheckFailure("batches() gives other rows under an equal generator")


def check_overfit(subject: Subject) -> str:
    """32 rows are learnt by heart, and the loss that `update` returns says so too."""
    model, rows = subject.model(), RandomRows(32, seed=3)
    optimizer = WatchedAdam(model, OVERFIT_RATE)
    order = torch.arange(32)
    for step in range(OVERFIT_STEPS):
        model.train()
        batch = rows.batch(order if step % 2 else order.flip(0))
        with blaming("training"):
            returned = model.method.update(model, batch, optimizer)
            model.method.after_step(step / OVERFIT_STEPS)
    loss = _loss(model.method.adapt(model.eval(), rows), rows.all())
    if not loss < OVERFIT_LOSS:
        raise CheckFailure(
            f"does not learn: the loss on 32 rows is {loss:.4f} after {OVERFIT_STEPS} steps, it"
            f" must be below {OVERFIT_LOSS}"
        )
    if not returned < RETURNED_LOSS:
        raise CheckFailure(
            f"update() returns a loss of {returned:.4f} on 32 rows that are learnt by heart; it"
            f" must be the cross-entropy of a row, below {RETURNED_LOSS} there"
        )
    return f"loss {loss:.4f} after {OVERFIT_STEPS} steps"


def check_captured(subject: Subject) -> str:
    """The step can be captured: it asks the host for no value. Else it is run eagerly."""
    model = subject.model().train()
    first, other = RandomRows(128).batches()
    idle = IdleOptimizer(model)
    with blaming("a step"), static_shapes():
        model.method.update(model, first, idle)
        try:
            with no_host_reads():
                model.method.update(model, other, idle)
        except HostReadError as error:
            return f"run eagerly: {one_line(error)}"
    return "can be captured"


def _loss(predict: Predictor, batch: Batch) -> float:
    with torch.inference_mode():
        logit = predict(batch)
    return functional.binary_cross_entropy_with_logits(logit, batch.label).item()


def _recorded(model: CTRModel, num_rows: int) -> dict[str, Tensor]:
    model(RandomRows(num_rows).all())
    with blaming("diagnostics()"):
        return model.method.diagnostics()


def check_rows_alone(predict: Predictor) -> None:
    """A row's logit is its own for any predictor; in float64, where rounding is no dependence."""
    rows = with_unseen_domain(RandomRows(48))
    order = torch.arange(len(rows))
    with blaming("predicting in float64"), torch.inference_mode():
        batch = rows.all()
        together = predict(batch)
        alone = torch.cat([predict(rows.batch(row)) for row in order.split(1)])
        backwards = predict(rows.batch(order.flip(0))).flip(0)
        relabelled = predict(replace(batch, label=1.0 - batch.label))
    others = {
        "its batch mates": alone,
        "the order of the rows": backwards,
        "the labels that it is scored by": relabelled,
    }
    for what, other in others.items():
        distance = (other - together).abs()
        if not (distance <= TOLERANCE * (1.0 + together.abs())).all():
            raise CheckFailure(
                f"prediction depends on {what}: a logit moves by {distance.max():.2g}"
            )


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
    if not all(torch.equal(*pair) for pair in zip(*outcomes, strict=True)):
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


def check_repeats(subject: Subject) -> None:
    """Two trainings from one seed, in other states of the process, agree bit by bit."""
    found = []
    for _ in range(2):
        torch.rand(1), np.random.random(), random.random()  # noqa: NPY002
        with seeded(), blaming("training and predicting"):
            model, rows = subject.trained(), RandomRows(256)
            logit = model.method.adapt(model, rows)(rows.all()).detach()
        found.append(_state(model) | {"a logit": logit})
    first, second = found
    differing = [name for name in first if not torch.equal(first[name], second[name])]
    if differing:
        raise CheckFailure(
            f"two trainings from one seed differ in {', '.join(differing)}: something draws from a"
            " source that no seed fixes, such as os.urandom, the time or a generator made without"
            " one; draw from torch's, numpy's or Python's global generator, which a run seeds"
        )


def check_adapt(subject: Subject) -> None:
    """`adapt` leaves the model as it is; its predictor sees rows by themselves, and is kept."""
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
    with blaming("adapt()"):
        check_predictor(model, predict)
    if isinstance(predict, AdaptedPredictor):
        _check_readapted(model, predict, rows.all())


def _check_readapted(model: CTRModel, predict: AdaptedPredictor, batch: Batch) -> None:
    with blaming("tensors() or readapted()"), torch.inference_mode():
        tensors = predict.tensors()
        if not tensors:
            raise CheckFailure("tensors() is empty: the predictor cannot be made again")
        is_equal = torch.equal(model.method.readapted(model, tensors)(batch), predict(batch))
    if not is_equal:
        raise CheckFailure("readapted() makes another predictor of tensors() than adapt() did")


def check_task_ids(subject: Subject) -> None:
    """`reads_tasks` of the entry says whether task ids change predictions."""
    logits = []
    for num_tasks in (subject.schema.num_tasks, 2):
        rows = RandomRows(256)
        rows.task_id = rows.task_id.clamp(max=num_tasks - 1)
        logits.append(_predicted(subject, rows))
    is_read, is_said = not torch.equal(*logits), subject.method.reads_tasks
    if is_read != is_said:
        raise CheckFailure(
            f"reads_tasks is {is_said}, but under other task ids predictions are"
            f" {'others' if is_read else 'the same'}; write reads_tasks={is_read} in the entry"
        )


def check_prior(subject: Subject) -> None:
    """`reads_prior` of the entry says whether prior columns change predictions; none will do."""
    rows = RandomRows(256)
    logits = [_predicted(replace(subject, prior=(name,)), rows) for name in subject.prior]
    is_read, is_said = not torch.equal(*logits), subject.method.reads_prior
    if is_read != is_said:
        raise CheckFailure(
            f"reads_prior is {is_said}, but under another prior column predictions are"
            f" {'others' if is_read else 'the same'}; write reads_prior={is_read} in the entry"
        )
    try:
        is_finite = not is_read or _predicted(replace(subject, prior=()), rows).isfinite().all()
    except CheckFailure as failure:
        raise CheckFailure(f"on a log without prior columns, {failure}") from None
    if not is_finite:
        raise CheckFailure("a log without prior columns gives logits that are not finite")


def _predicted(subject: Subject, rows: RandomRows) -> Tensor:
    """The logits of these rows after a training on them."""
    model = subject.model()
    with seeded():  # what is random in training
        train_briefly(model, rows)
    predict = model.method.adapt(model.eval(), rows)
    with blaming("predicting"), torch.inference_mode():
        return predict(rows.all())


def check_e_d(subject: Subject) -> None:
    """`reads_e_d` is true only of a method that learns from e_d, which a placebo has apart."""
    model = replace(subject, schema=replace(subject.schema, is_placebo=True)).model()
    own = slice(len(model.embedding.weight) - model.embedding.num_own_rows, None)
    before = model.embedding.weight[own].clone()
    train_briefly(model)
    if len(before) and torch.equal(model.embedding.weight[own], before):
        raise CheckFailure(
            "reads_e_d is True, but training moves no e_d; if no layer reads it, override reads_e_d"
            " with False"
        )


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


def _state(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers, also of those that no checkpoint holds."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: value.detach().clone() for name, value in named}


def _moved(model: nn.Module, before: dict[str, Tensor]) -> str:
    """Names of the parameters and buffers that differ from these; empty for none."""
    now = _state(model)
    return ", ".join(name for name in now if not torch.equal(now[name], before[name]))


def check_docstrings(module: ModuleType) -> None:
    """A file with layers of its own says what they compute and where they differ."""
    classes = [value for value in vars(module).values() if inspect.isclass(value)]
    own = [value for value in classes if value.__module__ == module.__name__]
    if not any(issubclass(value, nn.Module) for value in own):
        return
    text = "\n".join(value.__doc__ or "" for value in (module, *own))
    missing = [name for name in SECTIONS if not re.search(rf"^ *{name} *\S", text, re.MULTILINE)]
    if missing:
        raise CheckFailure(f"no docstring of the file or its classes has {', '.join(missing)}")


CHECKS: dict[str, Callable[[Subject], str | None]] = {
    "shape of logits": check_shapes,
    "unseen domain": check_unseen_domain,
    "placebo": check_placebo,
    "gradients": check_gradients,
    "training order": check_training_order,
    "tasks apart": check_tasks_apart,
    "units apart": check_units_apart,
    "batch mates": check_batch_mates,
    "eval passes": check_eval_passes,
    "schedules": check_schedules,
    "state_dict": check_state_dict,
    "repeats": check_repeats,
    "deep copy": check_copy,
    "initial values": check_initial_values,
    "penalty": check_penalty,
    "pruned values": check_pruned_values,
    "diagnostics": check_diagnostics,
    "adapt": check_adapt,
    "task ids": check_task_ids,
    "prior columns": check_prior,
    "e_d": check_e_d,
    "batches": check_batches,
    "owner of layers": check_owners,
    "overfitting": check_overfit,
    "captured step": check_captured,
}
