"""What one run is: its configuration, and the hash that names it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from benchmark.protocol import TUNING, USUAL_STD, Protocol
from benchmark.settings import base_of, setting_of, setting_words
from datasets.spec import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datasets.spec import SplitKind

Json = bool | int | float | str | None | list["Json"] | dict[str, "Json"]
EmbeddingOptimizer = Literal["sparse", "dense"]
Labels = Literal["given", "permuted"]
Domains = Literal["given", "placebo"]

RUN_ID_LENGTH = 12
SECOND_SEARCH = "second search"  # how cells and searches of it are named


class ConfigError(ValueError):
    """A value that the user can mend: the message is one line that says what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regularisers:
    """Regularisers that every method has.

    `embedding_l2` is the penalty's weight in lambda / 2 * ||row||^2 per optimiser step,
    `weight_decay` the same for the matrices of the dense part.
    """

    dropout: float = 0.0
    embedding_l2: float = 1e-6
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"dropout must be in [0, 1), got {self.dropout}")
        for name in ("embedding_l2", "weight_decay"):
            if getattr(self, name) < 0.0:
                raise ConfigError(f"{name} must be at least 0, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """All that changes the outcome of one run, and nothing else.

    `task` is the column whose values MAML and STAR take for tasks, or the full partition's name.
    `domain_columns` make e_d and the domain id that methods see; without any they are the
    partition's. Without a task too, methods see no domain: e_d is empty, and all rows are of one
    domain and one task. `pinned` are the method's hyper-parameters that a study fixes, whatever
    tuning found: `method_config` holds them too, so they are part of the slot, not of the run's
    hash.
    The protocol may be another than the preset's, and `split` another than the log's own, one of
    `VARIANTS`; then `data_fingerprint` is that of the log so split.
    `plugins` are the digests of the files of a backbone or method from outside the repository.
    Labels that are `permuted` are those of train, shuffled within each domain: what is then learned
    of domains has nothing but their inputs and click rates to go by.
    With `domains` of a placebo, domain, task and e_d are those of another row; the inputs are the
    row's own.
    `search` is the one that the tuned values are from: the first, but for a cell that asks what
    another would have found. As `pinned` it is part of the slot, not of the run's hash.
    A generated log is one `draw` of its family, of `world_rows` rows; a real log has neither.
    """

    dataset: str
    data_fingerprint: str
    split: SplitKind
    features: tuple[str, ...]
    partition: tuple[str, ...]
    task: str
    protocol: Protocol
    backbone: str
    method: str
    seed: int
    embedding_optimizer: EmbeddingOptimizer
    backbone_config: Mapping[str, Json]
    method_config: Mapping[str, Json]
    regularisers: Regularisers
    domain_columns: tuple[str, ...] = ()
    pinned: Mapping[str, Json] = field(default_factory=dict)
    plugins: Mapping[str, str] = field(default_factory=dict)
    labels: Labels = "given"
    domains: Domains = "given"
    draw: int | None = None
    world_rows: int | None = None
    search: int = 1

    def __post_init__(self) -> None:
        if self.domain_columns and not self.task:
            raise ConfigError(
                f"without a task there are no domain columns, got {', '.join(self.domain_columns)}"
            )
        if self.is_placebo and self.is_blind:
            raise ConfigError("a placebo replaces the domains that methods see; give it a task")
        if not self.domain_columns and self.task:
            object.__setattr__(self, "domain_columns", self.partition)
        if not 1 <= self.search <= len(TUNING.sampler_seeds):
            raise ConfigError(
                f"search must be from 1 to {len(TUNING.sampler_seeds)}, got {self.search}"
            )

    @property
    def model(self) -> str:
        """The cell of a table, such as `dnn+adasparse`."""
        return f"{self.backbone}+{self.method}"

    @property
    def log(self) -> str:
        """The log in the words of --data, without its partition."""
        return log_name(self.dataset, self.draw)

    @property
    def family(self) -> dict[str, Json]:
        """The log, which is what all draws of a generated one have in common."""
        if self.draw is None:
            return {"dataset": self.dataset, "data_fingerprint": self.data_fingerprint}
        return {"dataset": self.dataset, "world_rows": self.world_rows}

    @property
    def replicate(self) -> str:
        """Which of the cell's runs it is."""
        draw = "" if self.draw is None else f"draw {self.draw}, "
        return f"{draw}seed {self.seed}"

    @property
    def title(self) -> str:
        """How messages name the run."""
        return f"{self.title_without_seed} seed {self.seed}"

    @property
    def title_without_seed(self) -> str:
        """How messages name the cell of the run."""
        changes = f" ({', '.join(self.changes)})" if self.changes else ""
        return f"{self.log}/{'+'.join(self.partition)} {self.model}{changes}"

    @property
    def changes(self) -> list[str]:
        """What a study changed about the main cell of the model; empty for the main cell."""
        words = [f"{name}={value}" for name, value in self.pinned.items()]
        if self.labels == "permuted":
            words.append("labels permuted")
        words += self._changes_of_domains
        base = base_of(self.protocol)
        if self.protocol.hidden_dims != base.hidden_dims:
            words.append(f"hidden={'-'.join(map(str, self.protocol.hidden_dims))}")
        words += setting_words(setting_of(self.protocol, base))
        if self.has_split_variant:
            words.append(f"split {self.split}")
        if self.search > 1:
            words.append(SECOND_SEARCH)
        return words

    @property
    def _changes_of_domains(self) -> list[str]:
        words = {
            "domain-blind": self.is_blind,
            "placebo domains": self.is_placebo,
            "task=full partition": self.has_full_task,
            f"domain={'+'.join(self.domain_columns)}": self.has_own_domains,
        }
        return [word for word, is_so in words.items() if is_so]

    @property
    def has_split_variant(self) -> bool:
        """Whether the log is split another way than it is by default."""
        return self.split in VARIANTS

    @property
    def has_full_task(self) -> bool:
        """Whether tasks are the domains of a partition of several columns."""
        return len(self.partition) > 1 and self.task == "+".join(self.partition)

    @property
    def has_own_domains(self) -> bool:
        """Whether methods see other domains than those of the partition."""
        return self.domain_columns not in ((), self.partition)

    @property
    def has_coarser_domains(self) -> bool:
        """Whether methods see the joint values of several of the partition's columns."""
        return self.has_own_domains and len(self.domain_columns) > 1

    @property
    def is_blind(self) -> bool:
        """Whether methods see no domain and no task."""
        return not self.task

    @property
    def is_placebo(self) -> bool:
        """Whether methods see the domains and tasks of other rows."""
        return self.domains == "placebo"

    @property
    def folder(self) -> tuple[str, str, str]:
        """Where runs of this cell live below `<out>/runs` and tuning below `<out>/tuning`."""
        return self.log, "+".join(self.partition), self.model

    @property
    def run_id(self) -> str:
        """The first 12 hex digits of the SHA-256 of the canonical JSON."""
        content = self.identity()
        for name in ("pinned", "search"):
            content.pop(name, None)
        return digest_of(content)[:RUN_ID_LENGTH]

    @property
    def slot_id(self) -> str:
        """The same for the cell of the plan: of its hyper-parameters only the pinned ones."""
        hyper_parameters = ("backbone_config", "method_config", "regularisers")
        slot = {key: value for key, value in self.identity().items() if key not in hyper_parameters}
        return digest_of(slot)[:RUN_ID_LENGTH]

    def identity(self) -> dict[str, Any]:
        """All that tells runs apart.

        Plug-ins, labels, domains, search and the start of the embeddings are part of it only where
        they are unusual.
        """
        content = self.to_json()
        del content["protocol"]["name"]
        if self.protocol.embedding_std == USUAL_STD:
            del content["protocol"]["embedding_std"]
        if not self.plugins:
            del content["plugins"]
        for name in ("labels", "domains"):
            if content[name] == "given":
                del content[name]
        if self.search == 1:
            del content["search"]
        return content

    def to_json(self) -> dict[str, Any]:
        """A JSON-able copy; `from_json` reads it back."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> RunConfig:
        """Rebuild a configuration from a record or a file.

        Raises:
            ConfigError: a key is missing or unknown.
        """
        known = {field.name for field in fields(cls)}
        if set(content) != known:
            raise ConfigError(
                f"a run configuration has the keys {', '.join(sorted(known))}; missing:"
                f" {sorted(known - set(content))}, unknown: {sorted(set(content) - known)}"
            )
        protocol = content["protocol"]
        return cls(
            **content
            | {
                "features": tuple(content["features"]),
                "partition": tuple(content["partition"]),
                "domain_columns": tuple(content["domain_columns"]),
                "protocol": Protocol(**protocol | {"hidden_dims": tuple(protocol["hidden_dims"])}),
                "regularisers": Regularisers(**content["regularisers"]),
            }
        )


def log_name(dataset: str, draw: int | None) -> str:
    """A log in the words of --data, without its partition: a generated one with its draw."""
    return dataset if draw is None else f"{dataset}@{draw}"


def canonical_json(content: Mapping[str, Json]) -> str:
    """One text for equal content: sorted keys, no spaces, no NaN."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(content: Mapping[str, Json]) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()
