"""What methods see of a log: its domains, one column of them, or nothing at all."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.planning.cells import configure
from benchmark.planning.studies import Change
from benchmark.protocol import PRESETS
from benchmark.training.build import assemble, build, seen_schema
from datasets.loader import EncodedRows
from models.registry import available

SMOKE = PRESETS["smoke"]


def test_restricted_domain_is_the_representative_alone(log, select):
    config = configure(select(), "tiny", log, "dnn", Change(method="adasparse", num_columns=1))
    schema = seen_schema(config, log.schema)
    batch = EncodedRows(log.rows(), schema).range(0, 50)
    whole = EncodedRows(log.rows(), log.schema).range(0, 50)

    context = build(config, schema, base_rate=0.5).embed(batch)

    assert log.schema.fields[:2] == ("item", "place")
    assert torch.equal(batch.domain_id, batch.codes[:, 0])
    assert torch.equal(batch.task_id, whole.task_id)
    assert torch.equal(batch.eval_domain_id, whole.eval_domain_id)
    assert schema.num_domains == log.schema.field_sizes[0]
    assert context.e_d.shape[1] == SMOKE.protocol.embedding_dim
    assert context.x_0.shape[1] == 4 * SMOKE.protocol.embedding_dim  # place is still an input


def test_full_partition_as_task_changes_the_task_alone(log, select):
    config = configure(
        select(), "tiny", log, "dnn", Change(method="plain", ids="partition_as_task")
    )
    schema = seen_schema(config, log.schema)
    batch = EncodedRows(log.rows(), schema).range(0, 50)
    whole = EncodedRows(log.rows(), log.schema).range(0, 50)

    assert torch.equal(batch.task_id, whole.domain_id)
    assert torch.equal(batch.domain_id, whole.domain_id)
    assert schema.num_tasks == log.schema.num_domains
    assert schema.num_domain_fields == log.schema.num_domain_fields


@pytest.mark.parametrize("backbone", available("backbones"))
@pytest.mark.parametrize("method", available("methods"))
def test_domain_blind_control_ignores_domain_and_task(log, select, backbone, method):
    config = configure(select(), "tiny", log, backbone, Change(method=method, ids="blind"))
    schema = seen_schema(config, log.schema)
    model = build(config, schema, base_rate=0.5).eval()
    encoded = log.rows()[:64]
    scrambled = encoded.copy()
    scrambled[:, -4:-2] = np.random.default_rng(1).integers(0, 3, (64, 2))  # domain and task

    batch, other = (EncodedRows(rows, schema).range(0, 64) for rows in (encoded, scrambled))

    assert config.is_blind
    assert set(batch.domain_id.tolist()) == set(batch.task_id.tolist()) == {1}
    assert torch.equal(model(batch), model(other))
    context = model.embed(batch)
    assert context.e_d.shape == (64, 0)
    assert context.x_0.shape[1] == 4 * SMOKE.protocol.embedding_dim  # domains are still inputs


@pytest.mark.parametrize("method", available("methods"))
def test_domain_blind_control_trains(log, train, method):
    fast = {"learning_rate": 0.02, "max_epochs": 3, "patience_epochs": 3}

    record = train(log, Change(method=method, ids="blind"), **fast)

    assert record.config.is_blind
    assert record.metrics["test"]["auc"] > 0.57


@pytest.mark.parametrize("method", available("methods"))
def test_domain_blind_control_has_the_layers_of_its_method(log, select, method):
    main = configure(select(), "tiny", log, "dnn", Change(method=method))
    blind = configure(select(), "tiny", log, "dnn", Change(method=method, ids="blind"))

    models = [assemble(config, seen_schema(config, log.schema)) for config in (main, blind)]

    kinds = [[(name, type(module)) for name, module in m.named_modules()] for m in models]
    assert kinds[0] == kinds[1]
    assert blind.protocol == main.protocol
    assert blind == replace(
        main,
        domain_columns=(),
        task="",
        pinned=blind.pinned,
        method_config={**main.method_config, **blind.pinned},
    )
    assert blind.run_id != main.run_id
