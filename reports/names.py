"""Names as readers know them, and the order in which the papers list them."""

from __future__ import annotations

BASELINE = "plain"
TITLES = {  # a plug-in that is not listed goes by its file's name, after these
    "dnn": "DNN",
    "dcnv2": "DCNv2",
    "plain": "plain",
    "maml": "MAML",
    "star": "STAR",
    "apg": "APG",
    "adasparse": "AdaSparse",
}


def rank(name: str) -> int:
    """Position of a backbone or method in tables."""
    return list(TITLES).index(name) if name in TITLES else len(TITLES)


def data_title(dataset: str, partition: str) -> str:
    """A data set and what its domains are."""
    columns = " \N{MULTIPLICATION SIGN} ".join(partition.split("+"))
    return f"{dataset} (domains: {columns})"


def title_of(backbone: str, method: str) -> str:
    """`DNN` for the plain backbone, `+AdaSparse` for a method on it."""
    name = backbone if method == BASELINE else method
    return ("" if method == BASELINE else "+") + TITLES.get(name, name)


def model_title(backbone: str, method: str) -> str:
    """`DNN` or `DNN +AdaSparse`."""
    base = title_of(backbone, BASELINE)
    return base if method == BASELINE else f"{base} {title_of(backbone, method)}"
