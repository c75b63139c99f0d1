"""The configuration of one run, and the hash that names it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from benchmark.protocol import TUNING, USUAL_STD, Protocol, base_of, setting_of, setting_words
from datasets.spec import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datasets.spec import SplitKind

Json = bool | int | float | str | None | list["Json"] | dict[str, "Json"]
EmbeddingOptimizer = Literal["sparse", "dense"]
Labels = Literal["given", "permuted"]
Domains = Literal["given", "placebo"]

RUN_ID_LENGTH = 12
BASELINE = "plain"  # the method that others are compared with
OWN = "adasparse"  # the method of the paper that is reproduced
REFERENCE = "reference"  # the method of a model that is no network
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
class Changed:
    """The changes of a study to the main cell of a model, for messages and reports alike."""

    pinned: Mapping[str, Json]
    width: str  # words for scaled hidden layers
    setting: Mapping[str, object]
    split: str
    labels: Labels
    domains: Sequence[str]  # words for the domains and tasks that the method sees
    search: int

    def words(self, pin_titles: Mapping[str, str] | None = None) -> list[str]:
        """One text for every change, none for the main cell.

        `pin_titles` are those of `models.facts.Facts`: words for a pinned value by its name and
        value, or by its name alone, into which the parts of the value are put.
        """
        split = f"split {self.split}" if self.split else ""
        labels = f"labels {self.labels}" if self.labels != "given" else ""
        search = SECOND_SEARCH if self.search > 1 else ""
        found = [
            *(_pin_words(name, value, pin_titles or {}) for name, value in self.pinned.items()),
            self.width,
            *setting_words(self.setting),
            *(split, labels, *self.domains, search),
        ]
        return [text for text in found if text]


def _pin_words(name: str, value: Json, titles: Mapping[str, str]) -> str:
    pin = f"{name} {value}"
    parts = value if isinstance(value, list) else [value]
    return titles.get(pin) or titles.get(name, pin).format(*parts)


@dataclass(frozen=True, kw_only=True)
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
    another would have found. `matched_to` names the method to whose parameters of a row the hidden
    layers are scaled. As `pinned`, both are part of the slot, not of the run's hash.
    `prior` are the prior columns of the log, where the method reads them.
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
    matched_to: str = ""
    prior: tuple[str, ...] = ()

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
    def is_reference(self) -> bool:
        """True of a reference, which is no network and has the place of a backbone."""
        return self.method == REFERENCE

    @property
    def is_kept(self) -> bool:
        """True if the weights are kept: of the first run of a network's main cell."""
        is_first = (self.seed, self.draw or 1) == (1, 1)
        return is_first and not self.changes and not self.is_reference

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
        """The name of the run among those of its cell."""
        draw = "" if self.draw is None else f"draw {self.draw}, "
        return f"{draw}seed {self.seed}"

    @property
    def title(self) -> str:
        """The name of the run in messages."""
        return f"{self.title_without_seed} seed {self.seed}"

    @property
    def title_without_seed(self) -> str:
        """The cell of the run in messages."""
        return f"{self.log}/{'+'.join(self.partition)} {self._model_with_changes}"

    @property
    def short_title(self) -> str:
        """The cell of the run in progress lines, without the domains of its log."""
        return f"{self.log} {self._model_with_changes}"

    @property
    def _model_with_changes(self) -> str:
        words = ", ".join(self.changes)
        return f"{self.model} ({words})" if words else self.model

    @property
    def changes(self) -> list[str]:
        """The changes of a study to the main cell, in words; empty for the main cell itself."""
        return self.changed.words()

    @property
    def changed(self) -> Changed:
        """The changes of a study to the main cell of the model, by parts."""
        domains = {
            "domain-blind": self.is_blind,
            "placebo domains": self.is_placebo,
            "task = full partition": self.has_full_task,
            f"domain = {joined(self.domain_columns)} only": self.has_own_domains,
        }
        dims = "-".join(map(str, self.protocol.hidden_dims))
        return Changed(
            pinned=self.pinned,
            width=f"width-matched to {self.matched_to} ({dims})" if self.matched_to else "",
            setting=setting_of(self.protocol, base_of(self.protocol)),
            split=self.split if self.has_split_variant else "",
            labels=self.labels,
            domains=tuple(words for words, is_so in domains.items() if is_so),
            search=self.search,
        )

    @property
    def has_split_variant(self) -> bool:
        """True if the log is split another way than it is by default."""
        return self.split in VARIANTS

    @property
    def has_full_task(self) -> bool:
        """True if tasks are the domains of a partition of several columns."""
        return len(self.partition) > 1 and self.task == "+".join(self.partition)

    @property
    def has_own_domains(self) -> bool:
        """True if methods see other domains than those of the partition."""
        return self.domain_columns not in ((), self.partition)

    @property
    def has_coarser_domains(self) -> bool:
        """True if methods see the joint values of several, not all, of the partition's columns."""
        return self.has_own_domains and len(self.domain_columns) > 1

    @property
    def is_blind(self) -> bool:
        """True if methods see no domain and no task."""
        return not self.task

    @property
    def is_placebo(self) -> bool:
        """True if methods see the domains and tasks of other rows."""
        return self.domains == "placebo"

    @property
    def folder(self) -> tuple[str, str, str]:
        """The path of runs of the cell below `<out>/runs`, of tuning below `<out>/tuning`."""
        return self.log, "+".join(self.partition), self.model

    @cached_property
    def run_id(self) -> str:
        """The first 12 hex digits of the SHA-256 of the canonical JSON."""
        content = self.identity()
        for name in ("pinned", "search", "matched_to"):
            content.pop(name, None)
        return digest_of(content)[:RUN_ID_LENGTH]

    @cached_property
    def slot_id(self) -> str:
        """The id of the cell of the plan: of its hyper-parameters only the pinned ones are part."""
        hyper_parameters = ("backbone_config", "method_config", "regularisers")
        slot = {key: value for key, value in self.identity().items() if key not in hyper_parameters}
        return digest_of(slot)[:RUN_ID_LENGTH]

    def identity(self) -> dict[str, Any]:
        """All that tells runs apart.

        Plug-ins, labels, domains, search, matched layers, prior columns and the start of the
        embeddings are part of it only where they are unusual.
        """
        content = self.to_json()
        del content["protocol"]["name"]
        if self.protocol.embedding_std == USUAL_STD:
            del content["protocol"]["embedding_std"]
        for name in ("plugins", "matched_to", "prior"):
            if not content[name]:
                del content[name]
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
        """Rebuild a configuration from a record or a file; old ones know no prior columns.

        Raises:
            ConfigError: a key is missing or unknown.
        """
        content = {"prior": [], **content}
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
                "prior": tuple(content["prior"]),
                "protocol": Protocol(**protocol | {"hidden_dims": tuple(protocol["hidden_dims"])}),
                "regularisers": Regularisers(**content["regularisers"]),
            }
        )


def joined(columns: Sequence[str]) -> str:
    """The columns of a partition as a product."""
    return " \N{MULTIPLICATION SIGN} ".join(columns)


def log_name(dataset: str, draw: int | None) -> str:
    """A log in the words of --data, without its partition: a generated one with its draw."""
    return dataset if draw is None else f"{dataset}@{draw}"


def digest_of(content: Mapping[str, Json]) -> str:
    """SHA-256 of the canonical JSON (sorted keys, no spaces, no NaN), in hex."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
