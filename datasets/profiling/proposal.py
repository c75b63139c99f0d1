"""The proposal for an unknown log, the TOML file that it makes, and remarks for the owner."""

from __future__ import annotations

import glob
import itertools
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from datasets.catalog import available
from datasets.encoding.hindsight import hindsight_lines
from datasets.profiling.columns import Column, judge
from datasets.profiling.labels import Label, candidates_of, choose_label
from datasets.profiling.names import is_item, is_user
from datasets.profiling.partitions import Candidate, candidate_partitions, choose_partition
from datasets.profiling.timeformats import Doubt, TimeColumn, doubt_of, recognise, recognise_unnamed
from datasets.raw.folders import FolderTable, is_meant
from datasets.raw.packed import plain_file
from datasets.raw.tables import is_pattern
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from datasets.profiling.profile import LogFiles, LogProfile

LEAST_ENTITIES = 50  # fewer say little of how much users differ
MAX_BAG_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """All that a TOML file of a log says, and what else its owner should know.

    `cluster` is the column of users and `item` that of items, if one is evident. `features` are in
    the order of what each alone says about the label, domain columns first. `doubts` are columns
    that look like times.
    """

    files: LogFiles
    profile: LogProfile
    label: Label
    other_labels: tuple[Label, ...]
    time: TimeColumn | None
    other_times: tuple[TimeColumn, ...]
    doubts: tuple[Doubt, ...]
    cluster: Column | None
    item: Column | None
    features: tuple[Column, ...]
    left_out: tuple[Column, ...]
    partition: Candidate
    partitions: tuple[Candidate, ...]


def propose(files: LogFiles, profile: LogProfile, wanted_label: str | None) -> Proposal:
    """Judge every column of a log.

    Raises:
        DataError: no column can be the label, or none a domain column.
    """
    try:
        label = choose_label(profile, wanted_label)
    except DataError as error:
        if not files.layout.columns:
            raise
        raise DataError(f"{error} (invented names, as {files.layout.ground})") from None
    values = label.values_of(profile.rows)
    rows = profile.rows.filter(values.is_not_null())
    clicks = values.drop_nulls().to_numpy().astype(np.int64)
    times, doubts = _times(profile, label, files)
    time = next((time for time in times if not profile.volumes[time.name].missing), None)
    others = {other.name: other for other in times if other is not time}
    unsure = {doubt.name: doubt for doubt in doubts}
    columns = [
        judge(
            profile,
            name,
            rows,
            clicks,
            list_separator=files.bags.get(name),
            time=others.get(name) or unsure.get(name),
        )
        for name in files.shared
        if name != label.name and (time is None or name != time.name)
    ]
    kept = [column for column in columns if not column.left_out]
    if not kept:
        raise DataError("no column is left that could be a feature; a log needs one or more")
    partitions = candidate_partitions(rows, clicks, kept)
    partition = choose_partition(partitions)
    return Proposal(
        files=files,
        profile=profile,
        label=label,
        other_labels=tuple(other for other in candidates_of(profile) if other.name != label.name),
        time=time,
        other_times=tuple(others.values()),
        doubts=tuple(doubts),
        cluster=next((column for column in kept if _is_named(column, is_user)), None),
        item=next((column for column in kept if _is_named(column, is_item)), None),
        features=_in_order(kept, partition),
        left_out=tuple(column for column in columns if column.left_out),
        partition=partition,
        partitions=tuple(partitions),
    )


def _times(
    profile: LogProfile, label: Label, files: LogFiles
) -> tuple[list[TimeColumn], list[Doubt]]:
    """Columns of times, the best first, and those that only look like times."""
    names = [name for name in files.shared if name != label.name and name not in files.bags]
    if files.layout.columns:
        alone = recognise_unnamed([profile.rows[name] for name in names])
        if alone is not None:
            return [alone], []
    found = {name: recognise(profile.rows[name]) for name in names}
    times = [time for time in found.values() if time is not None]
    unsure = [doubt_of(profile.rows[name]) for name, time in found.items() if time is None]
    doubts = [doubt for doubt in unsure if doubt is not None]
    return sorted(times, key=lambda time: time.score, reverse=True), doubts


def _is_named(column: Column, is_entity: Callable[[str], bool]) -> bool:
    """True if a column holds users, or items, by its name, and enough of them."""
    is_categorical = column.kind == "categorical"
    return is_categorical and is_entity(column.name) and column.distinct >= LEAST_ENTITIES


