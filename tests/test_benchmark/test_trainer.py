"""The training loop: the grid, the selection rule, and the weights that are left."""

import math
from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch

from benchmark.config import Regularisers
from benchmark.cost.random_log import random_schema
from benchmark.protocol import COMPACT
from benchmark.training import trainer
from benchmark.training.optimizers import make_optimizer
from benchmark.training.seeding import generator, initialise
from benchmark.training.trainer import DevScores, NonFiniteLossError, Steps, TrainSplit, train
from datasets.loader import EncodedRows
from models.ctr_model import CTRModel, ModelConfig
from models.registry import load_backbone, load_method

NUM_ROWS = 96
PROTOCOL = replace(COMPACT, batch_size=32, embedding_dim=4, hidden_dims=(8, 4))  # 3 steps an epoch
SCHEMA = replace(random_schema((4, 9), num_domains=3), num_domain_fields=1)


def make_rows():
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(1, 4, NUM_ROWS), rng.integers(1, 9, NUM_ROWS)], axis=1)
    label = (codes[:, 1] + rng.integers(0, 5, NUM_ROWS) > 6).astype(int)
    columns = [codes, codes[:, :1], codes[:, :1], codes[:, :1] - 1, label[:, None]]
    return EncodedRows(np.concatenate(columns, axis=1).astype(np.int32), SCHEMA)


def make_model(method="plain", seed=1, *, sparse_gradient=True, **options):
    config = ModelConfig(
        embedding_dim=PROTOCOL.embedding_dim,
        hidden_dims=PROTOCOL.hidden_dims,
        activation="tanh",
        dropout=0.0,
        embedding_std=0.01,
        sparse_gradient=sparse_gradient,
    )
    entry = load_method(method)
    dnn = load_backbone("dnn")
    method_and_config = (entry, entry.config(**options))
    model = CTRModel(SCHEMA, config, backbone=(dnn, dnn.config()), method=method_and_config)
    initialise(model, seed)
    return model


def run(model, protocol=PROTOCOL, *, dev_loss=0.6, dev_aucs=None, seed=1, extra=None):
    """Train on the toy rows; `dev_loss`, `dev_aucs` and `extra` are what dev is said to score."""
    scores = iter(dev_aucs) if dev_aucs else iter(lambda: 0.5, None)
    split = TrainSplit(make_rows(), range(NUM_ROWS), protocol.batch_size)
    optimizer = make_optimizer(
        model,
        protocol.learning_rate,
        Regularisers(embedding_l2=0.0),
        frequency=torch.ones(len(model.embedding.weight)),
        steps_per_epoch=split.steps_per_epoch,
    )
    snapshots = []

    def score_dev():
        snapshots.append({name: value.clone() for name, value in model.state_dict().items()})
        score = next(scores)
        return DevScores(dev_loss, score, score, extra or {})

    order = generator(seed, "order")
    training = train(Steps(model, optimizer), split, protocol, generator=order, score_dev=score_dev)
    return training, snapshots


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("method", ["plain", "adasparse"])
def test_every_method_is_evaluated_at_the_same_steps(method):
    training, _ = run(make_model(method), replace(PROTOCOL, max_epochs=3, patience_epochs=9))

    steps = [row["step"] for row in training.history if row["split"] == "dev"]
    assert steps == [2, 3, 5, 6, 8, 9]
    assert training.candidates == 5  # not the one before the end of the first epoch
    assert training.sample_visits == 3 * NUM_ROWS


def test_best_weights_are_restored_when_the_epochs_run_out():
    model = make_model()

    training, snapshots = run(
        model, replace(PROTOCOL, max_epochs=2), dev_aucs=[0.9, 0.6, 0.7, 0.65]
    )

    assert training.stopped_by == "cap"
    assert (training.best_step, training.best_dev_score) == (5, 0.7)  # 0.9 came too early to count
    assert same(model.state_dict(), snapshots[2])


def test_best_weights_are_restored_after_early_stopping():
    model = make_model()

    training, snapshots = run(
        model,
        replace(PROTOCOL, max_epochs=9, patience_epochs=1),
        dev_aucs=[0.5, 0.8, 0.7, 0.8, 0.9],
    )

    assert training.stopped_by == "patience"
    assert training.steps == 6  # an equal score is no improvement
    assert training.best_step == 3
    assert same(model.state_dict(), snapshots[1])
    assert not model.training


def test_history_carries_the_schedules_of_the_method():
    training, _ = run(make_model("adasparse"), replace(PROTOCOL, max_epochs=1))

    last = training.history[-1]
    assert last["alpha"] == pytest.approx(5.0)
    assert last["penalty_weight"] == pytest.approx(3.0)
    assert 0.0 <= last["sparsity/layer0"] <= 1.0
    assert math.isnan(training.history[-2]["auc"])  # train AUC is not measured


