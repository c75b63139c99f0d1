"""Native kernels for tables of rows on a CPU; without them torch does the same work."""
