"""The parts of a method's gain: domain awareness (over its placebo) and capacity (over plain)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np
import pandas as pd

from benchmark.protocol import PRESETS
from benchmark.store.records import RunRecord
from reports.analysis.comparisons import estimate, peers_of
from reports.claims.evidence import Evidence
from reports.look.table import number
from reports.reading.exclusions import is_capped, marked
from reports.reading.keys import BLOCK, CELL, DATA, MODEL, Block, Replicate
from reports.reading.load import Runs
from reports.reading.names import BASELINE, data_title, name_of
from reports.statistics.estimates import NONE, Component, share_of
from reports.statistics.paired_tests import NO_INTERVAL

Arms = Mapping[str, dict[Replicate, RunRecord]]  # runs of the same draws and seeds

METRICS = ("auc", "gauc")
PARTS = {  # of a gain: which arm less which
    "gain": ("method", "plain"),
    "awareness": ("method", "placebo"),
    "capacity": ("placebo", "plain"),
}
WORDS = {"awareness": "domain awareness", "capacity": "capacity"}
_SENTENCE_METRIC, _DIGITS = "auc", 4


@lru_cache(maxsize=1)  # a table and a figure are made of it
def tabulate(runs: Runs) -> pd.DataFrame:
    """One row per method with a placebo and metric, over the `runs` that all three arms have.

    `<arm>_mean` are the scores of `method`, `placebo` and `plain` on test. `<part>_mean`, `_low`
    and `_high` are the differences of `PARTS`, each with its 95% interval as in
    `comparisons.estimate`, and `share_*` that of awareness in the gain, nan where the gain is not
    clearly above 0. `added_parameters` are those of the rows of e_d that the placebo alone has.
    `capped` is the largest share among the arms of runs that the cap on epochs stopped.
    """
    everything, runs = runs, runs.study("controls")
    if not runs.records:
        return pd.DataFrame()
    placebos = {cell.key for cell in runs.cells if cell.config.is_placebo}
    rows: list[dict[str, object]] = []
    for model in runs.models.to_dict("records"):
        if tuple(model[name] for name in CELL) not in placebos:
            continue
        block = Block(*(model[name] for name in BLOCK))
        arms, peers = _arms(runs, block, model["method"]), peers_of(everything, block)
        keys = {name: model[name] for name in (*MODEL, "planned_runs", "draws")}
        rows += [
            keys
            | {"metric": metric, "has_verdicts": PRESETS[runs.preset].has_verdicts}
            | _row(arms, metric, peers.tuning(metric))
            for metric in METRICS
        ]
    return pd.DataFrame(rows)


def _arms(runs: Runs, block: Block, method: str) -> Arms:
    """The three arms of a method, over the draws and seeds that all of them have."""
    evidence, backbone = Evidence(runs, block.family), block.backbone
    arms = {
        "method": evidence.subject(backbone, method).runs,
        "placebo": evidence.subject(backbone, method, lambda config: config.is_placebo).runs,
        "plain": evidence.subject(backbone, BASELINE).runs,
    }
    common = set.intersection(*(set(found) for found in arms.values()))
    return {arm: {place: found[place] for place in common} for arm, found in arms.items()}


def _row(arms: Arms, metric: str, tuning: Component) -> dict[str, object]:
    """The scores of the arms, their differences, and the share of awareness in the gain.

    A placebo has the tuned values of its method: `tuning` is part of differences to plain alone.
    """
    records = {arm: list(runs.values()) for arm, runs in arms.items()}
    row: dict[str, object] = {"runs": len(arms["method"])}
    row["capped"] = max(_mean([is_capped(one) for one in own]) for own in records.values())
    for arm, own in records.items():
        row[f"{arm}_mean"] = _mean([one.metrics["test"][metric] for one in own])
    found = {
        part: estimate(arms[left], arms[right], metric, tuning=tuning if right == "plain" else NONE)
        for part, (left, right) in PARTS.items()
    }
    for part, value in found.items():
        row |= value.interval().named(part)
    is_clear = found["gain"].interval().low > 0.0
    share = share_of(found["awareness"], found["gain"], found["capacity"])
    row |= (share if is_clear else NO_INTERVAL).named("share")
    return row | {"added_parameters": _added_parameters(arms)}


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _added_parameters(arms: Arms) -> float:
    """The number of parameters that only the placebo's embedding table has."""
    if not arms["placebo"]:
        return math.nan
    records = (next(iter(arms[arm].values())) for arm in ("placebo", "method"))
    own, other = (cast("float", record.cost["embedding_parameters"]) for record in records)
    return own - other


