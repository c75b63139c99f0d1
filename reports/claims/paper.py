"""The numbers that the AdaSparse paper prints, and which of our logs stands for which of its."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TypedDict

from reports.reading.names import in_family

LOGS = {  # by how the names of data sets begin; other data sets have no column in the paper
    "synthetic_production": "production",
    "synthetic_public": "public",
    "iaac": "public",
}


class Scores(TypedDict):
    """A row of Table 1; `starred` are the metrics with an asterisk."""

    logloss: float
    auc: float
    gauc: float
    starred: list[str]


class Values(TypedDict):
    """The content of `paper_values.json`; `source` says where it is from."""

    source: str
    table1: dict[str, dict[str, dict[str, Scores]]]  # by log, backbone and method
    table2: dict[str, dict[str, float]]  # by form of the weighting factors, and plain


@cache
def paper_values() -> Values:
    """The committed numbers."""
    path = Path(__file__).with_name("paper_values.json")
    values: Values = json.loads(path.read_text(encoding="utf-8"))
    return values


def paper_log(dataset: str) -> str:
    """The log of the paper that a data set stands for; empty if for none."""
    return next((log for start, log in LOGS.items() if dataset.startswith(start)), "")


def paper_scores(dataset: str, backbone: str, method: str) -> Scores | None:
    """The paper's row for a model on such a data set, if it has one."""
    rows = paper_values()["table1"].get(paper_log(dataset), {})
    return rows.get(backbone, {}).get(method)


def individual() -> tuple[str, ...]:
    """The methods whose domains have parameters of their own, adapted or individual."""
    return in_family("adapted", "individual")


def generated() -> tuple[str, ...]:
    """The methods that generate the parameters of a domain."""
    return in_family("generated")
