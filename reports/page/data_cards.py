"""Cards of the logs on the page: rows, domains, source, and whether a log is real."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from datasets.spec import SPLITS
from reports.look.table import number
from reports.reading.keys import Family
from reports.reading.load import Card, Runs
from reports.reading.names import data_title, joined

MOST_NAMED = 8  # features
MOST_DOMAINS = 15  # whose rows are shown
LEAST_SHARE = 0.001  # of values, that is named
SPLIT_HEADS = (
    "Split",
    "Rows",
    "Clicks",
    "Click rate",
    "Domains",
    "One-class domains",
    "From",
    "To",
)
SPLIT_WORDS = {
    "time": "by time: the first four sixths of the log are train, the next sixth is dev, the"
    " last sixth test; rows with one timestamp stay together",
    "shuffle": "by a seeded shuffle, because the log has no timestamp: four sixths are train,"
    " one sixth is dev, one sixth test; so nothing here tells how a model ages",
}


def data_cards(runs: Runs) -> list[dict[str, object]]:
    """One card per log of the plan, in its order; several draws are ranges of numbers."""
    return [_data(runs, family, logs) for family, logs in runs.families.items()]


def _data(runs: Runs, family: Family, logs: Mapping[int, str]) -> dict[str, object]:
    card = runs.card(next(iter(logs.values())))
    draws = runs.domains_by_draw(family)
    facts = {"Domain columns": joined(family.partition.split("+"))}
    if len(logs) > 1:
        facts["Draws"] = f"{', '.join(map(str, logs))}, each a log of its own"
    return {
        "heading": data_title(*family),
        "is_simulated": "ceiling" in card,
        "splits": {
            "heads": SPLIT_HEADS,
            "rows": [[*_split_row(draws, split), *_period(runs, logs, split)] for split in SPLITS],
        },
        "counts": _counts(card),
        "domains": None
        if "ceiling" in card
        else _largest_domains(runs.values_of_domains(next(iter(logs.values())), family), draws[0]),
        "facts": {**facts, **_facts(card, draws)},
    }


def _range(texts: Iterable[str]) -> str:
    """The texts of the draws' numbers: the first and the last where they differ."""
    different = list(dict.fromkeys(texts))
    return " to ".join(different if len(different) == 1 else [different[0], different[-1]])


def _split_row(draws: Sequence[pd.DataFrame], split: str) -> list[str]:
    """Rows, clicks, their rate, domains and one-class domains of a split, ranges over the draws."""
    columns = zip(*(_split_numbers(domains, split) for domains in draws), strict=True)
    rates, *counts = (sorted(column) for column in columns)
    rows, clicks, *domains = (_range(f"{value:,.0f}" for value in values) for values in counts)
    percent = _range(number(100 * rate, 2) + "%" for rate in rates)
    return [split, rows, clicks, percent, *domains]


def _period(runs: Runs, logs: Mapping[int, str], split: str) -> list[str]:
    """The first and the last time of a split, of all draws; empty for a log without times."""
    ends = [runs.card(log)["times"].get(split, ["", ""]) for log in logs.values()]
    firsts, lasts = zip(*ends, strict=True)
    return [min(firsts), max(lasts)]


def _split_numbers(domains: pd.DataFrame, split: str) -> tuple[float, ...]:
    impressions, clicks = domains[f"{split}_impressions"], domains[f"{split}_clicks"]
    is_present = impressions > 0
    has_one_class = is_present & ((clicks == 0) | (clicks == impressions))
    rows, num_clicks = impressions.sum(), clicks.sum()
    return num_clicks / rows, rows, num_clicks, is_present.sum(), has_one_class.sum()


def _counts(card: Card) -> dict[str, object] | None:
    """The table of rows, users and items beside those that are published; none of a world."""
    if "ceiling" in card or "counts" not in card:
        return None
    published = card["published"]
    rows = []
    for part in card["counts"]:
        name = f"{part['what']} ({part['column']})" if part["column"] else part["what"]
        there = "not stated" if part["published"] is None else f"{part['published']:,}"
        rows.append([name, f"{part['here']:,}", *([there] if published else [])])
    heads = ["Of the log", "Here"]
    if not published:
        return {"heads": heads, "rows": rows, "remark": ""}
    return {
        "heads": [*heads, f"Published for {published['release']}"],
        "rows": rows,
        "remark": f"Check: {published['remark']}. Published: {published['citation']}.",
    }


def _largest_domains(values: pd.DataFrame, domains: pd.DataFrame) -> dict[str, object]:
    """The table of rows and clicks by split of the largest domains; `values` are theirs."""
    kinds = {"impressions": "rows", "clicks": "clicks"}
    counted = {f"{split}_{kind}": f"{split} {kinds[kind]}" for split in SPLITS for kind in kinds}
    rows = domains[[f"{split}_impressions" for split in SPLITS]].sum(axis="columns")
    largest = rows.sort_values(ascending=False, kind="stable").index[:MOST_DOMAINS]
    return {
        "summary": f"Rows and clicks of the {len(largest)} largest of {len(domains):,} domains",
        "heads": [*values, *counted.values()],
        "rows": [
            [
                *(value or "(missing)" for value in values.loc[place]),
                *(f"{count:,}" for count in domains.loc[place, [*counted]]),
            ]
            for place in largest
        ],
    }


def _domains_text(draws: Sequence[pd.DataFrame]) -> str:
    """The numbers of domains in all, in train, and new in test; ranges over the draws."""
    numbers = []
    for domains in draws:
        is_in_train = domains["train_impressions"] > 0
        is_new = ~is_in_train & (domains["test_impressions"] > 0)
        new_rows = domains.loc[is_new, "test_impressions"].sum()
        numbers.append((len(domains), is_in_train.sum(), is_new.sum(), new_rows))
    texts = [
        _range(f"{value:,}" for value in sorted(column)) for column in zip(*numbers, strict=True)
    ]
    return (
        f"{texts[0]} in all, {texts[1]} of them in train; {texts[2]} are new in test and hold"
        f" {texts[3]} of its rows"
    )


def _unseen_text(card: Card) -> str:
    """The features with the largest shares of values in test that train does not know."""
    shares = {name: unseen["test"] for name, unseen in card["unseen"].items()}
    shares = {name: share for name, share in shares.items() if share >= LEAST_SHARE}
    most = sorted(shares, key=lambda name: -shares[name])[:MOST_NAMED]
    named = ", ".join(f"{name} {number(100 * shares[name], 1)}%" for name in most)
    return (
        f"share of the values in test that train lacks: {named}"
        if named
        else f"less than {LEAST_SHARE:.1%} of any feature in test"
    )


def _facts(card: Card, draws: Sequence[pd.DataFrame]) -> dict[str, str]:
    facts = {
        "Label": f"column {card['label']}",
        "Source": card["source"],
        "Split": SPLIT_WORDS[card["split_kind"]],
        "Time column": card["timestamp"] or "none",
        "Domains": _domains_text(draws),
        "Unseen values": _unseen_text(card),
    }
    if lines := card.get("overlap_lines"):
        facts["Known from train"] = "; ".join(lines)
    if repeated := card["duplicate_rows"]:
        facts["Repeated rows"] = (
            f"{repeated:,} of the {card['rows_in_log']:,} rows of the log repeat an earlier one in"
            " all columns that are read; they are kept"
        )
    dropped = card["train_rows_dropped_by_cap"]
    if dropped:
        choice = "latest" if card["split_kind"] == "time" else "last shuffled"
        facts["Train cap"] = (
            f"the {draws[0]['train_impressions'].sum():,} {choice} train rows are kept;"
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
