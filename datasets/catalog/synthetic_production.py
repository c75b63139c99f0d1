"""A generated log of an advertising platform whose domains differ in several ways."""

from __future__ import annotations

from datasets.worlds.production import PRODUCTION, production_spec
from datasets.worlds.world import World

WORLD = World(layout=PRODUCTION, mechanism="mixture")
SPEC = production_spec(
    "synthetic_production",
    "Domains differ in level, in which of the first two latent factors counts, and in how much each"
    " of the other two does.",
)
