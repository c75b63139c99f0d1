"""What each study asks: the cells it changes, their controls, and the logs that it is on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from benchmark.config import SECOND_SEARCH, ConfigError
from benchmark.settings import SETTINGS, Setting, setting_words
from datasets.spec import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.config import Json, Labels
    from benchmark.protocol import Protocol
    from datasets.spec import SplitVariant

BASELINE = "plain"
WORLDS = (  # of one layout; they differ in how the domains do
    "synthetic_production",
    "synthetic_none",
    "synthetic_sparse",
    "synthetic_dense",
    "synthetic_bias",
)
REFERENCE = "reference"  # the method of a model that is no network
WITHOUT_TASKS = (BASELINE, "apg", "adasparse")  # methods that read no task id
SPARSITY_BOUNDS: tuple[list[Json], ...] = (  # beside AdaSparse's own, 0.15 to 0.25
    [0.05, 0.1],
    [0.1, 0.15],
    [0.25, 0.3],
    [0.3, 0.35],
    [0.35, 0.4],
)
BINARY: Mapping[str, Json] = {"form": "binarization"}  # the factors that the paper draws
BLIND_PINS: Mapping[str, Mapping[str, Json]] = {  # what then takes the place of e_d
    "adasparse": {"pruner_input": "h"},
    "apg": {"condition": "h"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A method, and what a study changes about its main cell.

    `pinned` are hyper-parameters that tuning does not choose; `ids` are the domains and tasks that
    the method sees, none if it is `blind`, another row's if a `placebo`; with `num_columns` both
    are the joint values of the first so many domain columns; `match` names the method to whose
    dense parameters the hidden layers are scaled; `labels` are those that it trains on; `search` is
    which of the model's searches chose its values; `setting` are other values of the protocol, and
    `split` is another split of the log than its own.
    """

    method: str
    pinned: Mapping[str, Json] = field(default_factory=dict)
    ids: Literal["own", "partition_as_task", "blind", "placebo"] = "own"
    num_columns: int | None = None
    match: str = ""
    labels: Labels = "given"
    search: int = 1
    setting: Setting = field(default_factory=Setting)
    split: SplitVariant | None = None

    @property
    def label(self) -> str:
        """How plans name the model without its backbone, such as `adasparse (pruner_input=h)`."""
        words = [f"{name}={value}" for name, value in self.pinned.items()]
        words += [self.ids.replace("_", " ")] if self.ids != "own" else []
        if self.num_columns:
            words.append(f"domains of {self.num_columns} columns")
        words += [f"labels {self.labels}"] if self.labels != "given" else []
        words += [f"as many dense parameters as {self.match}"] if self.match else []
        words += setting_words(self.setting)
        words += [f"split {self.split}"] if self.split else []
        words += [SECOND_SEARCH] if self.search > 1 else []
        return f"{self.method} ({', '.join(words)})" if words else self.method

    def differs(self, num_domain_columns: int) -> bool:
        """Whether it is another cell than the main one where there are so many domain columns."""
        if self.num_columns:
            return self.num_columns < num_domain_columns
        return self.ids != "partition_as_task" or num_domain_columns > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Cells that answer one question: `changes` and the main cells that they are compared with.

    Without changes it is every method on every backbone; so is one that `is_searched_again`, with
    the values of a second search beside those of the first. All others are on the first backbone
    that is selected. `has_blind_controls` changes every method into its domain-blind control,
    `has_placebos` gives every method domains that say nothing, `is_nested` ever more domain
    columns, `has_settings` tries the methods under other settings of the protocol and on other
    splits. `references` are models that are no networks. `worlds` are the generated logs that it is
    on, whatever --data says; `needs_truth` keeps it to those logs of --data that are generated.
    """

    summary: str
    changes: tuple[Change, ...] = ()
    has_blind_controls: bool = False
    has_placebos: bool = False
    is_nested: bool = False
    is_searched_again: bool = False
    has_settings: bool = False
    references: tuple[str, ...] = ()
    worlds: tuple[str, ...] = ()
    needs_truth: bool = False

    def changes_of(
        self, methods: Sequence[str], num_domain_columns: int, most: int | None = None
    ) -> list[Change]:
        """The changes whose methods are among these, on a log of so many domain columns.

        Of each kind of change there are at most `most`.
        """
        others = [method for method in methods if method != BASELINE]
        kinds = [
            [c for c in self.changes if {c.method, c.match or c.method} <= set(methods)],
            [blind_control(method) for method in others if self.has_blind_controls],
            [Change(method=method, ids="placebo") for method in others if self.has_placebos],
            [c for m in others if self.is_nested for c in nested(m, num_domain_columns)],
            [Change(method=method, search=2) for method in methods if self.is_searched_again],
        ]
        return [
            change
            for kind in kinds
            for change in [change for change in kind if change.differs(num_domain_columns)][:most]
        ]

    @property
    def compares_all(self) -> bool:
        """Whether it is the main cells alone, every method on every backbone."""
        changes_every_method = (
            self.has_blind_controls
            or self.has_placebos
            or self.is_nested
            or self.is_searched_again
            or self.has_settings
        )
        return not (self.changes or self.references or changes_every_method)

    @property
    def is_on_all_backbones(self) -> bool:
        """Whether it is on every backbone rather than on the first."""
        return self.compares_all or self.is_searched_again


def blind_control(method: str) -> Change:
    """The same layers of the same widths for a method that is not told the domain.

    All rows are of one domain and one task, and e_d is empty; the domain columns stay ordinary
    inputs. What would read e_d alone reads the layer's input.
    """
    return Change(method=method, ids="blind", pinned=BLIND_PINS.get(method, {}))


def nested(method: str, num_domain_columns: int) -> list[Change]:
    """The method with the domains of one column, two columns, and so on.

    With all columns a method without tasks is its main cell.
    """
    changes = [Change(method=method, num_columns=k) for k in range(1, num_domain_columns)]
    whole = [] if method in WITHOUT_TASKS else [Change(method=method, ids="partition_as_task")]
    return changes + whole


def settings_of(protocol: Protocol, *, has_times: bool) -> list[Change]:
    """Every other setting and split of the cells of a log, as changes of the plain method.

    The shuffle comes first, so that a preset with few changes has one of each kind.
    """
    settings = [
        Change(method=BASELINE, setting=setting)
        for setting in SETTINGS
        if any(getattr(protocol, name) != value for name, value in setting.items())
    ]
    splits = [Change(method=BASELINE, split=split) for split in VARIANTS if has_times]
    return [*splits[:1], *settings, *splits[1:]]


STUDIES = {
    "main": Study(summary="every method on every backbone (Table 1)"),
    "formulations": Study(
        summary="AdaSparse's three forms of weighting factors (Table 2)",
        changes=(
            Change(method="adasparse", pinned=BINARY),
            Change(method="adasparse", pinned={"form": "scaling"}),
        ),
    ),
    "partitions": Study(
        summary="every method with ever finer domains, one column after the other (Fig. 3c)",
        is_nested=True,
    ),
    "sparsity": Study(
        summary="AdaSparse with other bounds of the sparsity ratio (Fig. 3d)",
        changes=tuple(
            Change(method="adasparse", pinned={"sparsity_bounds": bounds})
            for bounds in SPARSITY_BOUNDS
        ),
    ),
    "masks": Study(
        summary="which neurons AdaSparse prunes where, and on labels permuted within domains"
        " (Fig. 3a)",
        changes=(
            Change(method="adasparse", pinned=BINARY),
            Change(method="adasparse", pinned=BINARY, labels="permuted"),
            Change(method="adasparse", labels="permuted"),
        ),
    ),
    "controls": Study(
        summary="whether gains come from domain awareness or from capacity alone, and from which"
        " domains a method sees",
        changes=(
            Change(method="plain", match="adasparse"),
            blind_control("adasparse"),
            Change(method="adasparse", num_columns=1),
            Change(method="apg", num_columns=1),
            Change(method="star", ids="partition_as_task"),
            Change(method="maml", ids="partition_as_task"),
        ),
        has_placebos=True,
    ),
    "ablations": Study(
        summary="AdaSparse, STAR and APG with one part changed at a time",
        changes=(
            Change(method="adasparse", pinned={"alpha_start": 5.0, "alpha_max": 5.0}),
            Change(method="adasparse", pinned={"penalty": "l1"}),
            Change(method="adasparse", pinned={"penalty": "l1", "penalty_weight_max": 0.1}),
            Change(method="adasparse", pinned={"penalty": "l1", "penalty_weight_max": 0.01}),
            Change(method="adasparse", pinned={"straight_through": "pass"}),
            Change(method="adasparse", pinned={"straight_through": "none"}),
            Change(method="adasparse", pinned={"r_scope": "domain"}),
            Change(method="adasparse", pinned={"prune_input": False}),
            Change(method="adasparse", pinned={"pruner_input": "e_d"}),
            Change(method="apg", pinned={"condition": "e_d"}),
            Change(method="star", pinned={"partitioned_norm": False}),
        ),
    ),
    "sensitivity": Study(
        summary="whether the order of methods is another under other settings of the protocol, on"
        " shuffled rows and in other periods of time",
        has_settings=True,
    ),
    "cost": Study(summary="what every method costs in parameters and time; the cells of main"),
    "references": Study(
        summary="what one would use instead: logistic regression and boosted trees",
        references=("logistic_regression", "boosted_trees"),
    ),
    "mechanisms": Study(
        summary="which method wins in worlds whose domains differ in known ways, and against its"
        " domain-blind control",
        has_blind_controls=True,
        worlds=WORLDS,
    ),
    "emerging": Study(
        summary="every method on domains with no, few and many train rows; the cells of main"
    ),
    "ab_test": Study(
        summary="a simulated A/B test on generated logs; the cells of main", needs_truth=True
    ),
    "retuned": Study(
        summary="the cells of main with the values of a second search, where the preset has one",
        is_searched_again=True,
    ),
}


def studies_named(names: Sequence[str], data: Sequence[str]) -> list[str]:
    """The studies of these names, in order.

    Without a name all, but those with worlds of their own only if one of them is in `--data`.

    Raises:
        ConfigError: an unknown name.
    """
    unknown = [name for name in names if name not in STUDIES]
    if unknown:
        raise ConfigError(
            f"--only: unknown study {unknown[0]!r}; available: {', '.join(STUDIES)}, and the tables"
            " and figures that --list tables and --list figures name"
        )
    if names:
        return [name for name in STUDIES if name in names]
    return [
        name
        for name, study in STUDIES.items()
        if not study.worlds or not set(study.worlds).isdisjoint(data)
    ]
