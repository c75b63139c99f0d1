"""What a method does whose hooks are all at their neutral default."""

from __future__ import annotations

import math

import torch


class Rows:
    """Train rows as a method sees them."""

    def __init__(self, encoded, batch_size):
        self.encoded, self.batch_size = encoded, batch_size
        everything = encoded.range(0, len(encoded))
        self.domain_id, self.task_id = everything.domain_id, everything.task_id

    def __len__(self):
        return len(self.encoded)

    def batch(self, row_ids):
        return self.encoded.batch(row_ids)


def test_default_hooks(make_model, make_rows):
    model, rows = make_model("dnn"), Rows(make_rows(50), 16)
    first, second = (
        list(model.method.batches(rows, torch.Generator().manual_seed(0))) for _ in range(2)
    )

    assert [len(ids) for ids in first] == [16, 16, 16, 2]
    assert torch.cat(first).sort().values.tolist() == list(range(50))
    assert torch.equal(torch.cat(first), torch.cat(second))
    assert model.method.adapt(model, rows) is model
    assert model.method.diagnostics() == {}
    assert (model.method.loss_rows(7), model.method.passes_per_visit) == (7, 1.0)


def test_broken_loss_does_not_reach_the_weights(make_model, make_batch):
    model, batch = make_model("dnn"), make_batch(8)
    model.base_logit.fill_(float("nan"))
    before = model.backbone.logit.affine.weight.clone()

    loss = model.method.update(model, batch, torch.optim.SGD(model.parameters(), 0.1))

    assert math.isnan(loss)
    assert torch.equal(model.backbone.logit.affine.weight, before)
