"""MAML."""

from models.methods.maml.method import METHOD

__all__ = ["METHOD"]
