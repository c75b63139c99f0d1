"""AdaSparse."""

from models.methods.adasparse.method import METHOD

__all__ = ["METHOD"]
