"""The question of a study: the cells it changes, their controls, and the logs that it is on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from benchmark.config import BASELINE, Changed
from benchmark.protocol import SETTINGS, Setting
from datasets.spec import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.config import Json, Labels
    from benchmark.protocol import Protocol
    from datasets.spec import SplitVariant

WORLDS = (  # of one layout; they differ in how the domains do
    "synthetic_production",
    "synthetic_none",
    "synthetic_sparse",
    "synthetic_dense",
    "synthetic_bias",
)


IDS = {  # other domains and tasks that a method sees, in words
    "blind": "domain-blind",
    "placebo": "placebo domains",
    "partition_as_task": "task = full partition",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A method, and what a study changes about its main cell.

    `pinned` are hyper-parameters that tuning does not choose; `ids` are the domains and tasks that
    the method sees: none if it is `blind` (all rows are of one domain and one task, e_d is empty,
    and the `blind_pins` of the method are pinned too; the domain columns stay ordinary inputs),
    another row's if a `placebo`; with `num_columns` both are the joint values of the first so many
    domain columns; `match` names the method to whose parameters of a row the hidden layers are
    scaled; `labels` are those that it trains on; `search` is which of the model's searches chose
    its values; `setting` are other values of the protocol, and `split` is another split of the log
    than its own.
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
        """The model without its backbone in a plan, such as `adasparse (pruner_input h)`."""
        domains = [IDS[self.ids]] if self.ids != "own" else []
        domains += [f"domains of {self.num_columns} columns"] if self.num_columns else []
        changed = Changed(
            pinned=self.pinned,
            width=f"as many parameters as {self.match}" if self.match else "",
            setting=self.setting,
            split=self.split or "",
            labels=self.labels,
            domains=domains,
            search=self.search,
        )
        words = changed.words()
        return f"{self.method} ({', '.join(words)})" if words else self.method

    def differs(self, num_domain_columns: int) -> bool:
        """True if the change makes another cell than the main one with so many domain columns."""
        if self.num_columns:
            return self.num_columns < num_domain_columns
        return self.ids != "partition_as_task" or num_domain_columns > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Cells that answer one question: `changes` and the main cells that they are compared with.

    Without changes it is every method on every backbone; so is one that `is_searched_again`, with
    the values of a second search beside those of the first. All others are on the first backbone
    that is selected. `has_blind_controls` changes every method into its domain-blind control,
    `has_placebos` gives every method domains that say nothing, `has_matched` sets a plain network
    as wide beside every method, `is_nested` gives methods ever more domain columns, `has_settings`
    tries them under other settings of the protocol and on other splits. `references` are models
    that are no networks. `worlds` are the generated logs that it is on, whatever --data says;
    `needs_truth` keeps it to those logs of --data that are generated. A study with others `beside`
    it brings them along, and is run only where it is named. Studies are run and listed by `order`.
    """

    summary: str
    order: int = 100
    changes: tuple[Change, ...] = ()
    has_blind_controls: bool = False
    has_placebos: bool = False
    has_matched: bool = False
    is_nested: bool = False
    is_searched_again: bool = False
    has_settings: bool = False
    references: tuple[str, ...] = ()
    worlds: tuple[str, ...] = ()
    needs_truth: bool = False
    beside: tuple[str, ...] = ()

    def changes_of(
        self, methods: Sequence[str], num_domain_columns: int, most: int | None = None
    ) -> list[Change]:
        """The changes whose methods are among these, on a log of so many domain columns.

        Of each kind of change there are at most `most`.
        """
        others = [method for method in methods if method != BASELINE]
        kinds = [
            [c for c in self.changes if {c.method, c.match or c.method} <= set(methods)],
            [Change(method=BASELINE, match=method) for method in others if self.has_matched],
            [Change(method=method, ids="blind") for method in others if self.has_blind_controls],
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
        """True if the study has the main cells alone, every method on every backbone."""
        changes_every_method = (
            self.has_blind_controls
            or self.has_placebos
            or self.has_matched
            or self.is_nested
            or self.is_searched_again
            or self.has_settings
        )
        return not (self.changes or self.references or changes_every_method)

    @property
    def is_of_table_1(self) -> bool:
        """True if the cells are those of Table 1, which have the most seeds."""
        return self.compares_all or bool(self.references)

    @property
    def is_on_all_backbones(self) -> bool:
        """True if the study is on every backbone rather than on the first."""
        return self.compares_all or self.is_searched_again


def nested(method: str, num_domain_columns: int) -> list[Change]:
    """The method with the domains of one column, two columns, and so on.

    With all columns a method that reads no tasks is its main cell.
    """
    from models.registry import load_method  # torch is slow to import

    changes = [Change(method=method, num_columns=k) for k in range(1, num_domain_columns)]
    whole = (
        [Change(method=method, ids="partition_as_task")] if load_method(method).reads_tasks else []
    )
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
