"""The columns, features and domains of a log, as frozen types without I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from datasets.provenance import Source

if TYPE_CHECKING:
    from collections.abc import Collection

FeatureKind = Literal["categorical", "numeric", "bag"]
IdSource = Literal["domain_id", "task_id", "coarser", "none"]
Entity = Literal["users", "items"]
SplitName = Literal["train", "dev", "test"]
SPLITS: tuple[SplitName, ...] = get_args(SplitName)  # in their order
SplitVariant = Literal["shuffled", "cut 1", "cut 2", "cut 3"]  # of a log that has times
SplitKind = Literal["time", "shuffle", SplitVariant]
UNSEEN = 0  # code of a value, domain or task that does not occur in train
ONLY = 1  # id of every row where methods see no domain
DOMAIN_IDS = ("eval_domain_id", "domain_id")  # first in tables of domains; values follow them
MOST_PRIOR = 3  # columns that are prior ones where a log names none
PAD = -1  # code of an empty slot of a bag; it takes no part in the mean
VARIANTS: tuple[SplitVariant, ...] = get_args(SplitVariant)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SEPARATORS = ("/", "\\", "+", "\0")  # of folders, and of the columns of a partition


def apart(name: str, taken: Collection[str]) -> str:
    """The name with as few underscores behind it as tell it from all names that are taken.

    The one rule where columns of a log and of ours stand in one table: nobody's name is forbidden.
    """
    while name in taken:
        name += "_"
    return name


class DataError(ValueError):
    """Bad input: the message is one line that says what, where, the value and what is allowed."""

    def __str__(self) -> str:
        """The message; line breaks of a name or a value in it are blanks."""
        return " ".join(super().__str__().split("\n"))


class MissingFilesError(DataError):
    """Raw files are not where they are looked for; the message ends by asking for their folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """One input field of the models.

    A `categorical` value is a token; a missing value is a token of its own. A `numeric` column is
    cut into `num_buckets` buckets at train quantiles, the commonest values apart where quantiles
    coincide; a missing value (empty or NaN) has a bucket of its own, text is an error. A `bag`
    holds `separator`-separated tokens, of which the first `max_length` are mean-pooled;
    `raw.values.split_bags` says how they may be written. Tokens that occur fewer than `min_count`
    times in train get code 0, like values that do not occur in train at all.

    Raises:
        DataError: a count or a length is below its minimum.
    """

    name: str
    kind: FeatureKind = "categorical"
    min_count: int = 1
    num_buckets: int = 16
    max_length: int = 8
    separator: str = ";"

    def __post_init__(self) -> None:
        lower_bounds = {"min_count": 1, "num_buckets": 2, "max_length": 1}
        for field, low in lower_bounds.items():
            if getattr(self, field) < low:
                raise DataError(
                    f"feature {self.name!r}: {field} must be at least {low}, got"
                    f" {getattr(self, field)}"
                )
        if self.kind not in ("categorical", "numeric", "bag"):
            raise DataError(
                f"feature {self.name!r}: unknown kind {self.kind!r}; allowed: categorical,"
                " numeric, bag"
            )
        if not self.separator:
            raise DataError(f"feature {self.name!r}: separator must not be empty")


def categorical(names: str) -> list[FeatureSpec]:
    """Categorical features of these names, which stand between blanks."""
    return [FeatureSpec(name=name) for name in names.split()]


