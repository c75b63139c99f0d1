"""Layers that backbones and methods are built of."""
