"""Recomputes what a store says of itself from the files that it says it of."""
