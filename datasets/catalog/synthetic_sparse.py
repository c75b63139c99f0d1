"""A generated log whose domains differ in level and in which latent factors count."""

from __future__ import annotations

from datasets.worlds.production import PRODUCTION, production_spec
from datasets.worlds.world import World

WORLD = World(layout=PRODUCTION, mechanism="sparse")
SPEC = production_spec(
    "synthetic_sparse",
    "Domains differ in level and in which half of the latent factors counts.",
)
