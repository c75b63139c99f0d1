"""A generated log whose domains differ in level and in how much latent factors count."""

from __future__ import annotations

from datasets.worlds.production import production_log

WORLD, SPEC = production_log(
    "synthetic_dense",
    "dense",
    "Domains differ in level and in how much each latent factor counts.",
)
