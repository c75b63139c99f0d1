"""Names as readers know them, and the order in which the papers list them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from benchmark.config import BASELINE, REFERENCE, joined
from models.facts import Facts, Family

CEILING = "ceiling"  # the method of a row of tables that has the scores of the true probability
TRUTH = "True probability"  # the title of such a row
MOST_NAMED = 3  # columns of a partition in a title
FORMS = {"binarization": "Binarization", "scaling": "Scaling", "fusion": "Fusion"}  # of factors

_facts: dict[str, Facts] = {}


def learn(facts: Mapping[str, Facts]) -> None:
    """Take note of the facts of models that an output folder keeps."""
    _facts.update(facts)


def facts_of(name: str) -> Facts:
    """The facts of a method, a backbone or a reference; none of an unknown one."""
    return _facts.get(name, Facts())


def name_of(name: str) -> str:
    """A method, a backbone or a reference as readers know it: its title, else its file's name."""
    return facts_of(name).title or name


def in_family(*families: Family) -> tuple[str, ...]:
    """The methods of Table 1 whose domains have parameters of these kinds, the oldest first."""
    found = [name for name, one in _facts.items() if one.in_table_1 and one.family in families]
    return tuple(sorted(found, key=rank))


def rank(name: str) -> tuple[bool, str, str]:
    """The key by which tables order models: those of Table 1 first, and the oldest first."""
    facts = facts_of(name)
    return not facts.in_table_1, facts.published, name


def is_alone(method: str) -> bool:
    """True of what is no method on a backbone: a plain backbone, a reference, and the ceiling."""
    return method in (BASELINE, REFERENCE, CEILING)


def networks(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of networks: neither references nor ceilings."""
    return table[~table["method"].isin((REFERENCE, CEILING))]


def in_words(texts: Iterable[str]) -> str:
    """Texts as a list in a sentence: `a, b and c`."""
    found = [*texts]
    return " and ".join([", ".join(found[:-1]), *found[-1:]] if len(found) > 1 else found)


def data_title(dataset: str, partition: str) -> str:
    """A data set and what its domains are; of more than three columns the first and the last."""
    columns = partition.split("+")
    if len(columns) > MOST_NAMED:
        ends = joined([columns[0], "\N{HORIZONTAL ELLIPSIS}", columns[-1]])
        return f"{dataset} (domains: {ends}, {len(columns)} columns)"
    return f"{dataset} (domains: {joined(columns)})"


def block_title(row: Mapping[Hashable, Any] | pd.Series) -> str:
    """The data set and the backbone of a row, whose columns are `keys.BLOCK`."""
    log = data_title(row["dataset"], row["partition"])
    return f"{log}, {title_of(row['backbone'], BASELINE)}"


def title_of(backbone: str, method: str, changes: str = "") -> str:
    """`DNN` for the plain backbone, `+AdaSparse` for a method on it, then what a study changed."""
    title = name_of(backbone) if is_alone(method) else f"+{name_of(method)}"
    return f"{title}, {changes}" if changes else title


def model_title(backbone: str, method: str, changes: str = "") -> str:
    """`DNN` or `DNN +AdaSparse`, then what a study changed."""
    title = title_of(backbone, method, changes)
    return title if is_alone(method) else f"{title_of(backbone, BASELINE)} {title}"