def _in_order(columns: list[Column], partition: Candidate) -> tuple[Column, ...]:
    by_name = {column.name: column for column in columns}
    domain = [by_name[name] for name in partition.columns]
    others = [column for column in columns if column.name not in partition.columns]
    others.sort(key=lambda column: -np.nan_to_num(column.auc, nan=0.0))
    return (*domain, *others)


def toml_text(proposal: Proposal) -> str:
    """The whole file."""
    files = proposal.files
    name = log_name(files.paths, files.root)
    is_spread = {path.absolute().parent for path in files.paths} != {files.root}
    place = f"in the folder {files.root.name}" if is_spread else "beside the log"
    lines = [
        f"# Proposed from {_rows_used(proposal)}. What is marked `guess` deserves a look.",
        _plain(f"# Save it {place} as {name}.toml, then: run_all.py --data {name}.toml"),
        "",
        f"name = {quoted(name)}",
        f"files = {quoted(file_pattern(files.paths, files.root))}",
        *_text_layout(proposal),
        *_label_lines(proposal),
        *_timestamp(proposal),
        *_entities(proposal),
        *_partition(proposal),
        "",
        "# The domain columns, then the others by what each alone says about the label.",
        "features = [",
        *(f"  {_feature(column)}" for column in proposal.features),
        *(
            f"  # {quoted(column.name)},  # left out: {_plain(column.left_out)}"
            for column in proposal.left_out
        ),
        "]",
    ]
    return "\n".join(lines) + "\n"


def log_name(paths: Sequence[Path], root: Path) -> str:
    """A name for the log from what its files share, or of their folder; none of the catalog."""
    is_spread = len({path.parent for path in paths}) > 1
    stems = [root.name] if is_spread else [path.name.split(".")[0] for path in paths]
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", _shared_start(stems)).strip("_-") or "my_log"
    return f"{name}_log" if name in available() else name


def file_pattern(paths: Sequence[Path], root: Path) -> str | list[str]:
    """The name of one file; a pattern that matches several and no others there, or their names."""
    files = [path.absolute().relative_to(root) for path in paths]
    exact = [glob.escape(str(file)) for file in files]
    if len(files) == 1:
        return exact[0]
    names = sorted({file.name for file in files})
    start = _shared_start(names)
    end = _shared_start([name[len(start) :][::-1] for name in names])[::-1]
    name = glob.escape(names[0]) if len(names) == 1 else f"{glob.escape(start)}*{glob.escape(end)}"
    folders = [f"{glob.escape(part.partition('=')[0])}=*" for part in files[0].parts[:-1]]
    pattern = "/".join([*folders, name])
    matching = {path for path in root.glob(pattern) if is_meant(path, pattern)}
    return pattern if matching == {root / file for file in files} else exact


def _shared_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(letter for letter, _ in same)


def _rows_used(proposal: Proposal) -> str:
    profile, files = proposal.profile, proposal.files.tables
    where = files[0].path.name if len(files) == 1 else f"{len(files)} files"
    used = "all of them" if profile.is_whole else f"a random {len(profile.rows):,} of them"
    return _plain(f"the {profile.num_rows:,} rows of {where}, {used} looked at closely")


def _text_layout(proposal: Proposal) -> list[str]:
    lines, layout = [], proposal.files.layout
    if layout.separator != ",":
        lines.append(f"separator = {quoted(layout.separator)}")
    if not layout.quote:
        lines.append('quote = ""  # guess: quotes are plain characters, as every line fits so')
    if layout.numbered:
        lines.append("# guess: the first line is a header, though numbers are in it")
    if layout.columns:
        lines.append(
            f"columns = {quoted(list(layout.columns))}  # guess: the first line is data; rename"
            " them as you like, or remove this line if it is a header"
        )
    return lines


def _label_lines(proposal: Proposal) -> list[str]:
    label = proposal.label
    others = ", ".join(other.name for other in proposal.other_labels)
    remark = f"  # 1 in {label.base_rate:.2%} of the rows"
    remark += f"; other columns with two values: {_plain(others)}" if others else ""
    lines = [f"label = {quoted(label.name)}{remark}"]
    guess = f"  # guess: {_plain(label.guess)}" if label.guess else ""
    if label.positive:
        lines.append(f"positive = {quoted(list(label.positive))}{guess}")
    if label.positive_from is not None:
        lines.append(f"positive_from = {label.positive_from}{guess}")
    return lines


