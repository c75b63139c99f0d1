"""Puts together what is proposed for an unknown log: label, time, features and partition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from datasets.profiling.columns import Column, judge
from datasets.profiling.labels import Label, candidates_of, choose_label
from datasets.profiling.names import is_user
from datasets.profiling.partitions import Candidate, candidate_partitions, choose_partition
from datasets.profiling.timeformats import TimeColumn, recognise
from datasets.spec import DataError

if TYPE_CHECKING:
    from datasets.profiling.profile import LogProfile
    from datasets.profiling.sniff import LogFiles

LEAST_USERS = 50  # fewer say little of how much users differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """All that a TOML file of a log says, and what else its owner should know.

    `cluster` is the column of users, if one is evident. `features` are in the order of what each
    alone says about the label, domain columns first.
    """

    files: LogFiles
    profile: LogProfile
    label: Label
    other_labels: tuple[Label, ...]
    time: TimeColumn | None
    other_times: tuple[TimeColumn, ...]
    cluster: Column | None
    features: tuple[Column, ...]
    left_out: tuple[Column, ...]
    partition: Candidate
    partitions: tuple[Candidate, ...]

    @property
    def missing_texts(self) -> tuple[str, ...]:
        """Texts that stand for a missing number."""
        return tuple(sorted({text for column in self.features for text in column.missing_texts}))


def propose(files: LogFiles, profile: LogProfile, wanted_label: str | None) -> Proposal:
    """Judge every column of a log.

    Raises:
        DataError: no column can be the label, or none a domain column.
    """
    label = choose_label(profile, wanted_label)
    values = label.values_of(profile.rows)
    rows = profile.rows.filter(values.is_not_null())
    clicks = values.drop_nulls().to_numpy().astype(np.int64)
    times = _times(profile, label, files)
    time = next((time for time in times if not profile.volumes[time.name].missing), None)
    others = {other.name: other for other in times if other is not time}
    columns = [
        judge(
            profile,
            name,
            rows,
            clicks,
            is_bag=name in files.bags,
            time=others.get(name),
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
        cluster=next((column for column in kept if _is_cluster(column)), None),
        features=_in_order(kept, partition),
        left_out=tuple(column for column in columns if column.left_out),
        partition=partition,
        partitions=tuple(partitions),
    )


def _times(profile: LogProfile, label: Label, files: LogFiles) -> list[TimeColumn]:
    """Columns of times, the best first."""
    names = [name for name in files.shared if name != label.name and name not in files.bags]
    found = [recognise(profile.rows[name]) for name in names]
    times = [time for time in found if time is not None]
    return sorted(times, key=lambda time: time.score, reverse=True)


def _is_cluster(column: Column) -> bool:
    """Whether a column holds users by its name, and enough of them."""
    is_categorical = column.kind == "categorical"
    return is_categorical and is_user(column.name) and column.distinct >= LEAST_USERS


def _in_order(columns: list[Column], partition: Candidate) -> tuple[Column, ...]:
    by_name = {column.name: column for column in columns}
    domain = [by_name[name] for name in partition.columns]
    others = [column for column in columns if column.name not in partition.columns]
    others.sort(key=lambda column: -np.nan_to_num(column.auc, nan=0.0))
    return (*domain, *others)
