"""Names as readers know them, and the order in which the papers list them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from benchmark.config import SECOND_SEARCH
from benchmark.settings import setting_of, setting_words

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import pandas as pd

    from benchmark.config import Json, RunConfig

BASELINE = "plain"
REFERENCE = "reference"  # the method of a model that is no network
CEILING = "ceiling"  # the method of a row of tables that has the scores of the true probability
MOST_NAMED = 3  # columns of a partition in a title
TITLES = {  # a plug-in that is not listed goes by its file's name, after these
    "dnn": "DNN",
    "dcnv2": "DCNv2",
    "plain": "plain",
    "maml": "MAML",
    "star": "STAR",
    "apg": "APG",
    "adasparse": "AdaSparse",
    "logistic_regression": "Logistic regression",
    "boosted_trees": "Boosted trees",
}
FORMS = {"binarization": "Binarization", "scaling": "Scaling", "fusion": "Fusion"}  # of factors
PINNED = {  # other pinned hyper-parameters go by their name and value
    "pruner_input h": "pruner reads h only",
    "alpha_start 5.0": "alpha 5",
    "alpha_max 5.0": "from the start",
    "penalty l1": "l1 penalty",
    "penalty_weight_max 0.1": "weight 0.1",
    "penalty_weight_max 0.01": "weight 0.01",
    "straight_through pass": "straight-through pass",
    "straight_through none": "no straight-through",
    "r_scope domain": "sparsity ratio by domain",
    "prune_input False": "x_0 not pruned",
    "partitioned_norm False": "no partitioned normalisation",
    **{f"form {form}": title for form, title in FORMS.items()},
}


def rank(name: str) -> int:
    """Position of a backbone or method in tables."""
    return list(TITLES).index(name) if name in TITLES else len(TITLES)


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


def joined(columns: Sequence[str]) -> str:
    """The columns of a partition as a product."""
    return " \N{MULTIPLICATION SIGN} ".join(columns)


def title_of(backbone: str, method: str, changes: str = "") -> str:
    """`DNN` for the plain backbone, `+AdaSparse` for a method on it, then what a study changed."""
    is_alone = method in (BASELINE, REFERENCE)
    name = backbone if is_alone else method
    title = ("" if is_alone else "+") + TITLES.get(name, name)
    return f"{title}, {changes}" if changes else title


def model_title(backbone: str, method: str, changes: str = "") -> str:
    """`DNN` or `DNN +AdaSparse`, then what a study changed."""
    title = title_of(backbone, method, changes)
    is_alone = method in (BASELINE, REFERENCE)
    return title if is_alone else f"{title_of(backbone, BASELINE)} {title}"


def band_title(low: float, high: float) -> str:
    """Bounds of the sparsity ratio."""
    return f"sparsity in [{low:g}, {high:g}]"


def changes_of(config: RunConfig, main: RunConfig) -> str:
    """What a study changed about the main cell of a model, in words; empty for the main cell."""
    words = [_pin_title(name, value) for name, value in config.pinned.items()]
    if config.protocol.hidden_dims != main.protocol.hidden_dims:
        words.append(f"width-matched ({'-'.join(map(str, config.protocol.hidden_dims))})")
    words += setting_words(setting_of(config.protocol, main.protocol))
    if config.split != main.split:
        words.append(f"split {config.split}")
    if config.labels != main.labels:
        words.append(f"labels {config.labels}")
    words += _changes_of_domains(config, main)
    if config.search != main.search:
        words.append(SECOND_SEARCH)
    return ", ".join(words)


def _changes_of_domains(config: RunConfig, main: RunConfig) -> list[str]:
    words = {
        "domain-blind": config.is_blind,
        f"{config.domains} domains": config.domains != main.domains,
        "task = full partition": config.has_full_task,
        f"domain = {joined(config.domain_columns)} only": config.has_own_domains,
    }
    return [word for word, is_so in words.items() if is_so]


def _pin_title(name: str, value: Json) -> str:
    if name == "sparsity_bounds":
        return band_title(*cast("list[float]", value))
    pin = f"{name} {value}"
    return PINNED.get(pin, pin)
