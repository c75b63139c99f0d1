"""Facts of a model and of its rows that both sides are told; standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Window = Literal["documented", "with_loader", "own_compute"]
WINDOWS: tuple[Window, ...] = get_args(Window)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerTask:
    """A model to train, and the rows to train it on.

    `rows` is a .npy file of int64: a code per field, those of the domain first, then the label.
    Each pass takes the next `rows_per_pass` of them.
    """

    model: str
    rows: str
    rows_per_pass: int
    batch_size: int
    field_sizes: tuple[int, ...]
    num_domain_fields: int
    embedding_dim: int
    hidden_dims: tuple[int, ...]

    @property
    def fields(self) -> list[str]:
        """A name per field."""
        return [f"field{index}" for index in range(len(self.field_sizes))]

    def span(self, index: int) -> slice:
        """The rows of a pass."""
        return slice(index * self.rows_per_pass, (index + 1) * self.rows_per_pass)

    def to_json(self) -> str:
        """The task on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> PeerTask:
        """The task of such a line."""
        values: dict[str, Any] = json.loads(line)
        for name in ("field_sizes", "hidden_dims"):
            values[name] = tuple(values[name])
        return cls(**values)
