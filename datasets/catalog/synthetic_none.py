"""A generated log whose domains do not differ."""

from __future__ import annotations

from datasets.worlds.production import PRODUCTION, production_spec
from datasets.worlds.world import World

WORLD = World(layout=PRODUCTION, mechanism="none")
SPEC = production_spec(
    "synthetic_none",
    "Domains do not differ: the probability does not depend on the domain columns.",
)