def answers(table: pd.DataFrame) -> list[str]:
    """A sentence on the AUC of each method that goes as far as its runs do.

    None at a preset without verdicts.
    """
    if not table["has_verdicts"].all():
        return []
    has_one_log = len(table[DATA].drop_duplicates()) == 1
    rows = table[table["metric"] == _SENTENCE_METRIC].to_dict("records")
    return [
        ("" if has_one_log else f"{data_title(row['dataset'], row['partition'])}: ") + _answer(row)
        for row in rows
    ]


def _answer(row: Mapping[Hashable, Any]) -> str:
    method, backbone = (name_of(name) for name in (row["method"], row["backbone"]))
    title = marked(f"{method} on {backbone}", row)
    low, high = row["gain_low"], row["gain_high"]
    if math.isnan(low):
        return (
            f"{title}: not known; it takes two draws or seeds of the method, its placebo and the"
            " plain backbone."
        )
    if low > 0.0:
        return f"{title}: of the gain of {_amount(row, 'gain')} AUC, {_shared_out(row)}."
    if high < 0.0:
        return f"{title}: no gain but a loss of {_amount(row, 'gain', -1.0)} AUC; {_parts(row)}."
    return (
        f"{title}: no gain to share out, {_amount(row, 'gain')} AUC cannot be told from 0;"
        f" {_parts(row)}."
    )


def _shared_out(row: Mapping[Hashable, float]) -> str:
    """The parts of a gain, and the share of awareness."""
    if not any(_sign(row, name) for name in WORDS):
        amounts = " and ".join(f"{_amount(row, name)} of {word}" for name, word in WORDS.items())
        return f"{amounts} cannot be told apart"
    if math.isnan(row["share_low"]):
        return _parts(row)
    mean, low, high = (number(100.0 * row[f"share_{end}"], 0) for end in ("mean", "low", "high"))
    return f"{_parts(row)}; awareness is {mean}% [{low}%, {high}%] of it"


def _parts(row: Mapping[Hashable, float]) -> str:
    """Both parts, the clear ones first."""
    clear = [_clear_part(row, name) for name in WORDS if _sign(row, name)]
    unclear = [f"{WORDS[name]}, {_amount(row, name)}," for name in WORDS if not _sign(row, name)]
    if not clear:
        return f"neither {' nor '.join(unclear)} can be told from 0"
    return "; ".join([" and ".join(clear), *(f"{part} cannot be told from 0" for part in unclear)])


def _clear_part(row: Mapping[Hashable, float], name: str) -> str:
    if _sign(row, name) < 0:
        return f"{WORDS[name]} costs {_amount(row, name, -1.0)}"
    return f"{_amount(row, name)} is {WORDS[name]}"


def _sign(row: Mapping[Hashable, float], name: str) -> int:
    """The sign of a part whose interval excludes 0; 0 if it holds 0, or if there is none."""
    return int(row[f"{name}_low"] > 0.0) - int(row[f"{name}_high"] < 0.0)


def _amount(row: Mapping[Hashable, float], name: str, sign: float = 1.0) -> str:
    """A difference and its interval, or those of its negative, in units of the metric."""
    mean, *ends = (sign * row[f"{name}_{end}"] for end in ("mean", "low", "high"))
    if math.isnan(ends[0]):
        return number(mean, _DIGITS)
    low, high = (number(end, _DIGITS) for end in sorted(ends))
    return f"{number(mean, _DIGITS)} [{low}, {high}]"
