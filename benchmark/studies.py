"""What each study asks: the cells it changes, their controls, and the logs that it is on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from benchmark.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.config import Json

BASELINE = "plain"
WORLDS = (  # of one layout; they differ in how the domains do
    "synthetic_production",
    "synthetic_none",
    "synthetic_sparse",
    "synthetic_dense",
    "synthetic_bias",
)
BLIND_PINS: Mapping[str, Mapping[str, Json]] = {  # what then takes the place of e_d
    "adasparse": {"pruner_input": "h"},
    "apg": {"condition": "h"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A method, and what a study changes about its main cell.

    `pinned` are hyper-parameters away from their default; `ids` are the domains and tasks that the
    method sees, none if it is `blind`; `match` names the method to whose dense parameters the
    hidden layers are scaled.
    """

    method: str
    pinned: Mapping[str, Json] = field(default_factory=dict)
    ids: Literal["own", "partition_as_task", "representative_as_domain", "blind"] = "own"
    match: str = ""

    @property
    def label(self) -> str:
        """How plans name the model without its backbone, such as `adasparse (pruner_input=h)`."""
        words = [f"{name}={value}" for name, value in self.pinned.items()]
        words += [self.ids.replace("_", " ")] if self.ids != "own" else []
        words += [f"as many dense parameters as {self.match}"] if self.match else []
        return f"{self.method} ({', '.join(words)})" if words else self.method

    @property
    def needs_columns(self) -> bool:
        """Whether it is the main cell where the partition has a single column."""
        return self.ids in ("partition_as_task", "representative_as_domain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Cells that answer one question: `changes` and the main cells that they are compared with.

    Without changes it is every method on every backbone. `has_blind_controls` changes every method
    into its domain-blind control. `worlds` are the generated logs that it is on, whatever --data
    says; `needs_truth` keeps it to those logs of --data that are generated.
    """

    summary: str
    changes: tuple[Change, ...] = ()
    has_blind_controls: bool = False
    on_first_backbone_only: bool = False
    worlds: tuple[str, ...] = ()
    needs_truth: bool = False

    def changes_of(self, methods: Sequence[str]) -> list[Change]:
        """The changes whose methods are among these."""
        named = [c for c in self.changes if {c.method, c.match or c.method} <= set(methods)]
        blind = methods if self.has_blind_controls else ()
        return named + [blind_control(method) for method in blind if method != BASELINE]

    @property
    def compares_all(self) -> bool:
        """Whether it is every method on every backbone."""
        return not self.changes and not self.has_blind_controls


def blind_control(method: str) -> Change:
    """The same layers of the same widths for a method that is not told the domain.

    All rows are of one domain and one task, and e_d is empty; the domain columns stay ordinary
    inputs. What would read e_d alone reads the layer's input.
    """
    return Change(method=method, ids="blind", pinned=BLIND_PINS.get(method, {}))


STUDIES = {
    "table1": Study(summary="every method on every backbone (Table 1)"),
    "controls": Study(
        summary="whether gains come from domain awareness or from capacity alone, and from which"
        " domains a method sees",
        changes=(
            Change(method="plain", match="adasparse"),
            Change(method="adasparse", pinned={"pruner_input": "h"}),
            Change(method="adasparse", ids="representative_as_domain"),
            Change(method="apg", ids="representative_as_domain"),
            Change(method="star", ids="partition_as_task"),
            Change(method="maml", ids="partition_as_task"),
        ),
    ),
    "ablations": Study(
        summary="AdaSparse with one part changed at a time, on the first selected backbone",
        changes=(
            Change(method="adasparse", pinned={"alpha_start": 5.0}),
            Change(method="adasparse", pinned={"penalty": "l1"}),
            Change(method="adasparse", pinned={"penalty": "l1", "penalty_weight_max": 0.1}),
            Change(method="adasparse", pinned={"penalty": "l1", "penalty_weight_max": 0.01}),
            Change(method="adasparse", pinned={"straight_through": "pass"}),
            Change(method="adasparse", pinned={"straight_through": "none"}),
            Change(method="adasparse", pinned={"r_scope": "domain"}),
            Change(method="adasparse", pinned={"prune_input": False}),
        ),
        on_first_backbone_only=True,
    ),
    "mechanisms": Study(
        summary="which method wins in worlds whose domains differ in known ways, and against its"
        " domain-blind control, on the first selected backbone",
        has_blind_controls=True,
        on_first_backbone_only=True,
        worlds=WORLDS,
    ),
    "emerging": Study(
        summary="every method on domains with no, few and many train rows; the cells of table1"
    ),
    "ab_test": Study(
        summary="a simulated A/B test on generated logs; the cells of table1", needs_truth=True
    ),
}


def studies_named(words: Sequence[str], data: Sequence[str]) -> list[str]:
    """The studies that `--only` names, with commas or spaces between them.

    Without a word all, but those with worlds of their own only if one of them is in `--data`.

    Raises:
        ConfigError: an unknown study.
    """
    names = [name for word in words for name in word.split(",") if name]
    unknown = [name for name in names if name not in STUDIES]
    if unknown:
        raise ConfigError(f"--only: unknown study {unknown[0]!r}; available: {', '.join(STUDIES)}")
    if words:
        return [name for name in STUDIES if name in names]
    return [
        name
        for name, study in STUDIES.items()
        if not study.worlds or not set(study.worlds).isdisjoint(data)
    ]
