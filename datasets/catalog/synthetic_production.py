"""A generated log of an advertising platform whose domains differ in several ways."""

from __future__ import annotations

from datasets.worlds.production import production_log

WORLD, SPEC = production_log(
    "synthetic_production",
    "mixture",
    "Domains differ in level, in which of the first two latent factors counts, and in how much each"
    " of the other two does.",
)
