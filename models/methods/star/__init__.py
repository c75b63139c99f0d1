"""STAR."""

from models.methods.star.method import METHOD

__all__ = ["METHOD"]
