"""The flags of a call, and what it prints instead of running."""
