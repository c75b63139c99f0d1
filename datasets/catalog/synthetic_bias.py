"""A generated log whose domains differ in level alone."""

from __future__ import annotations

from datasets.worlds.production import PRODUCTION, production_spec
from datasets.worlds.world import World

WORLD = World(layout=PRODUCTION, mechanism="bias")
SPEC = production_spec(
    "synthetic_bias",
    "Domains differ in level alone.",
)
