"""A click-through-rate model: embedding, backbone and method put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

import torch
from torch import Tensor, nn

from models.config_values import check_at_least, check_choices
from models.interfaces import Activation, DomainContext, ModelShape
from models.layers.tables import FieldEmbedding
from models.registry import load_backbone, load_method

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from datasets.loader import Batch
    from datasets.spec import EncodedSchema
    from models.interfaces import BackboneEntry, ConfigT, MethodEntry
    from models.registry import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The values that the protocol fixes for all models, and the regulariser they share.

    Raises:
        ValueError: a value is out of its range.
    """

    embedding_dim: int
    hidden_dims: tuple[int, ...]
    activation: Activation
    dropout: float
    embedding_std: float  # of the embedding table's initial values
    sparse_gradient: bool  # of the embedding table and of per-domain tables

    def __post_init__(self) -> None:
        check_at_least(self, 1, "embedding_dim")
        check_choices(self, activation=get_args(Activation))
        if not self.hidden_dims or min(self.hidden_dims) < 1:
            raise ValueError(f"hidden_dims must be one or more sizes >= 1, got {self.hidden_dims}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        if not self.embedding_std > 0.0:
            raise ValueError(f"embedding_std must be above 0, got {self.embedding_std}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDesign:
    """The names and values of a model; `plugins` are files by kind, if any.

    `prior` are the columns of the log that its method conditions on.
    """

    backbone: str
    backbone_config: Mapping[str, object]
    method: str
    method_config: Mapping[str, object]
    values: ModelConfig
    prior: tuple[str, ...] = ()
    plugins: Mapping[Kind, Path] = field(default_factory=dict)

    def assemble(self, schema: EncodedSchema) -> CTRModel:
        """The model of a log, without its initial values.

        Raises:
            ValueError: an unknown backbone or method, or a hyper-parameter out of its range.
            PluginError: the file of one cannot be used.
        """
        backbone = load_backbone(self.backbone, self.plugins.get("backbones"))
        method = load_method(self.method, self.plugins.get("methods"))
        return CTRModel(
            schema,
            self.values,
            backbone=(backbone, backbone.config(**self.backbone_config)),
            method=(method, method.config(**self.method_config)),
            prior=self.prior,
        )


class CTRModel(nn.Module):
    """Maps a batch to logits: a backbone on the embeddings, its layers made by a method.

    Deviation: `base_logit`, which is 0 by default, is set to the log-odds of the train click rate
        in every cell, so that no method spends its first steps on the base rate.
    """

    base_logit: Tensor

    def __init__(
        self,
        schema: EncodedSchema,
        config: ModelConfig,
        *,
        backbone: tuple[BackboneEntry, ConfigT],
        method: tuple[MethodEntry, ConfigT],
        prior: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        shape = ModelShape(
            n_input=(len(schema.fields) + len(schema.bags)) * config.embedding_dim,
            n_domain=schema.num_domain_fields * config.embedding_dim,
            has_e_d_in_x_0=not schema.is_placebo,
            embedding_dim=config.embedding_dim,
            prior=tuple(schema.fields.index(name) for name in prior),
            num_domains=schema.num_domains,
            num_tasks=schema.num_tasks,
            hidden_dims=config.hidden_dims,
            activation=config.activation,
            dropout=config.dropout,
            embedding_std=config.embedding_std,
            sparse_gradient=config.sparse_gradient,
        )
        method_entry, method_config = method
        backbone_entry, backbone_config = backbone
        method_part = method_entry.build(method_config, shape)
        self.embedding = FieldEmbedding(
            schema,
            config.embedding_dim,
            std=config.embedding_std,
            sparse_gradient=config.sparse_gradient,
            has_e_d=method_part.reads_e_d,
        )
        self.method = method_part
        self.backbone = backbone_entry.build(backbone_config, shape, self.method)
        self.register_buffer("base_logit", torch.zeros(()))

    def embed(self, batch: Batch) -> DomainContext:
        """Look the rows up in the embedding table."""
        return self.context(batch, self.embedding.look_up(self.embedding.ids(batch)))

    def context(self, batch: Batch, rows: Tensor) -> DomainContext:
        """The context of a batch whose embedding rows (B, C, K) have been looked up."""
        x_0, e_d = self.embedding.joined(rows, batch)  # (B, d), (B, E_d)
        return DomainContext(batch.domain_id, batch.task_id, e_d, x_0)

    def score(self, context: DomainContext) -> Tensor:
        """Logits (B,) of embedded rows."""
        logit = self.backbone(context) + self.base_logit
        auxiliary = self.method.auxiliary_logit(context)
        return logit if auxiliary is None else logit + auxiliary

    def dense_parameters(self) -> dict[str, nn.Parameter]:
        """All parameters but the embedding table, by qualified name."""
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if not name.startswith("embedding.")
        }

    def score_with(self, theta: Mapping[str, Tensor], context: DomainContext) -> Tensor:
        """Logits (B,) of embedded rows, with these values in place of the parameters so named."""
        values = {f"model.{name}": value for name, value in theta.items()}
        logits: Tensor = torch.func.functional_call(_Score(self), values, (context,))
        return logits

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B,)."""
        return self.score(self.embed(batch))


class _Score(nn.Module):
    """`CTRModel.score` as a forward pass, since that is what `functional_call` calls."""

    def __init__(self, model: CTRModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, context: DomainContext) -> Tensor:
        return self.model.score(context)
