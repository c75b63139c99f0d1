"""Reference models: what one would pick instead of a network."""
