"""What the page says about each log: its rows, its domains, its source, and whether it is real."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.layout import number
from reports.names import data_title, joined

if TYPE_CHECKING:
    import pandas as pd

    from reports.card import Card
    from reports.load import Runs

SPLITS = ("train", "dev", "test")
SPLIT_WORDS = {
    "time": "by time: the first four sixths of the log are train, the next sixth is dev, the"
    " last sixth test; rows with one timestamp stay together",
    "shuffle": "by a seeded shuffle, because the log has no timestamp: four sixths are train,"
    " one sixth is dev, one sixth test; so nothing here tells how a model ages",
}


def data_cards(runs: Runs) -> list[dict[str, object]]:
    """One card per log of the plan, in its order."""
    return [_data(runs, *keys, fingerprint) for keys, fingerprint in runs.fingerprints.items()]


def _data(runs: Runs, dataset: str, partition: str, fingerprint: str) -> dict[str, object]:
    card, domains = runs.card(fingerprint), runs.domains(fingerprint)
    return {
        "name": dataset,
        "heading": data_title(dataset, partition),
        "is_simulated": "ceiling" in card,
        "rows": [_split_row(domains, split) for split in SPLITS],
        "facts": {"Domain columns": joined(partition.split("+")), **_facts(card, domains)},
    }


def _split_row(domains: pd.DataFrame, split: str) -> list[str]:
    """Rows, click rate, domains and one-class domains of a split."""
    impressions, clicks = domains[f"{split}_impressions"], domains[f"{split}_clicks"]
    is_present = impressions > 0
    has_one_class = is_present & ((clicks == 0) | (clicks == impressions))
    rate = clicks.sum() / impressions.sum()
    counts = [f"{int(is_present.sum()):,}", f"{int(has_one_class.sum()):,}"]
    return [split, f"{int(impressions.sum()):,}", number(100 * rate, 2) + "%", *counts]


def _facts(card: Card, domains: pd.DataFrame) -> dict[str, str]:
    is_new = (domains["train_impressions"] == 0) & (domains["test_impressions"] > 0)
    facts = {
        "Label": f"column {card['label']}",
        "Source": card["source"],
        "Split": SPLIT_WORDS[card["split_kind"]],
        "Domains": f"{len(domains):,} in all, {(domains['train_impressions'] > 0).sum():,} of them"
        f" in train; {is_new.sum():,} are new in test and hold"
        f" {domains.loc[is_new, 'test_impressions'].sum():,} of its rows",
    }
    dropped = card["train_rows_dropped_by_cap"]
    if dropped:
        choice = "latest" if card["split_kind"] == "time" else "last shuffled"
        facts["Train cap"] = (
            f"the {domains['train_impressions'].sum():,} {choice} train rows are kept;"
            f" {dropped:,} others take no part"
        )
    if card["absent_columns"]:
        facts["Absent columns"] = ", ".join(card["absent_columns"])
    if card["fields_dropped_by_max_fields"]:
        facts["Fields left out"] = ", ".join(card["fields_dropped_by_max_fields"])
    if card["bag_lengths"]:
        caps = [f"{name} {length}" for name, length in card["bag_lengths"].items()]
        facts["Bags"] = f"bags keep their first N tokens: {', '.join(caps)}"
    if card["files"]:
        names = [f"{file['name']} (SHA-256 {file['sha256'][:12]}…)" for file in card["files"]]
        facts["Files"] = ", ".join(names)
    return facts
