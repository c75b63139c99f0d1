"""The analysis plan: what is concluded from results, fixed before any result is looked at."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.store.files import RecordError, write_text
from benchmark.store.plan import PLAN
from datasets.files import file_digest

NAME = "analysis_plan.toml"
OWN = Path(__file__).with_name(NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Levels of tests and intervals."""

    claim: float
    test: float
    interval: float
    power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Differences of AUC and GAUC that count for nothing."""

    equal: float
    nothing: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The least that a claim may be called reproduced with."""

    trials: int
    replicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusions:
    """Bounds of what settles nothing: above the first, below the second, beyond the third."""

    capped_share: float
    rows_of_a_class: int
    outside_band: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The quantities that words on cost stand for."""

    domains: int
    much_less_memory: float
    impractical_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedClaim:
    """A claim of the paper; `beside` is empty where nothing stands next to it."""

    name: str
    text: str
    where: str
    paper: str
    study: str
    contrasts: str
    beside: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisPlan:
    """The content of the file."""

    version: int
    levels: Levels
    margins: Margins
    budget: Budget
    exclusions: Exclusions
    cost: Cost
    families: Mapping[str, str]
    claims: tuple[PlannedClaim, ...]


def _read(path: Path) -> AnalysisPlan:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return AnalysisPlan(
        version=content["version"],
        levels=Levels(**content["levels"]),
        margins=Margins(**content["margins"]),
        budget=Budget(**content["budget"]),
        exclusions=Exclusions(**content["exclusions"]),
        cost=Cost(**content["cost"]),
        families=content["families"],
        claims=tuple(PlannedClaim(**claim) for claim in content["claims"]),
    )


ANALYSIS = _read(OWN)


def digest() -> str:
    """SHA-256 of the plan by which reports are made, in hex."""
    return file_digest(OWN)


def register(out: Path) -> None:
    """Keep a copy in an output folder for which no runs are planned yet; one that is there stays.

    Raises:
        OSError: the folder cannot be written.
    """
    if not (out / NAME).exists() and not (out / PLAN).exists():
        write_text(out / NAME, OWN.read_text(encoding="utf-8"))


def changes_since(out: Path) -> list[str] | None:
    """Differences of the plan from the copy in an output folder, as lines with - and +.

    None if it keeps no copy.

    Raises:
        RecordError: the copy cannot be read.
    """
    try:
        kept = (out / NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{out / NAME}: cannot be read ({error}); restore the file") from None
    lines = difflib.unified_diff(
        kept.splitlines(), OWN.read_text(encoding="utf-8").splitlines(), n=0, lineterm=""
    )
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]
