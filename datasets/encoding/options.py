"""Changes that a run may make to a log before it is encoded."""

from __future__ import annotations

from dataclasses import dataclass

from datasets.spec import VARIANTS, DataError, DomainPartition, SplitVariant


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """Changes that a run may make to a log.

    `partition` replaces the spec's own, `max_fields` keeps the domain columns and the first other
    features, and `max_train_rows` keeps the latest train rows (the last ones of the shuffle without
    a timestamp); the earlier ones take no part in anything. `split_seed` drives the shuffle.

    `variant` splits a log that has times another way: "shuffled" are the same rows in a random
    order, split into the same sizes; a "cut" is a window of 80% of the rows in the order of time,
    from 0%, 10% or 20% of them on, split by time.

    Raises:
        DataError: a number is below 1, or the variant is none of `spec.VARIANTS`.
    """

    partition: DomainPartition | None = None
    max_fields: int | None = None
    max_train_rows: int | None = None
    split_seed: int = 0
    variant: SplitVariant | None = None

    def __post_init__(self) -> None:
        for name in ("max_fields", "max_train_rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DataError(f"{name} must be at least 1, got {value}")
        if self.variant not in (None, *VARIANTS):
            raise DataError(
                f"unknown split variant {self.variant!r}; allowed: {', '.join(VARIANTS)}"
            )