def _timestamp(proposal: Proposal) -> list[str]:
    time = proposal.time
    if time is None:
        return [f"# no timestamp: {_plain(_no_time(proposal))}; a seeded shuffle splits the log"]
    guess = f"guess: {time.guess}; " if time.guess else ""
    span = _plain(f"{time.kind}, {time.first} to {time.last}")
    lines = [f"timestamp = {quoted(time.name)}  # {guess}{span}"]
    if time.layout is not None:
        also = f"  # guess: {time.alternative} fits as well" if time.alternative else ""
        lines.append(f"timestamp_format = {quoted(time.layout)}{also}")
    return lines


def _no_time(proposal: Proposal) -> str:
    """The reason why there is no timestamp: columns that only look like one, rows by user."""
    gaps = " without gaps" if proposal.other_times else ""
    doubts = "".join(
        f"; {doubt.name} may be one ({doubt.reason}): if so, name it as timestamp, texts with their"
        " timestamp_format"
        for doubt in proposal.doubts
    )
    user = next(filter(proposal.profile.is_sorted_by, filter(is_user, proposal.files.shared)), None)
    order = f"; rows are sorted by {user}" if user else ""
    return f"no column of times{gaps}{doubts}{order}"


def _entities(proposal: Proposal) -> list[str]:
    found = {"cluster": (proposal.cluster, "users"), "item": (proposal.item, "items")}
    return [
        f"{key} = {quoted(column.name)}  # guess: {column.distinct:,} {whose}"
        for key, (column, whose) in found.items()
        if column is not None
    ]


def _partition(proposal: Proposal) -> list[str]:
    chosen = proposal.partition
    lines = [
        f"partition = {quoted(list(chosen.columns))}  # guess: {chosen.skew.num_domains:,} domains"
    ]
    if len(chosen.columns) > 1:
        lines.append(f"representative = {quoted(chosen.columns[0])}  # guess")
    return lines


def _feature(column: Column) -> str:
    parts = [f"name = {quoted(column.name)}"]
    if column.kind != "categorical":
        parts.append(f"kind = {quoted(column.kind)}")
    if column.kind == "bag":
        length = min(max(column.lengths, 1), MAX_BAG_LENGTH)
        parts += [f"separator = {quoted(column.separator)}", f"max_length = {length}"]
    if column.decimal:
        parts.append(f"decimal = {quoted(column.decimal)}")
    if column.missing_texts:
        parts.append(f"missing = {quoted(list(column.missing_texts))}")
    entry = f"{{ {', '.join(parts)} }}" if len(parts) > 1 else quoted(column.name)
    missing = f", {column.missing_share:.1%} missing" if column.missing_share else ""
    guess = f"; guess: {column.guess}" if column.guess else ""
    check = f"; CHECK: {column.check}" if column.check else ""
    return f"{entry},  # {column.distinct:,} values{missing}{guess}{check}"


def quoted(value: str | list[str]) -> str:
    """A TOML text or list of texts."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(text: str) -> str:
    """Text that can stand in a comment: no control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def remarks(proposal: Proposal) -> Iterator[str]:
    """Line by line: rows, label, time, columns, partitions, and what looks wrong."""
    parts = (
        _files(proposal.files),
        _rows(proposal),
        _pairs(proposal),
        _label(proposal),
        _time(proposal),
        _columns(proposal),
        _partitions(proposal),
        _leaks(proposal),
    )
    return map(_plain, itertools.chain(*parts))


def _files(files: LogFiles) -> Iterator[str]:
    yield "files: " + ", ".join(str(table.path) for table in files.tables)
    copies = {path: plain_file(path) for path in files.paths}
    yield from (
        f"  {path.name} is read from an unpacked copy, {copy}; delete it when done"
        for path, copy in copies.items()
        if copy != path
    )
    if files.empty:
        yield f"  left out, as without rows: {', '.join(map(str, files.empty))}"
    yield from _files_as_domains(files)
    if files.layout.columns:
        yield f"  {files.layout.ground}, so it is taken for data; columns get invented names"
    if files.layout.numbered:
        yield "  the first line is taken for a header: it holds numbers, but is unlike other lines"
    if files.layout.misfit:
        yield f"  quotes are taken for plain characters; otherwise, {files.layout.misfit}"
    for table in files.tables:
        if table.remark:
            yield f"  {table.remark}"