def test_history_carries_what_else_was_scored_on_dev():
    training, _ = run(make_model(), extra={"unadapted_loss": 0.7})

    on_train, on_dev = training.history[:2]
    assert (on_dev["loss"], on_dev["unadapted_loss"]) == (0.6, 0.7)
    assert math.isnan(on_train["unadapted_loss"])


def test_history_has_no_further_columns_without_them():
    training, _ = run(make_model())

    assert training.history[0].keys() == {"step", "epoch", "split", "loss", "auc"}
    assert training.history[1].keys() == training.history[0].keys()


def test_a_loss_that_is_not_finite_stops_the_run_with_its_step():
    model = make_model()
    with torch.no_grad():
        model.embedding.weight.fill_(torch.nan)

    with pytest.raises(NonFiniteLossError, match=r"the loss is nan at epoch 0\.33"):
        run(model)


def test_same_seed_gives_bitwise_equal_weights_and_another_seed_does_not():
    first, second, other = make_model(), make_model(), make_model()

    for model, seed in ((first, 1), (second, 1), (other, 2)):
        run(model, replace(PROTOCOL, max_epochs=2), seed=seed)

    assert same(first.state_dict(), second.state_dict())
    assert not same(first.state_dict(), other.state_dict())


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("plain", {}),
        ("star", {}),
        ("star", {"partitioned_norm": False}),  # no look-up but those of the layers themselves
        ("maml", {"support_rows": 1}),
    ],
)
@pytest.mark.usefixtures("no_epsilon")
def test_row_wise_training_equals_dense_training(method, options):
    protocol = replace(PROTOCOL, batch_size=2, max_epochs=3, learning_rate=0.02)
    outcomes = []
    for sparse_gradient in (True, False):
        model = make_model(method, sparse_gradient=sparse_gradient, **options)
        _, snapshots = run(model, protocol, dev_aucs=[0.5, 0.5, 0.6, 0.9, 0.7, 0.8])
        outcomes.append([*snapshots, dict(model.state_dict())])

    for row_wise, dense in zip(*outcomes, strict=True):
        for name, value in row_wise.items():
            torch.testing.assert_close(value, dense[name], rtol=0.0, atol=2e-5, msg=name)
    assert same(outcomes[0][-1], outcomes[0][3])  # the best weights are of the fourth evaluation


def test_after_training_look_ups_move_no_row():
    model = make_model()
    run(model, replace(PROTOCOL, batch_size=2))
    before = {name: value.clone() for name, value in model.state_dict().items()}

    model.train()(make_rows().range(0, NUM_ROWS))

    assert same(model.state_dict(), before)


def test_an_epoch_visits_every_train_row_once():
    rows = make_rows()
    split = TrainSplit(rows, range(10, 80), batch_size=32)
    method = make_model().method

    batches = list(method.batches(split, generator(1, "order")))

    assert [len(ids) for ids in batches] == [32, 32, 6]
    assert sorted(torch.cat(batches).tolist()) == list(range(70))
    assert torch.equal(split.batch(torch.tensor([0, 5])).codes, rows.matrix[[10, 15], :2])


def test_every_order_of_the_rows_is_equally_likely():
    rows, method = make_rows(), make_model().method
    split = TrainSplit(rows, range(4), batch_size=4)
    generators = (generator(seed, "order") for seed in range(2_400))

    orders = Counter(tuple(*(ids.tolist() for ids in method.batches(split, g))) for g in generators)

    chi_square = sum((orders[order] - 100) ** 2 / 100 for order in permutations(range(4)))
    assert sum(orders.values()) == 2_400
    assert chi_square < 49.7  # the 99.9th percentile at 23 degrees of freedom


def test_losses_of_long_trainings_are_few_tensors_and_the_same_history(monkeypatch):
    history = run(make_model())[0].history
    monkeypatch.setattr(trainer, "MAX_LATE", 2)
    losses = trainer.Losses()

    for value in range(7):
        losses.add(torch.tensor(float(value)))

    assert losses.values() == [float(value) for value in range(7)]
    assert [len(losses.early), len(losses.late)] == [3, 1]
    assert str(run(make_model())[0].history) == str(history)  # nan is nan


def test_a_dev_loss_that_is_not_finite_stops_the_run():
    with pytest.raises(NonFiniteLossError, match="dev LogLoss is nan"):
        run(make_model(), dev_loss=math.nan)


def test_a_broken_penalty_never_reaches_the_weights():
    model = make_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.method.penalty = lambda: torch.tensor(math.inf)

    with pytest.raises(NonFiniteLossError):
        run(model)

    assert same(model.state_dict(), before)
