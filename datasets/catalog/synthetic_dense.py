"""A generated log whose domains differ in level and in how much latent factors count."""

from __future__ import annotations

from datasets.worlds.production import PRODUCTION, production_spec
from datasets.worlds.world import World

WORLD = World(layout=PRODUCTION, mechanism="dense")
SPEC = production_spec(
    "synthetic_dense",
    "Domains differ in level and in how much each latent factor counts.",
)