def _files_as_domains(files: LogFiles) -> Iterator[str]:
    """The way to a column of files, such as one for each country, that are no numbered parts."""
    stems = [path.name.partition(".")[0] for path in files.paths]
    start = len(_shared_start(stems))
    in_folders = any(isinstance(table, FolderTable) for table in files.tables)
    if len(stems) > 1 and not in_folders and all(stem[start:].isalpha() for stem in stems):
        yield (
            "  if each file is a domain, such as a country, put each into a folder of its own, such"
            f" as country={stems[0]}: the folder is read as a column"
        )


def _rows(proposal: Proposal) -> Iterator[str]:
    profile, files = proposal.profile, proposal.files
    yield f"rows: {profile.num_rows:,}; every line was read, missing values count over all of them"
    if not profile.is_whole:
        yield (
            f"  all else is from {len(profile.rows):,} rows, drawn at random from the whole log;"
            " distinct values are estimates over all rows, up to about 5% off"
        )
    yield from _odd(files)
    if profile.duplicate_share:
        count = round(profile.duplicate_share * profile.num_rows)
        about = "" if profile.counts_all_duplicates else "about "
        yield (
            f"  duplicates: {about}{count:,} rows ({profile.duplicate_share:.2%}) repeat an earlier"
            " one in every column; they stay in the log"
        )


def _pairs(proposal: Proposal) -> Iterator[str]:
    """The rows of the pairs of a user and an item; a sample would have too few repeated ones."""
    users, items, profile = proposal.cluster, proposal.item, proposal.profile
    if users is None or items is None or not profile.is_whole:
        return
    pairs = profile.rows[[users.name, items.name]].n_unique()
    repeated = profile.num_rows - pairs
    then = "; the data card counts which of them are in train and in test" if repeated else ""
    yield (
        f"  pairs: {pairs:,} of {users.name} and {items.name}; {repeated:,} rows"
        f" ({repeated / profile.num_rows:.2%}) repeat the pair of an earlier one{then}"
    )


def _odd(files: LogFiles) -> Iterator[str]:
    """The columns that cannot be used, by the reason."""
    by_reason: dict[str, list[str]] = {}
    for name in files.odd:
        if is_pattern(name):
            reason = "a name from ^ to $ is a pattern; rename it"
        elif all(name in table.columns for table in files.tables):
            reason = "of a type without a text, such as a map or bytes"
        else:
            reason = "not in every file"
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        yield f"  not usable: {', '.join(names)} ({reason})"


def _label(proposal: Proposal) -> Iterator[str]:
    label = proposal.label
    ones = f" ({', '.join(label.positive)} count as 1)" if label.positive else ""
    if label.positive_from is not None:
        ones = f" ({label.positive_from} and more count as 1)"
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
        yield f"time: {_no_time(proposal)}; a seeded shuffle will split the log"
    else:
        yield f"time: {_span(proposal.time)}"
    for other in proposal.other_times:
        gaps = proposal.profile.volumes[other.name].missing
        yield f"  also times: {_span(other)}" + (f", {gaps:,} missing" if gaps else "")


def _span(time: TimeColumn) -> str:
    either = f" (or {time.alternative})" if time.alternative else ""
    order = "rows in its order" if time.is_sorted else "rows not in its order"
    guess = " (a guess)" if time.guess else ""
    return f"{time.name}, {time.kind}{either}, {time.first} to {time.last}, {order}{guess}"


def _columns(proposal: Proposal) -> Iterator[str]:
    columns = (*proposal.features, *proposal.left_out)
    width = max(len("name"), *(len(column.name) for column in columns))
    yield "columns (AUC: of the column alone, on held-out rows):"
    yield f"  {'name':{width}}  {'kind':11} {'values':>11} {'missing':>8} {'AUC':>6}  remark"
    for column in columns:
        auc = "" if math.isnan(column.auc) else f"{column.auc:.3f}"
        remark = f"left out: {column.left_out}" if column.left_out else column.guess
        remark = "; ".join(filter(None, (remark, column.check and "CHECK (see below)")))
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
        skew = candidate.skew
        yield (
            f"  {name:{width}}  {skew.num_domains:>8,} {skew.head:>6,} {skew.tail:>6,}"
            f" {skew.one_class:>9,} {candidate.spread:>7.4f}"
        ) + ("  <- proposed" if candidate is proposal.partition else "")


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
    yield from hindsight_lines(column.name for column in proposal.features)
