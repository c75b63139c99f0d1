"""A generated log whose domains differ in level and in which latent factors count."""

from __future__ import annotations

from datasets.worlds.production import production_log

WORLD, SPEC = production_log(
    "synthetic_sparse",
    "sparse",
    "Domains differ in level and in which half of the latent factors counts.",
)
