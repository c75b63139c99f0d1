"""A generated log whose domains differ in level alone."""

from __future__ import annotations

from datasets.worlds.production import production_log

WORLD, SPEC = production_log(
    "synthetic_bias",
    "bias",
    "Domains differ in level alone.",
)
