"""What the owner of a log should know about it, as lines of text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datasets.profiling.partitions import Candidate
    from datasets.profiling.proposal import Proposal
    from datasets.profiling.timeformats import TimeColumn


def remarks(proposal: Proposal) -> Iterator[str]:
    """Line by line: rows, label, time, columns, partitions, and what looks wrong."""
    yield from _rows(proposal)
    yield from _label(proposal)
    yield from _time(proposal)
    yield from _columns(proposal)
    yield from _partitions(proposal)
    yield from _leaks(proposal)


def _rows(proposal: Proposal) -> Iterator[str]:
    profile, files = proposal.profile, proposal.files
    yield "files: " + ", ".join(str(table.path) for table in files.tables)
    yield f"rows: {profile.num_rows:,}; every line was read, missing values count over all of them"
    if not profile.is_whole:
        yield (
            f"  all else is from {len(profile.rows):,} rows, drawn at random from the whole log;"
            " distinct values are estimates over all rows, up to about 5% off"
        )
    if files.invented:
        yield "  the first line holds numbers, so it is taken for data; columns get invented names"
    if files.odd:
        yield (
            f"  not usable, as not every file has them or they are no text: {', '.join(files.odd)}"
        )
    if profile.duplicate_share:
        count = round(profile.duplicate_share * profile.num_rows)
        about = "" if profile.counts_all_duplicates else "about "
        yield (
            f"  duplicates: {about}{count:,} rows ({profile.duplicate_share:.2%}) repeat an earlier"
            " one in every column; they stay in the log"
        )


def _label(proposal: Proposal) -> Iterator[str]:
    label = proposal.label
    ones = f" ({', '.join(label.positive)} count as 1)" if label.positive else ""
    yield f"label: {label.name}{ones}, 1 in {label.base_rate:.2%} of the rows"
    if label.missing:
        yield (
            f"  {label.missing:,} rows have no label; preparing stops at the first of them: remove"
            " these lines"
        )
    for other in proposal.other_labels:
        yield f"  also has two values: {other.name}, 1 in {other.base_rate:.2%}"


def _time(proposal: Proposal) -> Iterator[str]:
    if proposal.time is None:
        yield "time: no column of times without gaps; a seeded shuffle will split the log"
    else:
        yield f"time: {_span(proposal.time)}"
    for other in proposal.other_times:
        gaps = proposal.profile.volumes[other.name].missing
        yield f"  also times: {_span(other)}" + (f", {gaps:,} missing" if gaps else "")


def _span(time: TimeColumn) -> str:
    order = "rows in its order" if time.is_sorted else "rows not in its order"
    either = f" (or {time.alternative})" if time.alternative else ""
    return f"{time.name}, {time.kind}{either}, {time.first} to {time.last}, {order}"


def _columns(proposal: Proposal) -> Iterator[str]:
    columns = (*proposal.features, *proposal.left_out)
    width = max(len("name"), *(len(column.name) for column in columns))
    yield "columns (AUC: of the column alone, on held-out rows):"
    yield f"  {'name':{width}}  {'kind':11} {'values':>11} {'missing':>8} {'AUC':>6}  remark"
    for column in columns:
        auc = "" if math.isnan(column.auc) else f"{column.auc:.3f}"
        remark = f"left out: {column.left_out}" if column.left_out else column.guess
        if column.lone_negative:
            remark = f"{remark}; -1 is its only negative value: does it mean missing?".strip("; ")
        yield (
            f"  {column.name:{width}}  {column.kind:11} {column.distinct:>11,}"
            f" {column.missing_share:>8.2%} {auc:>6}  {remark}"
        ).rstrip()


def _partitions(proposal: Proposal) -> Iterator[str]:
    names = {candidate: " x ".join(candidate.columns) for candidate in proposal.partitions}
    width = max(len("partition"), *map(len, names.values()))
    yield (
        "partitions (head, tail: domains that hold the first and the last 20% of the rows; spread:"
        " standard deviation of click rates between domains, chance taken off):"
    )
    yield (
        f"  {'partition':{width}}  {'domains':>8} {'head':>6} {'tail':>6} {'one class':>9}"
        f" {'spread':>7}"
    )
    for candidate, name in names.items():
        yield f"  {name:{width}}  {_skew(candidate)}" + (
            "  <- proposed" if candidate is proposal.partition else ""
        )


def _skew(candidate: Candidate) -> str:
    skew = candidate.skew
    return (
        f"{skew.num_domains:>8,} {skew.head:>6,} {skew.tail:>6,} {skew.one_class:>9,}"
        f" {candidate.spread:>7.4f}"
    )


def _leaks(proposal: Proposal) -> Iterator[str]:
    leaks = [column for column in proposal.left_out if column.left_out.startswith("LEAK?")]
    if all(math.isnan(column.auc) for column in (*proposal.features, *proposal.left_out)):
        yield "leaks: too few rows of one class to look for them; only names were read"
    if leaks:
        yield (
            "leaks: left out, as they seem to know the label:"
            f" {', '.join(column.name for column in leaks)}; put back what is known before the"
            " impression"
        )
    elif not all(math.isnan(column.auc) for column in proposal.features):
        yield "leaks: no column alone looks like one; columns that leak only jointly are not found"
