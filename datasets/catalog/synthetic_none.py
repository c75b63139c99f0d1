"""A generated log whose domains do not differ."""

from __future__ import annotations

from datasets.worlds.production import production_log

WORLD, SPEC = production_log(
    "synthetic_none",
    "none",
    "Domains do not differ: the probability does not depend on the domain columns.",
)