@dataclass(frozen=True, slots=True)
class DomainPartition:
    """The domain-aware feature set; its joint values are the domains (AdaSparse, section 2).

    Raises:
        DataError: there is no column, one comes twice, or a name cannot be part of a folder's name.
    """

    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.columns or len(set(self.columns)) != len(self.columns):
            raise DataError(
                f"a domain partition needs one or more different columns, got {list(self.columns)}"
            )
        for column in self.columns:
            if column in ("", ".", "..") or any(mark in column for mark in _SEPARATORS):
                raise DataError(
                    f"domain column {column!r} cannot name a folder: it must not be empty, '.' or"
                    " '..', nor hold '/', '\\', '+' or a NUL; rename the column"
                )

    @property
    def name(self) -> str:
        """Folder and display name, such as `tab+user_active_degree`."""
        return "+".join(self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """One log: its label, time and feature columns, and how it falls into domains.

    `representative` is the one domain column that MAML and STAR use as task id (AdaSparse, footnote
    4). `cluster` is the column of users, whose rows are not independent of each other, and `item`
    that of items; both may be features too. `prior` are categorical features that name who and what
    meet in a row, such as user, item and author: some methods condition on their embeddings. They
    are no domain columns, as those are e_d's part, which placebos replace and domain-blind models
    lack. It changes no prepared byte. `finer` lists further partitions worth studying.
    `source` says where the log comes from, under which terms, and what its label means; it changes
    no prepared byte.

    Raises:
        DataError: the name cannot name a folder, a column is named twice, the clusters or the items
            are the label or the timestamp, a domain column is not a categorical feature, or a prior
            column is none, is a domain column or comes twice.
    """

    name: str
    label: str
    timestamp: str | None
    features: tuple[FeatureSpec, ...]
    partition: DomainPartition
    representative: str
    source: Source
    cluster: str | None = None
    item: str | None = None
    prior: tuple[str, ...] = ()
    finer: tuple[DomainPartition, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DataError(
                f"name {self.name!r} may hold letters, digits, '-' and '_' only, and starts with a"
                " letter or a digit; it names folders"
            )
        features = [feature.name for feature in self.features]
        names = [self.label, *([self.timestamp] if self.timestamp is not None else []), *features]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise DataError(
                f"data set {self.name!r}: columns named twice: {', '.join(repeated)}; the label,"
                " the timestamp and the features must all be different"
            )
        for key, whose in (("cluster", "users"), ("item", "items")):
            column = getattr(self, key)
            if column is not None and column in (self.label, self.timestamp, ""):
                raise DataError(
                    f"data set {self.name!r}: {key} {column!r} must be the column of {whose}, not"
                    " the label or the timestamp; name another column or leave it out"
                )
        for partition in (self.partition, *self.finer):
            self._check_partition(partition)
        if self.representative not in self.partition.columns:
            raise DataError(
                f"data set {self.name!r}: representative {self.representative!r} must be one"
                f" of the partition's columns: {', '.join(self.partition.columns)}"
            )
        self._check_prior()

    def _check_partition(self, partition: DomainPartition) -> None:
        categorical = [feature.name for feature in self.features if feature.kind == "categorical"]
        for column in partition.columns:
            if column not in categorical:
                raise DataError(
                    f"data set {self.name!r}: domain column {column!r} is not a categorical"
                    f" feature; available: {', '.join(categorical)}"
                )

    def _check_prior(self) -> None:
        kinds = {feature.name: feature.kind for feature in self.features}
        allowed = self.prior_candidates
        for column in self.prior:
            if column not in kinds:
                problem = "is no feature"
            elif column in self.partition.columns:
                problem = "is a domain column"
            elif column not in allowed:
                problem = f"is of the kind {kinds[column]}"
            elif self.prior.count(column) > 1:
                problem = "comes twice"
            else:
                continue
            raise DataError(
                f"data set {self.name!r}: prior column {column!r} {problem}; allowed are the"
                f" categorical features beside the domain columns: {', '.join(allowed)}"
            )

    @property
    def prior_candidates(self) -> tuple[str, ...]:
        """The features that may be prior columns: categorical ones that are no domain columns."""
        return tuple(
            feature.name
            for feature in self.features
            if feature.kind == "categorical" and feature.name not in self.partition.columns
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns of the features, then those of users and items that are none of them."""
        features = [feature.name for feature in self.features]
        return tuple(dict.fromkeys([*features, *self.entities.values()]))

    @property
    def bag_separators(self) -> dict[str, str]:
        """The separators of the columns of several tokens."""
        return {own.name: own.separator for own in self.features if own.kind == "bag"}

    @property
    def entities(self) -> dict[Entity, str]:
        """The columns of users and items, as far as they are named."""
        columns: dict[Entity, str | None] = {"users": self.cluster, "items": self.item}
        return {entity: column for entity, column in columns.items() if column is not None}

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read of the log, each once: label, timestamp and inputs."""
        return (self.label, *([self.timestamp] if self.timestamp is not None else []), *self.inputs)

    @property
    def domain_columns(self) -> tuple[str, ...]:
        """The partition's columns, the representative first: the order of the encoded fields."""
        others = (name for name in self.partition.columns if name != self.representative)
        return self.representative, *others

    def with_partition(self, partition: DomainPartition) -> DatasetSpec:
        """The same log under another partition; its first column replaces a lost representative.

        Its columns are no prior columns any more.
        """
        kept = self.representative in partition.columns
        return replace(
            self,
            partition=partition,
            representative=self.representative if kept else partition.columns[0],
            prior=tuple(name for name in self.prior if name not in partition.columns),
            finer=(),
        )

    def without(self, columns: tuple[str, ...]) -> DatasetSpec:
        """The same log without the named timestamp, cluster, item or feature columns."""
        return replace(
            self,
            timestamp=None if self.timestamp in columns else self.timestamp,
            cluster=None if self.cluster in columns else self.cluster,
            item=None if self.item in columns else self.item,
            prior=tuple(name for name in self.prior if name not in columns),
            features=tuple(feature for feature in self.features if feature.name not in columns),
        )

    def limited_to(self, max_fields: int) -> DatasetSpec:
        """The same log with at most `max_fields` fields: domain columns, then the first others."""
        domain = self.partition.columns
        others = [feature.name for feature in self.features if feature.name not in domain]
        kept = {*domain, *others[: max(0, max_fields - len(domain))]}
        return replace(
            self,
            features=tuple(feature for feature in self.features if feature.name in kept),
            prior=tuple(name for name in self.prior if name in kept),
            finer=(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedSchema:
    """The shape of the encoded rows, all that a model needs to know of a data set.

    `fields` are the single-valued fields in the order of `Batch.codes`: the representative domain
    column, the other domain columns in the order of the partition, then the rest. `bags` are the
    multi-value fields. Sizes count the codes of a field, code 0 included; `num_domains` and
    `num_tasks` count id 0 too. `domain_from` and `task_from` name the columns of the encoded rows
    that a batch holds as domain and as task, "coarser" for the ids of some of the domain fields,
    "none" for one id, `ONLY`, in every row. With `is_placebo` the domain fields, domains and tasks
    that a method sees are those of another row, beside the row's own fields.
    """

    fields: tuple[str, ...]
    field_sizes: tuple[int, ...]
    num_domain_fields: int
    bags: tuple[str, ...]
    bag_sizes: tuple[int, ...]
    bag_lengths: tuple[int, ...]
    num_domains: int
    num_tasks: int
    domain_from: IdSource = "domain_id"
    task_from: IdSource = "task_id"
    is_placebo: bool = False

    def usual_prior(self, candidates: Collection[str]) -> tuple[str, ...]:
        """The prior columns of a log that names none: the largest of these, in their order."""
        sizes = {
            name: size
            for name, size in zip(self.fields, self.field_sizes, strict=True)
            if name in candidates
        }
        largest = sorted(sizes, key=lambda name: -sizes[name])[:MOST_PRIOR]
        return tuple(name for name in sizes if name in largest)

    def view(
        self,
        *,
        domain_from: IdSource,
        task_from: IdSource,
        coarser: tuple[int, int] | None = None,
        is_placebo: bool = False,
    ) -> EncodedSchema:
        """The same rows with other ids for domain and task.

        Domains that are tasks are the values of the first domain field alone, coarser ones the
        joint values of the first few; e_d is of the same fields, and empty without domains.

        Args:
            domain_from: what is handed out as domain.
            task_from: what is handed out as task.
            coarser: for coarser ids, the number of first domain fields that make them, and how
                many ids there are, id 0 included.
            is_placebo: whether ids and e_d are another row's.
        """
        counts: dict[IdSource, tuple[int, int]] = {  # of domain fields, of ids
            "domain_id": (self.num_domain_fields, self.num_domains),
            "task_id": (1, self.num_tasks),
            "none": (0, ONLY + 1),
        }
        if coarser is not None:
            counts["coarser"] = coarser
        num_domain_fields, num_domains = counts[domain_from]
        return replace(
            self,
            num_domain_fields=num_domain_fields,
            num_domains=num_domains,
            num_tasks=counts[task_from][1],
            domain_from=domain_from,
            task_from=task_from,
            is_placebo=is_placebo,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """Changes that a run may make to a log.

    `partition` replaces the spec's own, `max_fields` keeps the domain columns and the first other
    features, and `max_train_rows` keeps the latest train rows (the last ones of the shuffle without
    a timestamp); the earlier ones take no part in anything. `split_seed` drives the shuffle.

    `variant` splits a log that has times another way: "shuffled" are the same rows in a random
    order, split into the same sizes; a "cut" is a window of 80% of the rows in the order of time,
    from 0%, 10% or 20% of them on, split by time.

    Raises:
        DataError: a number is below 1, or the variant is none of `spec.VARIANTS`.
    """

    partition: DomainPartition | None = None
    max_fields: int | None = None
    max_train_rows: int | None = None
    split_seed: int = 0
    variant: SplitVariant | None = None

    def __post_init__(self) -> None:
        for name in ("max_fields", "max_train_rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DataError(f"{name} must be at least 1, got {value}")
        if self.variant not in (None, *VARIANTS):
            raise DataError(
                f"unknown split variant {self.variant!r}; allowed: {', '.join(VARIANTS)}"
            )
