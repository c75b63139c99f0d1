"""The backbones in float64 numpy: an oracle that shares no code with the models.

It reads parameters by name from the `state_dict` and follows the papers in the row convention h W.
A method's oracle overrides what the method does otherwise.
"""

from __future__ import annotations

from itertools import accumulate, product

import numpy as np
import torch

NUM_CROSS, NUM_HIDDEN = 3, 3
CROSS = tuple(product(("full", "lowrank", "moe"), ("parallel", "stacked")))
NETS = ("dnn", *("-".join(cross) for cross in CROSS))
FULL_NETS = ("dnn", "full-parallel", "full-stacked")


def sigmoid(values):
    return 1.0 / (1.0 + np.exp(-values))


def softmax(values):
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


class Oracle:
    """A plain DNN or DCNv2 on the parameters of a model."""

    def __init__(self, model, schema, net, activation="tanh"):
        self.p = {name: values.numpy() for name, values in model.state_dict().items()}
        self.schema, self.net = schema, net
        self.act = np.tanh if activation == "tanh" else lambda values: np.maximum(values, 0.0)
        self.task = self.x_0 = self.e_d = None  # of the last batch

    def embed(self, batch):
        """x_0 = [e_d ; e_a], bags by the mean of their filled slots, and e_d."""
        table, schema = self.p["embedding.weight"], self.schema
        first = list(accumulate((*schema.field_sizes, *schema.bag_sizes), initial=1))
        codes = batch.codes.numpy()
        fields = [table[first[f] + codes[:, f]] for f in range(codes.shape[1])]
        for start, bag in zip(first[codes.shape[1] :], batch.bags, strict=False):
            filled = [[table[start + code] for code in row if code >= 0] for row in bag.numpy()]
            nothing = np.zeros(table.shape[1])
            fields.append(np.stack([np.mean(row, axis=0) if row else nothing for row in filled]))
        return np.hstack(fields), np.hstack(fields[: schema.num_domain_fields])

    def affine(self, h, place):
        return h @ self.p[f"{place}.affine.weight"].T + self.p[f"{place}.affine.bias"]

    def own_affine(self, h, place):
        """A map whose weights are the task's own, row by row."""
        weights = self.p[f"{place}.own_weight.weight"][self.task]  # (B, out in)
        biases = self.p[f"{place}.own_bias.weight"][self.task]  # (B, out)
        rows = zip(h, weights.reshape(len(h), biases.shape[1], h.shape[1]), biases, strict=True)
        return np.stack([weight @ row + bias for row, weight, bias in rows])

    def inputs(self, x_0):
        return x_0

    def cross_map(self, x, place):
        return self.affine(x, place)

    def cross(self, x, x_0, place):
        """One layer x_{l+1} of DCNv2."""
        if "full" in self.net:
            return x_0 * self.cross_map(x, f"{place}.linear") + x
        v, u, bias = (self.p[f"{place}.{name}"] for name in ("v", "u", "bias"))
        if "lowrank" in self.net:
            return x_0 * (x @ (v @ u.T) + bias) + x
        gates = softmax(x @ self.p[f"{place}.gate"].T)
        experts = [
            np.tanh(np.tanh(x @ v[i]) @ self.p[f"{place}.c"][i]) @ u[i].T + bias
            for i in range(len(v))
        ]
        return x + sum(gates[:, [i]] * x_0 * expert for i, expert in enumerate(experts))

    def hidden(self, h, i):
        """The output of hidden layer i."""
        return self.act(self.affine(h, f"backbone.tower.layers.{i}"))

    def tower(self, h):
        for i in range(NUM_HIDDEN):
            h = self.hidden(h, i)
        return h

    def last(self, h):
        return self.affine(h, "backbone.logit")

    def logits(self, batch):
        self.task = batch.task_id.numpy()
        self.x_0, self.e_d = self.embed(batch)
        x = x_0 = self.inputs(self.x_0)
        for i in range(0 if self.net == "dnn" else NUM_CROSS):
            x = self.cross(x, x_0, f"backbone.cross.{i}")
        h = self.tower(x if "stacked" in self.net else x_0)
        last = np.hstack([x, h]) if "parallel" in self.net else h
        return self.last(last)[:, 0] + self.p["base_logit"]


class OwnOracle(Oracle):
    """Maps that are a task's own wherever the model has tables for them."""

    def affine(self, h, place):
        is_own = f"{place}.own_weight.weight" in self.p
        return self.own_affine(h, place) if is_own else super().affine(h, place)


def backbone_of(net):
    """The backbone of a net, and what its config changes."""
    if net == "dnn":
        return "dnn", {}
    return "dcnv2", dict(zip(("cross", "structure"), net.split("-"), strict=True)) | {"rank": 5}


@torch.no_grad()
def spread(model, seed=5, scale=0.3):
    """Every parameter but the embeddings away from a neutral start, in float64; base logit too."""
    generator = torch.Generator().manual_seed(seed)
    model.double().base_logit.fill_(-1.3)
    for name, values in model.named_parameters():
        if name != "embedding.weight":
            drawn = torch.randn(values.shape, generator=generator, dtype=torch.float64)
            values += scale * drawn
    return model
